// The road of weights that come and go: a .pth of torchvision's is imported, predicts, is fine-tuned on real
// pictures, leaves in every format and comes back, and the numbers agree at each step
// (tools/fixtures/torch_files.py --road).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "apps/weights/weights.h"
#include "io/sha256.h"
#include "io/torch_file.h"
#include "tasks/classification.h"
#include "tests/apps/onnx_model.h"
#include "tests/apps/program.h"
#include "tests/data/scratch.h"
#include "tests/distance.h"

using namespace gadolin;
using namespace gadolin::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

json original_resnet() {
  std::ifstream file(fixture("road/resnet18_narrow.json"));
  return json::parse(file);
}

// Logits of files: `run` of each picture after the classifier's preprocessing.
template <class Run> Rows logits_of(ClassificationTask& c, const std::vector<std::string>& files, Run&& run) {
  std::vector<SampleInfo> samples;
  for (const std::string& file : files) {
    SampleInfo info;
    info.name = info.path = file;
    info.labels = {0};
    samples.push_back(info);
  }
  const Dataset set(c.classes(), false, samples, "");
  DataLoader loader(set, c.pipeline(), {.batch_size = 1, .workers = 0});
  const NoGrad guard;
  Rows rows;
  for (Batch batch; loader.next(batch);) rows.push_back(run(batch["image"]).template to_vector<double>());
  return rows;
}
// As a program that links the library gets them.
Rows logits_of(const std::string& checkpoint, const std::vector<std::string>& files) {
  const auto classifier = load_classifier(checkpoint, cpu);
  ClassificationTask& c = *classifier;
  return logits_of(c, files, [&](const Tensor& x) { return c.net()(x); });
}

class WeightsRoad : public testing::Test {
 protected:
  void SetUp() override {
    facts_ = original_resnet();
    for (const auto& [name, row] : facts_["logits"].items()) {
      files_.push_back(in_repository(name));
      logits_.push_back(row.get<std::vector<double>>());
    }
    ASSERT_EQ(files_.size(), 19u);
  }
  // gadolin import of the fixture under the pictures that its logits are for.
  Outcome import(const std::string& in, const std::string& out, const std::vector<std::string>& more = {}) {
    std::vector<std::string> args{
        "import", in, out, "--model", "resnet18", "--pipeline", facts_["pipeline"].get<std::string>(),
        "--json"};
    args.insert(args.end(), more.begin(), more.end());
    return run_program(args);
  }
  Scratch scratch_;
  json facts_;
  std::vector<std::string> files_;
  Rows logits_;
  const std::string pth_ = fixture("road/resnet18_narrow.pth");
};

