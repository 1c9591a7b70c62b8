// The commands that do not train: each runs, says what it should, and ends in its final event.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "io/safetensors.h"
#include "tensor/ops.h"
#include "tests/apps/program.h"
#include "tests/data/scratch.h"
#include "train/checkpoint.h"

using namespace gadolin;
using namespace gadolin::test;
using nlohmann::json;

namespace {

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
std::string net_fixture(const std::string& name) { return fixture("nets/" + name); }

TEST(Commands, DoctorTestsEveryTypeOfTheCpu) {
  const Outcome run = run_program({"doctor", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  for (const char* dtype : {"fp32", "fp64", "bf16", "fp16"}) {
    EXPECT_TRUE(says(run.out, std::string("cpu ") + dtype + ": self-test")) << dtype;
  }
  EXPECT_EQ(last_event(run)["metrics"]["errors"], 0);
}

TEST(Commands, DoctorSaysHowThreadsWait) {
  const auto waiting = [](const std::optional<std::string>& policy, const std::optional<std::string>& count) {
    const Outcome run =
        run_program({"doctor"}, {.environment = {{"OMP_WAIT_POLICY", policy}, {"GOMP_SPINCOUNT", count}}});
    EXPECT_EQ(run.code, 0) << run.err;
    const std::size_t at = run.out.find("they wait by ");
    return at == std::string::npos ? run.out : run.out.substr(at + 13, run.out.find('\n', at) - at - 13);
  };
  EXPECT_EQ(waiting({}, {}), "spinning, asleep where cores are short");
  EXPECT_EQ(waiting({}, "7"), "GOMP_SPINCOUNT=7");
  EXPECT_EQ(waiting("active", {}), "OMP_WAIT_POLICY=active");
}

TEST(Commands, ModelsShowTheGoldenTotals) {
  const Outcome run = run_program({"models"});
  ASSERT_EQ(run.code, 0) << run.err;
  for (const char* total : {"11,689,512", "21,797,672", "25,557,032", "44,549,160", "60,192,808", "1.814 G",
                            "4.089 G", "11.514 G"}) {
    EXPECT_TRUE(says(run.out, total)) << total << " is not in\n" << run.out;
  }
}

TEST(Commands, SummaryCountsWhatTheNetHolds) {
  const Outcome run = run_program({"summary", "resnet50", "--num_classes", "15", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(last_event(run)["metrics"]["parameters"], 23538767);
  EXPECT_EQ(run_program({"summary", "resnet50", "--input", "3x224"}).code, 2);
  const Outcome sequences = run_program({"summary", "lstm", "--input", "24x1536", "--json"});
  ASSERT_EQ(sequences.code, 0) << sequences.err;
  EXPECT_EQ(last_event(sequences)["metrics"]["parameters"], 5250054);
  EXPECT_EQ(last_event(sequences)["metrics"]["macs"], 24 * (5242880 + 512 * 6));
  const Outcome wrong = run_program({"summary", "lstm", "--input", "3x224x224"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_TRUE(says(wrong.err, "--input 3x224x224: lstm takes steps and features, like 60x1536")) << wrong.err;
}

TEST(Commands, VerifyPassesAndFails) {
  const Outcome good = run_program({"verify", net_fixture("resnet18_eval.safetensors"),
                                    net_fixture("resnet18_train.safetensors"), "--json"});
  ASSERT_EQ(good.code, 0) << good.err;
  EXPECT_TRUE(says(good.out, "\"passed\":true"));
  const test::Scratch scratch;
  const SafetensorsFile file(net_fixture("resnet18_eval.safetensors"));
  TensorMap tensors;
  for (const SafetensorsEntry& e : file.entries()) tensors[e.name] = file.tensor(e.name).clone();
  const auto save = [&](const TensorMap& changed) {
    save_safetensors(scratch / "f.safetensors", changed, file.metadata());
    return run_program({"verify", scratch / "f.safetensors"});
  };
  TensorMap doubled = tensors;
  doubled["output"] = mul(tensors.at("output"), 2);
  save(doubled);
  const std::string off = run_program({"verify", scratch / "f.safetensors", "--json", "--verbose"}).out;
  const auto event = nlohmann::json::parse(off.substr(0, off.find('\n')), nullptr, false);
  ASSERT_TRUE(event.is_object()) << off;
  EXPECT_NEAR(event["relative_l2"]["output"].get<double>(), 0.5, 1e-4);  // |x - 2x| / |2x|
  TensorMap changed = tensors;
  changed["state.fc.bias"] = changed["state.fc.bias"].clone();
  changed["state.fc.bias"].data<float>()[0] += 0.01f;
  const Outcome wrong = save(changed);
  EXPECT_EQ(wrong.code, 5) << wrong.err;
  EXPECT_TRUE(says(wrong.out, "FAILED")) << wrong.out;
  changed = tensors;
  changed["state.fc.bias"].data<float>()[0] = std::nanf("");
  EXPECT_EQ(save(changed).code, 5) << "NaN passed";
  changed = tensors;
  changed["state.extra"] = tensors["state.fc.bias"];
  const Outcome unknown = save(changed);
  EXPECT_EQ(unknown.code, 3);
  EXPECT_TRUE(says(unknown.err, "holds state.extra, but resnet18 has no extra")) << unknown.err;
  changed = tensors;
  changed["state.fc.bias"] = zeros({3});
  const Outcome shape = save(changed);
  EXPECT_EQ(shape.code, 6);
  EXPECT_TRUE(says(shape.err, "fc.bias [3] for")) << shape.err;
}

TEST(Commands, WeightsGoOutAndComeBack) {
  const test::Scratch scratch;
  const SafetensorsFile file(net_fixture("resnet18_eval.safetensors"));
  TensorMap weights;
  for (const SafetensorsEntry& e : file.entries()) {
    if (e.name.rfind("state.", 0) == 0) weights[e.name.substr(6)] = file.tensor(e.name);
  }
  save_safetensors(scratch / "a.safetensors", weights);
  const Outcome in =
      run_program({"import", scratch / "a.safetensors", scratch / "a.gdck", "--model", "resnet18", "--json"});
  ASSERT_EQ(in.code, 0) << in.err;
  EXPECT_EQ(last_event(in)["metrics"]["mapped"], 122);
  EXPECT_EQ(load_checkpoint_facts(scratch / "a.gdck").at("imported_from_sha256").size(), 64u);
  ASSERT_EQ(run_program({"export", scratch / "a.gdck", scratch / "b.safetensors"}).code, 0);
  const TensorMap back = load_safetensors(scratch / "b.safetensors");
  ASSERT_EQ(back.size(), weights.size());
  for (const auto& [name, t] : weights)
    EXPECT_EQ(back.at(name).to_vector<double>(), t.to_vector<double>()) << name;
  const std::string notes = scratch.write("x.pth", "remember the milk");
  const Outcome text = run_program({"import", notes, scratch / "x.gdck", "--model", "resnet18"});
  EXPECT_EQ(text.code, 3);
  EXPECT_TRUE(says(text.err, "(17 bytes) begins with 'remember'")) << text.err;
}

TEST(Commands, BenchmarksRun) {
  const Outcome model = run_program({"bench", "model", "resnet18", "--mode", "infer", "--batch", "1",
                                     "--input", "3x32x32", "--steps", "2", "--json"});
  ASSERT_EQ(model.code, 0) << model.err;
  EXPECT_GT(last_event(model)["metrics"]["images_per_s"].get<double>(), 0);
  const Outcome train = run_program({"bench", "model", "resnet18", "--batch", "2", "--input", "1x32x32",
                                     "--steps", "2", "--dtype", "bf16", "--json"});
  ASSERT_EQ(train.code, 0) << train.err;
  const Outcome op = run_program({"bench", "op", "relu", "--batch", "1", "--blocks", "1", "--block-ms", "0"});
  ASSERT_EQ(op.code, 0) << op.err;
  EXPECT_TRUE(says(op.out, "copy bandwidth")) << op.out;
  EXPECT_EQ(run_program({"bench", "op", "nothing"}).code, 2);
}

TEST(Commands, DataIsLookedAtAndDivided) {
  const test::Scratch scratch;
  ASSERT_EQ(
      run_program({"data", "synth", scratch / "s", "--samples", "40", "--patients", "12", "--classes", "2"})
          .code,
      0);
  const std::string manifest = scratch / "s/manifest.csv";
  EXPECT_EQ(run_program({"data", "check", manifest}).code, 0);
  const Outcome stats = run_program({"data", "stats", manifest, "--json"});
  ASSERT_EQ(stats.code, 0) << stats.err;
  EXPECT_EQ(last_event(stats)["metrics"]["samples"], 40);
  const Outcome split =
      run_program({"data", "split", manifest, "--shares", "0.5/0.25/0.25", "--seed", "3", "--json"});
  ASSERT_EQ(split.code, 0) << split.err;
  const json m = last_event(split)["metrics"];
  EXPECT_EQ(m["train"].get<int>() + m["val"].get<int>() + m["test"].get<int>(), 40);
  EXPECT_EQ(run_program({"data", "split", manifest, "--shares", "0.5"}).code, 2);
}

TEST(Commands, UnderscoresAreDashesAndNamesAreSuggested) {
  EXPECT_EQ(run_program({"summary", "resnet18", "--num-classes", "3", "--json"}).out.substr(0, 30),
            run_program({"summary", "resnet18", "--num_classes=3", "--json"}).out.substr(0, 30));
  const Outcome option = run_program({"summary", "resnet18", "--num-clases", "3"});
  EXPECT_EQ(option.code, 2);
  EXPECT_EQ(option.err, "gadolin: unknown option --num-clases; did you mean --num-classes? [GD-USAGE-001]\n");
  const Outcome command = run_program({"sumary"});
  EXPECT_EQ(command.code, 2);
  EXPECT_EQ(command.err, "gadolin: unknown command sumary; did you mean summary? [GD-USAGE-001]\n");
  for (const char* name : {"doctor", "models", "summary", "train", "eval", "predict", "cam", "verify",
                           "import", "export", "report", "bench", "data"}) {
    const Outcome help = run_program({name, "--help"});
    EXPECT_EQ(help.code, 0) << name;
    EXPECT_FALSE(help.out.empty()) << name;
  }
}

}  // namespace
