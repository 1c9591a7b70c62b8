// Modules: names, state, loading, freezing, places in errors and on the tape, moving, observers, mixed
// precision.
#include "layers/module.h"

#include <gtest/gtest.h>

#include "layers/conv.h"
#include "layers/linear.h"
#include "layers/norm.h"
#include "layers/pool.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;

// A small net with a module inside a module.
class ResidualBlock : public Layer {
 public:
  explicit ResidualBlock(int channels)
      : conv_(add("conv", Conv2d(channels, channels, 3, {.padding = 1, .bias = false}))),
        bn_(add("bn", BatchNorm2d(channels))) {}
  Tensor forward(const Tensor& x) override { return bn_.add_relu(conv_(x), x); }
  const char* kind() const override { return "Block"; }

 private:
  Conv2d& conv_;
  BatchNorm2d& bn_;
};
class Net : public Layer {
 public:
  explicit Net(int classes = 3)
      : stem_(add("stem", Conv2d(1, 4, 3, {.padding = 1}))),
        layer1_(add("layer1", Sequential(ResidualBlock(4), ResidualBlock(4)))),
        fc_(add("fc", Linear(4, classes))) {}
  Tensor forward(const Tensor& x) override { return fc_(global_avg_pool2d(layer1_(stem_(x))).flatten(1)); }
  const char* kind() const override { return "Net"; }

 private:
  Conv2d& stem_;
  Sequential& layer1_;
  Linear& fc_;
};

std::vector<std::string> names(const std::vector<Parameter>& parameters) {
  std::vector<std::string> list;
  for (const Parameter& p : parameters) list.push_back(p.name);
  return list;
}
State copy_of(const Module& module) {
  State state;
  for (const Parameter& p : module.state()) state[p.name] = p.tensor.detach().clone();
  return state;
}
const Shape image_shape{2, 1, 5, 5};

TEST(Module, NamesAsPyTorchDoes) {
  const Net net;
  EXPECT_EQ(names(net.parameters()),
            (std::vector<std::string>{"stem.weight", "stem.bias", "layer1.0.conv.weight",
                                      "layer1.0.bn.weight", "layer1.0.bn.bias", "layer1.1.conv.weight",
                                      "layer1.1.bn.weight", "layer1.1.bn.bias", "fc.weight", "fc.bias"}));
  EXPECT_EQ(names(net.buffers()),
            (std::vector<std::string>{"layer1.0.bn.running_mean", "layer1.0.bn.running_var",
                                      "layer1.0.bn.num_batches_tracked", "layer1.1.bn.running_mean",
                                      "layer1.1.bn.running_var", "layer1.1.bn.num_batches_tracked"}));
  const std::vector<std::string> all = names(net.state());
  ASSERT_EQ(all.size(), 16u);
  EXPECT_EQ(all[5], "layer1.0.bn.running_mean");  // buffers stand with their module
  EXPECT_EQ(all[15], "fc.bias");
  for (const Parameter& p : net.parameters()) EXPECT_TRUE(p.tensor.requires_grad()) << p.name;
  for (const Parameter& p : net.buffers()) EXPECT_FALSE(p.tensor.requires_grad()) << p.name;
}

TEST(Module, StaysWholeWhenMoved) {
  manual_seed(1);
  Net net;
  net.eval();
  const Tensor x = randn(image_shape);
  const std::vector<float> before = net(x).to_vector<float>();
  Net moved = std::move(net);
  EXPECT_EQ(moved(x).to_vector<float>(), before);
  EXPECT_EQ(moved.parameters().size(), 10u);
}

TEST(Module, LoadsWhatItSaved) {
  manual_seed(1);
  Net a;
  manual_seed(2);
  Net b;
  a(randn(image_shape));  // moves the running statistics
  a.eval();
  b.eval();
  const Tensor x = randn(image_shape);
  EXPECT_NE(a(x).to_vector<float>(), b(x).to_vector<float>());
  const LoadReport report = b.load_state(copy_of(a));
  EXPECT_EQ(report.loaded.size(), 16u);
  EXPECT_EQ(a(x).to_vector<float>(), b(x).to_vector<float>());
}

