// Every net against PyTorch: outputs, loss, gradients and running statistics of the stored fixtures.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/safetensors.h"
#include "layers/loss.h"
#include "nets/registry.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

std::vector<std::string> fixtures() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(GADOLIN_TEST_DATA) + "/nets")) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path().stem().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

NetOptions options_of(const TextMap& metadata) {
  NetOptions options;
  options["num_classes"] = std::stod(metadata.at("num_classes"));
  const nlohmann::json config =
      nlohmann::json::parse(metadata.count("config") ? metadata.at("config") : "{}");
  for (const auto& [name, value] : config.items()) {
    if (value.is_boolean()) {
      options[name] = value.get<bool>();
    } else if (value.is_number()) {
      options[name] = value.get<double>();
    } else {
      options[name] = value.get<std::string>();
    }
  }
  return options;
}

Tensor loss_of(const std::string& name, const Tensor& output, const TensorMap& file) {
  if (name == "cross_entropy") return cross_entropy(output, file.at("target"));
  if (name == "bce_with_logits") return binary_cross_entropy_with_logits(output, file.at("target"));
  EXPECT_EQ(name, "sum_squares");
  return sum(mul(output, output)) * 0.5;
}

class Compared {
 public:
  Compared(double rtol, double atol) : rtol_(rtol), atol_(atol) {}
  void operator()(const std::string& name, const Tensor& got, const Tensor& want) {
    ASSERT_TRUE(got.defined()) << name;
    ASSERT_EQ(got.shape(), want.shape()) << name;
    const std::vector<double> g = got.to_vector<double>(), w = want.to_vector<double>();
    for (std::size_t i = 0; i < g.size(); ++i) {
      const double deviation = std::abs(g[i] - w[i]) / (atol_ + rtol_ * std::abs(w[i]));
      if (!(deviation <= worst_)) {
        worst_ = deviation;
        worst_name_ = name;
      }
    }
    ++count_;
  }
  double worst() const { return worst_; }
  const std::string& worst_name() const { return worst_name_; }
  int count() const { return count_; }

 private:
  double rtol_, atol_, worst_ = 0;
  std::string worst_name_;
  int count_ = 0;
};

class NetFixture : public testing::TestWithParam<std::string> {};

TEST_P(NetFixture, AgreesWithPyTorch) {
  const std::string path = std::string(GADOLIN_TEST_DATA) + "/nets/" + GetParam() + ".safetensors";
  const TextMap metadata = SafetensorsFile(path).metadata();
  const TensorMap file = load_safetensors(path);
  const std::unique_ptr<ImageNet> net = make_net(metadata.at("model"), options_of(metadata));
  State state;
  for (const auto& [name, tensor] : file) {
    if (name.rfind("state.", 0) == 0) state[name.substr(6)] = tensor;
  }
  net->load_state(state);
  const bool training = metadata.at("mode") == "train";
  net->train(training);
  Tensor input = file.at("input").clone();
  if (file.count("grad.input")) input.requires_grad_();
  const Logits output = net->logits(input);

  Compared compared(std::stod(metadata.at("rtol")), std::stod(metadata.at("atol")));
  compared("output", output.main.detach(), file.at(file.count("output") ? "output" : "output.0"));
  if (!training) {
    const NoGrad folded;  // convolutions and batch norms as one, which gradients forbid
    compared("output without gradients", (*net)(input),
             file.at(file.count("output") ? "output" : "output.0"));
  }
  if (training) {
    int head = 0;
    const Tensor loss = loss_with_auxiliary(output, [&](const Tensor& logits) {
      if (head > 0) compared("auxiliary head", logits.detach(), file.at("output." + std::to_string(head)));
      ++head;
      return loss_of(metadata.at("loss"), logits, file);
    });
    EXPECT_EQ(head, file.count("output.2") ? 3 : file.count("output.1") ? 2 : 1);
    loss.backward();
    if (file.count("loss")) compared("loss", loss.detach(), file.at("loss"));
  }
  std::map<std::string, Tensor> gradients{{"input", input.grad()}}, buffers;
  for (const Parameter& p : net->parameters()) gradients[p.name] = p.tensor.grad();
  for (const Parameter& b : net->buffers()) buffers[b.name] = b.tensor;
  for (const auto& [name, tensor] : file) {
    if (name.rfind("grad.", 0) == 0) compared(name, gradients[name.substr(5)], tensor);
    if (name.rfind("after.", 0) == 0) compared(name, buffers[name.substr(6)], tensor);
  }
  EXPECT_TRUE(compared.worst() <= 1) << compared.worst_name() << " deviates by " << compared.worst()
                                     << " of its tolerance";
  EXPECT_GE(compared.count(), training ? 20 : 2);
}

INSTANTIATE_TEST_SUITE_P(Stored, NetFixture, testing::ValuesIn(fixtures()),
                         [](const auto& test) { return test.param; });

TEST(NetFixtures, CoverEveryNetInBothModes) {
  const std::vector<std::string> files = fixtures();
  for (const NetInfo& info : nets()) {
    for (const char* mode : {"_eval", "_train"}) {
      EXPECT_NE(std::find(files.begin(), files.end(), info.name + mode), files.end()) << info.name << mode;
    }
  }
}

}  // namespace
}  // namespace gadolin
