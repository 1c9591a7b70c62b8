// Joins: relu(norm(x) + addend) with one bit an element kept, and relu(norm(x) + norm(z)) in one pass,
// against the same made of separate ops.
#include <gtest/gtest.h>

#include <cmath>

#include "layers/module.h"
#include "layers/norm_function.h"
#include "tensor/allocator.h"
#include "tensor/ops.h"
#include "tests/distance.h"
#include "tests/layers/random_numbers.h"
#include "tests/op_spec.h"

namespace gadolin {
namespace {

// in: x, weight, bias, running mean and variance, and the same five of the other batch norm.
Call join(bool training) {
  return [training](const Inputs& in) {
    detail::BatchNormFunction f;
    f.other.emplace();
    detail::NormPart* sides[] = {&f, &*f.other};
    for (std::size_t i = 0; i < 2; ++i) {
      sides[i]->options = {.training = training, .relu = i == 0};
      sides[i]->running_mean = parameter_of(in[5 * i + 3], in[0]).clone();
      sides[i]->running_var = parameter_of(in[5 * i + 4], in[0]).clone();
    }
    const auto dense = [&](std::size_t i) { return parameter_of(in[i], in[0]).contiguous(); };
    return apply(std::move(f), in[0], dense(1), dense(2), in[5], dense(6), dense(7));
  };
}
double normed(const Inputs& in, std::size_t side, bool training, const Index& i) {
  const Tensor &x = in[5 * side], channel = x.select(1, i[1]);
  double mean = at(in[5 * side + 3], {i[1]}), variance = at(in[5 * side + 4], {i[1]});
  if (training) {
    const std::vector<double> v = channel.to_vector<double>();
    const double n = static_cast<double>(v.size());
    mean = variance = 0;
    for (double a : v) mean += a / n;
    for (double a : v) variance += (a - mean) * (a - mean) / n;
  }
  return at(in[5 * side + 1], {i[1]}) * (at(x, i) - mean) / std::sqrt(variance + 1e-5) +
         at(in[5 * side + 2], {i[1]});
}
OpCase join_case(const std::string& what, const Shape& x, bool training) {
  const Shape c{x[1]};
  OpCase made;
  made.what = what;
  for (int side = 0; side < 2; ++side) {
    made.inputs.insert(made.inputs.end(),
                       {shaped(x), shaped(c).between(0.5, 1.5), shaped(c),
                        shaped(c).between(-0.5, 0.5).fixed(), shaped(c).between(0.5, 2).fixed()});
  }
  made.f = join(training);
  made.reference = [training](const Inputs& in) {
    return tabulate(in[0].shape(), [&](const Index& i) {
      return std::max(0.0, normed(in, 0, training, i) + normed(in, 1, training, i));
    });
  };
  made.products = 16;     // sums over the batch
  made.expanded = false;  // equal values have no variance
  made.batch_one = x.dim() == 4;
  return made;
}

const bool batch_norm_join_added = add_spec({
    .name = "batch_norm_join",
    .f = join(true),
    .cases = {join_case("training", {4, 3, 3, 5}, true),
              join_case("training, whole bytes", {3, 16, 2, 3}, true),
              join_case("training, a byte and a half", {2, 12, 3, 2}, true),
              join_case("training, vectors", {12, 9}, true), join_case("evaluation", {2, 8, 3, 4}, false),
              join_case("evaluation, one channel", {2, 1, 3, 4}, false)},
    .errors = {{.inputs = {shaped({2, 3}), shaped({3}), shaped({3}), shaped({3}), shaped({3}), shaped({2, 4}),
                           shaped({4}), shaped({4}), shaped({4}), shaped({4})},
                .message = "batch_norm: addend [2, 4] is not of the input's shape [2, 3]"},
               {.inputs = {shaped({2, 3}), shaped({3}), shaped({3}), shaped({3}), shaped({3}), shaped({2, 3}),
                           shaped({4}), shaped({3}), shaped({3}), shaped({3})},
                .message = "batch_norm: input [2, 3] has C=3, but a parameter has shape [4]"}},
});

Tensor spread_numbers(const Shape& shape, std::uint64_t stream) {
  const Tensor t = add(mul(rand(shape, 17, stream, DType::fp64), 4.0), -2.0);
  return shape.dim() == 4 ? t.contiguous(MemoryFormat::channels_last) : t;
}

// Two batch norms with weights and running statistics of their own; `moves`: whether the second learns in
// training.
struct NormPair {
  BatchNorm2d first, second;
  NormPair(int channels, DType parameters, bool training, bool moves = true)
      : first(channels), second(channels, 1e-3, 0.3) {
    std::uint64_t stream = 40;
    for (BatchNorm2d* norm : {&first, &second}) {
      for (Parameter& p : norm->parameters())
        p.tensor.set_data(spread_numbers(p.tensor.shape(), ++stream).to(DType::fp32));
      norm->to(parameters);
      norm->train(training);
    }
    if (!moves) second.freeze({""});
  }
};

// y, all gradients and the state after two calls.
test::Rows results(NormPair& norms, const Tensor& x_data, const Tensor& z_data, const Tensor& cotangent,
                   bool joined, std::int64_t from = 0) {
  const std::int64_t channels = cotangent.size(1);
  const auto leaf = [&](const Tensor& t) { return t.clone().requires_grad_(); };
  Tensor x = leaf(x_data), z = leaf(z_data);
  test::Rows all;
  for (int call = 0; call < 2; ++call) {
    const Tensor a = x.slice(1, from, from + channels), b = z.slice(1, from, from + channels);
    const Tensor y =
        joined ? norms.first.join_relu(a, norms.second, b) : relu(norms.first(a) + norms.second(b));
    all.push_back(y.to_vector<double>());
    if (y.requires_grad()) y.backward(cotangent);
  }
  for (const Tensor& t : {x, z}) all.push_back(t.grad().to_vector<double>());
  for (BatchNorm2d* norm : {&norms.first, &norms.second}) {
    for (const Parameter& p : norm->parameters()) {
      if (p.tensor.grad().defined()) all.push_back(p.tensor.grad().to_vector<double>());
    }
    for (const Parameter& p : norm->buffers()) all.push_back(p.tensor.to_vector<double>());
  }
  return all;
}
void expect_same_results(const test::Rows& got, const test::Rows& expected, double limit) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (got[i].size() == expected[i].size() && test::distance(got[i], expected[i]) <= limit) continue;
    EXPECT_EQ(got[i], expected[i]) << "result " << i << ", limit " << limit;
  }
}

