// What each command says about each mistake, word for word with its code; DIR stands for the folder of the
// test.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/safetensors.h"
#include "tensor/autograd.h"
#include "tensor/device.h"
#include "tensor/ops.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"
#include "train/checkpoint.h"

using namespace gadolin;
using namespace gadolin::test;
namespace fs = std::filesystem;

namespace {

// DIR is replaced in the arguments.
void expect_all(const Scratch& dir, const std::vector<Mistake>& mistakes) {
  for (const Mistake& m : mistakes) {
    std::vector<std::string> args = m.args;
    for (std::string& arg : args) {
      for (std::size_t at; (at = arg.find("DIR")) != std::string::npos;) arg.replace(at, 3, dir.path());
    }
    const Outcome run = run_here(args);
    EXPECT_EQ(last_line(run, dir.path()), m.want);
    EXPECT_EQ(run.code, m.code) << m.want;
  }
}

TEST(CommandMessages, OptionsOfEveryCommand) {
  const Scratch dir;
  expect_all(dir,
             {
                 {{"models", "--device", "tpu"},
                  2,
                  "--device tpu is unknown; use auto, cpu, cuda or cuda:N [GD-USAGE-001]"},
                 {{"models", "--dtype", "fp8"},
                  2,
                  "--dtype fp8 is unknown; use fp32, tf32, bf16, fp16 or fp64 [GD-USAGE-001]"},
                 {{"models", "--backend", "fast"},
                  2,
                  "--backend fast is unknown; use best or reference [GD-USAGE-001]"},
                 {{"models", "--threads", "1000000"},
                  2,
                  "--threads 1000000 is not in 0..1024; 0 takes all processors [GD-USAGE-001]"},
                 {{"models", "--threads", "-4"},
                  2,
                  "--threads -4 is not in 0..1024; 0 takes all processors [GD-USAGE-001]"},
                 {{"models", "--tune", "yes"}, 2, "--tune yes is unknown; use on or off [GD-USAGE-001]"},
                 {{"summary", "resnet18", "--input", "3x224"},
                  2,
                  "--input 3x224: channels, height and width are needed, like 3x224x224 [GD-USAGE-001]"},
                 {{"data", "chek", "x"}, 2, "unknown command data chek; did you mean check? [GD-USAGE-001]"},
                 {{"dicom", "sharpen", "x"},
                  2,
                  "unknown command dicom sharpen; run gadolin dicom --help [GD-USAGE-001]"},
                 {{"data"}, 2, "A subcommand is required; run gadolin data --help [GD-USAGE-001]"},
                 {{"dicom", "convert", "x", "--out", "y.npy", "--values", "hounsfild"},
                  2,
                  "--values hounsfild is unknown; did you mean hounsfield? use stored or hounsfield "
                  "[GD-USAGE-001]"},
             });
  if (cuda_device_count() == 0) {
    for (const std::string odd : {"cuda:x", "cuda:-1", "cuda:", "cuda:0x", "gpu"}) {
      expect_all(dir, {{{"models", "--device", odd},
                        2,
                        "--device " + odd + " is unknown; use auto, cpu, cuda or cuda:N [GD-USAGE-001]"}});
    }
    expect_all(dir, {{{"models", "--device", "cudax"},
                      2,
                      "--device cudax is unknown; did you mean cuda? use auto, cpu, cuda or cuda:N "
                      "[GD-USAGE-001]"}});
    expect_all(dir, {{{"models", "--device", "cuda:7"},
                      7,
                      "--device cuda:7: there are 0 CUDA devices; run gadolin doctor, or use --device cpu "
                      "[GD-DEVICE-001]"}});
  }
}

TEST(CommandMessages, VersionAndHelpAreAnswers) {
  for (const std::vector<std::string>& ask : {std::vector<std::string>{"--version"},
                                              {"help"},
                                              {"help", "train"},
                                              {"train", "--help"},
                                              {"help", "data", "split"}}) {
    const Outcome run = run_program(ask);
    EXPECT_EQ(run.code, 0) << run.err;
    EXPECT_FALSE(run.out.empty());
  }
  EXPECT_EQ(run_program({"help", "train"}).out, run_program({"train", "--help"}).out);
  EXPECT_EQ(run_program({"--version"}).out.find("gadolin "), 0u);
  EXPECT_NE(run_program({"train", "--help"}).out.find("Options of every command"), std::string::npos);
}

// Every option of every command says what it is for; the commands and the options of train stand in groups.
void expect_described(const CLI::App& app, const std::string& path, int& options) {
  EXPECT_FALSE(app.get_description().empty()) << path;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;  // hidden
    EXPECT_FALSE(option->get_description().empty()) << path << " " << option->get_name(true, true);
    ++options;
  }
  for (const CLI::App* sub : app.get_subcommands({}))
    expect_described(*sub, path + " " + sub->get_name(), options);
}

