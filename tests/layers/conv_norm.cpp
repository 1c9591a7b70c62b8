// Convolution, batch norm, addition and ReLU as one: the same numbers as one by one, and never those of
// yesterday's weights.
#include "layers/conv_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "layers/channels.h"
#include "tensor/device.h"
#include "tensor/ops.h"
#include "tests/distance.h"
#include "tests/layers/random_numbers.h"

namespace gadolin {
namespace {

Tensor single_numbers(const Shape& shape, std::uint64_t stream, DType dtype = DType::fp32) {
  return numbers(shape, stream, dtype, 21);
}
double far(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape(), b.shape());
  EXPECT_EQ(a.dtype(), b.dtype());
  if (b.numel() == 0) return 0;
  return test::distance(a, b);
}

struct Pairing : Layer {
  ConvNorm pair;
  Conv2d& conv = pair.conv();
  BatchNorm2d& norm = pair.norm();
  Pairing(int in, int out, Pair kernel, const Conv2dOptions& options)
      : pair{add("conv", Conv2d(in, out, kernel, options)), add("norm", BatchNorm2d(out, 1e-3))} {
    std::uint64_t stream = 100;
    const NoGrad guard;
    for (Parameter& p : state()) {
      if (is_floating(p.tensor.dtype())) p.tensor.copy_(single_numbers(p.tensor.shape(), ++stream));
    }
    Tensor variance = norm.running_var();
    variance.copy_(abs(variance) + 0.1);
    eval();
  }
  Tensor forward(const Tensor& x) override { return pair.relu(x); }
  const char* kind() const override { return "Pairing"; }

