// Softmax losses as the GPU runs them: a row shared by any number of lanes, lane by lane on the CPU, against
// a plain formula in fp64; rows that are ignored, out of range, infinite or NaN.
#include "layers/loss_rows.h"

#include <cmath>

#include "layers/loss.h"
#include "tensor/autograd.h"
#include "tensor/ops.h"
#include "tests/layers/numbers.h"

namespace gadolin {
namespace {

struct Options {
  double smoothing, gamma;
  bool weighted;
};
struct Result {
  std::vector<double> loss, weight, gradient;
};  // gradient of the sum of the losses

Result plain(const std::vector<double>& x, const std::vector<std::int64_t>& target,
             const std::vector<double>& w, const Options& o) {
  const std::size_t rows = target.size(), classes = x.size() / rows;
  Result r{std::vector<double>(rows), std::vector<double>(rows), std::vector<double>(x.size())};
  for (std::size_t n = 0; n < rows; ++n) {
    if (target[n] == -100) continue;
    const std::size_t t = static_cast<std::size_t>(target[n]);
    const double* row = x.data() + n * classes;
    double top = row[0], total = 0;
    for (std::size_t c = 0; c < classes; ++c) top = std::max(top, row[c]);
    for (std::size_t c = 0; c < classes; ++c) total += std::exp(row[c] - top);
    const auto share = [&](std::size_t c) {
      return w[c] * ((c == t ? 1 - o.smoothing : 0) + o.smoothing / static_cast<double>(classes));
    };
    const double p_t = std::exp(row[t] - top) / total, ce = -std::log(p_t),
                 power = std::pow(1 - p_t, o.gamma);
    double all = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      r.loss[n] += power * share(c) * (std::log(total) - (row[c] - top));
      all += share(c);
    }
    r.weight[n] = w[t];
    for (std::size_t c = 0; c < classes; ++c) {
      const double p = std::exp(row[c] - top) / total, truth = c == t ? 1 : 0;
      const double d_ce = all * p - share(c);  // without smoothing: w_t (p - truth)
      const double d_power = o.gamma > 0 ? -o.gamma * std::pow(1 - p_t, o.gamma - 1) * p_t * (truth - p) : 0;
      r.gradient[n * classes + c] = power * d_ce + d_power * w[t] * ce;
    }
  }
  return r;
}

template <class T, int V>
Result in_lanes(int lanes, const Tensor& x, const std::vector<std::int64_t>& target,
                const std::vector<double>& w, const Options& o) {
  using M = math_type<T>;
  const std::int64_t rows = x.size(0), classes = x.size(1);
  using G = typename detail::SoftmaxRow<T>::G;
  const Tensor gradient = full(x.shape(), NAN, dtype_of<G>);
  std::vector<M> weight(w.begin(), w.end()), loss(target.size(), M(NAN)), row_weight = loss;
  const detail::SoftmaxRow<T> row{classes,
                                  -100,
                                  static_cast<M>(o.smoothing),
                                  static_cast<M>(o.gamma),
                                  x.data<T>(),
                                  target.data(),
                                  o.weighted ? weight.data() : nullptr,
                                  gradient.data<G>(),
                                  loss.data(),
                                  row_weight.data()};
  for (std::int64_t n = 0; n < rows; ++n) {
    std::vector<detail::RowSums<M>> sums;
    for (int lane = 0; lane < lanes; ++lane) sums.push_back(row.template read<V>(n, lane, lanes));
    for (std::size_t distance = static_cast<std::size_t>(std::min(lanes, 32)) / 2; distance > 0;
         distance /= 2) {
      const auto before = sums;
      for (std::size_t lane = 0; lane < sums.size(); ++lane)
        sums[lane] = before[lane].merged(before[lane ^ distance]);
    }
    for (int lane = 0; lane < lanes; ++lane) {
      auto whole = sums[lanes > 32 ? 0 : static_cast<std::size_t>(lane)];
      for (int warp = 1; warp < lanes / 32; ++warp)
        whole = whole.merged(sums[static_cast<std::size_t>(warp) * 32]);
      row.template write<V>(n, whole, lane, lanes);
    }
  }
  return {{loss.begin(), loss.end()}, {row_weight.begin(), row_weight.end()}, gradient.to_vector<double>()};
}
void expect_near(const std::vector<double>& got, const std::vector<double>& want, double limit,
                 const std::string& what) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_TRUE(std::abs(got[i] - want[i]) <= limit * (1 + std::abs(want[i])))
        << what << ", " << i << ": " << got[i] << " for " << want[i];
  }
}
template <class T, int V> void compare_lanes(std::int64_t classes) {
  const Tensor x = ((rand({5, classes}, 41, 1) - 0.5) * 12.0).to(dtype_of<T>);
  const std::vector<double> numbers = x.to_vector<double>();
  std::vector<std::int64_t> target;
  for (const std::int64_t t : {0, 3, -100, 7, 1}) target.push_back(t < 0 ? t : t * 131 % classes);
  const double fine = sizeof(T) == 8 ? 1e-13 : 4e-6, rounded = sizeof(T) > 2 ? fine : 1.0 / 256;
  for (const Options& o : {Options{0, 0, false}, Options{0, 0, true}, Options{0.1, 0, false},
                           Options{0.2, 0, true}, Options{0, 2, true}, Options{0, 1.5, false}}) {
    std::vector<double> w(static_cast<std::size_t>(classes), 1);
    for (std::size_t c = 0; o.weighted && c < w.size(); ++c)
      w[c] = 0.25 * static_cast<double>(c % 7);  // exact in all types
    const Result want = plain(numbers, target, w, o);
    for (const int lanes : {1, 2, 8, 32, 128, 512}) {
      const std::string what = cat(name_of(x.dtype()), ", ", classes, " classes, ", lanes, " lanes of ", V,
                                   ", smoothing ", o.smoothing, ", gamma ", o.gamma);
      const Result got = in_lanes<T, V>(lanes, x, target, w, o);
      expect_near(got.loss, want.loss, fine, what + ", loss");
      expect_near(got.weight, want.weight, 0, what + ", weight");
      expect_near(got.gradient, want.gradient, rounded, what + ", gradient");
    }
  }
}
TEST(LossLanes, ShareARowInAnyNumber) {
  for (const std::int64_t classes : {1, 5, 37, 1000}) {
    compare_lanes<double, 1>(classes);
    compare_lanes<float, 1>(classes);
    compare_lanes<bfloat16, 1>(classes);
  }
  for (const std::int64_t classes : {8, 40, 1000}) {
    compare_lanes<double, 2>(classes);
    compare_lanes<float, 4>(classes);
    compare_lanes<bfloat16, 8>(classes);
    compare_lanes<float16, 8>(classes);
  }
}