TEST(CommandMessages, EveryOptionHasAText) {
  Program program;
  add_all(program);
  int options = 0;
  expect_described(program.app(), "gadolin", options);
  EXPECT_GT(options, 200);
  const std::string all = run_here({"--help"}).out, train = run_here({"train", "--help"}).out;
  for (const char* section : {"Look:", "Prepare data:", "Train, evaluate, predict:", "Weights:", "Measure:"})
    EXPECT_NE(all.find(section), std::string::npos) << section;
  for (const char* section : {"Run:", "Data:", "Net:", "Pictures and batches:", "Loss:",
                              "Update of the weights:", "Length, evaluations and checkpoints:"})
    EXPECT_NE(train.find(section), std::string::npos) << section << train;
  for (const char* common : {"--device", "--dtype", "--seed", "--threads", "--backend", "--math", "--tune",
                             "--config", "--json", "--quiet", "--verbose"})
    EXPECT_NE(train.find(std::string("\n  ") + common + " "), std::string::npos) << common << train;
}

TEST(CommandMessages, WhatCannotBePrintedIsNoSuccess) {
  const std::string program = GADOLIN_PROGRAM;
  for (const char* command : {"models", "help", "--version"}) {
    const int code = std::system((program + " " + command + " > /dev/full 2> /dev/null").c_str());
    EXPECT_EQ(WEXITSTATUS(code), 6) << command;
  }
}

TEST(CommandMessages, Doctor) {
  const Scratch dir;
  const NoGrad guard;  // its self-tests cannot pass then
  const Outcome run = run_here({"doctor", "--device", "cpu"});
  EXPECT_EQ(run.code, 7);
  if (cuda_device_count() == 0) {
    EXPECT_EQ(last_line(run, dir.path()), "doctor: 4 errors; see the lines above [GD-DEVICE-001]");
  }
}

TEST(CommandMessages, Benchmarks) {
  const Scratch dir;
  expect_all(
      dir,
      {
          {{"bench", "model", "resnet18", "--mode", "test"},
           2,
           "--mode test is unknown; use train or infer [GD-USAGE-001]"},
          {{"bench", "model", "resnet18", "--batch", "-1"},
           2,
           "--batch -1 is not in 0..65536 [GD-USAGE-001]"},
          {{"bench", "op", "nothing"},
           2,
           "bench op: no operation is called nothing; run gadolin bench op --list to see all [GD-USAGE-001]"},
      });
  // Without statistics from training the sums of 66 blocks outgrow fp16.
  const Outcome run =
      run_here({"bench", "model", "resnet_v2_200", "--mode", "infer", "--batch", "1", "--input", "1x32x32",
                "--steps", "1", "--warm-up", "0", "--dtype", "fp16", "--device", "cpu"});
  EXPECT_EQ(run.code, 5);
  std::string said = last_line(run, dir.path());
  if (said.find(" -nan;") != std::string::npos)
    said.erase(said.find("-nan"), 1);  // its sign is a matter of chance
  EXPECT_EQ(said, "bench model: resnet_v2_200 gave nan; the numbers would mean nothing [GD-NUMERIC-001]");
}

