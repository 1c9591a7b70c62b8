// The tables of options: ranges of numbers, help, hints.
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/program/command_words.h"
#include "io/csv.h"
#include "tests/apps/small_run.h"

using namespace gadolin;
using namespace gadolin::test;
namespace fs = std::filesystem;

namespace {

// The flags of the original's trainers are looked at by their own rules (apps/bodypart/train_slim.cpp).
void expect_ranges(CLI::App& app, const std::string& path, int& numbers) {
  for (CLI::Option* option : app.get_options()) {
    const std::string type = option->get_type_name();
    const bool number = type == "INT" || type == "UINT" || type == "FLOAT";
    if (!number || path == "gadolin bodypart train") continue;
    ++numbers;
    EXPECT_NO_THROW(option->get_validator("range")) << path << " " << option->get_name();
  }
  for (CLI::App* sub : app.get_subcommands([](CLI::App*) { return true; }))
    expect_ranges(*sub, path + " " + sub->get_name(), numbers);
}

TEST(OptionTables, EveryNumberHasARange) {
  Program program;
  add_all(program);
  int numbers = 0;
  expect_ranges(program.app(), "gadolin", numbers);
  EXPECT_GT(numbers, 80);
  for (const auto& [args, want] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"eval", "x", "--checkpoint", "y", "--resamples", "-5"}, "--resamples -5 is not in 0..1000000"},
           {{"predict", "x", "--checkpoint", "y", "--top", "-3"}, "--top -3 is not in 1..1000000000"},
           {{"lr-find", "x", "--out", "y", "--steps", "0"}, "--steps 0 is not in 2..1000000"},
           {{"data", "synth", "x", "--samples", "0"}, "--samples 0 is not in 1..1000000"},
           {{"bodypart", "train", "--train_dir", "x", "--version", "99999999999"},
            "--version 99999999999 is not in -1000000000..1000000000"},
           {{"dicom", "convert", "x", "--out", "y", "--bits", "9"}, "--bits 9 is unknown; use 8 or 16"}}) {
    const Outcome run = run_here(args);
    EXPECT_EQ(run.code, 2) << want;
    EXPECT_EQ(last_line(run, "/nowhere"), want + " [GD-USAGE-001]");
  }
}

TEST(OptionTables, HelpFitsATerminal) {
  std::istringstream lines(run_here({"--help-all"}).out + run_here({"train", "--help"}).out +
                           run_here({"bodypart", "train", "--help"}).out + run_here({"--help"}).out);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) EXPECT_LE(line.size(), 80u) << line;
  EXPECT_GT(count, 500);
}

// What a command is called decides, not what its values are called.
TEST(OptionTables, TheCommandIsFoundAmongOptionsAndTheirValues) {
  Program program;
  add_all(program);
  const auto command = [&](std::vector<std::string> args) {
    args.insert(args.begin(), "gadolin");
    std::vector<char*> argv;
    for (std::string& arg : args) argv.push_back(arg.data());
    return command_words(program.app(), static_cast<int>(argv.size()), argv.data()).path();
  };
  EXPECT_EQ(command({"data", "check", "train"}), "data check");
  EXPECT_EQ(command({"dicom", "dump", "bench", "--fields", "doctor"}), "dicom dump");
  EXPECT_EQ(command({"--config", "train", "report", "predict"}), "report");
  EXPECT_EQ(command({"--threads", "2", "--json", "--seed=7", "lr_find", "x"}), "lr-find");
  EXPECT_EQ(command({"bodypart", "create_database", "x"}), "bodypart create-database");
  EXPECT_EQ(command({"help", "bodypart", "train"}), "bodypart train");
  EXPECT_EQ(command({"data", "train"}), "data");
  EXPECT_EQ(command({"films", "train"}), "");
  EXPECT_EQ(command({"--unknown", "train"}), "");
  EXPECT_EQ(command({}), "");
}

// Behind common options and their values, and with "_" for "-" at any level.
TEST(OptionTables, CommandsAreNamedWhereverTheyStand) {
  const auto says = [](const std::vector<std::string>& args) {
    return last_line(run_here(args), "/nowhere");
  };
  EXPECT_EQ(says({"--threads", "2", "trian", "x"}),
            "unknown command trian; did you mean train? [GD-USAGE-001]");
  EXPECT_EQ(says({"--quiet", "--seed=3", "data", "chek"}),
            "unknown command data chek; did you mean check? [GD-USAGE-001]");
  EXPECT_EQ(says({"trian", "--help"}), "unknown command trian; did you mean train? [GD-USAGE-001]");
  EXPECT_EQ(says({"help", "trian"}), "unknown command trian; did you mean train? [GD-USAGE-001]");
  EXPECT_EQ(says({"--threads", "2", "lr_find", "x", "--steps", "0", "--out", "y"}),
            "--steps 0 is not in 2..1000000 [GD-USAGE-001]");
  EXPECT_EQ(says({"bodypart", "create_database", "--zzzzz", "1"}),
            "unknown option --zzzzz; run gadolin bodypart create-database --help [GD-USAGE-001]");
}