TEST(LossLanes, GiveNaNWhereNothingElseIsTrue) {
  const double inf = INFINITY;
  for (const int lanes : {1, 4, 64}) {
    const Tensor x =
        tensor({0, NAN, 1, 2, 3, 1, -inf, 0, -inf, -inf, -inf, -inf, 1, 2, 3, 4, 0, inf, 0, 0}, {5, 4});
    const Result r = in_lanes<float, 1>(lanes, x, {0, 1, 2, 4, 0}, {}, {0, 0, false});
    EXPECT_TRUE(std::isnan(r.loss[0])) << "a NaN among the logits, " << lanes << " lanes";
    const double want = std::log(std::exp(3) + std::exp(1) + 1) - 1;
    EXPECT_TRUE(std::abs(r.loss[1] - want) < 1e-5) << r.loss[1] << " for " << want << " beside -inf";
    EXPECT_EQ(r.gradient[6], 0);
    EXPECT_TRUE(std::isnan(r.loss[2])) << "no logit above -inf";
    EXPECT_TRUE(std::isnan(r.loss[3]) && std::isnan(r.weight[3]) && std::isnan(r.gradient[12]))
        << "target out of range";
    EXPECT_TRUE(std::isnan(r.loss[4])) << "+inf";
  }
}
TEST(LossLanes, AreAsManyAsARowNeeds) {
  EXPECT_EQ(detail::lanes_for(0), 1);
  EXPECT_EQ(detail::lanes_for(1), 1);
  EXPECT_EQ(detail::lanes_for(3), 4);
  EXPECT_EQ(detail::lanes_for(33), 32);
  EXPECT_EQ(detail::lanes_for(125), 128);  // 1000 classes in bf16
  EXPECT_EQ(detail::lanes_for(5000), 512);
}