TEST(CommandMessages, Data) {
  const Scratch dir;
  dir.write("classes/a/1.png", encode_png(pattern(8, 8, 1)));
  dir.write("classes/b/2.png", "not a picture");
  expect_all(
      dir, {
               {{"data", "check", "DIR/classes"},
                3,
                "data check: 1 error in DIR/classes; mend or remove the samples named above [GD-DATA-001]"},
               {{"data", "split", "DIR/classes", "--shares", "0.5/0.5/0"},
                2,
                "data split: DIR/classes is no manifest, so the splits need a place; give --out manifest.csv "
                "[GD-USAGE-001]"},
               {{"data", "split", "DIR/classes", "--shares", "0.5/0.5"},
                2,
                "--shares 0.5/0.5: three numbers of 0 or more are needed, like 0.7/0.15/0.15 [GD-USAGE-001]"},
               {{"data", "split", "DIR/classes", "--shares", "1/-1/1"},
                2,
                "--shares 1/-1/1: three numbers of 0 or more are needed, like 0.7/0.15/0.15 [GD-USAGE-001]"},
               {{"data", "split", "DIR/classes", "--shares", "1/1/1/1"},
                2,
                "--shares 1/1/1/1: three numbers of 0 or more are needed, like 0.7/0.15/0.15 [GD-USAGE-001]"},
               {{"data", "split", "DIR/classes", "--shares", "0/0/0", "--out", "DIR/m.csv"},
                2,
                "split: shares 0, 0, 0 are not 0 or more with a sum above 0 [GD-USAGE-001]"},
               {{"data", "synth", "DIR/new", "--size", "4"}, 2, "--size 4 is not in 8..4096 [GD-USAGE-001]"},
               {{"data", "synth"},
                2,
                "data synth: a folder to make is needed, like shapes; or bodypart, mammo, chest, openi or "
                "ct-series and a folder, "
                "for films [GD-USAGE-001]"},
               {{"data", "synth", "bodypart", "DIR/new", "--patients", "0"},
                2,
                "--patients 0 is not in 1..10000 [GD-USAGE-001]"},
           });
  EXPECT_FALSE(fs::exists(dir / "m.csv"));
  EXPECT_FALSE(fs::exists(dir / "new")) << "a mistake left a folder";
}

TEST(CommandMessages, Report) {
  const Scratch dir;
  dir.write("empty/notes.txt", "");
  dir.write("broken/metrics.json", "{\"split\":");
  dir.write("narrow/metrics.json", R"({"split":"test","samples":1,"classes":["a","b"],"metrics":{}})");
  dir.write("narrow/predictions.csv", "path,truth,predicted,a\nx.png,a,a,1\n");
  expect_all(
      dir, {
               {{"report", "DIR/empty"},
                3,
                "report: DIR/empty holds neither metrics.csv nor metrics.json; is it the folder of a run? "
                "[GD-DATA-001]"},
               {{"report", "DIR/broken"},
                3,
                "report: DIR/broken/metrics.json is not valid JSON; run gadolin eval again [GD-FORMAT-001]"},
               {{"report", "DIR/narrow"},
                3,
                "report: DIR/narrow/predictions.csv has 4 columns, 5 are expected; run gadolin eval again "
                "[GD-FORMAT-001]"},
           });
  EXPECT_FALSE(fs::exists(dir / "empty/report")) << "a mistake left a folder";
}

// --- checkpoints -------------------------------------------------------------------------------------------

