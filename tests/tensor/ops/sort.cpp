// cumsum, sort and topk.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tensor/capture.h"
#include "tensor/ops.h"
#include "tests/op_spec.h"
#include "tests/tensor/special_values.h"

namespace gadolin {
namespace {

OpCase cumsum_case(const char* what, const Input& x, int dim) {
  return {.what = what,
          .inputs = {x},
          .f = [dim](const Inputs& in) { return cumsum(in[0], dim); },
          .reference =
              [dim](const Inputs& in) {
                return tabulate(in[0].shape(), [&](const Index& i) {
                  double sum = 0;
                  Index from = i;
                  for (std::int64_t& j = from[static_cast<std::size_t>(dim)] = 0;
                       j <= i[static_cast<std::size_t>(dim)]; ++j) {
                    sum += at(in[0], from);
                  }
                  return sum;
                });
              },
          .products = static_cast<int>(x.shape[dim])};
}
const bool cumsum_added = add_spec({
    .name = "cumsum",
    .f = [](const Inputs& in) { return cumsum(in[0], 0); },
    .cases =
        {
            cumsum_case("vector", shaped({9}), 0),
            cumsum_case("rows", shaped({3, 41}), 1),
            cumsum_case("columns", shaped({5, 4}), 0),
            cumsum_case("middle", shaped({2, 5, 3}), 1),
            cumsum_case("image channels", shaped({2, 3, 4, 5}), 1),
        },
    .integers = true,
    .twice = true,
});

// The first k values along `dim`, by std::stable_sort.
Reference sorted_reference(int dim, std::int64_t k, bool descending) {
  return [=](const Inputs& in) {
    Shape shape = in[0].shape();
    shape[dim] = k;
    return tabulate(shape, [&](const Index& i) {
      std::vector<double> slice;
      Index from = i;
      const std::size_t d = static_cast<std::size_t>(dim);
      for (from[d] = 0; from[d] < in[0].size(dim); ++from[d]) slice.push_back(at(in[0], from));
      std::stable_sort(slice.begin(), slice.end());
      if (descending) std::reverse(slice.begin(), slice.end());
      return slice[static_cast<std::size_t>(i[d])];
    });
  };
}
OpCase sort_case(const char* what, const Input& x, int dim, bool descending) {
  return {.what = what,
          .inputs = {x},
          .f = [=](const Inputs& in) { return sort(in[0], dim, descending).values; },
          .reference = sorted_reference(dim, x.shape[dim], descending),
          .expanded = false,  // equal numbers have no gradient of their own
          .empty = dim != 0,
          .batch_one = dim != 0};
}
OpCase topk_case(const char* what, const Input& x, std::int64_t k, int dim, bool largest) {
  return {.what = what,
          .inputs = {x},
          .f = [=](const Inputs& in) { return topk(in[0], k, dim, largest).values; },
          .reference = sorted_reference(dim, k, largest),
          .expanded = false,  // equal numbers have no gradient of their own
          .empty = dim != 0,
          .batch_one = dim != 0};
}

const bool sort_added = add_spec({
    .name = "sort",
    .f = [](const Inputs& in) { return sort(in[0]).values; },
    .cases =
        {
            sort_case("rows", shaped({3, 11}).distinct(), 1, false),
            sort_case("columns, falling", shaped({6, 3}).distinct(), 0, true),
            sort_case("middle", shaped({2, 8, 3}).distinct(), 1, true),
            sort_case("image channels", shaped({2, 5, 3, 4}).distinct(), 1, false),
        },
    .dtypes = all_types,
    .twice = true,
});
const bool topk_added = add_spec({
    .name = "topk",
    .f = [](const Inputs& in) { return topk(in[0], 2).values; },
    .cases =
        {
            topk_case("largest", shaped({3, 11}).distinct(), 4, 1, true),
            topk_case("smallest column", shaped({7, 2}).distinct(), 3, 0, false),
            topk_case("all", shaped({2, 5}).distinct(), 5, 1, true),
            topk_case("none", shaped({2, 5}).distinct(), 0, 1, true),
        },
    .errors = {{.inputs = {shaped({3, 5})},
                .message = "topk: k 6 is outside [0, 5], the size of dimension 1 of [3, 5]",
                .f = [](const Inputs& in) { return topk(in[0], 6, 1).values; }}},
    .dtypes = all_types,
    .twice = true,
});

using Positions = std::vector<std::int64_t>;

TEST(Sort, IsStableAndPutsNanLast) {
  std::vector<Device> devices{cpu};
  if (cuda_available()) devices.push_back(cuda);
  for (const Device device : devices) {
    const Tensor x = tensor({2, nan, 1, -inf, 2, 1, nan, inf, -0.0, 0.0}, {10}, DType::fp32, device);
    EXPECT_EQ(sort(x).indices.to_vector<std::int64_t>(), (Positions{3, 8, 9, 2, 5, 0, 4, 7, 1, 6}));
    EXPECT_EQ(sort(x, 0, true).indices.to_vector<std::int64_t>(), (Positions{1, 6, 7, 0, 4, 2, 5, 8, 9, 3}));
    EXPECT_EQ(topk(x, 3).indices.to_vector<std::int64_t>(), (Positions{1, 6, 7}));
    EXPECT_EQ(topk(x, 2, 0, false).indices.to_vector<std::int64_t>(), (Positions{3, 8}));
  }
}

void expect_stable_order(std::int64_t n, Device device) {
  std::vector<double> values;
  for (double u : rand({n}, 7, static_cast<std::uint64_t>(n)).to_vector<double>())
    values.push_back(std::floor(8 * u));
  Positions want(static_cast<std::size_t>(n));
  std::iota(want.begin(), want.end(), 0);
  std::stable_sort(want.begin(), want.end(), [&](std::int64_t a, std::int64_t b) {
    return values[static_cast<std::size_t>(a)] < values[static_cast<std::size_t>(b)];
  });
  const Tensor x = tensor(values, {n}, DType::fp32, device);
  EXPECT_EQ(sort(x).indices.to_vector<std::int64_t>(), want) << n;
}
TEST(Sort, EveryLengthGivesTheOrderOfStableSort) {
  for (std::int64_t n = 1; n < 70; ++n) expect_stable_order(n, cpu);
}
// A network in a block's shared memory up to 2048, beyond it CUB's radix sort.
TEST(Sort, CudaEveryLengthGivesTheOrderOfStableSort) {
  if (!cuda_available()) GTEST_SKIP() << "for a GPU";
  for (std::int64_t n : {1, 2, 3, 31, 32, 33, 64, 69, 1025, 2047, 2048, 2049, 9000})
    expect_stable_order(n, cuda);
}

// As [3, n] with dimension 1, or [n, 3] with dimension 0: many equal numbers, infinity, NaN and both zeros.
Tensor long_slices(DType dtype, std::int64_t n, int dim) {
  std::vector<double> values;
  for (double u : rand({3 * n}, 7, static_cast<std::uint64_t>(n)).to_vector<double>())
    values.push_back(std::floor(2000 * u) - 1000);
  if (is_floating(dtype))
    for (std::size_t i = 0; i < values.size(); i += 9)
      values[i] = std::vector{nan, inf, -inf, -0.0, 0.0}[i / 9 % 5];
  return tensor(values, dim == 1 ? Shape{3, n} : Shape{n, 3}, dtype);
}
TEST(Sort, CudaLongSlicesHaveTheOrderOfTheCpu) {
  if (!cuda_available()) GTEST_SKIP() << "for a GPU";
  for (const DType dtype : all_types) {
    for (const int dim : {0, 1}) {
      const Tensor x = long_slices(dtype, 2100, dim), there = x.to(cuda);
      const auto same = [&](const Sorted& a, const Sorted& b) {
        EXPECT_EQ(a.indices.to_vector<std::int64_t>(), b.indices.to_vector<std::int64_t>())
            << name_of(dtype) << ' ' << dim;
      };
      same(sort(there, dim, false), sort(x, dim, false));
      same(sort(there, dim, true), sort(x, dim, true));
      same(topk(there, 3, dim), topk(x, 3, dim));
    }
  }
}
TEST(Sort, CudaLongSlicesStandInARecording) {
  if (!cuda_available()) GTEST_SKIP() << "for a GPU";
  CapturedStep step([](const std::vector<Tensor>& in) { return sort(in[0], 1).indices; });
  for (std::int64_t turn = 0; turn < 4; ++turn) {
    const Tensor x = rand({3, 2100}, 5, static_cast<std::uint64_t>(turn));
    EXPECT_EQ(step({x.to(cuda)}).to_vector<std::int64_t>(), sort(x, 1).indices.to_vector<std::int64_t>());
  }
  EXPECT_TRUE(step.replayed());
}

TEST(Cumsum, LongRowsKeepTheirPrecision) {
  const std::int64_t n = 100'000;
  EXPECT_EQ(cumsum(full({n}, 0.1), 0).slice(0, n - 1, n).item(),
            static_cast<double>(static_cast<float>(static_cast<double>(0.1f) * n)));
  if (cuda_available()) {
    const double last = cumsum(full({n}, 0.1, DType::fp32, cuda), 0).slice(0, n - 1, n).item();
    EXPECT_LE(std::abs(last - static_cast<double>(0.1f) * n), 1e-3);
  }
}

}  // namespace
}  // namespace gadolin
