// Specs of views and casts. A view's gradient is checked like any op's; that it shares the storage is checked
// here too.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/ops.h"
#include "tests/op_spec.h"
#include "tests/tensor/special_values.h"

namespace gadolin {
namespace {

using Where = std::function<Index(const Index&)>;
// y[i] = x[where(i)]
Reference reading(const Shape& shape, Where where) {
  return
      [=](const Inputs& in) { return tabulate(shape, [&](const Index& i) { return at(in[0], where(i)); }); };
}
Index row_major(std::int64_t flat, const Shape& shape) {
  Index index(static_cast<std::size_t>(shape.dim()));
  for (int d = shape.dim() - 1; d >= 0; --d) {
    index[static_cast<std::size_t>(d)] = flat % shape[d];
    flat /= shape[d];
  }
  return index;
}
Reference reshaped(const Shape& from, const Shape& to) {
  return reading(to, [=](const Index& i) {
    std::int64_t flat = 0;
    for (int d = 0; d < to.dim(); ++d) flat = flat * to[d] + i[static_cast<std::size_t>(d)];
    return row_major(flat, from);
  });
}

// References here know their shapes, so empty and single batches have tests of their own below.
OpCase fixed(const std::string& what, const Shape& shape, Call f, Reference reference) {
  return {.what = what,
          .inputs = {shaped(shape)},
          .f = std::move(f),
          .reference = std::move(reference),
          .empty = false,
          .batch_one = false};
}
ErrorCase bad(const Shape& shape, Call f, const std::string& message, const std::string& code) {
  return {.inputs = {shaped(shape)}, .message = message, .code = code, .f = std::move(f)};
}

const bool permute_added = add_spec({
    .name = "permute",
    .cases = {fixed(
                  "", {2, 3, 4, 5},
                  [](const Inputs& in) {
                    return in[0].permute({2, 0, 3, 1});
                  },
                  reading({4, 2, 5, 3},
                          [](const Index& i) {
                            return Index{i[1], i[3], i[0], i[2]};
                          })),
              fixed(
                  "transpose", {2, 3, 4}, [](const Inputs& in) { return in[0].transpose(0, -1); },
                  reading({4, 3, 2},
                          [](const Index& i) {
                            return Index{i[2], i[1], i[0]};
                          }))},
    .errors = {bad(
                   {2, 3}, [](const Inputs& in) { return in[0].permute({0}); },
                   "permute: order [0] does not name the 2 dimensions of [2, 3]", "GD-SHAPE-001"),
               bad(
                   {2, 3},
                   [](const Inputs& in) {
                     return in[0].permute({1, 1});
                   },
                   "permute: order [1, 1] names dimension 1 twice", "GD-SHAPE-001"),
               bad(
                   {2, 3},
                   [](const Inputs& in) {
                     return in[0].permute({0, 2});
                   },
                   "permute: dimension 2 is outside a tensor of 2 dimensions", "GD-SHAPE-003"),
               bad(
                   {2, 3}, [](const Inputs& in) { return in[0].transpose(0, 5); },
                   "transpose: dimension 5 is outside a tensor of 2 dimensions", "GD-SHAPE-003")},
    .dtypes = all_types,
    .twice = true,
});

const bool slice_added =
    add_spec({
        .name = "slice",
        .cases = {fixed(
                      "", {4, 5, 3}, [](const Inputs& in) { return in[0].slice(1, 1, 4); },
                      reading({4, 3, 3},
                              [](const Index& i) {
                                return Index{i[0], i[1] + 1, i[2]};
                              })),
                  fixed(
                      "with a step, from the end", {4, 7},
                      [](const Inputs& in) { return in[0].slice(-1, -6, -1, 2); },
                      reading({4, 3},
                              [](const Index& i) {
                                return Index{i[0], 1 + 2 * i[1]};
                              })),
                  fixed(
                      "of images", {2, 3, 4, 5}, [](const Inputs& in) { return in[0].slice(2, 1, 3); },
                      reading({2, 3, 2, 5},
                              [](const Index& i) {
                                return Index{i[0], i[1], i[2] + 1, i[3]};
                              })),
                  fixed(
                      "of nothing", {4, 3}, [](const Inputs& in) { return in[0].slice(0, 2, 2); },
                      reading({0, 3}, [](const Index& i) { return i; })),
                  fixed(
                      "select", {4, 5, 3}, [](const Inputs& in) { return in[0].select(1, -2); },
                      reading({4, 3}, [](const Index& i) { return Index{i[0], 3, i[1]}; })),
                  fixed(
                      "by [], from the end too", {4, 5, 3}, [](const Inputs& in) { return in[0][1][-1]; },
                      reading({3},
                              [](const Index& i) {
                                return Index{1, 4, i[0]};
                              }))},
        .errors = {bad(
                       {2, 3}, [](const Inputs& in) { return in[0].slice(1, 1, 4); },
                       "slice: [1, 4) is outside dimension 1 of [2, 3]", "GD-SHAPE-001"),
                   bad(
                       {2, 3}, [](const Inputs& in) { return in[0].slice(0, 2, 1); },
                       "slice: [2, 1) is outside dimension 0 of [2, 3]", "GD-SHAPE-001"),
                   bad(
                       {2, 3}, [](const Inputs& in) { return in[0].slice(0, 0, 1, 0); },
                       "slice: step 0 must be positive; use flip() to go backwards", "GD-VALUE-001"),
                   bad(
                       {2, 3}, [](const Inputs& in) { return in[0].select(1, 3); },
                       "select: index 3 is outside dimension 1 of [2, 3]", "GD-VALUE-001"),
                   bad(
                       {2, 3}, [](const Inputs& in) { return in[0][-3]; },
                       "select: index -3 is outside dimension 0 of [2, 3]", "GD-VALUE-001"),
                   bad(
                       {}, [](const Inputs& in) { return in[0][0]; },
                       "select: dimension 0 is outside a tensor of 0 dimensions", "GD-SHAPE-003")},
        .dtypes = all_types,
        .twice = true,
    });

const bool expand_added = add_spec({
    .name = "expand",
    .cases = {fixed(
                  "", {3, 1},
                  [](const Inputs& in) {
                    return in[0].expand({2, 3, 4});
                  },
                  reading({2, 3, 4},
                          [](const Index& i) {
                            return Index{i[1], 0};
                          })),
              fixed(
                  "of a scalar", {},
                  [](const Inputs& in) {
                    return in[0].expand({2, 3});
                  },
                  reading({2, 3}, [](const Index&) { return Index{}; }))},
    .errors = {bad(
                   {2, 3},
                   [](const Inputs& in) {
                     return in[0].expand({2, 4});
                   },
                   "expand: [2, 3] and [2, 4] differ in dimension 1 (3 and 4) and neither is 1",
                   "GD-SHAPE-002"),
               bad(
                   {2, 3}, [](const Inputs& in) { return in[0].expand({3}); },
                   "expand: [2, 3] does not broadcast to [3]", "GD-SHAPE-001")},
    .dtypes = all_types,
    .twice = true,
});

const bool reshape_added = add_spec({
    .name = "reshape",
    .cases = {fixed(
                  "", {4, 6},
                  [](const Inputs& in) {
                    return in[0].reshape({2, 2, -1});
                  },
                  reshaped({4, 6}, {2, 2, 6})),
              fixed(
                  "joins and splits", {2, 3, 4, 5},
                  [](const Inputs& in) {
                    return in[0].reshape({6, 2, 10});
                  },
                  reshaped({2, 3, 4, 5}, {6, 2, 10})),
              fixed(
                  "to one element", {1, 1}, [](const Inputs& in) { return in[0].reshape({}); },
                  reshaped({1, 1}, {})),
              fixed(
                  "flatten", {2, 3, 4, 5}, [](const Inputs& in) { return in[0].flatten(1); },
                  reshaped({2, 3, 4, 5}, {2, 60})),
              fixed(
                  "unsqueeze", {2, 3}, [](const Inputs& in) { return in[0].unsqueeze(1).unsqueeze(-1); },
                  reshaped({2, 3}, {2, 1, 3, 1})),
              fixed(
                  "squeeze", {2, 1, 3}, [](const Inputs& in) { return in[0].squeeze(1); },
                  reshaped({2, 1, 3}, {2, 3}))},
    .errors = {bad(
                   {2, 3},
                   [](const Inputs& in) {
                     return in[0].reshape({4, 2});
                   },
                   "reshape: [2, 3] has 6 elements, [4, 2] does not fit", "GD-SHAPE-001"),
               bad(
                   {2, 3}, [](const Inputs& in) { return in[0].reshape({-1, 4}); },
                   "reshape: [2, 3] has 6 elements, [-1, 4] does not fit", "GD-SHAPE-001"),
               bad(
                   {2, 3}, [](const Inputs& in) { return in[0].reshape({-1, -1}); },
                   "reshape: [-1, -1] leaves more than one size open", "GD-SHAPE-001"),
               bad(
                   {2, 3}, [](const Inputs& in) { return in[0].reshape({-2, -3}); },
                   "reshape: [-2, -3] has a negative size; only one may be left open, as -1", "GD-SHAPE-001"),
               bad(
                   {0, 3}, [](const Inputs& in) { return in[0].reshape({0, -1}); },
                   "reshape: any size would do for the -1 of [0, -1] beside a size of 0; name it",
                   "GD-SHAPE-001"),
               bad(
                   {2, 3}, [](const Inputs& in) { return in[0].reshape({0, -1}); },
                   "reshape: any size would do for the -1 of [0, -1] beside a size of 0; name it",
                   "GD-SHAPE-001"),
               bad(
                   {2, 3}, [](const Inputs& in) { return in[0].squeeze(1); },
                   "squeeze: dimension 1 of [2, 3] has size 3, not 1", "GD-SHAPE-001"),
               bad(
                   {2, 3}, [](const Inputs& in) { return in[0].flatten(1, 0); },
                   "flatten: first dimension 1 comes after last 0", "GD-SHAPE-001")},
    .dtypes = all_types,
    .twice = true,
});

const bool contiguous_added = add_spec({
    .name = "contiguous",
    .f = [](const Inputs& in) { return in[0].contiguous(); },
    .reference = [](double x) { return x; },
    .cases = {{.inputs = {shaped({2, 3, 4, 5})}},
              {.what = "of a transpose",
               .inputs = {shaped({4, 5})},
               .f = [](const Inputs& in) { return in[0].transpose(0, 1).contiguous().transpose(0, 1); }},
              {.what = "channels-last",
               .inputs = {shaped({2, 3, 4, 5})},
               .f = [](const Inputs& in) { return in[0].contiguous(MemoryFormat::channels_last); }},
              {.what = "clone",
               .inputs = {shaped({3, 5})},
               .f = [](const Inputs& in) { return in[0].clone(); }}},
    .dtypes = all_types,
    .twice = true,
});

TEST(Views, ShareTheStorageAndReadAsTheyShould) {
  const Tensor x = arange(24).reshape({2, 3, 4});
  for (const Tensor& y : {x.transpose(0, 2), x.slice(1, 1, 3), x.select(0, 1), x.unsqueeze(0),
                          x.expand({5, 2, 3, 4}), x.flatten()}) {
    EXPECT_EQ(&y.storage(), &x.storage());
  }
  EXPECT_NE(&x.transpose(0, 2).reshape({24}).storage(), &x.storage());
  EXPECT_EQ(&x.transpose(0, 2).reshape({4, 3, 2, 1}).storage(), &x.storage());
  EXPECT_EQ(&x.slice(2, 0, 2).reshape({6, 2}).storage(), &x.storage()) << "rows with a gap still join";
}

TEST(Views, OfNothing) {
  const Tensor x = empty({0, 3});
  EXPECT_EQ(x.transpose(0, 1).shape(), Shape({3, 0}));
  EXPECT_EQ(x.reshape({3, 0}).shape(), Shape({3, 0}));
  EXPECT_EQ(x.flatten().shape(), Shape({0}));
  EXPECT_EQ(x.reshape({-1, 3}).shape(), Shape({0, 3}));
  EXPECT_EQ(x.reshape({5, 0, 2}).shape(), Shape({5, 0, 2}));
  EXPECT_EQ(x.slice(0, 0, 0).contiguous().numel(), 0);
}

// --- casts -------------------------------------------------------------------------------------------------

TEST(Casts, EveryPairOfTypes) {
  const std::vector<double> small = {0, 1, 2, 3, 100, 200};
  for (DType from : all_types) {
    for (DType to : all_types) {
      const Tensor x = tensor(small, {2, 3}, from);
      for (const Tensor& source : {x, x.transpose(0, 1).contiguous().transpose(0, 1)}) {
        const Tensor y = source.to(to);
        ASSERT_EQ(y.dtype(), to);
        std::vector<double> want = small;
        if (from == DType::boolean || to == DType::boolean) {
          for (double& v : want) v = v != 0 ? 1 : 0;
        }
        EXPECT_EQ(y.to_vector<double>(), want) << name_of(from) << " to " << name_of(to);
      }
    }
  }
}

TEST(Casts, FractionsAreCutAndSignsKept) {
  const Tensor x = tensor({-2.7, -0.5, 0.5, 2.7}, {4}, DType::fp32);
  EXPECT_EQ(x.to(DType::int64).to_vector<std::int64_t>(), (std::vector<std::int64_t>{-2, 0, 0, 2}));
  EXPECT_EQ(x.to(DType::int32).to_vector<std::int32_t>(), (std::vector<std::int32_t>{-2, 0, 0, 2}));
  EXPECT_EQ(x.to(DType::boolean).to_vector<double>(), (std::vector<double>{1, 1, 1, 1}));
}

TEST(Casts, WhatNoIntegerHoldsBecomesTheNearestAndNanZero) {
  const std::vector<double> wild = {NAN, INFINITY, -INFINITY, 1e30, -1e30, -1.5, 255.5, 256};
  const auto check = [&](DType to, std::int64_t least, std::int64_t most) {
    for (DType from : {DType::fp64, DType::fp32, DType::bf16}) {
      const std::int64_t below = least < 0 ? -1 : 0, last = std::min<std::int64_t>(256, most);
      const std::int64_t cut = from == DType::bf16 ? last : 255;  // 255.5 is 256 in bf16
      EXPECT_EQ(tensor(wild, {8}, from).to(to).to_vector<std::int64_t>(),
                (std::vector<std::int64_t>{0, most, least, most, least, below, cut, last}))
          << name_of(from) << " to " << name_of(to);
    }
  };
  check(DType::int64, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max());
  check(DType::int32, INT32_MIN, INT32_MAX);
  check(DType::uint8, 0, 255);
  EXPECT_EQ(tensor(wild, {8}, DType::fp32).to(DType::boolean).to_vector<std::uint8_t>(),
            (std::vector<std::uint8_t>(8, 1)));
}

TEST(Casts, LargeIntegersKeepEveryDigit) {
  const std::vector<std::int64_t> large = {std::numeric_limits<std::int64_t>::max(),
                                           std::numeric_limits<std::int64_t>::min(), (1LL << 53) + 1};
  EXPECT_EQ(from_vector(large, {3}).clone().to_vector<std::int64_t>(), large);
  const std::vector<std::int32_t> words = {INT32_MAX, INT32_MIN, 7};
  EXPECT_EQ(from_vector(words, {3}).to(DType::int64).to(DType::int32).to_vector<std::int32_t>(), words);
}

TEST(Casts, SixteenBitFloatsRoundToNearestEven) {
  EXPECT_EQ(tensor({2049, 2051, 65504, 65520, 1e-8, 6e-8}, {6}, DType::fp16).to_vector<double>(),
            (std::vector<double>{2048, 2052, 65504, INFINITY, 0, 0x1p-24}));
  EXPECT_EQ(tensor({257, 259, 1 + 0x1p-8, 1 + 3 * 0x1p-8}, {4}, DType::bf16).to_vector<double>(),
            (std::vector<double>{256, 260, 1, 1 + 4 * 0x1p-8}));
  for (DType dtype : {DType::fp16, DType::bf16}) {
    const auto special = tensor({NAN, INFINITY, -INFINITY, -0.0}, {4}, dtype).to_vector<double>();
    EXPECT_TRUE(std::isnan(special[0]));
    EXPECT_EQ(special[1], INFINITY);
    EXPECT_EQ(special[2], -INFINITY);
    EXPECT_TRUE(special[3] == 0 && std::signbit(special[3]));
  }
}

TEST(Casts, GradientComesBackInTheInputsType) {
  Tensor x = tensor({1, 2, 3}, {3}, DType::fp32);
  x.requires_grad_();
  for (DType dtype : {DType::bf16, DType::fp16, DType::fp64}) {
    x.zero_grad();
    const Tensor y = x.to(dtype) * 3.0;
    y.backward(tensor({1, 2, 4}, {3}, dtype));
    EXPECT_EQ(x.grad().dtype(), DType::fp32);
    EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{3, 6, 12}));
  }
  EXPECT_FALSE(x.to(DType::int64).requires_grad());
}

const bool cast_added = add_spec({
    .name = "to",
    .f = [](const Inputs& in) { return in[0].to(DType::fp32).to(DType::bf16); },
    .reference = [](double x) { return x; },
    .cases = {{.inputs = {shaped({2, 3, 5, 7})}, .gradients = false}},
    .dtypes = all_types,
    .differentiable = false,
});

}  // namespace
}  // namespace gadolin
