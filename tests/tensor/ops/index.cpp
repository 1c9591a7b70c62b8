// gather, scatter_add, index_select and one_hot.
#include <gtest/gtest.h>

#include "tensor/ops.h"
#include "tests/op_spec.h"
#include "tests/tensor/special_values.h"

namespace gadolin {
namespace {

Index index_with(const Index& i, int dim, double value) {
  Index changed = i;
  changed[static_cast<std::size_t>(dim)] = static_cast<std::int64_t>(value);
  return changed;
}

OpCase gather_case(const char* what, const Input& x, const Input& index, int dim) {
  return {.what = what,
          .inputs = {x, index},
          .f = [dim](const Inputs& in) { return gather(in[0], dim, in[1]); },
          .reference =
              [dim](const Inputs& in) {
                return tabulate(in[1].shape(),
                                [&](const Index& i) { return at(in[0], index_with(i, dim, at(in[1], i))); });
              },
          .empty = dim != 0,
          .batch_one = dim != 0};
}

const bool
    gather_added =
        add_spec(
            {
                .name = "gather",
                .f = [](const Inputs& in) { return gather(in[0], 1, in[1]); },
                .cases =
                    {
                        gather_case("last", shaped({3, 5}), indices({3, 4}, 5), 1),
                        gather_case("first", shaped({4, 3}), indices({7, 3}, 4), 0),
                        gather_case("middle", shaped({2, 4, 3}), indices({2, 6, 3}, 4), 1),
                        gather_case("smaller index", shaped({2, 4, 5}), indices({2, 3, 2}, 4), 1),
                        gather_case("image", shaped({2, 4, 3, 5}), indices({2, 2, 3, 5}, 4), 1),
                    },
                .errors =
                    {
                        {.inputs = {shaped({2, 3}), values({0, 1, 2, 2, 3, 0}, {2, 3}, DType::int64)},
                         .message = "gather: index 3 at [1, 1] is outside [0, 3)",
                         .code = "GD-VALUE-002"},
                        {.inputs = {shaped({2, 3}), values({0, -1}, {2, 1}, DType::int64)},
                         .message = "gather: index -1 at [1, 0] is outside [0, 3)"},
                        {.inputs = {shaped({2, 3}), values({0, 1}, {2, 1})},
                         .message = "gather: index is fp32, not int64; convert with .to(DType::int64)"},
                        {.inputs = {shaped({2, 3}), indices({3, 1}, 2)},
                         .message = "gather: index [3, 1] does not fit [2, 3] outside dimension 1"},
                    },
                .dtypes = all_types,
                .twice = true,
            });

OpCase scatter_case(const char* what, const Input& x, const Input& index, int dim) {
  return {.what = what,
          .inputs = {x, index, shaped(index.shape)},
          .f = [dim](const Inputs& in) { return scatter_add(in[0], dim, in[1], in[2]); },
          .reference =
              [dim](const Inputs& in) {
                return tabulate(in[0].shape(), [&](const Index& i) {
                  double sum = at(in[0], i);
                  for (int d = 0; d < in[1].dim(); ++d) {
                    if (d != dim && i[static_cast<std::size_t>(d)] >= in[1].size(d)) return sum;
                  }
                  for (std::int64_t j = 0; j < in[1].size(dim); ++j) {
                    const Index from = index_with(i, dim, static_cast<double>(j));
                    if (at(in[1], from) == static_cast<double>(i[static_cast<std::size_t>(dim)]))
                      sum += at(in[2], from);
                  }
                  return sum;
                });
              },
          .products = 4,
          .empty = dim != 0,
          .batch_one = dim != 0};
}
const bool scatter_added = add_spec({
    .name = "scatter_add",
    .f = [](const Inputs& in) { return scatter_add(in[0], 1, in[1], in[2]); },
    .cases =
        {
            scatter_case("last", shaped({3, 5}), indices({3, 8}, 5), 1),
            scatter_case("first", shaped({4, 3}), indices({7, 3}, 4), 0),
            scatter_case("middle", shaped({2, 4, 3}), indices({2, 6, 3}, 4), 1),
            scatter_case("smaller index", shaped({2, 4, 5}), indices({2, 3, 2}, 4), 1),
        },
    .errors =
        {
            {.inputs = {shaped({2, 3}), values({0, 7}, {2, 1}, DType::int64), shaped({2, 1})},
             .message = "scatter_add: index 7 at [1, 0] is outside [0, 3)"},
            {.inputs = {shaped({2, 3}), indices({2, 1}, 3), shaped({2, 2})},
             .message = "scatter_add: source [2, 2] and index [2, 1] must have the same shape"},
            {.inputs = {shaped({2, 3}, DType::boolean), indices({2, 1}, 3), shaped({2, 1}, DType::boolean)},
             .message = "scatter_add: bool is not supported; convert with .to(DType::fp32)"},
        },
    .integers = true,
    .twice = true,
});

OpCase select_case(const char* what, const Input& x, const Input& index, int dim) {
  return {.what = what,
          .inputs = {x, index},
          .f = [dim](const Inputs& in) { return index_select(in[0], dim, in[1]); },
          .reference =
              [dim](const Inputs& in) {
                Shape shape = in[0].shape();
                shape[dim] = in[1].size(0);
                return tabulate(shape, [&](const Index& i) {
                  return at(in[0], index_with(i, dim, at(in[1], {i[static_cast<std::size_t>(dim)]})));
                });
              },
          .empty = dim != 0,
          .batch_one = dim != 0};
}
const bool select_added = add_spec({
    .name = "index_select",
    .f = [](const Inputs& in) { return index_select(in[0], 0, in[1]); },
    .cases =
        {
            select_case("rows", shaped({5, 3}), indices({7}, 5), 0),
            select_case("columns", shaped({2, 5}), indices({3}, 5), 1),
            select_case("image channels", shaped({2, 4, 3, 5}), indices({6}, 4), 1),
        },
    .errors =
        {
            {.inputs = {shaped({2, 3}), values({1, 0, 2}, DType::int64)},
             .message = "index_select: index 2 at [2] is outside [0, 2)"},
            {.inputs = {shaped({2, 3}), indices({2, 1}, 2)},
             .message = "index_select: index [2, 1] must have one dimension"},
        },
    .integers = true,
    .twice = true,
});

TEST(OneHot, RowsHaveOneOneInAnyType) {
  const Tensor index = from_vector<std::int64_t>({2, 0, 1, 2}, {2, 2});
  for (const DType dtype : all_types) {
    const Tensor y = one_hot(index, 3, dtype);
    EXPECT_EQ(y.shape(), (Shape{2, 2, 3}));
    EXPECT_EQ(y.dtype(), dtype);
    EXPECT_EQ(y.to_vector<double>(), (std::vector<double>{0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1}));
  }
  EXPECT_EQ(one_hot(index.transpose(0, 1), 3).to_vector<double>(),
            (std::vector<double>{0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 1}));
}

TEST(OneHot, RefusesWhatIsOutside) {
  try {
    one_hot(from_vector<std::int64_t>({0, 3}, {2}), 3);
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(), "one_hot: index 3 at [1] is outside [0, 3)");
  }
  try {
    one_hot(from_vector<std::int64_t>({0}, {1}), 0);
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(), "one_hot: 0 classes; at least one is needed");
  }
}

// Sums of 16-bit numbers run in fp32: added one by one in bf16, 256 + 1 would stay 256.
TEST(ScatterAdd, SumsSixteenBitNumbersInFp32) {
  const Tensor y =
      scatter_add(zeros({1}, DType::bf16), 0, zeros({512}, DType::int64), ones({512}, DType::bf16));
  EXPECT_EQ(y.item(), 512);
}

}  // namespace
}  // namespace gadolin