// Of values as of options.
TEST(OptionTables, TheNearestKnownValueIsNamed) {
  const Scratch dir;
  const std::string table = dir.write("t.csv", "path,labels,split\nx.png,a,train\ny.png,b,val\n");
  for (const char* name : {"x.png", "y.png"}) dir.write(name, encode_png(pattern(8, 8, 1)));
  const auto says = [&](const std::vector<std::string>& args) {
    return last_line(run_here(args), dir.path());
  };
  for (const auto& [option, value, near] :
       std::vector<std::array<std::string, 3>>{{"--model", "resnet-18", "resnet18"},
                                               {"--schedule", "cosin", "cosine"},
                                               {"--optimizer", "adamm", "adam"},
                                               {"--sampler", "shufled", "shuffled"},
                                               {"--loss", "crossentropy", "cross-entropy"},
                                               {"--augment", "grey,rezise:3", "resize"},
                                               {"--label-column", "label", "labels"}}) {
    const std::string said = says({"train", table, "--out", dir / "out", "--input-size", "8", "--width", "4",
                                   "--device", "cpu", "--quiet", option, value});
    EXPECT_NE(said.find("did you mean " + near + "? "), std::string::npos) << said;
  }
  EXPECT_FALSE(fs::exists(dir / "out"));
  EXPECT_EQ(says({"predict", "x", "--checkpoint", "y", "--views", "identity,hflp"}),
            "views: 'hflp' is unknown; did you mean hflip? use identity, hflip, vflip, both or all "
            "[GD-USAGE-001]");
  EXPECT_EQ(says({"train", table, "--init", "x.pth"}),
            "unknown option --init; did you mean --init-from? [GD-USAGE-001]");
}

TEST(OptionTables, HintsNameTheWholeCommand) {
  EXPECT_EQ(last_line(run_here({"data", "convert", "x", "y", "--zzzzzzzzz", "1"}), "/nowhere"),
            "unknown option --zzzzzzzzz; run gadolin data convert --help [GD-USAGE-001]");
}

using RunTables = SmallRun;

// The table of splits that a run wrote is a data set for every command.
TEST_F(RunTables, EveryCommandOnDataTakesThem) {
  ASSERT_EQ(train({"--epochs", "1"}).code, 0);
  const std::string table = dir_ / "out/split.csv";
  EXPECT_EQ(run_here({"data", "check", table}).code, 0);
  EXPECT_EQ(run_here({"data", "stats", table}).code, 0);
  EXPECT_EQ(run_here({"data", "split", table, "--out", dir_ / "new.csv"}).code, 0);
  EXPECT_EQ(run_here({"data", "convert", table, dir_ / "records"}).code, 0);
  EXPECT_EQ(run_here({"train", table, "--out", dir_ / "second", "--input-size", "8", "--width", "4",
                      "--epochs", "1", "--device", "cpu", "--quiet"})
                .code,
            0);
}

TEST_F(RunTables, SplitsHaveTheirUsualNames) {
  std::string rows = "path,labels,split\n";
  for (int i = 0; i < 14; ++i)
    rows += cat("images/", i, ".png", i % 2 ? ",a," : ",b,",
                i < 8    ? "Train"
                : i < 10 ? "training"
                : i < 12 ? "dev"
                         : "TEST",
                "\n");
  dir_.write("set/manifest.csv", rows);
  ASSERT_EQ(train({"--epochs", "1"}).code, 0);
  const std::string config = contents_of(dir_ / "out/config.toml");
  EXPECT_NE(config.find("# samples: 10 for training, 2 for validation\n"), std::string::npos) << config;
  const auto says = [&](const std::vector<std::string>& more) {
    std::vector<std::string> args{"eval",     dir_ / "set", "--checkpoint", checkpoint("last"),
                                  "--device", "cpu"};
    args.insert(args.end(), more.begin(), more.end());
    const Outcome run = run_here(args);
    EXPECT_EQ(run.code, 2);
    return last_line(run, dir_.path());
  };
  EXPECT_EQ(says({"--split", "tset"}), "--split tset is unknown; use train, val, test or all [GD-USAGE-001]");
  EXPECT_EQ(says({"--bad-samples", "keep"}),
            "--bad-samples keep is unknown; use fail or skip [GD-USAGE-001]");
}

