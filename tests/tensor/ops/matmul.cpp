// matmul and linear: values, gradients, views as operands, and that views cost no copy.
#include <gtest/gtest.h>

#include <cmath>

#include "tensor/allocator.h"
#include "tensor/ops.h"
#include "tensor/ops/matmul.h"
#include "tests/op_spec.h"
#include "tests/tensor/special_values.h"

namespace gadolin {
namespace {

// Where the matrix of an operand begins for the result's element i, by broadcasting its batches.
const double* matrix(const Tensor& x, const Index& i) {
  const double* data = x.data<double>();
  for (int d = 0; d < x.dim() - 2; ++d) {
    const std::size_t from = i.size() - static_cast<std::size_t>(x.dim()) + static_cast<std::size_t>(d);
    if (x.size(d) != 1) data += i[from] * x.strides()[d];
  }
  return data;
}

Tensor matmul_reference(const Inputs& in) {
  const Tensor &a = in[0], &b = in[1];
  Shape shape = a.dim() >= b.dim() ? a.shape() : b.shape();
  for (int d = 3; d <= shape.dim(); ++d) {
    shape[-d] = std::max(d <= a.dim() ? a.size(-d) : 1, d <= b.dim() ? b.size(-d) : 1);
    if ((d <= a.dim() && a.size(-d) == 0) || (d <= b.dim() && b.size(-d) == 0)) shape[-d] = 0;
  }
  shape[-2] = a.size(-2);
  shape[-1] = b.size(-1);
  return tabulate(shape, [&](const Index& i) {
    const std::int64_t along = a.strides()[a.dim() - 1], down = b.strides()[b.dim() - 2], n = a.size(-1);
    const double* row = matrix(a, i) + i[i.size() - 2] * a.strides()[a.dim() - 2];
    const double* column = matrix(b, i) + i.back() * b.strides()[b.dim() - 1];
    double sum = 0;
    for (std::int64_t k = 0; k < n; ++k) sum += row[k * along] * column[k * down];
    return sum;
  });
}

Reference linear_reference(Activation activation) {
  return [activation](const Inputs& in) {
    Shape shape = in[0].shape();
    shape[-1] = in[1].size(0);
    return tabulate(shape, [&](const Index& i) {
      double sum = in.size() > 2 && in[2].defined() ? at(in[2], {i.back()}) : 0;
      Index from = i;
      for (std::int64_t k = 0; k < in[1].size(1); ++k) {
        from.back() = k;
        sum += at(in[0], from) * at(in[1], {i.back(), k});
      }
      if (activation == Activation::relu) return sum < 0 ? 0 : sum;
      if (activation == Activation::gelu) return 0.5 * sum * (1 + std::erf(sum / std::sqrt(2.0)));
      return sum;
    });
  };
}
Call linear_call(Activation activation) {
  return [activation](const Inputs& in) { return linear(in[0], in[1], in[2], activation); };
}

const bool
    matmul_added =
        add_spec(
            {
                .name = "matmul",
                .f = [](const Inputs& in) { return matmul(in[0], in[1]); },
                .reference = matmul_reference,
                .cases =
                    {
                        {.what = "matrices", .inputs = {shaped({5, 7}), shaped({7, 3})}, .products = 7},
                        {.what = "one column", .inputs = {shaped({5, 6}), shaped({6, 1})}, .products = 6},
                        {.what = "one row", .inputs = {shaped({1, 6}), shaped({6, 4})}, .products = 6},
                        {.what = "batches", .inputs = {shaped({2, 5, 7}), shaped({2, 7, 3})}, .products = 7},
                        {.what = "one right operand",
                         .inputs = {shaped({4, 2, 5, 3}), shaped({3, 6})},
                         .products = 3},
                        {.what = "one left operand",
                         .inputs = {shaped({5, 3}), shaped({2, 3, 4})},
                         .products = 3},
                        {.what = "broadcast batches",
                         .inputs = {shaped({3, 1, 2, 4}), shaped({5, 4, 2})},
                         .products = 4},
                        {.what = "inner broadcast",
                         .inputs = {shaped({2, 3, 1, 4}), shaped({2, 1, 4, 2})},
                         .products = 4},
                        {.what = "tiles and rests",
                         .inputs = {shaped({70, 261}), shaped({261, 133})},
                         .products = 261,
                         .gradients = false},
                    },
                .errors =
                    {
                        {.inputs = {shaped({2, 3}), shaped({4, 5})},
                         .message = "matmul: [2, 3] has 3 columns, but [4, 5] has 4 rows"},
                        {.inputs = {shaped({3}), shaped({3, 5})},
                         .message =
                             "matmul: [3] times [3, 5] needs two matrices; add a dimension with unsqueeze"},
                        {.inputs = {shaped({2, 2}, DType::int64), shaped({2, 2}, DType::int64)},
                         .message = "matmul: int64 is not supported; convert with .to(DType::fp32)"},
                    },
                .twice = true,
            });

const bool linear_added = add_spec({
    .name = "linear",
    .f = linear_call(Activation::none),
    .reference = linear_reference(Activation::none),
    .cases =
        {
            {.what = "bias", .inputs = {shaped({4, 6}), shaped({5, 6}), shaped({5})}, .products = 6},
            {.what = "no bias", .inputs = {shaped({4, 6}), shaped({5, 6}), undefined()}, .products = 6},
            {.what = "sequence", .inputs = {shaped({2, 3, 6}), shaped({5, 6}), shaped({5})}, .products = 6},
            {.what = "vector",
             .inputs = {shaped({6}), shaped({5, 6}), shaped({5})},
             .products = 6,
             .empty = false,
             .batch_one = false},
            {.what = "relu",
             .inputs = {shaped({4, 6}).between(0.1, 1), shaped({2, 6}).between(-1, -0.1),
                        values({2.0, -0.2})},
             .f = linear_call(Activation::relu),
             .reference = linear_reference(Activation::relu),
             .products = 6},
        },
    .errors =
        {
            {.inputs = {shaped({4, 3}), shaped({5, 6}), undefined()},
             .message = "linear: input [4, 3] does not end in 6, which weight [5, 6] takes"},
            {.inputs = {shaped({4, 6}), shaped({6}), undefined()},
             .message = "linear: weight [6] is not [out, in]"},
            {.inputs = {shaped({4, 6}), shaped({5, 6}), shaped({6})},
             .message = "linear: bias [6] is not [5], the rows of weight [5, 6]"},
        },
    .twice = true,
});

const bool linear_gelu_added = add_spec({
    .name = "linear_gelu",
    .f = linear_call(Activation::gelu),
    .reference = linear_reference(Activation::gelu),
    .cases = {{.inputs = {shaped({4, 6}), shaped({5, 6}), shaped({5})}, .products = 6}},
});

TEST(Matmul, TransposedOperandsCostNoCopy) {
  for (const Backend chosen : {Backend::best, Backend::reference}) {
    set_backend(chosen);
    const Tensor a = rand({2, 64, 32}, 1, 1).transpose(1, 2), b = rand({48, 64}, 1, 2).transpose(0, 1);
    Tensor y = matmul(a, b);  // the first call may allocate plans
    const std::int64_t before = allocator(cpu).stats().allocations;
    y = matmul(a, b);
    EXPECT_EQ(allocator(cpu).stats().allocations - before, 1) << "only the result";
    const Tensor dense = matmul(a.contiguous(), b.contiguous());
    const auto got = y.to_vector<double>(), want = dense.to_vector<double>();
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_LE(std::abs(got[i] - want[i]), 1e-4);
  }
  set_backend(Backend::best);
}

TEST(Matmul, BothOperandsMayRepeat) {
  const Tensor a = tensor({1, 2, 3, 4}, {2, 2}), b = tensor({1, 0, 1, 1}, {2, 2});
  const Tensor y = matmul(a.unsqueeze(0).expand({3, 2, 2}), b.unsqueeze(0).expand({3, 2, 2}));
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(y.select(0, i).to_vector<double>(), (std::vector<double>{3, 2, 7, 4})) << i;
}

TEST(Matmul, InnerSizeOfZeroGivesZeros) {
  for (double v : matmul(zeros({3, 0}), zeros({0, 2})).to_vector<double>()) EXPECT_EQ(v, 0);
  const Tensor y = linear(zeros({3, 0}), zeros({2, 0}), tensor({1, -2}, {2}), Activation::relu);
  EXPECT_EQ(y.to_vector<double>(), (std::vector<double>{1, 0, 1, 0, 1, 0}));
}

// matmul, linear and their backward all ask cuBLASLt by this problem.
TEST(Matmul, ProblemsOfFp32UseTf32WhenItIsAllowed) {
  for (const bool allowed : {false, true, false}) {
    set_tf32(allowed);
    for (const DType dtype : {DType::fp32, DType::fp64, DType::bf16, DType::fp16})
      EXPECT_EQ(detail::rounds_to_tf32(dtype), allowed && dtype == DType::fp32) << name_of(dtype);
  }
}

// The fused relu of every backend lets NaN through: a network that diverges must be seen to diverge.
void expect_nan_through_linear(Device device) {
  const auto there = [&](const std::vector<double>& v, const Shape& shape) {
    return tensor(v, shape, DType::fp32, device);
  };
  const Tensor y =
      linear(there({nan, 1}, {1, 2}), there({1, 1, 0, 1}, {2, 2}), there({0, 0}, {2}), Activation::relu);
  EXPECT_TRUE(std::isnan(y.to_vector<double>()[0]));
}
TEST(Linear, ReluKeepsNan) {
  for (const Backend chosen : {Backend::best, Backend::reference}) {
    set_backend(chosen);
    expect_nan_through_linear(cpu);
  }
  set_backend(Backend::best);
}
TEST(Linear, CudaReluKeepsNan) {
  if (!cuda_available()) GTEST_SKIP() << "for a GPU";
  expect_nan_through_linear(cuda);
}

TEST(Linear, GeluIsTheSameFusedAndOnTheTape) {
  Tensor x = rand({9, 6}, 3, 1), weight = rand({5, 6}, 3, 2), bias = rand({5}, 3, 3);
  const auto fused = linear(x, weight, bias, Activation::gelu).to_vector<double>();
  x.requires_grad_();
  const auto taped = linear(x, weight, bias, Activation::gelu).to_vector<double>();
  for (std::size_t i = 0; i < fused.size(); ++i) EXPECT_LE(std::abs(fused[i] - taped[i]), 1e-5);
}

}  // namespace
}  // namespace gadolin