void compare_joined(const Shape& shape, bool training, bool moves = true, std::int64_t extra = 0) {
  Shape wide = shape;
  wide[1] += extra;
  const int channels = static_cast<int>(shape[1]);
  const Tensor x = spread_numbers(wide, 1), z = spread_numbers(wide, 2), cotangent = spread_numbers(shape, 3);
  for (const DType dtype : {DType::fp64, DType::fp32, DType::bf16}) {
    const DType parameters = dtype == DType::fp64 ? DType::fp64 : DType::fp32;
    // 16-bit ops would round between them and so mask other elements: they are compared with fp64 of the same
    // inputs.
    const DType other = dtype == DType::bf16 ? DType::fp64 : dtype;
    NormPair joined(channels, parameters, training, moves),
        separate(channels, other == DType::fp64 ? DType::fp64 : parameters, training, moves);
    const auto as = [&](const Tensor& t, DType to) { return t.to(dtype).to(to); };
    SCOPED_TRACE(cat(shape, " ", dtype));
    expect_same_results(results(joined, as(x, dtype), as(z, dtype), as(cotangent, dtype), true, extra / 2),
                        results(separate, as(x, other), as(z, other), as(cotangent, other), false, extra / 2),
                        dtype == DType::fp64   ? 1e-12
                        : dtype == DType::fp32 ? 1e-5
                                               : 0.01);
  }
}
TEST(BatchNormJoin, TrainsLikeSeparateOps) {
  for (const int channels : {1, 3, 8, 13, 64}) compare_joined({3, channels, 5, 7}, true);
  compare_joined({40, 10}, true);
}
TEST(BatchNormJoin, EvaluatesLikeSeparateOps) { compare_joined({2, 11, 4, 3}, false); }
TEST(BatchNormJoin, OneOfTwoMayBeFrozen) { compare_joined({2, 16, 4, 3}, true, false); }
TEST(BatchNormJoin, TakesSlicesOfChannels) {
  compare_joined({2, 16, 4, 3}, true, true, 16);
  compare_joined({2, 5, 4, 3}, true, true, 6);
}
TEST(BatchNormJoin, TakesNothing) {
  for (const bool training : {false, true}) {
    NormPair norms(6, DType::fp32, training);
    Tensor x = zeros({0, 6, 4, 4}).requires_grad_(), z = zeros({0, 6, 4, 4}).requires_grad_();
    const Tensor y = norms.first.join_relu(x, norms.second, z);
    EXPECT_EQ(y.shape(), (Shape{0, 6, 4, 4}));
    y.backward(zeros(y.shape()));
    EXPECT_EQ(x.grad().shape(), x.shape());
    EXPECT_EQ(z.grad().shape(), z.shape());
    EXPECT_EQ(norms.second.weight().grad().to_vector<float>(), std::vector<float>(6, 0));
    EXPECT_EQ(norms.first.running_mean().to_vector<float>(), std::vector<float>(6, 0));
  }
}
// Gradients of x that another op left are added to in place; the same tensor may go both ways.
TEST(BatchNormJoin, AddsToGradientsThatAreThere) {
  const Tensor data = spread_numbers({2, 10, 3, 4}, 1), cotangent = spread_numbers({2, 10, 3, 4}, 2);
  test::Rows got[2];
  for (const bool joined : {false, true}) {
    NormPair norms(10, DType::fp64, true);
    Tensor leaf = data.clone().requires_grad_();
    const Tensor x = leaf * 1.5;
    const Tensor y =
        joined ? norms.first.join_relu(x, norms.second, x) : relu(norms.first(x) + norms.second(x));
    (y + x * x).backward(cotangent);
    got[joined] = {leaf.grad().to_vector<double>(), norms.first.weight().grad().to_vector<double>()};
  }
  expect_same_results(got[1], got[0], 1e-12);
}
TEST(BatchNormJoin, IsTwoCallsWhenUnfused) {
  NormPair norms(4, DType::fp32, true);
  const Tensor x = spread_numbers({2, 4, 3, 3}, 1).to(DType::fp32);
  std::vector<Tensor> seen;
  Tensor y;
  {
    const CallObserver observer([&](const Module&, const std::string&, std::span<const Tensor>,
                                    std::span<const Tensor> out) { seen.push_back(out[0]); });
    const Unfused apart;
    y = norms.first.join_relu(x, norms.second, x);
  }
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_TRUE(seen[1].same_as(y));
  NormPair again(4, DType::fp32, true);
  expect_same_results({again.first.join_relu(x, again.second, x).to_vector<double>()},
                      {y.to_vector<double>()}, 1e-6);
}
TEST(BatchNormJoin, ErrorsNameBoth) {
  struct Block : Layer {
    BatchNorm2d &bn3, &shortcut;
    Block() : bn3(add("bn3", BatchNorm2d(4))), shortcut(add("shortcut", BatchNorm2d(5))) {}
    Tensor forward(const Tensor& x) override { return bn3.join_relu(x, shortcut, x); }
    const char* kind() const override { return "Block"; }
  } block;
  try {
    block(zeros({2, 4, 3, 3}));
    FAIL() << "accepted";
  } catch (const ShapeError& error) {
    EXPECT_STREQ(error.what(),
                 "bn3 and shortcut: batch_norm: input [2, 4, 3, 3] has C=4, but a parameter has shape [5]");
  }
}

