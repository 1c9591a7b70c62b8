// softmax and log_softmax against their definition, far from 0 and in both orders of memory.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tensor/ops.h"
#include "tests/op_spec.h"
#include "tests/tensor/special_values.h"

namespace gadolin {
namespace {

Call call(bool log, int dim) {
  return [=](const Inputs& in) { return log ? log_softmax(in[0], dim) : softmax(in[0], dim); };
}
Reference reference(bool log, int dim) {
  return [=](const Inputs& in) {
    const Tensor& x = in[0];
    const std::size_t d = static_cast<std::size_t>(dim < 0 ? dim + x.dim() : dim);
    return tabulate(x.shape(), [&](const Index& i) {
      Index other = i;
      double top = -std::numeric_limits<double>::infinity(), sum = 0;
      for (other[d] = 0; other[d] < x.size(dim); ++other[d]) top = std::max(top, at(x, other));
      for (other[d] = 0; other[d] < x.size(dim); ++other[d]) sum += std::exp(at(x, other) - top);
      const double y = at(x, i) - top - std::log(sum);
      return log ? y : std::exp(y);
    });
  };
}
OpCase row_case(const char* what, const Input& x, bool log, int dim) {
  return {.what = what,
          .inputs = {x},
          .f = call(log, dim),
          .reference = reference(log, dim),
          .products = static_cast<int>(x.shape[dim])};
}
OpSpec spec(const char* name, bool log) {
  OpCase odd = row_case("far from 0", values({-800, -20, 0, 20, 800, 799}), log, 0);
  odd.gradients = false;
  return {
      .name = name,
      .f = call(log, 0),
      .reference = reference(log, 0),
      .cases =
          {
              row_case("rows", shaped({3, 37}), log, 1),
              row_case("short rows", shaped({5, 3}), log, -1),
              row_case("columns", shaped({5, 7}), log, 0),
              row_case("middle", shaped({2, 5, 67}), log, 1),
              row_case("image channels", shaped({2, 4, 3, 5}), log, 1),
              row_case("image rows", shaped({2, 3, 4, 5}), log, 2),
              row_case("one class", shaped({4, 1}), log, 1),
              odd,
          },
      .errors = {{.inputs = {shaped({3}, DType::int64)},
                  .message = std::string(name) + ": int64 is not supported; convert with .to(DType::fp32)"},
                 {.inputs = {shaped({3})},
                  .message = std::string(name) + ": dimension 1 is outside a tensor of 1 dimensions",
                  .f = call(log, 1)}},
  };
}

const bool softmax_added = add_spec(spec("softmax", false));
const bool log_softmax_added = add_spec(spec("log_softmax", true));

TEST(Softmax, KeepsNanAndMinusInfinity) {
  for (const DType dtype : {DType::fp32, DType::fp64}) {
    const auto masked = softmax(tensor({0, -inf, 0, -inf}, {4}, dtype), 0).to_vector<double>();
    EXPECT_EQ(masked, (std::vector<double>{0.5, 0, 0.5, 0}));
    for (double v : softmax(tensor({0, nan, 1}, {3}, dtype), 0).to_vector<double>())
      EXPECT_TRUE(std::isnan(v));
  }
}

TEST(Softmax, ChannelsLastStaysChannelsLast) {
  const Tensor x = rand({2, 5, 3, 4}, 1, 1).contiguous(MemoryFormat::channels_last);
  const Tensor y = softmax(x, 1);
  EXPECT_TRUE(y.is_channels_last());
  EXPECT_EQ(y.shape(), x.shape());
}

TEST(Softmax, SmallNumbersInFloat) {  // the vectorised exp over its whole range
  for (double low = 0; low > -90; low -= 0.37) {
    const auto y = softmax(tensor({0, low}, {2}), 0).to_vector<double>();
    const double x = static_cast<float>(low), want = std::exp(x) / (1 + std::exp(x));
    EXPECT_LE(std::abs(y[1] - want), 4e-7 * want + 1.2e-38) << low;
  }
}

}  // namespace
}  // namespace gadolin
