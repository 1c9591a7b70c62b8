// The road of weights for every net that is registered: weights out of torchvision's or timm's class arrive
// as .pth, predict on a folder, are fine-tuned on real pictures and leave as ONNX and .pth; at each step the
// numbers are held against the original's, or, once they have been trained, against our own
// (tools/fixtures/road_nets.py; narrow nets, so that it is quick).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "io/safetensors.h"
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

const json& originals() {
  static const json facts = json::parse(std::ifstream(fixture("road/nets.json")));
  return facts;
}

Tensor prepared(ClassificationTask& c, const std::vector<std::string>& files) {
  std::vector<SampleInfo> samples;
  for (const std::string& file : files) {
    SampleInfo info;
    info.name = info.path = file;
    info.labels = {0};
    samples.push_back(info);
  }
  const Dataset set(c.classes(), false, samples, "");
  DataLoader loader(set, c.pipeline(), {.batch_size = static_cast<std::int64_t>(files.size()), .workers = 0});
  Batch batch;
  loader.next(batch);
  return batch["image"];
}
Rows rows_of(const Tensor& logits) {
  const std::vector<double> flat = logits.to_vector<double>();
  const auto classes = static_cast<std::ptrdiff_t>(logits.size(1));
  Rows rows;
  for (auto at = flat.begin(); at != flat.end(); at += classes) rows.emplace_back(at, at + classes);
  return rows;
}
Rows batch_logits(ClassificationTask& c, const Tensor& images) {
  const NoGrad guard;
  return rows_of(c.net()(images));
}

Rows softmax_of(Rows rows) {
  for (std::vector<double>& row : rows) {
    const double top = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (double& v : row) sum += v = std::exp(v - top);
    for (double& v : row) v /= sum;
  }
  return rows;
}

// Names of the layers that give a number a class, auxiliary heads with them.
std::string heads(const TensorMap& state, std::int64_t classes) {
  std::string list;
  for (const auto& [name, t] : state) {
    if (t.dim() == 2 && t.size(0) == classes)
      list += (list.empty() ? "" : ",") + name.substr(0, name.rfind('.'));
  }
  return list;
}

class EveryNet : public testing::TestWithParam<std::string> {};

