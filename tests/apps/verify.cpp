// gadolin verify on fixtures of sequences, detectors and single ops: tools/fixtures/make_verify.py.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "io/safetensors.h"
#include "tensor/ops.h"
#include "tests/apps/in_process.h"
#include "tests/apps/page.h"
#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

std::string stored(const std::string& name) { return fixture("verify/" + name + ".safetensors"); }

TensorMap tensors_of(const std::string& path) {
  const SafetensorsFile file(path);
  TensorMap all;
  for (const SafetensorsEntry& e : file.entries()) all[e.name] = file.tensor(e.name).clone();
  return all;
}

TEST(Verify, EveryStoredFixturePasses) {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(fixture("verify"))) {
    for (const char* type : {"fp32", "fp64"}) {
      const Outcome run = run_here({"verify", entry.path().string(), "--dtype", type});
      EXPECT_EQ(run.code, 0) << run.out << run.err;
    }
    ++files;
  }
  EXPECT_EQ(files, 19u);
}

TEST(Verify, TheCommandsOfItsPageRun) {
  const Scratch dir;
  EXPECT_EQ(run_page(dir, "verify.md", {"verify"}, {{"tests/fixtures", fixture(".")}}), "");
}

// Whatever number of a file is another, or none, the file fails.
TEST(Verify, EveryTensorOfAFileIsCompared) {
  const Scratch dir;
  for (const char* name :
       {"lstm_states_train", "lstm_classes_train", "retinanet_resnet18_train", "op_batch_norm"}) {
    const TensorMap all = tensors_of(stored(name));
    const TextMap metadata = SafetensorsFile(stored(name)).metadata();
    int changed = 0;
    for (const auto& [key, value] : all) {
      const bool compared =
          key.starts_with("output") || key.starts_with("grad.") || key.starts_with("after.") || key == "loss";
      if (!compared) continue;
      TensorMap other = all;
      other[key] = add(value, key < "m" ? 0.1 : std::nan(""));
      save_safetensors(dir / "f.safetensors", other, metadata);
      EXPECT_EQ(run_here({"verify", dir / "f.safetensors"}).code, 5) << name << ": " << key;
      ++changed;
    }
    EXPECT_GE(changed, 7) << name;
  }
}

struct Case {
  const char* name;
  TextMap change;
  TensorMap add;
  std::vector<std::string> remove;
  std::string want;
};

TEST(Verify, WhatIsWrongWithAFixture) {
  const Scratch dir;
  const std::vector<Case> cases{
      {"lstm_train",
       {{"config",
         R"({"input_size":9,"hidden_size":6,"num_layers":2,"bidirectional":true,"batch_first":1})"}},
       {},
       {},
       "verify: DIR/f.safetensors: batch_first is neither true nor false [GD-FORMAT-020]"},
      {"lstm_train",
       {},
       {{"output.3", zeros({1})}},
       {},
       "verify: DIR/f.safetensors holds output.3, but lstm has no such output in mode train [GD-FORMAT-023]"},
      {"retinanet_resnet18_train",
       {},
       {},
       {"target.labels.1"},
       "verify: DIR/f.safetensors wants the loss retinanet, but holds no target.labels.1 [GD-FORMAT-023]"},
      {"retinanet_resnet18_train",
       {},
       {{"target.boxes.1", zeros({2, 4})}},
       {},
       "verify: DIR/f.safetensors: target.boxes.1 is [2, 4], but target.labels.1 has 1 classes "
       "[GD-FORMAT-021]"},
      {"op_linear",
       {{"model", "op:sing"}},
       {},
       {},
       "verify: DIR/f.safetensors: no op is called sing; known are "},
      {"op_linear",
       {{"config", R"({"stride":2})"}},
       {},
       {},
       "verify: DIR/f.safetensors: op:linear has no option stride [GD-FORMAT-020]"},
      {"op_linear",
       {},
       {},
       {"state.weight", "grad.weight"},
       "verify: DIR/f.safetensors: op:linear wants weight as state.weight or as the next input "
       "[GD-FORMAT-023]"},
      {"op_linear",
       {},
       {{"input.0", zeros({3, 7})}, {"input.1", zeros({1})}},
       {},
       "verify: DIR/f.safetensors holds input.1, but op:linear takes no more [GD-FORMAT-023]"},
      {"op_conv2d",
       {{"config", R"({"stride":[1,2,3]})"}},
       {},
       {},
       "verify: DIR/f.safetensors: config stride is [1,2,3]; use one whole number, or two [GD-FORMAT-020]"},
      {"op_conv2d",
       {{"config", R"({"groups":1.5})"}},
       {},
       {},
       "verify: DIR/f.safetensors: config groups is 1.5; use a whole number [GD-FORMAT-020]"},
      {"op_batch_norm",
       {{"config", R"({"eps":"small"})"}},
       {},
       {},
       "verify: DIR/f.safetensors: config eps is \"small\"; use a number [GD-FORMAT-020]"},
      {"op_mean",
       {{"config", R"({"keepdim":1})"}},
       {},
       {},
       "verify: DIR/f.safetensors: config keepdim is 1; use true or false [GD-FORMAT-020]"},
      {"op_gelu",
       {{"config", R"({"approximate":"cube"})"}},
       {},
       {},
       "verify: DIR/f.safetensors: config approximate is \"cube\"; known are none, tanh [GD-FORMAT-020]"},
  };
  for (const Case& c : cases) {
    TensorMap all = tensors_of(stored(c.name));
    TextMap metadata = SafetensorsFile(stored(c.name)).metadata();
    for (const auto& [key, value] : c.change) metadata[key] = value;
    for (const auto& [key, value] : c.add) all[key] = value;
    for (const std::string& name : c.remove) all.erase(name);
    save_safetensors(dir / "f.safetensors", all, metadata);
    const Outcome run = run_here({"verify", dir / "f.safetensors", "--quiet"});
    EXPECT_EQ(run.code, 3) << c.want;
    EXPECT_EQ(last_line(run, dir.path()).substr(0, c.want.size()), c.want);
  }
}

}  // namespace
