// Initial values: moments, bounds, orthogonality, seeds, messages.
#include "layers/init.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tensor/ops.h"
#include "tensor/random.h"

namespace gadolin {
namespace {

struct Moments {
  double mean, deviation, smallest, largest;
};
Moments moments(const Tensor& t) {
  const std::vector<double> v = t.to_vector<double>();
  double m = 0, s = 0;
  for (double x : v) m += x / static_cast<double>(v.size());
  for (double x : v) s += (x - m) * (x - m) / static_cast<double>(v.size());
  return {m, std::sqrt(s), *std::min_element(v.begin(), v.end()), *std::max_element(v.begin(), v.end())};
}

const Shape filters{64, 32, 3, 3};  // fan in 288, fan out 576; 18432 values

// Within four standard errors of what the papers say.
void expect_normal(const Tensor& t, double deviation) {
  const Moments m = moments(t);
  EXPECT_NEAR(m.mean, 0, 4 * deviation / std::sqrt(18432.0));
  EXPECT_NEAR(m.deviation, deviation, 4 * deviation / std::sqrt(2 * 18432.0));
}
void expect_uniform(const Tensor& t, double bound) {
  const Moments m = moments(t);
  EXPECT_NEAR(m.deviation, bound / std::sqrt(3.0), 0.02 * bound);
  EXPECT_TRUE(m.smallest >= -bound && m.smallest < -0.99 * bound) << m.smallest;
  EXPECT_TRUE(m.largest <= bound && m.largest > 0.99 * bound) << m.largest;
}

TEST(Init, HasTheVarianceOfThePapers) {
  manual_seed(11);
  Tensor t = empty(filters);
  he_normal_(t);
  expect_normal(t, std::sqrt(2.0 / 288));
  he_normal_(t, Fan::out);
  expect_normal(t, std::sqrt(2.0 / 576));
  he_normal_(t, Fan::in, 1);
  expect_normal(t, std::sqrt(1.0 / 288));
  he_uniform_(t);
  expect_uniform(t, std::sqrt(6.0 / 288));
  glorot_normal_(t);
  expect_normal(t, std::sqrt(2.0 / 864));
  glorot_uniform_(t);
  expect_uniform(t, std::sqrt(6.0 / 864));
}

TEST(Init, CutsTheNormalAtTwoDeviations) {
  manual_seed(12);
  Tensor t = empty(filters);
  truncated_normal_(t, 1, 0.5);
  const Moments m = moments(t);
  EXPECT_TRUE(m.smallest >= 0 && m.smallest < 0.01) << m.smallest;
  EXPECT_TRUE(m.largest <= 2 && m.largest > 1.99) << m.largest;
  EXPECT_NEAR(m.mean, 1, 0.015);
  EXPECT_NEAR(m.deviation, 0.5 * 0.8796, 0.01);  // of the normal cut at two deviations
}

TEST(Init, MakesOrthonormalRowsOrColumns) {
  manual_seed(13);
  for (const Shape& shape : {Shape{5, 12}, Shape{12, 5}, Shape{6, 2, 3, 1}}) {
    Tensor t = empty(shape, DType::fp64);
    orthogonal_(t, 2);
    const Tensor m = t.reshape({shape[0], -1});
    const bool wide = m.size(0) <= m.size(1);
    const Tensor gram = wide ? matmul(m, m.transpose(0, 1)) : matmul(m.transpose(0, 1), m);
    for (std::int64_t i = 0; i < gram.size(0); ++i) {
      for (std::int64_t j = 0; j < gram.size(1); ++j) {
        EXPECT_NEAR(gram.select(0, i).select(0, j).item(), i == j ? 4 : 0, 1e-12);
      }
    }
  }
}

TEST(Init, DependsOnTheSeedOnly) {
  Tensor a = empty({4, 3}), b = empty({4, 3}, DType::fp32), c = empty({4, 3});
  manual_seed(5);
  normal_(a, 0, 1);
  normal_(c, 0, 1);
  manual_seed(5);
  normal_(b, 0, 1);
  EXPECT_EQ(a.to_vector<float>(), b.to_vector<float>());
  EXPECT_NE(a.to_vector<float>(), c.to_vector<float>());
}

// The same numbers at the same indices whatever the order in memory.
TEST(Init, DoesNotDependOnTheLayout) {
  Tensor rows = empty({4, 3, 2, 2}),
         last = empty({4, 3, 2, 2}, DType::fp32, cpu, MemoryFormat::channels_last);
  manual_seed(5);
  he_normal_(rows);
  manual_seed(5);
  he_normal_(last);
  EXPECT_EQ(rows.to_vector<float>(), last.to_vector<float>());
}

TEST(Init, RefusesVectors) {
  Tensor t = empty({4});
  const auto message = [&](auto init) {
    try {
      init();
    } catch (const ShapeError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(message([&] { he_normal_(t); }), "he_normal: [4] has no fan; it needs at least two dimensions");
  EXPECT_EQ(message([&] { he_uniform_(t); }), "he_uniform: [4] has no fan; it needs at least two dimensions");
  EXPECT_EQ(message([&] { glorot_normal_(t); }),
            "glorot_normal: [4] has no fan; it needs at least two dimensions");
  EXPECT_EQ(message([&] { glorot_uniform_(t); }),
            "glorot_uniform: [4] has no fan; it needs at least two dimensions");
  EXPECT_EQ(message([&] { orthogonal_(t); }),
            "orthogonal: [4] is no matrix; it needs at least two dimensions");
}

}  // namespace
}  // namespace gadolin