// The bits are where GPU kernels look for them: bit c % 8 of byte c / 8 of a row, nothing beyond the last
// channel.
TEST(ReluMask, HoldsABitAnElement) {
  for (const std::int64_t channels : {1, 5, 8, 11, 24}) {
    Tensor x = spread_numbers({2, channels, 3, 5}, 1).to(DType::fp32);
    const Tensor addend = spread_numbers({2, channels, 3, 5}, 2).to(DType::fp32),
                 weight = ones({channels}).requires_grad_(), bias = zeros({channels});
    addend.select(0, 1)
        .select(0, channels - 1)
        .select(0, 2)
        .slice(0, 4, 5)
        .fill_(std::nan(""));  // passes, as in relu
    detail::BatchNormFunction f;
    f.options = {.relu = true};
    f.running_mean = zeros({channels});
    f.running_var = ones({channels});
    Tensor y = f.allocate(x, weight, bias, addend, {}, {});
    f.forward(Cpu{}, x, weight, bias, addend, {}, {}, y);
    ASSERT_EQ(f.mask.shape(), (Shape{30, (channels + 7) / 8}));
    const detail::MaskRows mask(f.mask);
    const detail::Rows<const float> rows(y);
    int kept = 0;
    for (std::int64_t row = 0; row < 30; ++row) {
      for (std::int64_t c = 0; c < mask.stride * 8; ++c) {
        const bool passes = c < channels && !(rows.at(row)[c] <= 0);
        ASSERT_EQ(detail::mask_passes(*mask.at(row, c), static_cast<int>(c % 8)), passes)
            << channels << " " << row << " " << c;
        kept += passes;
      }
    }
    EXPECT_GT(kept, 5);
    EXPECT_LT(kept, 25 * channels);
  }
}
TEST(ReluMask, IsMadeForBackwardOnly) {
  const Tensor x = spread_numbers({2, 4, 3, 3}, 1).to(DType::fp32);
  for (const bool learns : {false, true}) {
    detail::BatchNormFunction f;
    f.options = {.relu = true};
    const Tensor weight = ones({4}).requires_grad_(learns), bias = zeros({4});
    f.allocate(x, weight, bias, x, {}, {});
    EXPECT_EQ(f.mask.defined(), learns);
    f.mask = Tensor();
    f.allocate(x, weight, bias, {}, {}, {});
    EXPECT_FALSE(f.mask.defined()) << "x says it without an addend";
    const NoGrad guard;
    f.allocate(x, weight, bias, x, {}, {});
    EXPECT_FALSE(f.mask.defined());
  }
}
// What a sum keeps is its inputs and 1/32 of its result (fp32), not the result.
TEST(ReluMask, TakesTheResultsPlace) {
  NormPair norms(64, DType::fp32, true);
  const Tensor x = spread_numbers({4, 64, 32, 32}, 1).to(DType::fp32);
  const std::int64_t size = x.numel() * 4;
  for (const bool joined : {false, true}) {
    const std::int64_t before = allocator(cpu).stats().allocated;
    Tensor y = joined ? norms.first.join_relu(x, norms.second, x) : norms.first.add_relu(x, x);
    y = y + 1.0;
    const std::int64_t kept = allocator(cpu).stats().allocated - before - size;
    EXPECT_GE(kept, size / 32);
    EXPECT_LT(kept, size / 16);
    y.backward(x);
  }
}

