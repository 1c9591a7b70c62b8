// Batch normalisation: specs with and without ReLU and addend, running statistics, freezing, images of large
// mean.
#include "layers/norm.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tensor/cpu/parallel.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/distance.h"
#include "tests/layers/random_numbers.h"
#include "tests/op_spec.h"

namespace gadolin {
namespace {

// in: x, weight, bias, running mean, running variance and perhaps an addend. Works on copies of the running
// ones.
Call call(const BatchNormOptions& o) {
  return [o](const Inputs& in) {
    return batch_norm(in[0], parameter_of(in[1], in[0]), parameter_of(in[2], in[0]),
                      parameter_of(in[3], in[0]).clone(), parameter_of(in[4], in[0]).clone(), o,
                      in.size() > 5 ? in[5] : Tensor());
  };
}
Reference batch_norm_definition(const BatchNormOptions& o) {
  return [o](const Inputs& in) {
    const Tensor& x = in[0];
    const std::int64_t spots = x.dim() == 4 ? x.size(2) * x.size(3) : 1, channels = x.size(1),
                       n = x.size(0) * spots;
    const auto value = [&](std::int64_t c, std::int64_t i) {
      const std::int64_t image = i / spots, spot = i % spots;
      return x.dim() == 4 ? at(x, {image, c, spot / x.size(3), spot % x.size(3)}) : at(x, {image, c});
    };
    std::vector<double> mean, variance;
    for (std::int64_t c = 0; c < channels; ++c) {
      double m = 0, v = 0;
      for (std::int64_t i = 0; i < n; ++i) m += value(c, i) / static_cast<double>(n);
      for (std::int64_t i = 0; i < n; ++i)
        v += (value(c, i) - m) * (value(c, i) - m) / static_cast<double>(n);
      mean.push_back(o.training ? m : at(in[3], {c}));
      variance.push_back(o.training ? v : at(in[4], {c}));
    }
    return tabulate(x.shape(), [&](const Index& i) {
      const std::size_t c = static_cast<std::size_t>(i[1]);
      double y =
          at(in[1], {i[1]}) * (at(x, i) - mean[c]) / std::sqrt(variance[c] + o.eps) + at(in[2], {i[1]});
      if (in.size() > 5) y += at(in[5], i);
      return o.relu && y < 0 ? 0.0 : y;
    });
  };
}

OpCase norm_case(const std::string& what, const Shape& x, const BatchNormOptions& options,
                 bool addend = false) {
  const Shape c{x[1]};
  OpCase made;
  made.what = what;
  made.inputs = {shaped(x), shaped(c).between(0.5, 1.5), shaped(c), shaped(c).between(-0.5, 0.5).fixed(),
                 shaped(c).between(0.5, 2).fixed()};
  if (addend) made.inputs.push_back(shaped(x));
  made.f = call(options);
  made.reference = batch_norm_definition(options);
  made.products = 16;     // sums over the batch
  made.expanded = false;  // equal values have no variance
  made.batch_one = x.dim() == 4;
  return made;
}

const BatchNormOptions plain_training{.training = true}, running{},
    training_relu{.training = true, .relu = true}, running_relu{.relu = true};

const bool batch_norm_added = add_spec({
    .name = "batch_norm",
    .f = call(plain_training),
    .cases = {norm_case("training", {4, 3, 3, 5}, plain_training),
              norm_case("training, relu", {4, 5, 3, 4}, training_relu),
              norm_case("training, addend", {4, 8, 2, 3}, plain_training, true),
              norm_case("training, addend, relu", {3, 16, 2, 3}, training_relu, true),
              norm_case("training, vectors", {12, 3}, plain_training),
              norm_case("evaluation", {2, 3, 3, 4}, running),
              norm_case("evaluation, relu", {2, 8, 3, 4}, running_relu),
              norm_case("evaluation, addend, relu", {2, 8, 3, 4}, running_relu, true),
              norm_case("training, one channel", {5, 1, 4, 3}, plain_training)},
    .errors = {{.inputs = {shaped({2, 3, 4}), shaped({3}), shaped({3}), shaped({3}), shaped({3})},
                .message = "batch_norm: input [2, 3, 4] is neither [N, C, H, W] nor [N, C]"},
               {.inputs = {shaped({2, 3, 4, 4}), shaped({4}), shaped({3}), shaped({3}), shaped({3})},
                .message = "batch_norm: input [2, 3, 4, 4] has C=3, but a parameter has shape [4]"},
               {.inputs = {shaped({1, 3, 1, 1}), shaped({3}), shaped({3}), shaped({3}), shaped({3})},
                .message = "batch_norm: input [1, 3, 1, 1] has one value a channel, whose variance is 0; use "
                           "a larger batch or eval()"},
               {.inputs = {shaped({2, 3}), shaped({3}), shaped({3}), shaped({3}), shaped({3}),
                           shaped({2, 4})},
                .message = "batch_norm: addend [2, 4] is not of the input's shape [2, 3]"},
               {.inputs = {shaped({2, 3}), shaped({3}), shaped({3}), shaped({3}), shaped({3}),
                           shaped({2, 3}, DType::fp64)},
                .message = "batch_norm: addend is fp64, the input fp32"},
               {.inputs = {shaped({2, 3}, DType::int64), shaped({3}), shaped({3}), shaped({3}), shaped({3})},
                .message = "batch_norm: int64 is not supported; convert with .to(DType::fp32)"},
               {.inputs = {shaped({2, 3}), shaped({3}, DType::bf16), shaped({3}), shaped({3}), shaped({3})},
                .message = "batch_norm: input is fp32, so parameters must be fp32, not bf16",
                .f = [](const Inputs& in) { return batch_norm(in[0], in[1], in[2], in[3], in[4], {}); }},
               {.inputs = {shaped({2, 3}), shaped({3}), shaped({3}), shaped({3, 2}), shaped({3})},
                .message = "batch_norm: running statistics are changed in place and must be contiguous",
                .f =
                    [](const Inputs& in) {
                      return batch_norm(in[0], in[1], in[2], in[3].select(1, 0), in[4], {});
                    }}},
});

struct Numbers {
  double mean, variance;
};  // of channel c, in double; variance of the population
Numbers of_channel(const Tensor& x, std::int64_t c) {
  const std::vector<double> v = x.select(1, c).to_vector<double>();
  double m = 0, s = 0;
  for (double a : v) m += a / static_cast<double>(v.size());
  for (double a : v) s += (a - m) * (a - m) / static_cast<double>(v.size());
  return {m, s};
}

// Four batches of a module against the rule: the mean and the unbiased variance move by the momentum.
TEST(BatchNorm2dModule, MovesRunningStatistics) {
  BatchNorm2d norm(3, 1e-5, 0.25);
  double mean[3] = {0, 0, 0}, variance[3] = {1, 1, 1};
  manual_seed(5);
  for (int batch = 0; batch < 4; ++batch) {
    const Tensor x = randn({4, 3, 5, 6}) * 2.0 + 3.0;
    norm(x);
    for (int c = 0; c < 3; ++c) {
      const Numbers n = of_channel(x, c);
      mean[c] = 0.75 * mean[c] + 0.25 * n.mean;
      variance[c] = 0.75 * variance[c] + 0.25 * n.variance * 120 / 119;
    }
  }
  const std::vector<double> got_mean = norm.running_mean().to_vector<double>(),
                            got_var = norm.running_var().to_vector<double>();
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(got_mean[c], mean[c], 1e-5);
    EXPECT_NEAR(got_var[c], variance[c], 1e-5 * variance[c]);
  }
  const std::vector<Parameter> state = norm.state();
  ASSERT_EQ(state.size(), 5u);
  EXPECT_EQ(state[4].name, "num_batches_tracked");
  EXPECT_EQ(state[4].tensor.item<std::int64_t>(), 4);
}

TEST(BatchNorm2dModule, KeepsStatisticsInEvaluationAndWhenFrozen) {
  manual_seed(6);
  const Tensor x = randn({4, 2, 3, 3}) + 5.0;
  for (const bool freezes : {false, true}) {
    BatchNorm2d norm(2);
    norm(x);
    const std::vector<double> mean = norm.running_mean().to_vector<double>();
    norm.eval();
    const std::vector<double> evaluated = norm(x).to_vector<double>();
    if (freezes) {
      norm.freeze({""});
      norm.train();
    }
    EXPECT_EQ(norm(x).to_vector<double>(), evaluated);
    EXPECT_EQ(norm.running_mean().to_vector<double>(), mean);
    EXPECT_EQ(norm.state()[4].tensor.item<std::int64_t>(), 1);
    EXPECT_EQ(norm.weight().requires_grad(), !freezes);
  }
}

// CT slices: a mean of 1000 and a deviation of 0.5 leave nothing of E[x^2] - E[x]^2 in fp32.
TEST(BatchNorm2dModule, TakesImagesOfLargeMean) {
  manual_seed(7);
  const Tensor x = randn({2, 4, 48, 40}) * 0.5 + 1000.0;
  BatchNorm2d norm(4);
  const std::vector<double> y = norm(x).detach().to_vector<double>(), in = x.to_vector<double>();
  test::Largest worst;
  for (std::int64_t c = 0; c < 4; ++c) {
    const Numbers n = of_channel(x, c);
    for (std::int64_t image = 0; image < 2; ++image) {
      for (std::int64_t i = 0; i < 48 * 40; ++i) {
        const std::size_t k = static_cast<std::size_t>((image * 4 + c) * 48 * 40 + i);
        worst.see(std::abs(y[k] - (in[k] - n.mean) / std::sqrt(n.variance + 1e-5)));
      }
    }
  }
  EXPECT_TRUE(worst.value() < 5e-4) << worst.value();  // one ulp of the mean is 1.2e-4 deviations
}

// 1e4 +- 1 with a first pixel of 0, as in films with black corners: the shift is then the worst it can be.
TEST(BatchNorm2dModule, TakesImagesOfLargeMeanWithABlackCorner) {
  manual_seed(9);
  Tensor x = randn({2, 8, 31, 33}) + 1e4;
  for (const bool black : {false, true}) {
    if (black) x.select(0, 0).slice(1, 0, 1).slice(2, 0, 1).zero_();
    BatchNorm2d norm(8, 1e-5, 1);
    norm(x);
    const std::vector<double> mean = norm.running_mean().to_vector<double>(),
                              var = norm.running_var().to_vector<double>();
    for (std::int64_t c = 0; c < 8; ++c) {
      const Numbers n = of_channel(x, c);
      const double unbiased = n.variance * 2046 / 2045;
      EXPECT_NEAR(mean[static_cast<std::size_t>(c)], n.mean, 2e-3);  // two ulp
      EXPECT_NEAR(var[static_cast<std::size_t>(c)], unbiased, 1e-4 * unbiased) << "black " << black;
    }
  }
}

// Sums are cut into pieces by the shape, so the number of threads leaves no trace.
TEST(BatchNorm2dModule, DoesNotDependOnThreads) {
  manual_seed(8);
  const Tensor data = randn({4, 24, 40, 40}), cotangent = randn({4, 24, 40, 40});
  std::vector<std::vector<float>> results[2];
  for (const int threads : {1, 2}) {
    set_num_threads(threads);
    BatchNorm2d norm(24);
    Tensor x = data.clone();
    x.requires_grad_();
    const Tensor y = norm.relu(x);
    y.backward(cotangent);
    for (const Tensor& t :
         {y.detach(), x.grad(), norm.weight().grad(), norm.bias().grad(), norm.running_var()}) {
      results[threads - 1].push_back(t.to_vector<float>());
    }
  }
  set_num_threads(0);
  EXPECT_EQ(results[0], results[1]);
}

}  // namespace
}  // namespace gadolin