TEST(Module, NamesWhatIsMissingLeftOverOrMisshapen) {
  Net net;
  State state = copy_of(net);
  state.erase("layer1.1.bn.weight");
  EXPECT_EQ(
      message_of<CheckpointError>([&] { net.load_state(state, {}, "net.gdck"); }),
      "load: net.gdck has no layer1.1.bn.weight (15 of 16 names found); was it saved by another network?");
  for (const char* name : {"stem.weight", "stem.bias", "layer1.0.conv.weight", "fc.weight", "fc.bias"})
    state.erase(name);
  EXPECT_EQ(message_of<CheckpointError>([&] { net.load_state(state, {}, "net.gdck"); }),
            "load: net.gdck has no stem.weight, stem.bias, layer1.0.conv.weight, layer1.1.bn.weight, "
            "fc.weight, ... (10 of 16 names "
            "found); was it saved by another network?");
  const LoadReport loose = net.load_state(state, {.strict = false});
  EXPECT_EQ(loose.missing.size(), 6u);
  EXPECT_EQ(loose.loaded.size(), 10u);

  state = copy_of(net);
  state["head.weight"] = zeros({3});
  EXPECT_EQ(
      message_of<CheckpointError>([&] { net.load_state(state, {}, "net.gdck"); }),
      "load: net.gdck holds head.weight, which this network does not have; was it saved by another network?");

  state = copy_of(Net(5));
  EXPECT_EQ(message_of<CheckpointError>([&] { net.load_state(state, {}, "net.gdck"); }),
            "load: net.gdck has other shapes: fc.weight [5, 4] for [3, 4], fc.bias [5] for [3]; for another "
            "number of classes pass "
            "--exclude-scopes with the last layer");
  // What the shapes tell: channels of the pictures, or more than that.
  const auto misfit = [&](const std::string& name, const Shape& shape) {
    State other = copy_of(net);
    other[name] = zeros(shape);
    return message_of<CheckpointError>([&] { net.load_state(other, {}, "net.gdck"); });
  };
  EXPECT_EQ(misfit("stem.weight", {4, 3, 3, 3}),
            "load: net.gdck has other shapes: stem.weight [4, 3, 3, 3] for [4, 1, 3, 3]; it was made for "
            "pictures of C=3, not C=1: pass --channels 3");
  EXPECT_EQ(misfit("stem.weight", {4, 1, 7, 7}),
            "load: net.gdck has other shapes: stem.weight [4, 1, 7, 7] for [4, 1, 3, 3]; was it saved by a "
            "net of another --model, --width or --channels?");
  EXPECT_EQ(misfit("fc.weight", {3, 8}),
            "load: net.gdck has other shapes: fc.weight [3, 8] for [3, 4]; was it saved by a net of another "
            "--model, --width or --channels?");
  const std::vector<float> head = net.state()[14].tensor.to_vector<float>();
  const LoadReport transfer = net.load_state(state, {.exclude = {"fc"}});
  EXPECT_EQ(transfer.excluded, (std::vector<std::string>{"fc.weight", "fc.bias"}));
  EXPECT_EQ(net.state()[14].tensor.to_vector<float>(), head);
}

// Nothing is written when a load fails.
TEST(Module, IsUnchangedByAFailedLoad) {
  Net net;
  const State before = copy_of(net);
  State state = copy_of(Net(3));
  state.erase("fc.bias");
  EXPECT_THROW(net.load_state(state), CheckpointError);
  for (const Parameter& p : net.state())
    EXPECT_EQ(p.tensor.to_vector<float>(), before.at(p.name).to_vector<float>()) << p.name;
}

TEST(Module, AcceptsFilesWithoutBatchCounters) {
  Net net;
  State state = copy_of(net);
  state.erase("layer1.0.bn.num_batches_tracked");
  EXPECT_EQ(net.load_state(state).loaded.size(), 15u);
}

TEST(Module, FreezesByPath) {
  Net net;
  net.freeze({"stem", "layer1.0"});
  for (const Parameter& p : net.parameters()) {
    const bool frozen = p.name.rfind("stem", 0) == 0 || p.name.rfind("layer1.0", 0) == 0;
    EXPECT_EQ(p.tensor.requires_grad(), !frozen) << p.name;
  }
  const State before = copy_of(net);
  net.train();
  net(randn(image_shape)).backward(ones({2, 3}));
  for (const Parameter& b : net.buffers()) {
    const bool frozen = b.name.rfind("layer1.0", 0) == 0;
    EXPECT_EQ(b.tensor.to_vector<float>() == before.at(b.name).to_vector<float>(), frozen) << b.name;
  }
  for (const Parameter& p : net.parameters())
    EXPECT_EQ(p.tensor.grad().defined(), p.tensor.requires_grad()) << p.name;
}