// --- the loss itself ---------------------------------------------------------------------------------------

TEST(CrossEntropy, OfIgnoredRowsOnlyIsNaNWithAGradientOfZeros) {
  const Tensor x = tensor({1, 2, -3, 0.5}, {2, 2}).requires_grad_();
  const Tensor loss = cross_entropy(x, tensor({-100, -100}, {2}, DType::int64));
  EXPECT_TRUE(std::isnan(loss.item()));
  loss.backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{0, 0, 0, 0}));
}
TEST(CrossEntropy, SixteenBitLogitsHaveSixteenBitGradients) {
  Tensor wide = (rand({6, 24}, 51, 1) * 8.0).to(DType::bf16).to(DType::fp32);
  const Tensor target = tensor({0, 5, 23, 7, -100, 2}, {6}, DType::int64);
  Tensor narrow = wide.to(DType::bf16), half = wide.to(DType::fp16);
  for (Tensor x : {wide, narrow, half}) x.requires_grad_();
  const Tensor want = cross_entropy(wide, target, {.label_smoothing = 0.1});
  want.backward();
  for (const Tensor& x : {narrow, half}) {
    const Tensor loss = cross_entropy(x, target, {.label_smoothing = 0.1});
    EXPECT_EQ(loss.dtype(), DType::fp32);
    EXPECT_EQ(loss.item(), want.item());  // the same numbers, widened
    (loss * 1024.0).backward();
    EXPECT_EQ(x.grad().dtype(), x.dtype());
    expect_close(x.grad().to(DType::fp32) * (1 / 1024.0), wide.grad().to_vector<double>(), 1.0 / 512,
                 "gradient");
  }
}
// A probability of 1.5e-8 is 0 in fp16, and 1e-3 once the loss is scaled.
TEST(CrossEntropy, SmallGradientsInFp16LiveUntilTheLossIsScaled) {
  for (const Device device : cuda_available() ? std::vector<Device>{cpu, cuda} : std::vector<Device>{cpu}) {
    for (const std::int64_t classes : {3, 8}) {  // one by one, and in packs
      std::vector<double> logits(static_cast<std::size_t>(classes), -18);
      logits[0] = 0;
      const Tensor x = tensor(logits, {1, classes}, DType::fp16, device).requires_grad_();
      (cross_entropy(x, tensor({0}, {1}, DType::int64, device)) * 65536.0).backward();
      const std::vector<double> got = x.grad().to_vector<double>();
      const double want = 65536 * std::exp(-18);
      for (std::size_t c = 1; c < got.size(); ++c)
        EXPECT_TRUE(std::abs(got[c] - want) <= want / 512)
            << got[c] << " for " << want << " on " << cat(device);
    }
  }
}
TEST(CrossEntropy, MayBeWalkedTwiceAndNeedsNoTape) {
  Tensor x = (rand({4, 3}, 61, 1) * 4.0).detach();
  const Tensor target = tensor({0, 2, 1, 1}, {4}, DType::int64);
  const double without = cross_entropy(x, target).item();
  x.requires_grad_();
  const Tensor loss = cross_entropy(x, target);
  EXPECT_EQ(loss.item(), without);
  BackwardOptions keep;
  keep.keep_graph = true;
  loss.backward(ones({}), keep);
  const std::vector<double> once = x.grad().to_vector<double>();
  loss.backward();
  const std::vector<double> twice = x.grad().to_vector<double>();
  for (std::size_t i = 0; i < once.size(); ++i)
    EXPECT_TRUE(std::abs(twice[i] - 2 * once[i]) < 1e-7) << twice[i];
}
// exp(10000) overflows; a sum that is not taken relative to the largest logit does as well.
TEST(CrossEntropy, IsTheSameFarFrom0) {
  const Tensor x = tensor({0, 1, 2, 3, -1, 4}, {2, 3}), target = tensor({0, 2}, {2}, DType::int64);
  const double near = cross_entropy(x, target, {.label_smoothing = 0.1}).item();
  const double far = cross_entropy(x + 16384.0, target, {.label_smoothing = 0.1}).item();
  EXPECT_TRUE(std::abs(far - near) < 1e-6) << far << " for " << near;
}

}  // namespace
}  // namespace gadolin
