// concat, stack, split, pad and flip.
#include <gtest/gtest.h>

#include "tensor/ops.h"
#include "tests/op_spec.h"
#include "tests/tensor/special_values.h"

using namespace gadolin;

namespace {

Reference concat_reference(int dim) {
  return [dim](const Inputs& in) {
    const std::size_t d = static_cast<std::size_t>(dim);
    Shape shape = in[0].shape();
    for (std::size_t k = 1; k < in.size(); ++k) shape[dim] += in[k].size(dim);
    return tabulate(shape, [&](const Index& i) {
      Index from = i;
      std::size_t k = 0;
      while (from[d] >= in[k].size(dim)) from[d] -= in[k++].size(dim);
      return at(in[k], from);
    });
  };
}
OpCase concat_case(const char* what, const std::vector<Input>& inputs, int dim) {
  return {.what = what,
          .inputs = inputs,
          .f = [dim](const Inputs& in) { return concat(in, dim); },
          .reference = concat_reference(dim)};
}

const bool concat_added = add_spec({
    .name = "concat",
    .f = [](const Inputs& in) { return concat(in, 0); },
    .reference = concat_reference(0),
    .cases =
        {
            concat_case("rows", {shaped({2, 3}), shaped({4, 3}), shaped({1, 3})}, 0),
            concat_case("columns", {shaped({2, 3}), shaped({2, 5})}, 1),
            concat_case("channels", {shaped({2, 3, 4, 5}), shaped({2, 1, 4, 5})}, 1),
            concat_case("one part", {shaped({2, 3})}, 1),
            concat_case("an empty part", {shaped({2, 0}), shaped({2, 3})}, 1),
        },
    .errors =
        {
            {.inputs = {}, .message = "concat: no parts were given"},
            {.inputs = {shaped({2, 3}), shaped({2, 4})},
             .message = "concat: part 1 is [2, 4], part 0 is [2, 3]; they may differ in dimension 0 only"},
        },
    .dtypes = {DType::fp64, DType::fp32, DType::bf16, DType::fp16, DType::int64, DType::uint8,
               DType::boolean},
    .twice = true,
});

const bool stack_added = add_spec({
    .name = "stack",
    .f = [](const Inputs& in) { return stack(in, 1); },
    .reference =
        [](const Inputs& in) {
          return tabulate({in[0].size(0), 2, in[0].size(1)}, [&](const Index& i) {
            return at(in[static_cast<std::size_t>(i[1])], {i[0], i[2]});
          });
        },
    .cases = {{.inputs = {shaped({3, 4}), shaped({3, 4})}}},
    .errors = {{.inputs = {shaped({2, 3}), shaped({2, 4})},
                .message = "stack: part 1 is [2, 4], part 0 is [2, 3]; all must have the same shape"},
               {.inputs = {}, .message = "stack: no parts were given"}},
    .integers = true,
    .twice = true,
});

const bool flip_added = add_spec({
    .name = "flip",
    .f = [](const Inputs& in) { return flip(in[0], {-1}); },
    .reference =
        [](const Inputs& in) {
          return tabulate(in[0].shape(), [&](const Index& i) {
            Index from = i;
            from.back() = in[0].size(-1) - 1 - i.back();
            return at(in[0], from);
          });
        },
    .cases = {{.what = "last", .inputs = {shaped({3, 5})}},
              {.what = "image", .inputs = {shaped({2, 3, 4, 5})}},
              {.what = "first and second",
               .inputs = {shaped({3, 4, 2})},
               .f =
                   [](const Inputs& in) {
                     return flip(in[0], {0, 1});
                   },
               .reference =
                   [](const Inputs& in) {
                     return tabulate(in[0].shape(), [&](const Index& i) {
                       return at(in[0], {in[0].size(0) - 1 - i[0], in[0].size(1) - 1 - i[1], i[2]});
                     });
                   }}},
    .errors = {{.inputs = {shaped({2, 3})},
                .message = "flip: dimension 1 is named twice",
                .f =
                    [](const Inputs& in) {
                      return flip(in[0], {1, -1});
                    }}},
    .dtypes = {DType::fp64, DType::fp32, DType::bf16, DType::fp16, DType::int64, DType::uint8,
               DType::boolean},
    .twice = true,
});

OpCase roll_case(const char* what, const Shape& shape, const std::vector<std::int64_t>& shifts,
                 const Dims& dims) {
  return {.what = what,
          .inputs = {shaped(shape)},
          .f = [=](const Inputs& in) { return roll(in[0], shifts, dims); },
          .reference =
              [=](const Inputs& in) {
                return tabulate(in[0].shape(), [&](const Index& i) {
                  Index from = i;
                  for (std::size_t k = 0; k < dims.size(); ++k) {
                    const std::size_t d =
                        static_cast<std::size_t>(dims[k] < 0 ? dims[k] + in[0].dim() : dims[k]);
                    const std::int64_t n = in[0].size(dims[k]);
                    from[d] = ((from[d] - shifts[k]) % n + n) % n;
                  }
                  return at(in[0], from);
                });
              }};
}
const bool roll_added = add_spec({
    .name = "roll",
    .f =
        [](const Inputs& in) {
          return roll(in[0], {1, 2}, {0});
        },
    .cases = {roll_case("last", {3, 5}, {2}, {-1}), roll_case("backwards", {3, 5}, {-7}, {1}),
              roll_case("two dimensions of an image", {2, 3, 4, 5}, {1, -1}, {2, 3}),
              roll_case("one dimension twice", {2, 7}, {3, 5}, {1, 1}),
              roll_case("by whole turns", {2, 3}, {6}, {1}),
              roll_case("an empty dimension", {2, 0}, {1}, {1}), roll_case("not at all", {2, 3}, {}, {})},
    .errors = {{.inputs = {shaped({2, 3})}, .message = "roll: 2 shifts for 1 dimensions; give one each"},
               {.inputs = {shaped({2, 3})},
                .message = "roll: dimension 2 is outside a tensor of 2 dimensions",
                .f = [](const Inputs& in) { return roll(in[0], {1}, {2}); }}},
    .dtypes = all_types,
    .twice = true,
});

// Index in [0, n) that padded position i (counted from the first element) shows; -1 for none.
std::int64_t shown(PadMode mode, std::int64_t i, std::int64_t n) {
  if (i >= 0 && i < n) return i;
  if (mode == PadMode::constant) return -1;
  if (mode == PadMode::replicate) return i < 0 ? 0 : n - 1;
  return i < 0 ? -i : 2 * (n - 1) - i;
}
// Plain padding for amounts that do not crop and reflect at the same time.
OpCase pad_case(const char* what, const Input& x, const std::vector<std::int64_t>& amounts, PadMode mode,
                double value = 0) {
  OpCase c{.what = what, .inputs = {x}, .integers = value == 0};
  c.f = [=](const Inputs& in) { return pad(in[0], amounts, mode, value); };
  c.reference = [=](const Inputs& in) {
    Shape shape = in[0].shape();
    for (std::size_t k = 0; k < amounts.size(); ++k) shape[-1 - static_cast<int>(k / 2)] += amounts[k];
    return tabulate(shape, [&](const Index& i) {
      Index from = i;
      for (std::size_t k = 0; k < amounts.size() / 2; ++k) {
        const std::size_t d = i.size() - 1 - k;
        from[d] = shown(mode, i[d] - amounts[2 * k], in[0].size(static_cast<int>(d)));
        if (from[d] < 0) return value;
      }
      return at(in[0], from);
    });
  };
  return c;
}
Call pad_call(const std::vector<std::int64_t>& amounts, PadMode mode = PadMode::constant) {
  return [=](const Inputs& in) { return pad(in[0], amounts, mode); };
}

const bool pad_added =
    add_spec(
        {
            .name = "pad",
            .f = pad_call({1, 2}),
            .cases =
                {
                    pad_case("zeros", shaped({3, 4}), {1, 2}, PadMode::constant),
                    pad_case("a value", shaped({2, 3, 4}), {0, 2, 3, 1}, PadMode::constant, -2.5),
                    pad_case("crop", shaped({3, 5}), {-1, -2}, PadMode::constant),
                    pad_case("crop and pad", shaped({2, 4, 5}), {-1, 2, 1, -2}, PadMode::constant),
                    pad_case("image", shaped({2, 3, 4, 5}), {1, 1, 2, 2}, PadMode::constant),
                    pad_case("reflect", shaped({3, 4, 5}), {3, 1, 0, 2}, PadMode::reflect),
                    pad_case("replicate", shaped({3, 4, 5}), {3, 7, 1, 0}, PadMode::replicate),
                    pad_case("replicate an image", shaped({2, 3, 4, 5}), {1, 1, 2, 2}, PadMode::replicate),
                    pad_case("replicate a crop", shaped({3, 5}), {-1, -2}, PadMode::replicate),
                },
            .errors =
                {
                    {.inputs = {shaped({2, 3})},
                     .message = "pad: reflecting 3 elements needs more than 3 in dimension 1 of [2, 3]",
                     .f = pad_call({3, 0}, PadMode::reflect)},
                    {.inputs = {shaped({2, 0})},
                     .message = "pad: dimension 1 of [2, 0] is empty; there is nothing to replicate",
                     .f = pad_call({1, 0}, PadMode::replicate)},
                    {.inputs = {shaped({2, 3})},
                     .message = "pad: -2 and -2 crop more than the 3 elements of dimension 1 of [2, 3]",
                     .f = pad_call({-2, -2})},
                    {.inputs = {shaped({2, 3})},
                     .message = "pad: 3 amounts for [2, 3]; give two a dimension, from the last one on",
                     .f = pad_call({1, 1, 1})},
                },
            .integers = true,
            .twice = true,
        });

TEST(Concat, ChannelsLastStaysChannelsLast) {
  const Tensor a = rand({2, 3, 4, 5}, 1, 1).contiguous(MemoryFormat::channels_last);
  const Tensor b = rand({2, 2, 4, 5}, 1, 2).contiguous(MemoryFormat::channels_last);
  EXPECT_TRUE(concat({a, b}, 1).is_channels_last());
}

TEST(Concat, AnyNumberOfPartsIsDifferentiable) {
  std::vector<Tensor> parts;
  for (int i = 0; i < 70; ++i) {
    parts.push_back(full({2}, i));
    parts.back().requires_grad_();
  }
  const Tensor y = concat(parts, 0);
  mul(y, arange(140, DType::fp32)).backward(ones({140}));
  for (int i = 0; i < 70; ++i) {
    EXPECT_EQ(y.to_vector<double>()[static_cast<std::size_t>(2 * i)], i);
    EXPECT_EQ(parts[static_cast<std::size_t>(i)].grad().to_vector<double>(),
              (std::vector<double>{2.0 * i, 2.0 * i + 1}));
  }
}

TEST(Split, PartsAreViewsAndTheLastMayBeSmaller) {
  Tensor x = arange(14, DType::fp32).reshape({2, 7}).clone();
  x.requires_grad_();
  const auto parts = split(x, 3, 1);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[2].shape(), (Shape{2, 1}));
  EXPECT_EQ(parts[1].raw(), static_cast<float*>(x.raw()) + 3);
  sum(mul(parts[1], 2.0)).backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{0, 0, 0, 2, 2, 2, 0, 0, 0, 0, 2, 2, 2, 0}));
  try {
    split(x, 0);
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(), "split: size 0 must be positive");
  }
}

}  // namespace
