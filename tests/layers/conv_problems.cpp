// The way from tensors to the GPU's convolution problems, run on the CPU: plain loops stand in for cuDNN,
// reading and writing where the problems say, and the results are those of conv2d.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "layers/conv_function.h"
#include "layers/cudnn_plans.h"
#include "tensor/ops.h"
#include "tests/layers/random_numbers.h"

namespace gadolin {
namespace {

using detail::Conv2dFunction;

std::vector<ConvProblem> asked;  // by the function under test
bool refuse_optional = false;    // as if no engine took slices or accumulated

template <class T> void run_loops(const ConvProblem& p, const ConvPointers& t) {
  T *const x = static_cast<T*>(t.x), *const w = static_cast<T*>(t.w), *const y = static_cast<T*>(t.y);
  const T *const bias = static_cast<const T*>(t.bias), *const z = static_cast<const T*>(t.z);
  const std::int64_t xs = p.x_stride ? p.x_stride : p.c, ys = p.y_stride ? p.y_stride : p.k,
                     cg = p.c / p.groups, kg = p.k / p.groups;
  // Calls f(x, w, y) with the indices of every product there is.
  const auto products = [&](auto&& f) {
    for (std::int64_t n = 0; n < p.n; ++n)
      for (std::int64_t i = 0; i < p.p(); ++i)
        for (std::int64_t j = 0; j < p.q(); ++j)
          for (std::int64_t k = 0; k < p.k; ++k)
            for (std::int64_t r = 0; r < p.r; ++r)
              for (std::int64_t s = 0; s < p.s; ++s) {
                const std::int64_t h = i * p.stride[0] - p.padding[0] + r * p.dilation[0];
                const std::int64_t v = j * p.stride[1] - p.padding[1] + s * p.dilation[1];
                if (h < 0 || v < 0 || h >= p.h || v >= p.w) continue;
                for (std::int64_t c = 0; c < cg; ++c) {
                  f(((n * p.h + h) * p.w + v) * xs + k / kg * cg + c, ((k * p.r + r) * p.s + s) * cg + c,
                    ((n * p.p() + i) * p.q() + j) * ys + k);
                }
              }
  };
  if (p.pass == ConvPass::data_gradient) {
    for (std::int64_t i = 0; i < p.n * p.h * p.w && !p.accumulate; ++i) std::fill_n(x + i * xs, p.c, T(0));
    products([&](std::int64_t a, std::int64_t b, std::int64_t c) { x[a] += w[b] * y[c]; });
  } else if (p.pass == ConvPass::filter_gradient) {
    if (!p.accumulate) std::fill_n(w, p.k * p.r * p.s * cg, T(0));
    products([&](std::int64_t a, std::int64_t b, std::int64_t c) { w[b] += x[a] * y[c]; });
  } else {
    const std::int64_t pixels = p.n * p.p() * p.q();
    for (std::int64_t i = 0; i < pixels && !p.accumulate; ++i) std::fill_n(y + i * ys, p.k, T(0));
    products([&](std::int64_t a, std::int64_t b, std::int64_t c) { y[c] += x[a] * w[b]; });
    for (std::int64_t i = 0; i < pixels; ++i) {
      for (std::int64_t k = 0; k < p.k; ++k) {
        T& value = y[i * ys + k];
        if (p.epilogue != ConvEpilogue::none) value += bias[k];
        if (p.epilogue == ConvEpilogue::bias_add_relu) value += z[i * p.k + k];
        if (p.epilogue >= ConvEpilogue::bias_relu && value < 0) value = 0;
      }
    }
  }
}

bool run(const char*, Device, const ConvProblem& p, const ConvPointers& t) {
  asked.push_back(p);
  EXPECT_TRUE(p.channels_last);
  for (const void* pointer : {static_cast<const void*>(t.x), static_cast<const void*>(t.w),
                              static_cast<const void*>(t.y), t.bias, t.z}) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pointer) % 16, 0u);
  }
  for (const std::int64_t stride : {p.x_stride, p.y_stride}) EXPECT_EQ(stride * size_of(p.dtype) % 16, 0);
  if (p.optional() && refuse_optional) return false;
  p.dtype == DType::fp64 ? run_loops<double>(p, t) : run_loops<float>(p, t);
  return true;
}

// The same numbers as a slice of twice as many channels, which hold 100 elsewhere.
Tensor sliced(const Tensor& t, std::int64_t room = 0) {
  const std::int64_t c = t.size(1), all = room ? room : (2 * c + 3) / 4 * 4;
  Tensor memory = full({t.size(0), all, t.size(2), t.size(3)}, 100, t.dtype())
                      .contiguous(MemoryFormat::channels_last)
                      .clone();
  const Tensor slice = memory.slice(1, all - (c + 3) / 4 * 4, all - (c + 3) / 4 * 4 + c);
  detail::copy_elements(t, slice);
  return slice;
}

