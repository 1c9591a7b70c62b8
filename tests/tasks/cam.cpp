// Grad-CAM: a net whose map has a closed form, PyTorch's numbers of narrow nets, every net of the registry,
// messages.
#include "tasks/cam.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "io/safetensors.h"
#include "layers/conv.h"
#include "layers/linear.h"
#include "layers/pool.h"
#include "nets/registry.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using nlohmann::json;
using test::fixture;
using test::message_of;

struct Relu : Layer {
  Tensor forward(const Tensor& x) override { return relu(x); }
  const char* kind() const override { return "Relu"; }
};
// Convolution, ReLU, mean, linear: the weight of channel k in the map of class c is w[c][k] / (places).
struct Tiny : Layer {
  Conv2d& conv = add("conv", Conv2d(1, 3, 3, {.padding = 1}));
  Relu& act = add("act", Relu());
  Linear& fc = add("fc", Linear(3, 2));
  Tensor forward(const Tensor& x) override { return fc(global_avg_pool2d(act(conv(x))).flatten(1)); }
  const char* kind() const override { return "Tiny"; }
};

TEST(GradCam, EqualsTheClosedForm) {
  manual_seed(3);
  Tiny net;
  const Tensor x = randn({2, 1, 6, 5});
  Tensor a, w;
  {
    const NoGrad guard;
    a = relu(net.conv(x));
    w = net.parameters()[2].tensor;
  }
  ASSERT_EQ(net.parameters()[2].name, "fc.weight");
  int positive = 0;
  for (int c = 0; c < 2; ++c) {
    const Tensor map = grad_cam(net, x, c);
    ASSERT_EQ(map.shape(), (Shape{2, 6, 5}));
    const std::vector<double> got = map.to_vector<double>(), act = a.to_vector<double>(),
                              weight = w.to_vector<double>();
    for (std::size_t n = 0; n < 2; ++n) {
      std::vector<double> wanted(30);
      for (std::size_t k = 0; k < 3; ++k) {
        for (std::size_t i = 0; i < 30; ++i)
          wanted[i] += weight[static_cast<std::size_t>(c) * 3 + k] / 30 * act[(n * 3 + k) * 30 + i];
      }
      double most = 0;
      for (double& v : wanted) most = std::max(most, v = std::max(v, 0.0));
      for (std::size_t i = 0; i < 30; ++i) {
        const double expected = most > 0 ? wanted[i] / most : 0, error = std::abs(got[n * 30 + i] - expected);
        if (!(error <= 1e-5))
          ADD_FAILURE() << c << " " << n << " " << i << ": " << got[n * 30 + i] << " " << expected;
        positive += expected > 0;
      }
    }
  }
  EXPECT_GT(positive, 20);
}

TEST(GradCam, LeavesTheNetAsItWas) {
  Tiny net;
  net.freeze({"conv"});
  const NoGrad guard;  // works below one too
  grad_cam(net, randn({1, 1, 4, 4}), 0);
  EXPECT_TRUE(net.training());
  for (const Parameter& p : net.parameters()) {
    EXPECT_EQ(p.tensor.requires_grad(), p.name.rfind("fc.", 0) == 0) << p.name;
    EXPECT_FALSE(p.tensor.grad().defined()) << p.name;
  }
}

TEST(GradCam, IsZeroWhereNothingSpeaksForTheClass) {
  Tiny net;
  const NoGrad guard;
  for (Parameter& p : net.parameters()) {
    if (p.name == "fc.weight") p.tensor.copy_(full({2, 3}, -1));
  }
  EXPECT_EQ(max(grad_cam(net, rand({1, 1, 4, 4}), 1)).item(), 0);
}