TEST(CommandMessages, EvalAndPredict) {
  const Scratch dir;
  for (const char* name : {"set/a/1.png", "set/a/2.png", "set/b/3.png", "set/b/4.png"})
    dir.write(name, encode_png(pattern(16, 16, 1)));
  dir.write("many.csv", "path,labels,split\nset/a/1.png,a|b,test\n");
  dir.write("nothing/notes.md", "");
  dir.write("bad.png", "not a picture");
  ASSERT_EQ(run_here({"train", dir / "set", "--out", dir / "run", "--input-size", "8", "--width", "4",
                      "--batch-size", "2", "--shares", "2/2/0", "--max-steps", "1", "--epochs", "1",
                      "--workers", "0", "--quiet"})
                .err,
            "");
  const std::string good = dir / "run/checkpoints/last.gdck";
  const Checkpoint whole = load_checkpoint(good);
  Checkpoint odd = whole;
  for (const char* classes : {"{}", "[1,2]", "not json"}) {
    odd.facts["classes"] = classes;
    save_checkpoint(dir / "odd.gdck", odd);
    expect_all(dir, {{{"eval", "DIR/set", "--checkpoint", "DIR/odd.gdck"},
                      6,
                      "checkpoint: DIR/odd.gdck does not describe a classifier; was it written by gadolin "
                      "train? [GD-CKPT-030]"}});
  }
  odd.tensors.clear();
  odd.tensors["optimizer.x"] = ones({1});
  save_checkpoint(dir / "empty.gdck", odd);
  expect_all(dir, {
                      {{"train", "DIR/set", "--out", "DIR/none", "--width", "4", "--shares", "2/2/0",
                        "--init-from", "DIR/empty.gdck"},
                       6,
                       "weights: DIR/empty.gdck holds no model [GD-CKPT-031]"},
                      {{"eval", "DIR/many.csv", "--checkpoint", good},
                       3,
                       "eval: DIR/many.csv has several labels a sample, the checkpoint was trained with one "
                       "[GD-DATA-041]"},
                      {{"eval", "DIR/set", "--checkpoint", good, "--split", "tests"},
                       2,
                       "--split tests is unknown; did you mean test? use train, val, test or all "
                       "[GD-USAGE-001]"},
                      {{"predict", "DIR/none.txt", "--checkpoint", good},
                       6,
                       "read: DIR/none.txt: no such file or directory; check the path; folders above it must "
                       "exist [GD-FILE-001]"},
                      {{"predict", "DIR/nothing", "--checkpoint", good},
                       2,
                       "predict: no files to look at [GD-USAGE-001]"},
                      {{"predict", "DIR/bad.png", "DIR/set/a/1.png", "--checkpoint", good, "--quiet"},
                       3,
                       "predict: 1 of 2 files could not be read (decode: DIR/bad.png is not a JPEG, PNG, "
                       "BMP, PNM or DICOM file) [GD-DATA-042]"},
                  });
  EXPECT_FALSE(fs::exists(dir / "none")) << "a mistake left a folder";
}

// --- verify ------------------------------------------------------------------------------------------------

