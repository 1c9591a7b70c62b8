// The batch norms' CUDA kernels against the kernels of the CPU: wide and narrow accesses, slices of channels,
// several slabs and shares of rows.
#ifdef GADOLIN_CUDA
#include <gtest/gtest.h>

#include "layers/norm_function.h"
#include "tensor/ops.h"
#include "tests/distance.h"

namespace gadolin {
namespace {

using detail::NormPass;
using detail::NormSide;

double apart(const Tensor& a, const Tensor& b) {
  if (a.defined() != b.defined()) return std::nan("");
  test::Largest most;
  if (!a.defined()) return 0;
  const std::vector<double> x = a.to_vector<double>(), y = b.to_vector<double>();
  for (std::size_t i = 0; i < x.size(); ++i) most.see(std::abs(x[i] - y[i]) / (1 + std::abs(y[i])));
  return most.value();
}

struct NormSample {
  Device device;
  DType dtype;
  Shape shape;
  std::int64_t extra;  // channels around a slice
  std::int64_t channels() const { return shape[1]; }
  std::int64_t rows() const { return shape.numel() / channels(); }
  DType parameters() const { return dtype == DType::fp64 ? DType::fp64 : DType::fp32; }
  double limit() const {
    return dtype == DType::fp64 ? 1e-12 : dtype == DType::fp32 ? 3e-5 : 0.01;
  }                                                                         // of elements
  double sum_limit() const { return dtype == DType::fp64 ? 1e-11 : 2e-4; }  // of sums
  Tensor data(std::uint64_t stream) const {
    Shape wide = shape;
    wide[1] += extra;
    const Tensor t = add(mul(rand(wide, 5, stream), 4.0), -2.0)
                         .to(dtype)
                         .contiguous(wide.dim() == 4 ? MemoryFormat::channels_last : MemoryFormat::contiguous)
                         .to(device);
    return t.slice(1, extra / 2, extra / 2 + shape[1]);
  }
  Tensor parameter(std::uint64_t stream) const {
    return add(rand({channels()}, 6, stream), 0.5).to(parameters()).to(device);
  }
  Tensor zeros_of() const { return zeros({channels()}, parameters(), device); }
  NormSample on(Device other) const {
    NormSample moved = *this;
    moved.device = other;
    return moved;
  }
};
std::vector<NormSample> norm_samples() {
  std::vector<NormSample> all;
  for (const DType dtype : {DType::fp32, DType::bf16, DType::fp64}) {
    for (const std::int64_t extra : {0, 16, 6}) {
      if (dtype == DType::fp64 && extra > 0) continue;
      all.push_back({cpu, dtype, {2, 16, 5, 7}, extra});
      all.push_back({cpu, dtype, {3, 13, 4, 5}, extra});
    }
    all.push_back({cpu, dtype, {40, 24}, 0});
    all.push_back({cpu, dtype, {2, 3, 60, 60}, 0});  // shares of the rows
    all.push_back({cpu, dtype, {2, 300, 3, 3}, 0});  // slabs, the last one not full
    if (dtype == DType::fp32) all.push_back({cpu, dtype, {4, 264, 30, 10}, 0});  // both
    all.push_back({cpu, dtype, {1, 8, 1, 2}, 0});
  }
  return all;
}

#define GADOLIN_TRACE(s) SCOPED_TRACE(cat(s.dtype, " ", s.shape, " +", s.extra))

TEST(NormKernels, Statistics) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  for (const NormSample& s : norm_samples()) {
    GADOLIN_TRACE(s);
    detail::BatchNormFunction f[2];
    ChannelStatistics batch[2];
    for (int i = 0; i < 2; ++i) {
      const NormSample t = s.on(i ? cuda : cpu);
      const Tensor x = t.data(1);
      detail::BatchNormFunction& g = f[i];
      g.options.training = true;
      g.running_mean = t.zeros_of();
      g.running_var = add(t.zeros_of(), 1.0);
      g.batches = zeros({}, DType::int64, t.device);
      g.begin(x, t.zeros_of());
      batch[i] = {t.zeros_of(), t.zeros_of()};
      on_device(t.device, [&](auto device) {
        for (int call = 0; call < 2; ++call) g.statistics(device, x);
        detail::batch_statistics(device, x, batch[i]);
      });
    }
    const double limit = std::min(s.limit(), 2e-5);
    EXPECT_LE(apart(f[1].mean, f[0].mean), limit);
    EXPECT_LE(apart(f[1].rstd, f[0].rstd), limit);
    EXPECT_LE(apart(f[1].running_mean, f[0].running_mean), limit);
    EXPECT_LE(apart(f[1].running_var, f[0].running_var), limit);
    EXPECT_EQ(f[1].batches.item<std::int64_t>(), 2);
    EXPECT_LE(apart(batch[1].mean, batch[0].mean), limit);
    EXPECT_LE(apart(batch[1].variance, batch[0].variance), limit);
  }
}

enum class Kind { norm, relu, sum, sum_relu, join, join_without_mask };
NormPass forward(const NormSample& s, Kind kind) {
  NormPass pass;
  pass.first = {s.parameter(1), s.parameter(2), s.parameter(3), add(s.parameter(4), -1.0), true};
  pass.x = s.data(1);
  pass.relu = kind != Kind::norm && kind != Kind::sum;
  if (kind >= Kind::sum) pass.other = s.data(2);
  if (kind >= Kind::join)
    pass.second = {s.parameter(5), s.parameter(6), s.parameter(7), add(s.parameter(8), -1.0), true};
  if (kind == Kind::sum_relu || kind == Kind::join)
    pass.mask = full({s.rows(), (s.channels() + 7) / 8}, 170, DType::uint8).to(s.device);
  pass.y = detail::empty_rows(pass.x);
  return pass;
}

TEST(NormKernels, Forward) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  for (const NormSample& s : norm_samples()) {
    GADOLIN_TRACE(s);
    for (const Kind kind :
         {Kind::norm, Kind::relu, Kind::sum, Kind::sum_relu, Kind::join, Kind::join_without_mask}) {
      const NormPass a = forward(s, kind), b = forward(s.on(cuda), kind);
      norm_forward(Cpu{}, a);
      on_device(cuda, [&](auto device) { norm_forward(device, b); });
      EXPECT_LE(apart(b.y, a.y), s.limit()) << static_cast<int>(kind);
      EXPECT_EQ(apart(b.mask, a.mask), 0) << static_cast<int>(kind);
    }
  }
}

