// Convolutions as a CUDA device runs them, through cuDNN, against the CPU: every epilogue, slices of
// channels, gradients that are added to what is there; by the engines that heuristics prefer and by measured
// ones.
#ifdef GADOLIN_CUDA
#include <gtest/gtest.h>

#include <cstdlib>

#include "layers/conv_function.h"
#include "layers/cudnn_plans.h"
#include "tests/layers/random_numbers.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using detail::Conv2dFunction;

struct DeviceConv {
  Shape x, w;
  Conv2dOptions options;
  DType dtype;
  double limit;
};
// Measuring clears a cache of 128 MB between two runs: few problems then.
std::vector<DeviceConv> device_convolutions(bool tuned) {
  std::vector<DeviceConv> all{{{2, 8, 5, 6}, {4, 8, 3, 3}, {.padding = 1}, DType::fp32, 1e-5}};
  if (tuned) {
    all[0].x[0] = 1;  // a problem that the others do not plan
    return all;
  }
  all.push_back(
      {{2, 8, 7, 6}, {12, 4, 3, 2}, {.stride = {2, 1}, .padding = {1, 0}, .groups = 2}, DType::fp32, 1e-5});
  all.push_back({{2, 16, 4, 5}, {8, 16, 1, 1}, {}, DType::bf16, 0.02});
  all.push_back({{3, 12, 4, 5}, {4, 12, 1, 1}, {}, DType::fp64, 1e-12});
  return all;
}

// On the device, between channels that hold 100.
Tensor device_slice(const Tensor& t) {
  const std::int64_t c = t.size(1);
  Tensor memory = full({t.size(0), 2 * c, t.size(2), t.size(3)}, 100, t.dtype())
                      .contiguous(MemoryFormat::channels_last)
                      .to(cuda);
  Tensor slice = memory.slice(1, c, 2 * c);
  slice.copy_(t.to(cuda));
  return slice;
}

class ConvOnDevice : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
    setenv("GADOLIN_CACHE_DIR", scratch_.path().c_str(), 0);
    set_convolution_tuning(tuned());
  }
  void TearDown() override { set_convolution_tuning(false); }
  bool tuned() const { return GetParam(); }
  static std::int64_t measured() {  // in this process, or an earlier one
    return convolution_plans().tuned + convolution_plans().from_database;
  }
  test::Scratch scratch_;
};

TEST_P(ConvOnDevice, ForwardWithEveryEpilogueFromSlicesIntoSlices) {
  const NoGrad no_grad;
  const std::int64_t before = measured();
  for (const DeviceConv& c : device_convolutions(tuned())) {
    const Tensor x = numbers(c.x, 1, c.dtype), w = numbers(c.w, 2, c.dtype),
                 b = numbers({c.w[0]}, 3, c.dtype);
    for (const int how : tuned() ? std::vector{0, 7} : std::vector{0, 1, 2, 3, 4, 5, 6, 7}) {
      const Tensor bias = how & 1 ? b : Tensor();  // bits: bias, addend, relu
      Tensor expected = conv2d(x, w, bias, c.options);
      ConvTail tail{.relu = (how & 4) != 0};
      const Tensor addend = how & 2 ? numbers(expected.shape(), 4, c.dtype) : Tensor();
      if (how & 2) expected = add(expected, addend), tail.addend = addend.to(cuda);
      if (tail.relu) expected = relu(expected);
      for (const int slices : {0, 1, 2, 3}) {  // bits: x, y
        Tensor y = empty(expected.shape(), c.dtype, cuda, MemoryFormat::channels_last);
        if (slices & 2) y = device_slice(zeros(expected.shape(), c.dtype));
        detail::conv_forward_problem(run_convolution, c.options, slices & 1 ? device_slice(x) : x.to(cuda),
                                     w.to(cuda), how & 1 ? bias.to(cuda) : Tensor(), tail, y);
        EXPECT_LE(worst(y.to(cpu), expected), c.limit) << name_of(c.dtype) << ' ' << how << ' ' << slices;
        if (!(slices & 2)) continue;
        const Tensor beside = y.view(y.shape(), y.strides(), y.offset() - y.size(1));
        EXPECT_EQ(worst(beside.to(cpu), full(y.shape(), 100, c.dtype)), 0) << how << ' ' << slices;
      }
    }
  }
  if (tuned()) {
    EXPECT_GT(measured(), before);
  }
}

TEST_P(ConvOnDevice, GradientsOfSlicesThatAreAdded) {
  const NoGrad no_grad;
  const std::int64_t before = measured();
  for (const DeviceConv& c : device_convolutions(tuned())) {
    const Tensor x = numbers(c.x, 1, c.dtype), w = numbers(c.w, 2, c.dtype);
    Conv2dFunction f{c.options, {}, {}};
    f.save(x, w, Tensor(), {});
    const Tensor dy = numbers(f.allocate(x, w, {}).shape(), 5, c.dtype), there = numbers(c.x, 6, c.dtype);
    const Grads expected = f.backward(Cpu{}, dy, {7});
    for (const int how : tuned() ? std::vector{0, 7} : std::vector{0, 1, 2, 3, 4, 5, 6, 7}) {
      Conv2dFunction g{c.options, {}, {}};  // bits: x a slice, dy a slice, a gradient so far
      g.save(how & 1 ? device_slice(x) : x.to(cuda), w.to(cuda), Tensor(), {});
      if (how & 4) g.into = how & 2 ? device_slice(there) : there.to(cuda);
      const Grads got =
          detail::conv_backward_problems(run_convolution, g, how & 2 ? device_slice(dy) : dy.to(cuda), {7});
      const bool added = g.into.defined() && got[0].same_as(g.into);
      EXPECT_LE(worst(got[0].to(cpu), added ? add(expected[0], there) : expected[0]), c.limit)
          << name_of(c.dtype) << ' ' << how;
      for (const std::size_t which : {1u, 2u})
        EXPECT_LE(worst(got[which].to(cpu), expected[which]), c.limit) << name_of(c.dtype) << ' ' << how;
    }
  }
  if (tuned()) {
    EXPECT_GT(measured(), before);
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, ConvOnDevice, testing::Bool(),
                         [](const auto& which) { return which.param ? "Measured" : "Preferred"; });

}  // namespace
}  // namespace gadolin
#endif