TEST(CommandMessages, Verify) {
  const Scratch dir;
  const TextMap meta{{"format", "gadolin-fixture-1"},
                     {"model", "resnet18"},
                     {"mode", "eval"},
                     {"rtol", "1e-4"},
                     {"atol", "1e-4"},
                     {"num_classes", "3"},
                     {"loss", "cross_entropy"},
                     {"config", R"({"width":8})"}};
  const TensorMap tensors{{"input", zeros({2, 3, 32, 32})}, {"output", zeros({2, 3})}};
  struct Case {
    TextMap change;
    TensorMap add;
    int code;
    std::string want;
  };
  const std::vector<Case> cases{
      {{{"rtol", ""}},
       {},
       3,
       "verify: DIR/f.safetensors has metadata rtol = '', which is no number [GD-FORMAT-020]"},
      {{{"format", "1"}},
       {},
       3,
       "verify: DIR/f.safetensors has format 1; this version reads gadolin-fixture-1 [GD-FORMAT-020]"},
      {{{"mode", "test"}},
       {},
       3,
       "verify: DIR/f.safetensors has mode test; known are eval and train [GD-FORMAT-022]"},
      {{{"config", "[]"}},
       {},
       3,
       "verify: DIR/f.safetensors has a config that is no JSON object [GD-FORMAT-020]"},
      {{{"config", R"({"normalize":[1,2,3]})"}},
       {},
       3,
       "verify: DIR/f.safetensors: normalize is not [mean, deviation] [GD-FORMAT-020]"},
      {{{"config", R"({"normalize":[["x"],[1]]})"}},
       {},
       3,
       "verify: DIR/f.safetensors: normalize is not [mean, deviation] [GD-FORMAT-020]"},
      {{{"config", R"({"width":null})"}},
       {},
       3,
       "verify: DIR/f.safetensors: config width is neither number, text nor true or false [GD-FORMAT-020]"},
      {{},
       {{"output", zeros({2, 4})}},
       3,
       "verify: DIR/f.safetensors: output is [2, 4] in the file, but the net gives [2, 3] [GD-FORMAT-021]"},
      {{{"mode", "train"}, {"loss", "hinge"}},
       {{"target", zeros({2}, DType::int64)}},
       3,
       "verify: DIR/f.safetensors wants the loss hinge; known are cross_entropy, bce_with_logits, "
       "sum_squares, retinanet (of detectors), none [GD-FORMAT-022]"},
      {{},
       {{"state.head", zeros({1})}},
       3,
       "verify: DIR/f.safetensors holds state.head, but resnet18 has no head [GD-FORMAT-023]"},
      {{},
       {{"extra", zeros({1})}},
       3,
       "verify: DIR/f.safetensors holds extra, which no check knows [GD-FORMAT-023]"},
      {{},
       {{"output.1", zeros({2, 3})}},
       3,
       "verify: DIR/f.safetensors holds output.1, but resnet18 has no such output in mode eval "
       "[GD-FORMAT-023]"},
      {{{"mode", "train"}, {"loss", "sum_squares"}},
       {{"output.1", zeros({2, 3})}},
       3,
       "verify: DIR/f.safetensors holds output.1, but resnet18 has no such output in mode train "
       "[GD-FORMAT-023]"},
      {{{"mode", "train"}, {"loss", "none"}},
       {{"grad.fc.bias", zeros({3})}},
       3,
       "verify: DIR/f.safetensors expects grad.fc.bias, but no gradient reached it [GD-FORMAT-024]"},
      {{},
       {{"output", ones({2, 3})}},
       5,
       "verify: 1 of 1 fixtures deviate by more than their tolerance; run with --verbose to see every tensor "
       "[GD-NUMERIC-010]"},
  };
  for (const Case& c : cases) {
    TextMap text = meta;
    for (const auto& [key, value] : c.change) text[key] = value;
    TensorMap all = tensors;
    for (const auto& [name, value] : c.add) all[name] = value;
    save_safetensors(dir / "f.safetensors", all, text);
    expect_all(dir, {{{"verify", "DIR/f.safetensors", "--quiet"}, c.code, c.want}});
  }
  TextMap less = meta;
  less.erase("model");
  save_safetensors(dir / "f.safetensors", tensors, less);
  expect_all(dir, {{{"verify", "DIR/f.safetensors"},
                    3,
                    "verify: DIR/f.safetensors has no metadata 'model'; is it a fixture of the form "
                    "gadolin-fixture-1? [GD-FORMAT-020]"}});
  TextMap train = meta;
  train["mode"] = "train";
  train["loss"] = "none";
  save_safetensors(dir / "f.safetensors", {{"input", tensors.at("input")}}, train);
  expect_all(dir, {{{"verify", "DIR/f.safetensors"},
                    3,
                    "verify: DIR/f.safetensors holds nothing to compare with [GD-FORMAT-001]"}});
}

}  // namespace