// `wanted`: 1 the gradient of x, 2 added to what is there, 4 the addend's.
TEST(NormKernels, Backward) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  for (const NormSample& s : norm_samples()) {
    GADOLIN_TRACE(s);
    for (const Kind kind : {Kind::norm, Kind::relu, Kind::sum_relu, Kind::join}) {
      for (const int wanted : kind < Kind::sum_relu ? std::vector<int>{1, 3} : std::vector<int>{0, 4, 5, 7}) {
        if (s.shape.numel() > 20000 && wanted != 1 && wanted != 7) continue;
        NormPass pass[2];
        for (int i = 0; i < 2; ++i) {
          const NormSample t = s.on(i ? cuda : cpu);
          NormPass& p = pass[i] = forward(t, kind);
          on_device(t.device, [&](auto device) { norm_forward(device, p); });
          p.dy = t.data(3);
          if (kind != Kind::join) p.other = Tensor();
          p.second.training = wanted != 5;  // a frozen one
          p.adds = (wanted & 2) != 0;
          if (wanted & 1) p.dx = detail::as_rows(t.data(4)).clone();
          if (wanted & 4) p.dother = detail::empty_rows(p.x);
          for (NormSide* side : {&p.first, &p.second}) {
            if (wanted != 4) side->dweight = t.zeros_of();
            side->dbias = t.zeros_of();
            side->lines = zeros({2, s.channels()}, s.parameters(), t.device);
          }
          on_device(t.device, [&](auto device) { norm_backward(device, p); });
        }
        EXPECT_LE(apart(pass[1].dx, pass[0].dx), s.limit()) << static_cast<int>(kind) << wanted;
        EXPECT_LE(apart(pass[1].dother, pass[0].dother), s.limit()) << static_cast<int>(kind) << wanted;
        for (NormSide NormPass::*side : {&NormPass::first, &NormPass::second}) {
          EXPECT_LE(apart((pass[1].*side).dweight, (pass[0].*side).dweight), s.sum_limit())
              << static_cast<int>(kind) << wanted;
          EXPECT_LE(apart((pass[1].*side).dbias, (pass[0].*side).dbias), s.sum_limit())
              << static_cast<int>(kind) << wanted;
        }
      }
    }
  }
}

}  // namespace
}  // namespace gadolin
#endif