TEST(GradCam, EqualsPyTorch) {
  std::ifstream file(fixture("numbers/cam.json"));
  const json facts = json::parse(file);
  ASSERT_EQ(facts["cases"].size(), 6u);
  for (const json& c : facts["cases"]) {
    const SafetensorsFile stored(fixture("nets/" + c["fixture"].get<std::string>() + ".safetensors"));
    NetOptions options{{"num_classes", std::stod(stored.metadata().at("num_classes"))}};
    const json config = json::parse(stored.metadata().at("config"));
    for (const auto& [key, value] : config.items()) {
      if (value.is_boolean())
        options[key] = value.get<bool>();
      else
        options[key] = value.get<double>();
    }
    const auto net = make_net(stored.metadata().at("model"), options);
    State state;
    for (const Parameter& p : net->state()) {
      if (stored.contains("state." + p.name)) state[p.name] = stored.tensor("state." + p.name);
    }
    net->load_state(state);
    net->to(DType::fp64);  // ReLUs near 0 would decide otherwise
    const Tensor map = grad_cam(*net, stored.tensor("input").to(DType::fp64), c["class"], c["layer"]);
    const std::vector<double> got = map.to_vector<double>(), wanted = c["map"].get<std::vector<double>>();
    EXPECT_EQ(std::vector<std::int64_t>(map.shape().begin(), map.shape().end()),
              c["shape"].get<std::vector<std::int64_t>>());
    ASSERT_EQ(got.size(), wanted.size());
    EXPECT_GT(*std::max_element(wanted.begin(), wanted.end()), 0.99);
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (!(std::abs(got[i] - wanted[i]) <= 2e-6)) {
        ADD_FAILURE() << c["fixture"] << " " << c["layer"] << " at " << i << ": " << got[i] << ", PyTorch "
                      << wanted[i];
        break;
      }
    }
  }
}

class CamOf : public testing::TestWithParam<std::string> {};
TEST_P(CamOf, IsAMapFromZeroToOne) {
  manual_seed(5);
  NetOptions options{{"num_classes", 3.0}};
  const std::vector<std::string>& known = net_info(GetParam()).options;
  const auto takes = [&](const char* name) {
    return std::find(known.begin(), known.end(), name) != known.end();
  };
  if (takes("width")) options["width"] = 4.0;
  if (takes("width_divisor")) options["width_divisor"] = 8.0;
  if (takes("growth_rate")) options["growth_rate"] = 4.0;
  const auto net = make_net(GetParam(), options);
  const Tensor x = randn({2, 3, 112, 112});
  std::string seen;
  for (int c = 0; c < 3; ++c) {
    const Tensor map = grad_cam(*net, x, c);
    ASSERT_EQ(map.dim(), 3);
    EXPECT_GT(map.size(1) * map.size(2), 1) << cam_layer(*net, x);
    for (const double v : map.to_vector<double>()) {
      if (!(v >= 0 && v <= 1)) FAIL() << v;
    }
    for (std::int64_t n = 0; n < 2; ++n) {
      const double most = max(map.select(0, n)).item();
      EXPECT_TRUE(most == 0 || most == 1) << most;
    }
  }
}
std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (const NetInfo& info : nets()) names.push_back(info.name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Registered, CamOf, testing::ValuesIn(all_names()),
                         [](const auto& test) { return test.param; });

TEST(GradCam, ChoosesTheLastMap) {
  const auto layer = [](const char* name, NetOptions options, std::int64_t size) {
    const auto net = make_net(name, options);
    return cam_layer(*net, zeros({1, 3, size, size}));
  };
  EXPECT_EQ(layer("resnet18", {{"width", 2.0}}, 64), "layer4");
  EXPECT_EQ(layer("resnet18", {{"width", 2.0}}, 32), "layer3") << "layer4 has but one place";
  EXPECT_EQ(layer("densenet121", {{"growth_rate", 2.0}}, 64), "features");
  EXPECT_EQ(layer("inception_v3", {{"width_divisor", 16.0}}, 112), "Mixed_7c");
  EXPECT_EQ(layer("googlenet", {{"width_divisor", 16.0}}, 64), "inception5b");
}

TEST(GradCam, Messages) {
  Tiny net;
  const Tensor x = zeros({1, 1, 4, 4});
  EXPECT_EQ(message_of<ValueError>([&] { grad_cam(net, x, 2); }), "cam: class 2 of a net with 2 classes");
  EXPECT_EQ(message_of<UsageError>([&] { grad_cam(net, x, 0, "fc"); }),
            "cam: layer fc gives [1, 2], not [N, C, H, W]; choose an earlier one");
  EXPECT_EQ(
      message_of<UsageError>([&] { grad_cam(net, x, 0, "cnv"); }),
      "layer: cnv is not in the net; near are conv, act, fc, or embedding; gadolin summary shows all names");
  EXPECT_EQ(message_of<UsageError>([&] { grad_cam(net, x, 0, "act:input"); }),
            "cam: act:input is not a layer's result; choose one without :input");
  Linear flat(3, 2);
  EXPECT_EQ(message_of<UsageError>([&] {
              cam_layer(flat, zeros({1, 3}));
            }),
            "cam: no layer of the net gives a map [N, C, H, W]");
}

}  // namespace
}  // namespace gadolin