  // norm(conv(x)) [+ addend] [then relu]
  Tensor call(const Tensor& x, bool with_relu, Tensor addend) {
    if (addend.defined())
      return with_relu ? pair.add_relu(x, std::move(addend)) : pair.add(x, std::move(addend));
    return with_relu ? pair.relu(x) : pair(x);
  }
  // As the modules compute it, one by one.
  Tensor apart(const Tensor& x, bool with_relu, const Tensor& addend) {
    const EnableGrad on;
    EXPECT_FALSE(pair.folds(x, addend));
    return call(x, with_relu, addend).detach();
  }
  Tensor folded(const Tensor& x, bool with_relu, const Tensor& addend) {
    const NoGrad guard;
    EXPECT_TRUE(pair.folds(x, addend));
    return call(x, with_relu, addend);
  }
};

void compare_folded(const Shape& shape, int out, Pair kernel, const Conv2dOptions& options, DType dtype,
                    double limit) {
  Pairing net(static_cast<int>(shape[1]), out, kernel, options);
  if (dtype == DType::fp64) net.to(dtype);
  const ComputeScope scope(dtype);
  const Tensor x = single_numbers(shape, 1, dtype), plain = net.apart(x, false, {});
  const Tensor addend = single_numbers(plain.shape(), 2, dtype), held = addend.clone();
  for (const bool with_relu : {false, true}) {
    for (const Tensor& added : {Tensor(), addend}) {
      const Tensor want = net.apart(x, with_relu, added);
      const std::string what = cat(dtype, " ", shape, " relu ", with_relu, " addend ", added.defined());
      EXPECT_LE(far(net.folded(x, with_relu, added), want), limit) << what;
      if (!added.defined()) continue;
      EXPECT_EQ(far(addend, held), 0) << "the addend is the caller's";
      const NoGrad guard;
      EXPECT_LE(far(net.call(x, with_relu, addend.clone()), want), limit) << what << ", given away";
    }
  }
}
void compare_types(const Shape& shape, int out, Pair kernel, const Conv2dOptions& options) {
  compare_folded(shape, out, kernel, options, DType::fp64, 1e-12);
  compare_folded(shape, out, kernel, options, DType::fp32, 1e-5);
  compare_folded(shape, out, kernel, options, DType::bf16, 2e-2);
}
TEST(ConvNorm, FoldedEqualsOneByOne) {
  compare_types({2, 3, 9, 7}, 5, 3, {.stride = 2, .padding = 1, .bias = false});
  compare_types({2, 16, 8, 8}, 32, 1, {.bias = false});
  compare_types({1, 4, 7, 5}, 6, {1, 3}, {.padding = {0, 1}, .groups = 2});
  compare_types({3, 5, 11, 11}, 17, 3, {.padding = 2, .dilation = 2});
  compare_types({2, 3, 10, 9}, 4, 3, {.stride = 2, .bias = false, .same = true});
  compare_types({1, 1, 1, 1}, 7, 1, {});
}
TEST(ConvNorm, TakesAnEmptyBatch) { compare_types({0, 3, 6, 6}, 4, 3, {.bias = false}); }
TEST(ConvNorm, HasAReferencePath) {
  const Backend before = backend();
  set_backend(Backend::reference);
  compare_folded({2, 3, 9, 7}, 5, 3, {.stride = 2, .padding = 1}, DType::fp32, 1e-5);
  set_backend(before);
}

// However weights and statistics change, the next result is of the new ones.
TEST(ConvNorm, FollowsEveryChange) {
  Pairing net(3, 4, 3, {});
  const Tensor x = single_numbers({2, 3, 6, 6}, 1);
  const auto agrees = [&](const std::string& what) {
    EXPECT_LE(far(net.folded(x, true, {}), net.apart(x, true, {})), 1e-5) << what;
    EXPECT_LE(far(net.folded(x, true, {}), net.apart(x, true, {})), 1e-5) << what << ", again";
  };
  agrees("first");
  for (Parameter& p : net.state()) {
    if (!is_floating(p.tensor.dtype())) continue;
    const Tensor before = net.folded(x, true, {}).clone();
    const NoGrad guard;
    p.tensor.mul_(1.5);
    EXPECT_GT(far(net.folded(x, true, {}), before), 1e-3) << p.name << " counts";
    agrees(p.name);
  }
  for (int i = 0; i < 2; ++i) {
    const Tensor before = net.folded(x, true, {}).clone();
    net.train();
    EXPECT_FALSE(net.pair.folds(x));
    net(mul(x, 3.0));  // moves the running statistics
    net.eval();
    EXPECT_GT(far(net.folded(x, true, {}), before), 1e-3);
    agrees("statistics moved by training");
  }
  Pairing other(3, 4, 3, {});
  State state;
  for (const Parameter& p : other.state()) state[p.name] = p.tensor;
  net.load_state(state);
  agrees("loaded");
  EXPECT_EQ(far(net.folded(x, true, {}), other.folded(x, true, {})), 0);
  for (const DType dtype : {DType::bf16, DType::fp32}) {
    const ComputeScope scope(dtype);
    const Tensor in = x.to(dtype);
    EXPECT_LE(far(net.folded(in, true, {}), net.apart(in, true, {})), 2e-2);
  }
  agrees("back in fp32");
  net.to(DType::fp64);
  EXPECT_LE(far(net.folded(x.to(DType::fp64), true, {}), net.apart(x.to(DType::fp64), true, {})), 1e-12);
}

TEST(ConvNorm, FoldsOnlyWhereNobodyLooks) {
  Pairing net(3, 4, 3, {});
  Tensor x = single_numbers({2, 3, 6, 6}, 1);
  EXPECT_FALSE(net.pair.folds(x)) << "weights want gradients";
  net.freeze({""});
  EXPECT_TRUE(net.pair.folds(x)) << "nothing wants one";
  net.train();
  EXPECT_TRUE(net.pair.folds(x)) << "frozen batch norms keep their statistics in training";
  EXPECT_FALSE(net.pair.folds(x, single_numbers({2, 4, 4, 4}, 2).requires_grad_()))
      << "an addend may want one";
  EXPECT_FALSE(net.pair.folds(x.clone().requires_grad_()));
  const CallObserver observer([](auto&&...) {});
  EXPECT_TRUE(net.pair.folds(x)) << "an observer alone changes nothing";
  const Unfused apart;
  EXPECT_FALSE(net.pair.folds(x));
}

TEST(ConvNorm, WritesIntoASlot) {
  for (const DType dtype : {DType::fp32, DType::bf16, DType::fp64}) {
    Pairing net(3, 4, 3, {});
    if (dtype == DType::fp64) net.to(dtype);
    const ComputeScope scope(dtype);
    const NoGrad guard;
    const Tensor x = single_numbers({2, 3, 6, 6}, 1, dtype), want = net(x);
    ChannelBuffer buffer(want, 7, 4, 4);
    buffer.append(single_numbers({2, 2, 4, 4}, 2, dtype));
    const Tensor slot = buffer.slot(4), got = net.pair.relu(x, slot);
    EXPECT_EQ(got.raw(), slot.raw());
    buffer.append(got);
    EXPECT_EQ(far(buffer.all().slice(1, 2, 6), want), 0);
    EXPECT_EQ(far(buffer.all().slice(1, 0, 2), single_numbers({2, 2, 4, 4}, 2, dtype)), 0)
        << "neighbours stay";
    EXPECT_THROW(net.pair.relu(x, empty({2, 4, 4, 5}, dtype)), ShapeError);
  }
}

// The upper row of the picture is NaN. Alone and with an addend: two epilogues of cuDNN's.
void expect_nan_kept(Device device, DType dtype) {
  Pairing net(3, 4, 1, {});
  net.to(device);
  const NoGrad guard;
  const ComputeScope scope(dtype);
  Tensor bad = single_numbers({1, 3, 2, 2}, 1, dtype);
  bad.slice(2, 0, 1).fill_(std::nan(""));
  const Tensor x = bad.to(device), addend = single_numbers({1, 4, 2, 2}, 2, dtype).to(device);
  for (const bool adds : {false, true}) {
    const std::vector<double> y = net.folded(x, true, adds ? addend : Tensor()).to(cpu).to_vector<double>();
    for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(std::isnan(y[i]), i % 4 < 2) << i << ' ' << adds;
    for (const double v : y) EXPECT_FALSE(v < 0);
  }
}
TEST(ConvNorm, KeepsNaN) { expect_nan_kept(cpu, DType::fp32); }
TEST(ConvNorm, KeepsNaNOnCuda) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  for (const DType dtype : {DType::fp32, DType::bf16, DType::fp16}) expect_nan_kept(cuda, dtype);
}

