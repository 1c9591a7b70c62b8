// Clipping of each parameter's gradient by a norm of its own; on CUDA as on the CPU.
#include <gtest/gtest.h>

#include <cmath>

#include "tensor/check.h"
#include "tensor/ops.h"
#include "tests/layers/numbers.h"
#include "tests/train/leaf.h"
#include "train/optimizer.h"

namespace gadolin {
namespace {

using test::leaf;

void give_each(const Tensor& parameter, const std::vector<double>& gradient) {
  parameter.set_grad(tensor(gradient, parameter.shape(), parameter.dtype()));
}

// Each parameter by a norm of its own, over several blocks too; the norm of all comes first.
TEST(Optimizer, ClipsByNormOfEach) {
  const Tensor a = leaf({0, 0}), b = leaf({0}), empty = leaf({}), small = leaf({0.0}),
               big = leaf(std::vector<double>(300 * 300, 0));
  OptimizerOptions o;
  o.lr = 1;
  o.clip_each_norm = 1;
  Optimizer optimizer({{"a", a}, {"empty", empty}, {"b", b}, {"small", small}, {"big", big}}, o);
  give_each(a, {3, 4});
  give_each(b, {-12});
  give_each(small, {0.25});
  give_each(empty, {});
  give_each(big, std::vector<double>(300 * 300, 0.5));  // the norm is 150
  optimizer.step();
  expect_close(a, {-0.6, -0.8}, 1e-15, "a");
  expect_close(b, {1}, 1e-15, "b");
  expect_close(small, {-0.25}, 0, "not clipped");
  expect_close(big, std::vector<double>(300 * 300, -0.5 / 150), 1e-15, "big");
  EXPECT_NEAR(optimizer.gradient_norm(), std::sqrt(25 + 144 + 0.0625 + 150 * 150), 1e-10);
  give_each(b, {std::nan("")});
  optimizer.step();
  EXPECT_TRUE(optimizer.last_step_skipped());
  expect_close(a, {-0.6, -0.8}, 1e-15, "a, in a step that was skipped");

  o.clip_norm = 10;
  o.clip_each_norm = 4;
  const Tensor c = leaf({0, 0}), d = leaf({0});
  Optimizer both({{"c", c}, {"d", d}}, o, {4});
  give_each(c, {4 * 12, 4 * 9});  // with the scale; 15 and 20, of all 25
  give_each(d, {4 * 20});
  both.step();
  expect_close(c, {-12 * 4 / 15.0, -9 * 4 / 15.0}, 1e-12, "c");
  expect_close(d, {-4}, 1e-12, "d");
}

TEST(Optimizer, ClipsOnCudaAsOnTheCpu) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  std::vector<std::vector<float>> found;
  for (const Device device : {cpu, cuda}) {
    std::vector<Parameter> parameters;
    for (const std::int64_t n : {3, 40000, 1, 16385})
      parameters.push_back({cat("w", n), rand({n}, 1, 0).to(device).requires_grad_()});
    OptimizerOptions o;
    o.lr = 1;
    o.clip_norm = 50;
    o.clip_each_norm = 1;
    Optimizer optimizer(parameters, o);
    for (const Parameter& p : parameters) p.tensor.set_grad(rand({p.tensor.numel()}, 2, 0).to(device));
    optimizer.step();
    for (const Parameter& p : parameters) found.push_back(p.tensor.to(cpu).to_vector<float>());
  }
  for (std::size_t i = 0; i < 4; ++i) {
    ASSERT_EQ(found[i].size(), found[i + 4].size());
    for (std::size_t j = 0; j < found[i].size(); ++j) EXPECT_NEAR(found[i][j], found[i + 4][j], 1e-6) << i;
  }
}

}  // namespace
}  // namespace gadolin