TEST(Module, TrainsOnlyTheGivenScopes) {
  Net net;
  net.set_trainable({"fc"});
  for (const Parameter& p : net.parameters())
    EXPECT_EQ(p.tensor.requires_grad(), p.name.rfind("fc", 0) == 0) << p.name;
  EXPECT_EQ(
      message_of<UsageError>([&] {
        net.set_trainable({"fc", "layer9"});
      }),
      "trainable scopes: nothing in the network is called layer9; run gadolin summary to see the names");
}

TEST(Module, SaysWhereInTheNetworkAnErrorIs) {
  Net net;
  EXPECT_EQ(message_of<ShapeError>([&] {
              net(ones({2, 3, 5, 5}));
            }),
            "stem: conv2d: input [2, 3, 5, 5] has C=3, but weight [4, 1, 3, 3] with groups=1 takes C=1");
  Sequential outer;
  outer.append("body", Net());
  EXPECT_EQ(message_of<ShapeError>([&] {
              outer(ones({2, 3, 5, 5}));
            }),
            "body.stem: conv2d: input [2, 3, 5, 5] has C=3, but weight [4, 1, 3, 3] with groups=1 takes C=1");
}

TEST(Module, MarksTheTapeWithPlaces) {
  Net net;
  const Tensor y = net(ones(image_shape));
  ASSERT_NE(y.node(), nullptr);
  EXPECT_EQ(y.node()->place, "fc");
  bool found = false;
  for (Node* node = y.node(); node && !found;
       node = node->inputs.empty() ? nullptr : node->inputs[0].node.get()) {
    found = node->place == "layer1.1.bn";
  }
  EXPECT_TRUE(found);
}

TEST(Module, TellsObservers) {
  Net net;
  std::vector<std::string> seen;
  {
    const CallObserver observer([&](const Module& module, const std::string& place,
                                    std::span<const Tensor> in, std::span<const Tensor> out) {
      EXPECT_TRUE(in.size() == 1 && in[0].defined() && out.size() == 1 && out[0].defined());
      seen.push_back(std::string(module.kind()) + " " + place);
    });
    net(ones(image_shape));
  }
  EXPECT_EQ(seen,
            (std::vector<std::string>{"Conv2d stem", "Conv2d layer1.0.conv", "BatchNorm2d layer1.0.bn",
                                      "Block layer1.0", "Conv2d layer1.1.conv", "BatchNorm2d layer1.1.bn",
                                      "Block layer1.1", "Sequential layer1", "Linear fc", "Net "}));
  net(ones(image_shape));
  EXPECT_EQ(seen.size(), 10u);
}

TEST(Module, ChangesPrecision) {
  manual_seed(4);
  Net net;
  net.eval();
  const Tensor x = randn(image_shape);
  const Tensor single = net(x).detach();
  net.to(DType::fp64);
  for (const Parameter& p : net.parameters()) EXPECT_EQ(p.tensor.dtype(), DType::fp64) << p.name;
  EXPECT_EQ(net.buffers()[2].tensor.dtype(), DType::int64);
  const Tensor wide = net(x.to(DType::fp64)).detach();
  const std::vector<double> a = single.to_vector<double>(), b = wide.to_vector<double>();
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-5);
  EXPECT_EQ(message_of<DTypeError>([&] { net.to(DType::int32); }),
            "module: parameters cannot be int32; use a floating type");
}

// Weights stay in fp32 and get fp32 gradients; results are 16 bits wide.
TEST(ComputeScope, RunsConvolutionsInSixteenBits) {
  manual_seed(4);
  Net net;
  const Tensor x = randn(image_shape);
  const std::vector<double> exact = net(x).detach().to_vector<double>();
  const ComputeScope scope(DType::bf16);
  const Tensor y = net(x);
  EXPECT_EQ(y.dtype(), DType::bf16);
  y.backward(ones(y.shape(), DType::bf16));
  for (const Parameter& p : net.parameters()) {
    ASSERT_TRUE(p.tensor.grad().defined()) << p.name;
    EXPECT_EQ(p.tensor.grad().dtype(), DType::fp32) << p.name;
  }
  const std::vector<double> got = y.detach().to_vector<double>();
  for (std::size_t i = 0; i < exact.size(); ++i)
    EXPECT_NEAR(got[i], exact[i], 0.05 * (1 + std::abs(exact[i])));
}