struct Case {
  Shape x, w;
  Conv2dOptions options;
  DType dtype = DType::fp32;
};
const Case convolutions[] = {
    {{2, 8, 5, 6}, {4, 8, 3, 3}, {.padding = 1}},
    {{2, 8, 7, 6}, {12, 4, 3, 2}, {.stride = {2, 1}, .padding = {1, 0}, .groups = 2}},
    {{1, 4, 6, 6}, {8, 4, 3, 3}, {.stride = 2, .same = true}},
    {{3, 12, 4, 5}, {4, 12, 1, 1}, {}, DType::fp64}};

class ConvProblems : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    refuse_optional = GetParam();
    asked.clear();
  }
  void TearDown() override { set_tf32(false); }
};

TEST_P(ConvProblems, ForwardReadsAndWritesSlicesWithEveryEpilogue) {
  const NoGrad no_grad;
  for (const Case& c : convolutions) {
    const Tensor x = numbers(c.x, 1, c.dtype), w = numbers(c.w, 2, c.dtype),
                 b = numbers({c.w[0]}, 3, c.dtype);
    for (const int how : {0, 1, 2, 3, 4, 5, 6, 7}) {  // bits: bias, addend, relu
      const Tensor bias = how & 1 ? b : Tensor();
      Tensor expected = conv2d(x, w, bias, c.options);
      ConvTail tail{.relu = (how & 4) != 0};
      if (how & 2) tail.addend = numbers(expected.shape(), 4, c.dtype);
      if (how & 2) expected = add(expected, tail.addend);
      if (tail.relu) expected = relu(expected);
      for (const int slices : {0, 1, 2, 3}) {  // bits: x, y
        asked.clear();
        Tensor y = empty(expected.shape(), c.dtype, cpu, MemoryFormat::channels_last);
        if (slices & 2) y = sliced(y);
        detail::conv_forward_problem(run, c.options, slices & 1 ? sliced(x) : x, w, bias, tail, y);
        EXPECT_LE(worst(y, expected), 1e-5) << how << ' ' << slices;
        if (slices & 2) {  // the neighbours are untouched
          const Tensor all =
              y.view({y.size(0), y.size(1), y.size(2), y.size(3)}, y.strides(), y.offset() - y.size(1));
          EXPECT_EQ(worst(all, full(y.shape(), 100, c.dtype)), 0);
        }
        EXPECT_EQ(asked.size(), refuse_optional && asked[0].x_stride + asked[0].y_stride != 0 ? 2u : 1u);
        EXPECT_EQ(asked[0].x_stride, slices & 1 ? 2 * c.x[1] : 0);
        const ConvEpilogue epilogues[] = {ConvEpilogue::none,          ConvEpilogue::bias,
                                          ConvEpilogue::none,          ConvEpilogue::bias,
                                          ConvEpilogue::bias_relu,     ConvEpilogue::bias_relu,
                                          ConvEpilogue::bias_add_relu, ConvEpilogue::bias_add_relu};
        EXPECT_EQ(asked[0].epilogue, c.dtype == DType::fp64 ? ConvEpilogue::none : epilogues[how]);
      }
    }
  }
}

TEST_P(ConvProblems, GradientsOfSlicesAddToWhatIsThere) {
  const NoGrad no_grad;
  for (const Case& c : convolutions) {
    const Tensor x = numbers(c.x, 1, c.dtype), w = numbers(c.w, 2, c.dtype);
    Conv2dFunction f{.options = c.options};
    f.save(x, w, Tensor(), {});
    const Tensor dy = numbers(f.allocate(x, w, {}).shape(), 5, c.dtype), before = numbers(c.x, 6, c.dtype);
    const Grads expected = f.backward(Cpu{}, dy, {7});
    for (const int how : {0, 1, 2, 3, 4, 5, 6, 7}) {  // bits: x a slice, dy a slice, a gradient so far
      asked.clear();
      Conv2dFunction g{.options = c.options};
      g.save(how & 1 ? sliced(x) : x, w, Tensor(), {});
      if (how & 4) g.into = how & 2 ? sliced(before) : before.clone();
      const Tensor up = how & 2 ? sliced(dy) : dy;
      Grads got = detail::conv_backward_problems(run, g, up, {1});
      EXPECT_EQ(asked.back().y_stride != 0, (how & 2) && !refuse_optional);
      for (const std::uint32_t which : {1u, 2u})
        got[which] = detail::conv_backward_problems(run, g, up, {1u << which})[which];
      const bool added = g.into.defined() && got[0].same_as(g.into);
      EXPECT_EQ(added, (how & 4) && !refuse_optional);
      EXPECT_LE(worst(got[0], added ? add(expected[0], before) : expected[0]), 1e-5) << how;
      EXPECT_LE(worst(got[1], expected[1]), 1e-5) << how;
      EXPECT_LE(worst(got[2], expected[2]), 1e-5) << how;
      EXPECT_EQ(asked.back().y_stride != 0, (how & 2) && !refuse_optional);
      EXPECT_EQ(asked.back().x_stride != 0, (how & 1) && !refuse_optional);
      asked.clear();
      g.into = Tensor();
      const Grads all = detail::conv_backward_problems(run, g, up, {7});
      for (std::size_t i = 0; i < 3; ++i) EXPECT_LE(worst(all[i], expected[i]), 1e-5) << how << ' ' << i;
      for (const ConvProblem& p : asked) EXPECT_EQ(p.y_stride, 0) << "dy copied in both passes";
    }
  }
}

