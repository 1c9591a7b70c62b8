// Commands that evaluate, predict and read archives on several processes: the files of one, byte by byte.
#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <regex>

#include "io/text.h"
#include "tests/apps/program.h"
#include "tests/apps/small_run.h"
#include "tests/processes/ranks.h"

namespace gadolin::test {
namespace {

namespace fs = std::filesystem;

// Every file but for the minute in which a report was made.
std::map<std::string, std::string> tree_of(const std::string& folder) {
  static const std::regex minute("made, [0-9-]{10} [0-9:]{5} UTC");
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::string bytes = contents_of(entry.path().string());
    if (entry.path().extension() == ".html") bytes = std::regex_replace(bytes, minute, "made");
    files[entry.path().lexically_relative(folder).string()] = bytes;
  }
  return files;
}

class InferenceProcesses : public SmallRun {
 protected:
  void SetUp() override {
    if (!mpi_available()) GTEST_SKIP() << "built without MPI";
    SmallRun::SetUp();
  }
  // A command on `processes`; 1: without others.
  static Outcome on(int processes, std::vector<std::string> args) {
    if (processes > 1) {
      const std::vector<std::string> launch{"launch", "-n", std::to_string(processes), "--"};
      args.insert(args.begin(), launch.begin(), launch.end());
    }
    return run_program(args);
  }
  // What it writes into out/ and, unless it tells times, what it prints: as one process.
  void expect_same(const std::vector<std::string>& args, const std::vector<int>& sizes,
                   bool prints_times = false) {
    const std::string out = dir_ / "made";
    fs::remove_all(out);
    const Outcome alone = on(1, args);
    ASSERT_EQ(alone.code, 0) << alone.err;
    const auto want = fs::exists(out) ? tree_of(out) : std::map<std::string, std::string>();
    EXPECT_TRUE(prints_times ? !want.empty() : !alone.out.empty());
    for (const int size : sizes) {
      fs::remove_all(out);
      const Outcome run = on(size, args);
      const std::string what = cat(args[0], " ", args[1], " on ", size);
      ASSERT_EQ(run.code, 0) << what << "\n" << run.err;
      const auto got = fs::exists(out) ? tree_of(out) : std::map<std::string, std::string>();
      ASSERT_EQ(got.size(), want.size()) << what;
      for (const auto& [name, bytes] : want)
        EXPECT_TRUE(got.contains(name) && got.at(name) == bytes) << what << ": " << name << " is another";
      EXPECT_TRUE(prints_times || run.out == alone.out) << what << "\n" << run.out << alone.out;
    }
  }
};

// Complaint H1: metrics of N processes, with fewer batches than processes too.
TEST_F(InferenceProcesses, H1EvaluationIsThatOfOne) {
  std::string rows = "path,labels,split\n";
  for (int i = 0; i < 21; ++i) {
    const std::string name = cat("more/", i, ".png");
    dir_.write("set/" + name, encode_png(pattern(10 + i, 12, 1)));
    rows += cat(name, i % 3 == 0 ? ",a" : ",b", ",val\n");
  }
  dir_.write("set/more.csv", rows);
  ASSERT_EQ(train({"--epochs", "2"}).code, 0);
  const std::vector<std::string> eval{"eval",         dir_ / "set/more.csv",
                                      "--checkpoint", checkpoint("best"),
                                      "--out",        dir_ / "made",
                                      "--split",      "all",
                                      "--device",     "cpu"};
  const auto with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> args = eval;
    args.insert(args.end(), more.begin(), more.end());
    return args;
  };
  expect_same(with({"--batch-size", "3"}), {2, 3, 4});
  expect_same(with({"--batch-size", "16"}), {4});
  // An ensemble, views, and a picture that cannot be read.
  dir_.write("set/more/21.png", "no picture");
  dir_.write("set/more.csv", rows + "more/21.png,a,val\n");
  expect_same(with({"--checkpoint", checkpoint("last"), "--views", "identity,hflip", "--bad-samples", "skip",
                    "--batch-size", "4"}),
              {3});
}

