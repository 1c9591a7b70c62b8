// A run's own split, evaluated again: of IDX files, whose samples have no files of their own, and of a
// manifest.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "io/csv.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;
using nlohmann::json;

namespace {

// 40 pictures of 8 x 8, dark or bright.
void write_digits(const Scratch& dir) {
  std::string images("\0\0\x08\x03\0\0\0\x28\0\0\0\x08\0\0\0\x08", 16), labels("\0\0\x08\x01\0\0\0\x28", 8);
  for (int i = 0; i < 40; ++i) {
    for (int p = 0; p < 64; ++p) images += static_cast<char>((i % 2) * 120 + (i * 7 + p * 3) % 100);
    labels += static_cast<char>(i % 2);
  }
  dir.write("digits/t10k-images-idx3-ubyte", images);
  dir.write("digits/t10k-labels-idx1-ubyte", labels);
}

TEST(Splits, EvalOfIdxFilesTakesTheRunsOwn) {
  const Scratch dir;
  write_digits(dir);
  const std::string data = dir / "digits", run = dir / "run", splits = dir / "run/split.csv";
  const Outcome trained = run_here({"train", data, "--ignore-splits", "--shares", "0.5/0.2/0.3", "--out", run,
                                    "--small-input", "--input-size", "8", "--width", "4", "--batch-size", "4",
                                    "--epochs", "1", "--workers", "0", "--quiet"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const CsvTable table = read_csv(splits);
  const auto in = [&](const std::string& split) {
    std::int64_t n = 0;
    for (const auto& row : table.rows) n += row[static_cast<std::size_t>(table.column("split"))] == split;
    return n;
  };
  EXPECT_GT(in("train"), in("test"));
  const auto eval = [&](const std::string& what, const std::vector<std::string>& more) {
    std::vector<std::string> args{"eval",        what, "--checkpoint", run + "/checkpoints/last.gdck",
                                  "--resamples", "0",  "--workers",    "0",
                                  "--json"};
    args.insert(args.end(), more.begin(), more.end());
    return run_here(args);
  };
  const auto samples = [](const Outcome& o) -> std::int64_t {
    EXPECT_EQ(o.code, 0) << o.err;
    const std::size_t line = o.out.rfind("{\"event\":\"done\"");
    return line == std::string::npos
               ? -1
               : json::parse(o.out.substr(line)).at("metrics").at("samples").get<std::int64_t>();
  };
  EXPECT_EQ(samples(eval(data, {})), 40) << "the files say that all of them are test samples";
  for (const char* split : {"train", "val", "test"}) {
    EXPECT_EQ(samples(eval(data, {"--splits", splits, "--split", split})), in(split)) << split;
  }
  // The same numbers as at the end of the epoch: these are the samples that were held back.
  const CsvTable metrics = read_csv(dir / "run/metrics.csv");
  const Outcome val = eval(data, {"--splits", splits, "--split", "val"});
  const json done = json::parse(val.out.substr(val.out.rfind("{\"event\":\"done\"")));
  EXPECT_NEAR(done["metrics"]["loss"].get<double>(),
              std::stod(metrics.rows[0][static_cast<std::size_t>(metrics.column("val_loss"))]), 1e-6);
  EXPECT_EQ(last_line(eval(splits, {}), dir.path()),
            "dataset: DIR/run/split.csv names samples that have no files of their own; give the set itself, "
            "and this file with --splits "
            "[GD-DATA-001]");
  // Another run takes the same split.
  const Outcome again =
      run_here({"train", data, "--splits", splits, "--out", dir / "again", "--small-input", "--input-size",
                "8", "--width", "4", "--batch-size", "4", "--epochs", "1", "--workers", "0", "--quiet"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(contents_of(dir / "again/split.csv"), contents_of(splits));
}

TEST(Splits, OfAManifestAreTakenByPath) {
  const Scratch dir;
  ASSERT_EQ(run_here({"data", "synth", dir / "set", "--samples", "24", "--patients", "8", "--classes", "2",
                      "--size", "16"})
                .code,
            0);
  const auto train = [&](const std::string& out, const std::vector<std::string>& more) {
    std::vector<std::string> args{"train",     dir / "set", "--out",        dir / out, "--input-size", "8",
                                  "--width",   "4",         "--batch-size", "4",       "--epochs",     "1",
                                  "--workers", "0",         "--quiet"};
    args.insert(args.end(), more.begin(), more.end());
    return run_here(args);
  };
  ASSERT_EQ(train("a", {"--seed", "5"}).code, 0);
  const Outcome b = train("b", {"--splits", dir / "a/split.csv"});
  ASSERT_EQ(b.code, 0) << b.err;
  EXPECT_EQ(contents_of(dir / "b/split.csv"), contents_of(dir / "a/split.csv"));
}

}  // namespace