TEST_P(EveryNet, WalksTheRoadOfWeights) {
  const std::string model = GetParam();
  ASSERT_TRUE(originals().contains(model)) << "tools/fixtures/road_nets.py does not know it";
  const json& facts = originals()[model];
  const Rows wanted = facts["logits"].get<Rows>();
  const std::string pipeline = facts["pipeline"], training = facts["training_pipeline"];
  const Scratch dir;
  fs::create_directories(dir / "folder");
  std::vector<std::string> files;
  for (const json& name : facts["pictures"]) {
    files.push_back(dir / cat("folder/", files.size(), ".jpeg"));
    fs::copy_file(in_repository(name.get<std::string>()), files.back());
  }

  // Weights of the original as .pth: every name is known.
  const SafetensorsFile file(fixture(cat("nets/", facts["weights"].get<std::string>())));
  TensorMap state;
  for (const SafetensorsEntry& e : file.entries()) {
    if (e.name.rfind("state.", 0) == 0) state[e.name.substr(6)] = file.tensor(e.name);
  }
  save_torch(dir / "net.pth", {state.begin(), state.end()});
  const std::string start = dir / "start.gdck";
  std::vector<std::string> args{"import", dir / "net.pth", start,    "--model",
                                model,    "--pipeline",    pipeline, "--json"};
  for (const auto& [name, value] : facts["net_options"].items()) {
    args.insert(args.end(), {"--net-option", name + "=" + value.dump()});
  }
  const Outcome imported = run_program(args);
  ASSERT_EQ(imported.code, 0) << imported.err;
  const json metrics =
      json::parse(imported.out.substr(imported.out.rfind('\n', imported.out.size() - 2) + 1))["metrics"];
  EXPECT_EQ(metrics["mapped"], state.size());
  EXPECT_EQ(metrics["missing"], 0);
  EXPECT_EQ(metrics["left_over"], 0);

  // Logits and predictions are the original's.
  const auto before_task = load_classifier(start, cpu);
  ClassificationTask& before = *before_task;
  const Tensor images = prepared(before, files);
  const double error = distance(batch_logits(before, images), wanted);
  EXPECT_TRUE(error <= 1e-4) << error;
  const Outcome predicted = run_program({"predict", dir / "folder", "--checkpoint", start, "--json"});
  ASSERT_EQ(predicted.code, 0) << predicted.err;
  Rows given;
  for (const json& event : events(predicted, "prediction")) {
    given.emplace_back();
    for (std::size_t k = 0; k < before.classes().size(); ++k)
      given.back().push_back(event["probabilities"][std::to_string(k)]);
  }
  const double off = distance(given, softmax_of(wanted));
  EXPECT_TRUE(off <= 1e-4) << off;

  // So are those of the file for other runtimes.
  const auto from_onnx = [&](const std::string& checkpoint, const Tensor& x) {
    const Outcome out = run_program({"export", checkpoint, dir / "net.onnx"});
    EXPECT_EQ(out.code, 0) << out.err;
    return rows_of(run_onnx(dir / "net.onnx", {{"input", x}}).at("logits"));
  };
  const double outside = distance(from_onnx(start, images), wanted);
  EXPECT_TRUE(outside <= 1e-4) << outside;

  // Two classes of real pictures on the imported trunk, a few steps.
  for (const std::string kind : {"Hand", "HeadCT"}) {
    fs::create_directories(dir / cat("data/", kind));
    int taken = 0;
    for (const auto& entry : fs::directory_iterator(examples("mednist-small/") + kind)) {
      if (taken < 10 && entry.path().extension() == ".jpeg") {
        fs::copy_file(entry.path(), dir / cat("data/", kind, "/", taken++, ".jpeg"));
      }
    }
    ASSERT_EQ(taken, 10);
  }
  const std::string run = dir / "run", best = run + "/checkpoints/best.gdck";
  const Outcome tuned = run_program({"train",
                                     dir / "data",
                                     "--out",
                                     run,
                                     "--model",
                                     model,
                                     "--init-from",
                                     start,
                                     "--exclude-scopes",
                                     heads(state, static_cast<std::int64_t>(before.classes().size())),
                                     "--channels",
                                     std::to_string(images.size(1)),
                                     "--pipeline",
                                     training,
                                     "--augment",
                                     training,
                                     "--shares",
                                     "0.5/0.3/0.2",
                                     "--epochs",
                                     "1",
                                     "--batch-size",
                                     "5",
                                     "--lr",
                                     "0.001",
                                     "--workers",
                                     "1",
                                     "--quiet"});
  ASSERT_EQ(tuned.code, 0) << tuned.err;
  const auto after_task = load_classifier(best, cpu);
  ClassificationTask& after = *after_task;
  NetOptions same = before.options();
  same["num_classes"] = 2.0;
  same["input_channels"] = static_cast<double>(images.size(1));
  EXPECT_EQ(after.options(), same) << "the net goes on as it was made";
  EXPECT_EQ(after.classes(), (std::vector<std::string>{"Hand", "HeadCT"}));
  const std::string first = before.net().parameters().front().name;
  EXPECT_NE(before.net().parameters().front().tensor.to_vector<float>(),
            after.net().parameters().front().tensor.to_vector<float>())
      << first << " has learnt nothing";

  // What was learnt leaves: the other runtime's numbers are ours, and the bits of a .pth that comes back.
  const Tensor seen = prepared(after, files);
  const double apart = distance(from_onnx(best, seen), batch_logits(after, seen));
  EXPECT_TRUE(apart <= 1e-4) << apart;
  ASSERT_EQ(run_program({"export", best, dir / "out.pth"}).code, 0);
  const State out = load_weights(dir / "out.pth");
  for (const Parameter& p : after.net().state()) {
    ASSERT_EQ(out.count(p.name), 1u) << p.name;
    if (is_floating(p.tensor.dtype())) {
      EXPECT_EQ(out.at(p.name).to_vector<float>(), p.tensor.to_vector<float>()) << p.name;
    }
  }
}

std::vector<std::string> names() {
  std::vector<std::string> list;
  for (const NetInfo& info : nets()) list.push_back(info.name);
  return list;
}
INSTANTIATE_TEST_SUITE_P(Road, EveryNet, testing::ValuesIn(names()),
                         [](const auto& one) { return one.param; });

}  // namespace