TEST_P(ConvProblems, StemsOfOneToThreeChannelsArePaddedForTensorCores) {
  const NoGrad no_grad;
  for (const bool tf32 : {true, false}) {
    set_tf32(tf32);
    for (const std::int64_t channels : {1, 2, 3, 4}) {
      asked.clear();
      const Tensor x = numbers({2, channels, 9, 8}, 1, DType::fp32),
                   w = numbers({4, channels, 3, 3}, 2, DType::fp32);
      const Tensor b = numbers({4}, 3, DType::fp32);
      Conv2dFunction f{.options = {.stride = 2, .padding = 1}};
      Tensor y = empty({2, 4, 5, 4}, DType::fp32, cpu, MemoryFormat::channels_last);
      detail::conv_forward_problem(run, f.options, x, w, b, {}, y, &f.padded);
      EXPECT_LE(worst(y, conv2d(x, w, b, f.options)), 1e-5);
      const std::int64_t wide = tf32 ? 4 : channels;
      EXPECT_EQ(asked[0].c, wide);
      EXPECT_EQ(f.padded.defined(), wide != channels);
      f.save(x, w, b, y);
      const Tensor dy = numbers(y.shape(), 4, DType::fp32);
      const Grads expected = f.backward(Cpu{}, dy, {7}),
                  got = detail::conv_backward_problems(run, f, dy, {7});
      for (std::size_t i = 0; i < 3; ++i) EXPECT_LE(worst(got[i], expected[i]), 1e-5) << i;
      EXPECT_TRUE(got[1].is_contiguous(MemoryFormat::channels_last));
      f.into = numbers(x.shape(), 6, DType::fp32);
      const Grads third = detail::conv_backward_problems(run, f, dy, {1});
      EXPECT_LE(
          worst(third[0], third[0].same_as(f.into) ? add(expected[0], numbers(x.shape(), 6, DType::fp32))
                                                   : expected[0]),
          1e-5);
    }
  }
}

TEST_P(ConvProblems, MisalignedAndRowMajorTensorsAreCopied) {
  const NoGrad no_grad;
  const Tensor x = numbers({2, 8, 5, 6}, 1, DType::fp32), w = numbers({4, 8, 3, 3}, 2, DType::fp32);
  const Tensor expected = conv2d(x, w);
  Tensor memory = zeros({2, 12, 5, 6}).contiguous(MemoryFormat::channels_last).clone();
  const Tensor odd = memory.slice(1, 1, 9),
               rows = x.contiguous(MemoryFormat::contiguous);  // 4 bytes beyond a multiple of 16
  detail::copy_elements(x, odd);
  for (const Tensor& in : {odd, rows}) {
    Tensor y = empty(expected.shape(), DType::fp32, cpu, MemoryFormat::channels_last);
    detail::conv_forward_problem(run, {}, in, w, {}, {}, y);
    EXPECT_LE(worst(y, expected), 1e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, ConvProblems, testing::Bool(),
                         [](const auto& which) { return which.param ? "RefuseSlices" : "TakeSlices"; });

// Two convolutions of one input: with `into`, whichever device uses it, the gradient is the sum.
TEST(ConvFork, GradientsAreAdded) {
  for (const DType dtype : {DType::fp32, DType::fp64}) {
    const Tensor w1 = numbers({4, 8, 3, 3}, 2, dtype), w2 = numbers({4, 8, 1, 1}, 3, dtype),
                 w3 = numbers({8, 8, 1, 1}, 4, dtype);
    const auto gradient = [&](bool first, bool second) {
      Tensor x = numbers({2, 8, 5, 6}, 1, dtype).requires_grad_();
      const Tensor h = conv2d(x, w3);  // not a leaf: its gradient is gathered in the walk
      Tensor y = mul(conv2d(h, w1, {}, {.padding = 1}), first ? 1.0 : 0.0);
      y = add(y, mul(conv2d(h, w2), second ? 1.0 : 0.0));
      y.backward(numbers({2, 4, 5, 6}, 5, dtype));
      return x.grad();
    };
    EXPECT_LE(worst(gradient(true, true), add(gradient(true, false), gradient(false, true))), 1e-5);
  }
}

}  // namespace
}  // namespace gadolin