TEST_F(WeightsRoad, FromTorchvisionThroughTrainingToEveryFormatAndBack) {
  // Import: every name accounted for, the source remembered.
  const std::string start = scratch_ / "start.gdck";
  const Outcome in = import(pth_, start);
  ASSERT_EQ(in.code, 0) << in.err;
  const json metrics = last_event(in)["metrics"];
  EXPECT_EQ(metrics["mapped"], 122);
  EXPECT_EQ(metrics["missing"], 0);
  EXPECT_EQ(metrics["left_over"], 0);
  EXPECT_EQ(metrics["sha256"], sha256_hex(contents_of(pth_)));
  EXPECT_EQ(load_checkpoint_facts(start).at("imported_from_sha256"), sha256_hex(contents_of(pth_)));

  // The logits are the original's.
  const Rows ours = logits_of(start, files_);
  const double error = distance(ours, logits_);
  EXPECT_TRUE(error <= 1e-4) << error;
  Rows wrong = logits_;
  wrong[3][2] += 0.01;
  EXPECT_FALSE(distance(ours, wrong) <= 1e-4) << "the comparison sees nothing";

  // Prediction on a folder agrees with them.
  fs::create_directories(scratch_ / "folder");
  for (std::size_t i = 0; i < files_.size(); ++i) {
    fs::copy_file(files_[i], scratch_ / "folder/" + std::to_string(10 + i) + ".jpeg");
  }
  const Outcome predicted = run_program({"predict", scratch_ / "folder", "--checkpoint", start, "--json"});
  ASSERT_EQ(predicted.code, 0) << predicted.err;
  std::istringstream lines(predicted.out);
  std::size_t seen = 0;
  for (std::string line; std::getline(lines, line);) {
    const json event = json::parse(line);
    if (event["event"] != "prediction") continue;
    const std::vector<double>& row = logits_.at(seen++);
    double sum = 0;
    for (const double v : row) sum += std::exp(v - *std::max_element(row.begin(), row.end()));
    for (std::size_t k = 0; k < row.size(); ++k) {
      const double wanted = std::exp(row[k] - *std::max_element(row.begin(), row.end())) / sum;
      EXPECT_TRUE(std::abs(event["probabilities"][std::to_string(k)].get<double>() - wanted) <= 1e-4)
          << seen << " " << k;
    }
  }
  EXPECT_EQ(seen, files_.size());

  // A short epoch on real pictures of six body parts: a new last layer on the imported trunk.
  const std::string run = scratch_ / "run", best = run + "/checkpoints/best.gdck";
  const Outcome tuned = run_program({"train",
                                     examples("mednist-small"),
                                     "--out",
                                     run,
                                     "--model",
                                     "resnet18",
                                     "--width",
                                     "8",
                                     "--channels",
                                     "3",
                                     "--input-size",
                                     "64",
                                     "--init-from",
                                     start,
                                     "--exclude-scopes",
                                     "fc",
                                     "--epochs",
                                     "1",
                                     "--batch-size",
                                     "16",
                                     "--lr",
                                     "0.002",
                                     "--workers",
                                     "2",
                                     "--quiet"});
  ASSERT_EQ(tuned.code, 0) << tuned.err;
  const Rows learnt = logits_of(best, files_);
  ASSERT_EQ(learnt[0].size(), 6u);
  const Checkpoint before = load_checkpoint(start), after = load_checkpoint(best);
  EXPECT_NE(after.tensor("model.conv1.weight").to_vector<float>(),
            before.tensor("model.conv1.weight").to_vector<float>())
      << "nothing was learnt";

  // Out and in again: the same bits, the same classes where the format has room for them.
  for (const ExportFormat& format : export_formats()) {
    const std::string suffix = format.suffix, left = scratch_ / ("left" + suffix),
                      back = scratch_ / ("back" + suffix + ".gdck");
    const Outcome out = run_program({"export", best, left});
    ASSERT_EQ(out.code, 0) << out.err;
    EXPECT_GT(fs::file_size(left), 0u) << suffix;
    if (suffix == ".onnx") {  // does not come back: another program runs it
      const Rows outside = logits_of(*load_classifier(best, cpu), files_, [&](const Tensor& x) {
        return run_onnx(left, {{"input", x}}).at("logits");
      });
      const double apart = distance(outside, learnt);
      EXPECT_TRUE(apart <= 1e-4) << apart;
      continue;
    }
    const Outcome again = run_program({"import", left, back, "--model", "resnet18", "--pipeline",
                                       load_classifier(best, cpu)->pipeline().text()});
    ASSERT_EQ(again.code, 0) << again.err;
    EXPECT_EQ(logits_of(back, files_), learnt) << suffix;
  }
  EXPECT_EQ(load_classifier(scratch_ / "back.safetensors.gdck", cpu)->classes(),
            load_classifier(best, cpu)->classes());
}