TEST_F(RunTables, EvalSkipsWhatCannotBeRead) {
  ASSERT_EQ(train({"--epochs", "1"}).code, 0);
  dir_.write("set/images/12.png", "no picture");
  std::vector<std::string> args{"eval",     dir_ / "set", "--checkpoint", checkpoint("last"),
                                "--split",  "val",        "--out",        dir_ / "eval",
                                "--device", "cpu",        "--json"};
  EXPECT_EQ(run_here(args).code, 3);
  EXPECT_FALSE(fs::exists(dir_ / "eval/metrics.json"));
  args.insert(args.end(), {"--bad-samples", "skip"});
  const Outcome run = run_here(args);
  EXPECT_EQ(done(run)["metrics"]["samples"], 3) << run.err;
  EXPECT_NE(run.err.find("left out images/12.png: "), std::string::npos) << run.err;
  const auto metrics = nlohmann::json::parse(contents_of(dir_ / "eval/metrics.json"));
  EXPECT_EQ(metrics["samples"], 3);
  EXPECT_EQ(metrics["bad_samples"][0]["name"], "images/12.png");
  const CsvTable table = read_csv(dir_ / "eval/predictions.csv");
  std::set<std::string> paths;
  for (const auto& row : table.rows) paths.insert(row[static_cast<std::size_t>(table.column("path"))]);
  EXPECT_EQ(table.rows.size(), 3u);
  EXPECT_EQ(paths.size(), 3u) << "no sample stands in for another";
}

TEST_F(RunTables, AnIntervalThatIsNoneIsNotNan) {
  ASSERT_EQ(train({"--epochs", "1"}).code, 0);
  const Outcome run = run_here({"eval", dir_ / "set", "--checkpoint", checkpoint("last"), "--split", "val",
                                "--resamples", "0", "--device", "cpu"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out.find("nan to nan"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("none"), std::string::npos) << run.out;
}

TEST_F(RunTables, StepsThatTheEpochsDoNotHaveAreTold) {
  const Outcome run = train({"--max-steps", "3", "--epochs", "1"});
  EXPECT_EQ(done(run)["metrics"]["steps"], 1);
  EXPECT_NE(
      run.err.find("train: 1 epoch has 1 step, so the run ends before step 3; more --epochs reach it\n"),
      std::string::npos)
      << run.err;
  EXPECT_EQ(train({"--max-steps", "3", "--epochs", "9"}).err.find("so the run ends"), std::string::npos);
}

TEST_F(RunTables, AWidthIsNoNumberOfClasses) {
  ASSERT_EQ(train({"--epochs", "1"}).code, 0);
  fs::rename(dir_ / "out", dir_ / "first");
  const auto says = [&](const std::vector<std::string>& more) {
    std::vector<std::string> args{"--epochs", "1", "--init-from", dir_ / "first/checkpoints/last.gdck"};
    args.insert(args.end(), more.begin(), more.end());
    return last_line(train(args), dir_.path());
  };
  const std::string wide = says({"--width", "8"});
  EXPECT_NE(wide.find("; was it saved by a net of another --model, --width or --channels? [GD-CKPT-002]"),
            std::string::npos)
      << wide;
  std::string rows = "path,labels,split\n";
  for (int i = 0; i < 14; ++i)
    rows += cat("images/", i, ".png",
                i % 3 == 0   ? ",a,"
                : i % 3 == 1 ? ",b,"
                             : ",c,",
                i < 10 ? "train\n" : "val\n");
  dir_.write("set/manifest.csv", rows);
  const std::string classes = says({});
  EXPECT_NE(classes.find("; for another number of classes pass --exclude-scopes with the last layer "
                         "[GD-CKPT-002]"),
            std::string::npos)
      << classes;
}

TEST(OptionTables, OneIsNotPlural) {
  const Scratch dir;
  dir.write("set/a.png", encode_png(pattern(8, 8, 1)));
  dir.write("set/b.png", "no picture");
  dir.write("set/manifest.csv", "path,labels\na.png,x\nb.png,x\n");
  const Outcome run = run_here({"data", "check", dir / "set"});
  EXPECT_NE(run.out.find("2 samples, 1 error, "), std::string::npos) << run.out;
  EXPECT_EQ(last_line(run, dir.path()),
            "data check: 1 error in DIR/set; mend or remove the samples named above [GD-DATA-001]");
}

}  // namespace
