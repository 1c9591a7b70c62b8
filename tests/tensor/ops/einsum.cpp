// einsum against sums over all letters.
#include <gtest/gtest.h>

#include <map>

#include "tensor/ops.h"
#include "tests/op_spec.h"
#include "tests/tensor/special_values.h"

namespace gadolin {
namespace {

// The definition: every letter runs over its size, and each place of the result gathers its products.
Reference over_letters(const std::string& a, const std::string& b, const std::string& y) {
  return [=](const Inputs& in) {
    std::map<char, std::int64_t> size;
    for (std::size_t i = 0; i < a.size(); ++i) size[a[i]] = in[0].size(static_cast<int>(i));
    for (std::size_t i = 0; i < b.size(); ++i) size[b[i]] = in[1].size(static_cast<int>(i));
    std::string letters;
    Shape all, result;
    for (const auto& entry : size) {
      letters += entry.first;
      all.push_back(entry.second);
    }
    for (char c : y) result.push_back(size[c]);
    const auto index = [&](const std::string& term, const Index& i) {
      Index own;
      for (char c : term) own.push_back(i[letters.find(c)]);
      return own;
    };
    std::vector<double> sums(static_cast<std::size_t>(result.numel()));
    tabulate(all, [&](const Index& i) {
      std::int64_t flat = 0;
      for (char c : y) flat = flat * size[c] + i[letters.find(c)];
      sums[static_cast<std::size_t>(flat)] += at(in[0], index(a, i)) * at(in[1], index(b, i));
      return 0.0;
    });
    return tensor(sums, result, DType::fp64);
  };
}

OpCase sum_case(const std::string& equation, const Shape& x, const Shape& z,
                const std::string& implied = "") {
  const std::size_t comma = equation.find(','), arrow = equation.find("->");
  const std::string a = equation.substr(0, comma);
  const std::string b = equation.substr(comma + 1, arrow == std::string::npos ? arrow : arrow - comma - 1);
  return {.what = equation,
          .inputs = {shaped(x), shaped(z)},
          .f = [equation](const Inputs& in) { return einsum(equation, in[0], in[1]); },
          .reference = over_letters(a, b, arrow == std::string::npos ? implied : equation.substr(arrow + 2)),
          .products = 24,
          .empty = x.dim() > 0 && z.dim() > 0 && a[0] == b[0],
          .batch_one = x.dim() > 0 && z.dim() > 0 && a[0] == b[0]};
}
ErrorCase wrong(const std::string& equation, const Shape& x, const Shape& z, const std::string& message) {
  return {.inputs = {shaped(x), shaped(z)}, .message = message, .f = [equation](const Inputs& in) {
            return einsum(equation, in[0], in[1]);
          }};
}

const bool einsum_added = add_spec({
    .name = "einsum",
    .f = [](const Inputs& in) { return einsum("ij,jk->ik", in[0], in[1]); },
    .cases = {sum_case("ij,jk->ik", {3, 4}, {4, 5}), sum_case("ij,jk", {3, 4}, {4, 5}, "ik"),
              sum_case("ba,cb", {3, 4}, {5, 3}, "ac"), sum_case("bij,bjk->bik", {2, 3, 4}, {2, 4, 5}),
              sum_case("bhid,bhjd->bhij", {2, 3, 4, 5}, {2, 3, 6, 5}),
              sum_case("bhij,bhjd->bihd", {2, 3, 4, 6}, {2, 3, 6, 5}),
              sum_case("nchw,kc->nkhw", {2, 3, 4, 5}, {6, 3}), sum_case("i,i->", {7}, {7}),
              sum_case("i,j->ij", {3}, {4}), sum_case("i,j->ji", {3}, {4}),
              sum_case("ij,ij->ij", {3, 4}, {3, 4}), sum_case("ij,ji->", {3, 4}, {4, 3}),
              sum_case("bix,bjy->bij", {2, 3, 4}, {2, 5, 2}), sum_case("ij,->ji", {3, 4}, {}),
              sum_case(",->", {}, {}), sum_case("aB,Bc->ac", {2, 3}, {3, 4}),
              sum_case("ij,jk->ik", {3, 0}, {0, 5}), sum_case("ij,jk->ik", {1, 1}, {1, 1})},
    .errors = {wrong("ij->ji", {2, 3}, {2},
                     "einsum: 'ij->ji' is not two terms of letters and a result, such as "
                     "ij,jk->ik"),
               wrong("i1,j->ij", {2, 3}, {2},
                     "einsum: 'i1,j->ij' is not two terms of letters and a result, such as "
                     "ij,jk->ik"),
               wrong("i,j,k->ij", {2}, {2},
                     "einsum: 'i,j,k->ij' is not two terms of letters and a result, such as "
                     "ij,jk->ik"),
               wrong("...i,i->i", {2, 3}, {3},
                     "einsum: '...i,i->i' is not two terms of letters and a result, such as "
                     "ij,jk->ik"),
               wrong("ii,i->i", {2, 2}, {2},
                     "einsum: 'ii,i->i' has the letter i twice in ii; take the diagonal first"),
               wrong("i,j->k", {2}, {2}, "einsum: 'i,j->k' has the letter k in its result only"),
               wrong("ij,j->i", {2, 3, 4}, {3},
                     "einsum: ij of 'ij,j->i' names 2 dimensions, but the tensor is [2, 3, 4]"),
               wrong("ij, jk -> ik", {2, 3}, {4, 5},
                     "einsum: the letter j of 'ij, jk -> ik' is 3 in [2, 3] and 4 in [4, 5]"),
               {.inputs = {shaped({2, 3}, DType::int64), shaped({3, 2}, DType::int64)},
                .message = "matmul: int64 is not supported; convert with .to(DType::fp32)"}},
    .twice = true,
});

TEST(Einsum, NanAndInfinityStay) {
  const Tensor y = einsum("ij,j->i", tensor({nan, 1, 2, inf, 1, 1}, {3, 2}), tensor({1, 1}, {2}));
  EXPECT_TRUE(std::isnan(y[0].item()));
  EXPECT_EQ(y[1].item(), inf);
  EXPECT_EQ(y[2].item(), 2);
  EXPECT_EQ(einsum("i,i->", arange(3), tensor({1, 2, 3}, {3}, DType::fp64)).item(),
            8);  // meets the float's type
}

}  // namespace
}  // namespace gadolin