TEST_F(WeightsRoad, AnotherNumberOfClassesKeepsTheTrunkWhenAsked) {
  const std::string out = scratch_ / "six.gdck";
  const Outcome refused = import(pth_, out, {"--num-classes", "6"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.out.find("import: fc of " + pth_ + " is for 10 classes, not 6"), std::string::npos)
      << refused.out;
  EXPECT_NE(refused.out.find("pass --exclude-scopes fc to keep the rest and start it anew"),
            std::string::npos)
      << refused.out;
  EXPECT_FALSE(fs::exists(out));
  const Outcome kept =
      import(pth_, out, {"--num-classes", "6", "--exclude-scopes", "fc", "--class-names", "a,b,c,d,e,f"});
  ASSERT_EQ(kept.code, 0) << kept.err;
  EXPECT_EQ(last_event(kept)["metrics"]["mapped"], 120);
  EXPECT_NE(kept.out.find(R"({"event":"started anew","names":["fc.weight","fc.bias"]})"), std::string::npos)
      << kept.out;
  const Checkpoint six = load_checkpoint(out);
  EXPECT_EQ(six.tensor("model.fc.weight").shape(), (Shape{6, 64}));
  EXPECT_EQ(six.fact("classes"), R"(["a","b","c","d","e","f"])");
  EXPECT_EQ(six.tensor("model.layer4.1.conv2.weight").to_vector<float>(),
            read_weights(pth_).tensors.at("layer4.1.conv2.weight").to_vector<float>());
}

TEST_F(WeightsRoad, WeightsOfAnotherNetAreAnErrorUnlessAPartIsWanted) {
  const std::string out = scratch_ / "x.gdck";
  const Outcome other = run_program({"import", pth_, out, "--model", "resnet34"});
  EXPECT_EQ(other.code, 6);
  EXPECT_NE(other.out.find("missing (80): layer1.2.conv1.weight, "), std::string::npos) << other.out;
  EXPECT_NE(other.err.find(pth_ + " is not resnet34: 122 names mapped, 80 missing, 0 left over (listed "
                                  "above); pass --partial to take what fits"),
            std::string::npos)
      << other.err;
  EXPECT_FALSE(fs::exists(out));
  EXPECT_EQ(run_program({"import", pth_, out, "--model", "resnet34", "--partial"}).code, 0);
  EXPECT_TRUE(fs::exists(out));
  const Outcome wide = run_program({"import", pth_, out, "--model", "resnet18", "--width", "16"});
  EXPECT_EQ(wide.code, 6);
  EXPECT_NE(wide.err.find("has other shapes: conv1.weight [8, 3, 7, 7] for [16, 3, 7, 7]"), std::string::npos)
      << wide.err;
}

TEST_F(WeightsRoad, OptionsOfTheNetComeFromTheWeights) {
  const State weights = read_weights(pth_).tensors;
  const NetOptions options = options_from_weights("resnet18", weights, {});
  EXPECT_EQ(options, (NetOptions{{"num_classes", 10.0}, {"width", 8.0}}));
  State small = weights;
  small["conv1.weight"] = zeros({8, 1, 3, 3});
  EXPECT_EQ(
      options_from_weights("resnet18", small, {}),
      (NetOptions{{"input_channels", 1.0}, {"num_classes", 10.0}, {"small_input", true}, {"width", 8.0}}));
  EXPECT_EQ(options_from_weights("resnet18", weights, {{"num_classes", 3.0}}).at("num_classes"),
            OptionValue(3.0));
  EXPECT_EQ(usual_pipeline("resnet18", 3, "torch zip"),
            "rgb,resize:256,center-crop:224,normalize:0.485/0.456/0.406:0.229/0.224/0.225");
  EXPECT_EQ(usual_pipeline("resnet_v2_50", 3, "tensorflow"),
            "rgb,resize:256,center-crop:224,normalize:0.5:0.5");
  EXPECT_EQ(usual_pipeline("resnet18", 1, "safetensors"),
            "grey,resize:256,center-crop:224,normalize:0.5:0.25");
}

// The verify fixtures are narrow nets of every family, with the options that made them.
TEST_F(WeightsRoad, OptionsOfEveryNetComeFromItsWeights) {
  for (const char* name :
       {"resnet18_eval", "resnet50_eval", "resnet_v2_18_eval", "densenet121_eval", "densenet161_eval",
        "vgg11_bn_eval", "googlenet_eval", "googlenet_no_aux_train", "inception_v3_eval",
        "inception_v3_no_aux_train", "inception_v4_eval", "inception_resnet_v2_eval"}) {
    const std::string path = fixture(cat("nets/", name, ".safetensors"));
    const SafetensorsFile file(path);
    const auto prefix = file.metadata().find("model");
    ASSERT_NE(prefix, file.metadata().end()) << path;
    const std::string model = prefix->second;
    State weights;
    for (const SafetensorsEntry& e : file.entries()) {
      if (e.name.rfind("state.", 0) == 0) weights[e.name.substr(6)] = file.tensor(e.name);
    }
    const std::unique_ptr<ImageNet> net = make_net(model, options_from_weights(model, weights, {}));
    EXPECT_NO_THROW(net->load_state(weights, {}, path)) << path;
  }
}

TEST_F(WeightsRoad, DamagedWeightsEndTheCommandWithOneLine) {
  const std::string bytes = contents_of(pth_);
  const auto refused = [&](const std::string& changed) {
    const Outcome run =
        run_program({"import", scratch_.write("x.pth", changed), scratch_ / "x.gdck", "--model", "resnet18"});
    EXPECT_EQ(run.code, 3) << run.err;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
    EXPECT_FALSE(fs::exists(scratch_ / "x.gdck"));
    return run.err;
  };
  EXPECT_NE(refused(bytes.substr(0, bytes.size() / 2))
                .find("it has no end record; the file was cut short [GD-FORMAT-010]"),
            std::string::npos);
  std::string flipped = bytes;
  flipped[bytes.size() / 2] = static_cast<char>(flipped[bytes.size() / 2] ^ 4);
  EXPECT_NE(refused(flipped).find("has another CRC-32 than its directory says"), std::string::npos);
  EXPECT_EQ(run_program({"import", fixture("interop/torch/made/calls.pth"), scratch_ / "x.gdck", "--model",
                         "resnet18"})
                .code,
            3);
  const Outcome suffix = run_program({"export", scratch_ / "x.gdck", scratch_ / "x.h5"});
  EXPECT_EQ(suffix.code, 2);
  EXPECT_NE(suffix.err.find("x.h5 must end in one of .safetensors, .pth, .onnx, .pt"), std::string::npos)
      << suffix.err;
}

}  // namespace