TEST(ConvNorm, NamesTheModule) {
  Pairing net(3, 4, 3, {.bias = false});
  const NoGrad guard;
  const auto message = [&](auto&& f) {
    try {
      f();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(message([&] {
              net(zeros({1, 2, 6, 6}));
            }),
            "conv: conv2d: input [1, 2, 6, 6] has C=2, but weight [4, 3, 3, 3] with groups=1 takes C=3");
  EXPECT_EQ(message([&] {
              net.pair.add_relu(zeros({1, 3, 6, 6}), zeros({1, 4, 3, 4}));
            }),
            "conv: conv2d: a result of fp32 [1, 4, 4, 4] cannot be added to fp32 [1, 4, 3, 4]");
  EXPECT_EQ(message([&] {
              net.pair.add_relu(zeros({1, 3, 6, 6}), zeros({1, 4, 4, 4}, DType::fp64));
            }),
            "conv: conv2d: a result of fp32 [1, 4, 4, 4] cannot be added to fp64 [1, 4, 4, 4]");
  EXPECT_NE(message([&] { net(zeros({1, 3, 6, 6}, DType::fp64)); }), "accepted");
}

// A norm that does not learn goes into the filters while the convolution learns.
TEST(ConvNorm, FoldsWhileTheConvolutionLearns) {
  for (const auto& type : {std::pair{DType::fp64, 1e-12}, {DType::fp32, 2e-5}, {DType::bf16, 4e-2}}) {
    const DType dtype = type.first;
    const double limit = type.second;
    for (const bool biased : {false, true}) {
      Pairing net(16, 24, 3, {.padding = 1, .bias = biased});
      if (dtype == DType::fp64) net.to(dtype);
      net.freeze({"norm"});
      const ComputeScope scope(dtype);
      for (const bool with_relu : {false, true}) {
        if (with_relu && dtype == DType::bf16) continue;  // roundings around 0 open and close it
        for (const bool adds : {false, true}) {
          const auto gradients = [&](bool apart) {
            std::optional<Unfused> unfused;
            if (apart) unfused.emplace();
            Tensor x = single_numbers({2, 16, 9, 6}, 1, dtype),
                   addend = single_numbers({2, 24, 9, 6}, 2, dtype);
            x.requires_grad_();
            addend.requires_grad_();
            const Tensor y = net.call(x, with_relu, adds ? addend : Tensor());
            for (const Parameter& p : net.parameters()) Tensor(p.tensor).set_grad({});
            sum(y.to(DType::fp64) * single_numbers(y.shape(), 3, DType::fp64)).backward();
            std::vector<Tensor> all{y.detach(), x.grad(), net.conv.weight().grad().clone()};
            if (biased) all.push_back(net.conv.bias().grad().clone());
            if (adds) all.push_back(addend.grad());
            return all;
          };
          const std::vector<Tensor> one = gradients(false), by_one = gradients(true);
          for (std::size_t i = 0; i < one.size(); ++i)
            EXPECT_LE(far(one[i], by_one[i]), limit)
                << name_of(dtype) << " relu " << with_relu << " addend " << adds << " " << i;
        }
      }
    }
  }
}

TEST(ConvThen, EqualsOneByOne) {
  Conv2d conv(3, 4, 3, {});
  for (const double factor : {1.0, 0.3}) {
    for (const bool with_relu : {false, true}) {
      const Tensor x = single_numbers({2, 3, 6, 5}, 1), addend = single_numbers({2, 4, 4, 3}, 2);
      const ConvTail tail{.addend = addend, .relu = with_relu};
      const Tensor want = conv_then(conv, x, tail, factor);
      EXPECT_TRUE(want.node());
      const Tensor sum = mul(conv(x), factor) + addend;
      EXPECT_LE(far(want.detach(), (with_relu ? relu(sum) : sum).detach()), 1e-6);
      {
        const Unfused apart;
        EXPECT_LE(far(conv_then(conv, x, tail, factor).detach(), want.detach()), 1e-6);
      }
      const NoGrad guard;
      for (int i = 0; i < 2; ++i) EXPECT_LE(far(conv_then(conv, x, tail, factor), want.detach()), 1e-6);
    }
  }
}

// A block's shortcut with a projection, another layer or nothing: joined, folded and unfused agree, and the
// unfused calls are those of a block as the paper draws it.
struct Residual : Layer {
  ConvNorm last{add("conv", Conv2d(3, 4, 1, {.bias = false})), add("norm", BatchNorm2d(4))};
  Shortcut& shortcut;
  explicit Residual(Shortcut made) : shortcut(add("shortcut", std::move(made))) {
    std::uint64_t stream = 200;
    const NoGrad guard;
    for (Parameter& p : parameters()) p.tensor.copy_(single_numbers(p.tensor.shape(), ++stream));
  }
  Tensor forward(const Tensor& x) override { return last.add_relu(x.slice(1, 0, 3), shortcut, x); }
  const char* kind() const override { return "Residual"; }
};
TEST(Shortcuts, JoinFoldAndStandApart) {
  const auto make = [](int which) {
    return which == 0   ? Residual(Shortcut(Conv2d(4, 4, 1, {.bias = false}), BatchNorm2d(4)))
           : which == 1 ? Residual(Shortcut(MaxPool2d(PoolOptions(1))))
                        : Residual(Shortcut());
  };
  const std::vector<std::string> drawn[] = {
      {"Conv2d shortcut.0", "BatchNorm2d shortcut.1", "Sequential shortcut", "Conv2d conv",
       "BatchNorm2d norm", "Residual "},
      {"MaxPool2d shortcut.0", "Sequential shortcut", "Conv2d conv", "BatchNorm2d norm", "Residual "},
      {"Sequential shortcut", "Conv2d conv", "BatchNorm2d norm", "Residual "}};
  const Tensor x = single_numbers({2, 4, 3, 5}, 1), cotangent = single_numbers({2, 4, 3, 5}, 2);
  for (int which = 0; which < 3; ++which) {
    SCOPED_TRACE(which);
    Residual fused = make(which), plain = make(which);
    std::vector<std::string> seen;
    const CallObserver observer([&](const Module& module, const std::string& place, auto&&...) {
      seen.push_back(std::string(module.kind()) + " " + place);
    });
    const Tensor joined = fused(x);
    EXPECT_EQ(seen == drawn[which], which != 0) << "two batch norms that train run as one";
    joined.backward(cotangent);
    fused.eval();
    Tensor folded;
    {
      const NoGrad guard;
      folded = fused(x);
    }
    seen.clear();
    const Unfused apart;
    const Tensor alone = plain(x);
    EXPECT_EQ(seen, drawn[which]);
    EXPECT_LE(far(joined.detach(), alone.detach()), 1e-5);
    alone.backward(cotangent);
    const auto a = fused.parameters(), b = plain.parameters();
    for (std::size_t i = 0; i < a.size(); ++i)
      EXPECT_LE(far(a[i].tensor.grad(), b[i].tensor.grad()), 1e-4) << a[i].name;
    plain.eval();
    EXPECT_LE(far(folded, plain(x).detach()), 1e-5);
  }
}

TEST(SiblingConvs, FoldTogether) {
  Pairing a(5, 3, 1, {.bias = false}), b(5, 4, 1, {.bias = false});
  const NoGrad guard;
  const Tensor x = single_numbers({2, 5, 3, 4}, 1);
  for (int i = 0; i < 3; ++i) {
    const std::vector<Tensor> y = sibling_convs(x, {&a.conv, &b.conv}, {&a.norm, &b.norm});
    EXPECT_LE(far(y[0], a.apart(x, true, {})), 1e-5);
    EXPECT_LE(far(y[1], b.apart(x, true, {})), 1e-5);
    Tensor weight = i == 0 ? b.conv.weight() : b.norm.running_mean();
    weight.mul_(2);
  }
}

}  // namespace
}  // namespace gadolin