TEST_F(InferenceProcesses, PredictionsAndFeaturesAreThoseOfOne) {
  ASSERT_EQ(train({"--epochs", "1"}).code, 0);
  const std::string best = checkpoint("best");
  expect_same({"predict", dir_ / "set/images", "--checkpoint", best, "--device", "cpu"}, {2, 3});
  expect_same({"predict", dir_ / "set/images", "--checkpoint", best, "--layer", "embedding", "--out",
               dir_ / "made", "--batch-size", "4", "--device", "cpu"},
              {2, 3});
  expect_same({"nodule", "extract-features", dir_ / "set", "--out", dir_ / "made", "--net", "resnet18",
               "--net-option", "width=4", "--net-option", "small_input=true", "--random-weights",
               "--pipeline", "rgb,resize:8x8", "--batch-size", "4", "--device", "cpu"},
              {3});
  ASSERT_EQ(::mkfifo((dir_ / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(
      last_line(on(2, {"predict", dir_ / "pipe", "--checkpoint", best, "--device", "cpu"}), dir_.path()),
      "predict: DIR/pipe is a pipe, which one process reads; run it without the others, or name a file "
      "[GD-USAGE-001]");
  // One file that is damaged is named once, with its error.
  dir_.write("set/images/5.png", "no picture");
  const std::vector<std::string> args{"predict", dir_ / "set/images", "--checkpoint",
                                      best,      "--device",          "cpu"};
  const Outcome alone = on(1, args), two = on(2, args);
  EXPECT_EQ(two.code, alone.code);
  EXPECT_EQ(two.out, alone.out);
  EXPECT_EQ(last_line(two, dir_.path()), last_line(alone, dir_.path()));
}

TEST_F(InferenceProcesses, HeadCtsAreReadAndJudgedAsByOne) {
  const std::string ct = dir_ / "ct", slices = dir_ / "slices", series = dir_ / "series",
                    features = dir_ / "features";
  const auto here = [&](const std::vector<std::string>& args) {
    const Outcome run = run_here(args);
    ASSERT_EQ(run.code, 0) << run.err;
  };
  here({"data", "synth", "ct-series", dir_ / "archive", "--patients", "8", "--slices", "4", "--size", "32",
        "--seed", "1", "--quiet"});
  expect_same({"hemorrhage", "img-extract", "--zip_dir", dir_ / "archive", "--data_dir", dir_ / "made",
               "--size", "32"},
              {2, 3}, true);
  fs::rename(dir_ / "made", ct);
  expect_same({"hemorrhage", "create-metadata", "--zip_dir", dir_ / "archive", "--data_dir", dir_ / "made"},
              {2, 3}, true);
  for (const auto& entry : fs::directory_iterator(dir_ / "made"))
    fs::rename(entry, fs::path(ct) / entry.path().filename());
  fs::create_directories(dir_ / "made");
  expect_same({"dicom", "index", dir_ / "archive/rsna-intracranial-hemorrhage-detection.zip"}, {3});
  here({"hemorrhage", "process-labels", "--zip_dir", dir_ / "archive", "--data_dir", ct, "--quiet"});
  here({"hemorrhage",
        "train",
        "--data_dir",
        ct,
        "--pretrained_model",
        "resnet18",
        "--net-option",
        "width=4",
        "--net-option",
        "small_input=true",
        "--size",
        "16",
        "--num_epochs",
        "1",
        "--batch_size",
        "8",
        "--out",
        slices,
        "--device",
        "cpu",
        "--quiet"});
  const std::vector<std::string> extract{
      "hemorrhage",  "extract-features", "--data_dir",   ct,  "--model_id", slices, "--out",
      dir_ / "made", "--logits",         "--batch_size", "5", "--device",   "cpu"};
  expect_same(extract, {3});
  std::vector<std::string> test = extract;
  test.insert(test.end(), {"--base_data", "test"});
  test[7] = features;
  std::vector<std::string> learn = extract;
  learn[7] = features;
  here(learn);
  here(test);
  here({"hemorrhage", "train-lstm", features, "--num_layers", "1", "--cell_size", "4", "--num_epochs", "1",
        "--out", series, "--strips", "0", "--val_ratio", "0.4", "--device", "cpu", "--quiet"});
  for (const int size : {1, 2}) {
    const Outcome run =
        on(size, {"hemorrhage", "predict", features, "--model_id", series, "--model_type", "blend", "--out",
                  dir_ / cat("by", size, ".csv"), "--batch_size", "1", "--device", "cpu"});
    ASSERT_EQ(run.code, 0) << run.err;
  }
  EXPECT_EQ(contents_of(dir_ / "by2.csv"), contents_of(dir_ / "by1.csv"));
}

}  // namespace
}  // namespace gadolin::test
