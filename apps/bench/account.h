// Sums over the launches of a recorded step: by name, at the ceilings of a GPU, and what fusions would save.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gadolin {

// Bytes and operations a second; `half` of fp16 and bf16 on tensor cores.
struct Gpu {
  std::string_view name;
  std::size_t memory;
  int multiprocessors;
  double bandwidth, half, tf32, fp32, fp64;
};

// One launch: kind is kernel, convolution, product, copy or fill; type that of the arithmetic of products.
struct Work {
  std::string kind, name, type;
  double flops = 0, read = 0, written = 0;  // bytes of device memory
};

struct Sum {
  std::int64_t launches = 0;
  double flops = 0, read = 0, written = 0, seconds = 0;
};
struct Account {
  Sum all;
  std::vector<std::pair<std::string, Sum>> by_name;  // most seconds first
};

// The larger of bytes over bandwidth and operations over their type's rate.
double seconds_at(const Work& w, const Gpu& gpu);
// Kernels by their function without types, convolutions by pass, products together.
Account account_of(const std::vector<Work>& work, const Gpu& gpu);

// What good implementations reach of the ceilings, and what a launch of a recording costs
// (docs/benchmarks.md).
inline constexpr double usual_bandwidth = 0.85, usual_arithmetic = 0.66, launch_seconds = 2e-6;
double expected_seconds(const std::vector<Work>& work, const Gpu& gpu);

struct Fusion {
  std::string name;
  Sum saved;  // at most: the launches that would not be
};
std::vector<Fusion> fusions_of(const std::vector<Work>& work, const Gpu& gpu);

// The kernel and what it computes, without types of elements: of "void gadolin::detail::flat_map_kernel<8,
// gadolin::ForwardOf<gadolin::(anonymous namespace)::Relu>, float, float>(...)" "flat_map_kernel: ForwardOf
// of Relu".
std::string short_name(const std::string& function);

}  // namespace gadolin
