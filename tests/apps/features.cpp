// gadolin predict --layer: files and sets to features.npy and index.csv, and what goes wrong.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/csv.h"
#include "io/npy.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

namespace fs = std::filesystem;

class Features : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = std::make_unique<Scratch>();
    ASSERT_EQ(run_here({"data", "synth", *dir_ / "set", "--samples", "24", "--patients", "8", "--classes",
                        "2", "--size", "40"})
                  .code,
              0);
    const Outcome run =
        run_here({"train", *dir_ / "set/manifest.csv", "--out", *dir_ / "run", "--input-size", "32",
                  "--width", "4", "--batch-size", "8", "--epochs", "1", "--device", "cpu", "--quiet"});
    ASSERT_EQ(run.code, 0) << run.err;
  }
  static void TearDownTestSuite() { dir_.reset(); }
  static Outcome predict(std::vector<std::string> args) {
    args.insert(args.begin(), "predict");
    args.insert(args.end(), {"--checkpoint", *dir_ / "run/checkpoints/last.gdck", "--device", "cpu"});
    return run_here(args);
  }
  static std::unique_ptr<Scratch> dir_;
};
std::unique_ptr<Scratch> Features::dir_;

TEST_F(Features, OfASetAndOfFiles) {
  const Outcome set =
      predict({*dir_ / "set/manifest.csv", "--layer", "embedding", "--out", *dir_ / "a", "--json"});
  ASSERT_EQ(set.code, 0) << set.err;
  const auto last = nlohmann::json::parse(set.out.substr(set.out.rfind('\n', set.out.size() - 2) + 1));
  EXPECT_EQ(last["metrics"]["shape"], (std::vector<int>{24, 32}));
  EXPECT_EQ(last["outputs"]["features"], *dir_ / "a/features.npy");
  const CsvTable index = read_csv(*dir_ / "a/index.csv"), manifest = read_csv(*dir_ / "set/manifest.csv");
  ASSERT_EQ(index.rows.size(), 24u);
  EXPECT_FALSE(index.rows[5][2].empty());
  EXPECT_FALSE(index.rows[5][3].empty());
  // Single files give the same rows, without labels.
  const Outcome files =
      predict({index.rows[5][1], index.rows[2][1], "--layer", "embedding", "--out", *dir_ / "b", "--quiet"});
  ASSERT_EQ(files.code, 0) << files.err;
  const Tensor whole = map_npy(*dir_ / "a/features.npy"), two = map_npy(*dir_ / "b/features.npy");
  ASSERT_EQ(two.shape(), (Shape{2, 32}));
  const std::vector<double> wanted = whole.select(0, 5).to_vector<double>(),
                            got = two.select(0, 0).to_vector<double>();
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (!(std::abs(got[i] - wanted[i]) <= 1e-5)) ADD_FAILURE() << i << ": " << got[i] << " " << wanted[i];
  }
  EXPECT_EQ(read_csv(*dir_ / "b/index.csv").rows[1],
            (std::vector<std::string>{"1", index.rows[2][1], "", "", ""}));
  // One split of the run's table, in 16 bits.
  const Outcome split = predict({*dir_ / "run/split.csv", "--split", "test", "--layer", "layer2", "--pool",
                                 "--feature-dtype", "fp16", "--out", *dir_ / "c", "--quiet"});
  ASSERT_EQ(split.code, 0) << split.err;
  EXPECT_EQ(map_npy(*dir_ / "c/features.npy").dtype(), DType::fp16);
  EXPECT_EQ(map_npy(*dir_ / "c/features.npy").size(1), 8);
  for (const auto& row : read_csv(*dir_ / "c/index.csv").rows) EXPECT_EQ(row[4], "test");
}

TEST_F(Features, BadFilesAreNamed) {
  const std::string bad = dir_->write("bad.png", "no picture"), good = *dir_ / "set/images/000001.png";
  const Outcome stop = predict({good, bad, "--layer", "embedding", "--out", *dir_ / "stop", "--quiet"});
  EXPECT_EQ(stop.code, 3);
  EXPECT_NE(last_line(stop, dir_->path()).find("DIR/bad.png"), std::string::npos) << stop.err;
  EXPECT_FALSE(fs::exists(*dir_ / "stop/features.npy"));
  const Outcome skip =
      predict({good, bad, good, "--layer", "embedding", "--out", *dir_ / "skip", "--bad-samples", "skip"});
  ASSERT_EQ(skip.code, 0) << skip.err;
  EXPECT_NE(skip.err.find("left out " + bad), std::string::npos) << skip.err;
  EXPECT_EQ(map_npy(*dir_ / "skip/features.npy").size(0), 2);
}

TEST_F(Features, Mistakes) {
  const std::string film = *dir_ / "set/images/000001.png";
  const auto says = [&](std::vector<std::string> args) {
    return last_line(predict(std::move(args)), dir_->path());
  };
  EXPECT_EQ(says({film, "--layer", "layer4"}),
            "predict: --layer needs --out, a folder for features.npy and index.csv [GD-USAGE-001]");
  EXPECT_EQ(says({film, "--layer", "layer4", "--out", *dir_ / "x", "--feature-dtype", "bf16"}),
            "--feature-dtype bf16 is unknown; use fp32 or fp16 [GD-USAGE-001]");
  EXPECT_EQ(says({film, "--layer", "layer4", "--out", *dir_ / "x", "--bad-samples", "ignore"}),
            "--bad-samples ignore is unknown; use fail or skip [GD-USAGE-001]");
  EXPECT_EQ(says({film, "--layer", "layer4", "--out", *dir_ / "x", "--split", "test"}),
            "predict: --split needs a labelled set, not files [GD-USAGE-001]");
  EXPECT_EQ(says({film, "--layer", "layer5", "--out", *dir_ / "x"}),
            "layer: layer5 is not in the net; near are layer1, layer2, layer3, or embedding; gadolin summary "
            "shows all names [GD-USAGE-001]");
  EXPECT_FALSE(fs::exists(*dir_ / "x")) << "a mistake left a folder";
}

}  // namespace
}  // namespace gadolin::test