// Without a tape the copies in 16 bits are kept, until a weight changes, another type is asked for or
// training goes on.
TEST(ComputeScope, SeesWeightsThatChangeBetweenInferences) {
  manual_seed(4);
  Net net;
  net.eval();
  const Tensor x = randn(image_shape);
  const auto inference = [&](DType dtype) {
    const NoGrad guard;
    const ComputeScope scope(dtype);
    return net(x).to_vector<float>();
  };
  const auto taped = [&](DType dtype) {
    const ComputeScope scope(dtype);
    return net(x).detach().to_vector<float>();
  };
  const std::vector<float> first = inference(DType::bf16);
  EXPECT_EQ(inference(DType::bf16), first);
  EXPECT_EQ(taped(DType::bf16), first);
  EXPECT_EQ(inference(DType::fp16), taped(DType::fp16));
  EXPECT_EQ(inference(DType::bf16), first);
  for (const Parameter& p : net.parameters()) {
    const NoGrad guard;
    Tensor weight = p.tensor;
    weight.mul_(1.5);
  }
  const std::vector<float> changed = inference(DType::bf16);
  EXPECT_NE(changed, first);
  EXPECT_EQ(changed, taped(DType::bf16));
  Net other;
  net.load_state(copy_of(other));
  EXPECT_EQ(inference(DType::bf16), taped(DType::bf16));
  net.to(DType::fp64);
  net.to(DType::fp32);
  EXPECT_EQ(inference(DType::bf16), taped(DType::bf16));
}
TEST(ComputeScope, KeepsACopyWhileTheWeightStays) {
  Tensor weight = ones({3});
  weight.requires_grad_();
  EXPECT_TRUE(compute_copy(weight).same_as(weight));
  const ComputeScope scope(DType::bf16);
  EXPECT_EQ(compute_copy(weight).dtype(), DType::bf16);
  EXPECT_FALSE(keeps_compute_copy(weight));  // on the tape
  const NoGrad guard;
  const Tensor kept = compute_copy(weight);
  EXPECT_TRUE(keeps_compute_copy(weight));
  EXPECT_TRUE(compute_copy(weight).same_as(kept));
  weight.mul_(2);
  EXPECT_EQ(compute_copy(weight).to_vector<float>(), (std::vector<float>{2, 2, 2}));
}
TEST(ComputeScope, RefusesIntegers) {
  EXPECT_EQ(message_of<DTypeError>([] { const ComputeScope scope(DType::int64); }),
            "compute: int64 is no floating type; use fp32, bf16 or fp16");
}

TEST(Sequential, IsTheIdentityWithoutChildren) {
  Sequential none;
  const Tensor x = randn({2, 3});
  EXPECT_TRUE(none(x).same_as(x));
}
TEST(Sequential, RunsInOrder) {
  Sequential net(Linear(3, 4), ReLU(), Linear(4, 2));
  EXPECT_EQ(net.size(), 3u);
  EXPECT_EQ(net(ones({5, 3})).shape(), (Shape{5, 2}));
  EXPECT_EQ(net.parameters()[2].name, "2.weight");
}

TEST(Linear, ComputesAndCounts) {
  Linear layer(3, 2);
  const NoGrad guard;
  Tensor w = layer.weight(), b = layer.bias();
  w.copy_(tensor({1, 2, 3, 4, 5, 6}, {2, 3}));
  b.copy_(tensor({0.5, -0.5}, {2}));
  const Tensor x = tensor({1, 0, -1}, {1, 3}), y = layer(x);
  EXPECT_EQ(y.to_vector<double>(), (std::vector<double>{-1.5, -2.5}));
  EXPECT_EQ(layer.macs(tensors_of(x), tensors_of(y)), 6);
  EXPECT_EQ(message_of<ValueError>([] { Linear(0, 2); }),
            "Linear: 0 inputs and 2 outputs; both must be positive");
}

TEST(Dropout, IsActiveInTrainingOnly) {
  manual_seed(1);
  Dropout layer(0.25);
  const Tensor x = ones({10000});
  const double kept = mean(layer(x)).item();
  EXPECT_NEAR(kept, 1, 0.03);
  EXPECT_NE(layer(x).to_vector<float>(), x.to_vector<float>());
  layer.eval();
  EXPECT_TRUE(layer(x).same_as(x));
}

}  // namespace
}  // namespace gadolin