// Every channel and row is somebody's, and a slab's blocks have a counter.
TEST(NormGrid, CoversTheMatrix) {
  for (const std::int64_t channels : {1, 3, 8, 24, 64, 100, 256, 2048, 2049, 300000}) {
    for (const std::int64_t rows : {1, 2, 49, 196, 3136, 12544, 802816, 1 << 26}) {
      for (const int v : {1, 2, 4, 8}) {
        const detail::NormGrid g = detail::norm_grid({rows, channels}, v, 8, 264);
        ASSERT_EQ(g.x * g.y, detail::norm_threads);
        ASSERT_TRUE(g.x <= 32 && g.x * v <= detail::norm_threads && (g.x & (g.x - 1)) == 0);
        ASSERT_GE(g.slabs * g.x * v, channels);
        ASSERT_LT((g.slabs - 1) * g.x * v, channels);
        ASSERT_TRUE(g.shares >= 1 && g.shares <= 264);
        ASSERT_TRUE(g.shares == 1 || g.slabs <= detail::norm_most_slabs);
        ASSERT_TRUE(g.shares == 1 || (g.shares - 1) * g.y < rows) << "blocks without rows";
      }
    }
  }
  const auto of = [](std::int64_t rows, std::int64_t channels) {
    return detail::norm_grid({rows, channels}, 8, 8, 264);
  };
  EXPECT_EQ(of(802816, 64).x, 8);
  EXPECT_EQ(of(802816, 64).shares, 264);
  EXPECT_EQ(of(12544, 2048).slabs * of(12544, 2048).shares, 264);
  EXPECT_EQ(of(1568, 2048).x, 8) << "few rows: slabs of 64 channels";
  EXPECT_EQ(of(1568, 2048).shares, 4);
}

}  // namespace
}  // namespace gadolin
