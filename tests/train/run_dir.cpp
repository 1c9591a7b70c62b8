// The run directory: one writer, logs that can be gone on with, and messages for what people do wrong.
#include "train/run_dir.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "io/atomic_file.h"
#include "tensor/check.h"
#include "tests/scratch.h"

using namespace gadolin;
namespace fs = std::filesystem;
using test::message_of;
using Open = RunDir::Open;

namespace {

class RunDirTest : public testing::Test {
 protected:
  std::string text(const std::string& name) const { return read_file(run_ + "/" + name, 1 << 20); }
  test::Scratch scratch_;
  std::string folder_ = scratch_.path(), run_ = scratch_ / "run";
};

TEST_F(RunDirTest, HoldsWhatTheInterfaceSays) {
  {
    RunDir run(run_, Open::create);
    EXPECT_FALSE(run.resumed());
    run.write_config("lr = 0.1\n");
    run.write_environment({{"device", "cpu"}});
    run.log("epoch 1\nline two \x1b[31m");
    EXPECT_EQ(run.read_config(), "lr = 0.1\n");
    for (const char* name : {"checkpoints", "tb", "report", "lock", "env.json", "train.log"}) {
      EXPECT_TRUE(fs::exists(run.file(name))) << name;
    }
  }
  EXPECT_FALSE(fs::exists(run_ + "/lock"));
  const auto environment = nlohmann::json::parse(text("env.json"));
  EXPECT_EQ(environment["device"], "cpu");
  EXPECT_GE(environment["cores"].get<int>(), 1);
  RunDir again(run_, Open::resume);
  EXPECT_TRUE(again.resumed());
  again.log("more");
  const std::string log = text("train.log");
  EXPECT_EQ(log.substr(20), " epoch 1\\x0aline two \\x1b[31m\n" + log.substr(50));
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 2);
  EXPECT_EQ(log[10], 'T');
}

// A kill may have come while any file of the run was being written, in the evaluation's folders too.
TEST_F(RunDirTest, GoingOnRemovesWhatAKillLeft) {
  { RunDir(run_, Open::create).write_config("lr = 0.1\n"); }
  fs::create_directories(run_ + "/eval/report/strips");
  std::vector<std::string> left;
  for (const char* folder : {"", "checkpoints/", "report/", "eval/", "eval/report/", "eval/report/strips/"})
    left.push_back(run_ + "/" + folder + "index.html.tmp-19573-47e3a5f2f0ec1411");
  for (const std::string& file : left) std::ofstream(file) << "half";
  std::ofstream(run_ + "/eval/report/index.html") << "whole";
  const RunDir run(run_, Open::resume);
  for (const std::string& file : left) EXPECT_FALSE(fs::exists(file)) << file;
  EXPECT_TRUE(fs::exists(run_ + "/eval/report/index.html"));
}

TEST_F(RunDirTest, ModesAndMistakes) {
  EXPECT_EQ(message_of<UsageError>([&] { RunDir(run_, Open::resume); }),
            "run: " + run_ + " holds no run to resume; leave out --resume");
  {
    RunDir run(run_, Open::automatic);
    run.write_config("a = 1\n");
    EXPECT_FALSE(run.resumed());
  }
  {
    RunDir run(run_, Open::automatic);
    EXPECT_TRUE(run.resumed());
  }
  EXPECT_EQ(message_of<UsageError>([&] { RunDir(run_, Open::create); }),
            "run: " + run_ + " already holds a run; add --resume, or --overwrite, or choose another --out");
  std::ofstream(run_ + "/notes.txt") << "mine";
  const char* const products[] = {"split.csv", "bad_samples.csv", "metrics.json", "predictions.csv",
                                  "confusion.csv"};
  for (const char* name : products) std::ofstream(run_ + "/" + name) << "of the former run";
  {
    RunDir run(run_, Open::overwrite);
    EXPECT_FALSE(run.resumed());
    EXPECT_FALSE(fs::exists(run.file("config.toml")));
    for (const char* name : products) EXPECT_FALSE(fs::exists(run.file(name))) << name;
  }
  EXPECT_TRUE(fs::exists(run_ + "/notes.txt"));
  std::ofstream(folder_ + "/file") << "x";
  EXPECT_THROW(RunDir(folder_ + "/file/run", Open::create), FileError);
}

// A run that is started again at once finds what its killed self was writing in the same second.
TEST_F(RunDirTest, ClearsWhatAKilledRunLeft) {
  { RunDir run(run_, Open::create); }
  const std::string tail = ".tmp-12-0123456789abcdef";
  for (const char* name : {"config.toml", "checkpoints/step-2.gdck", "report/index.html"}) {
    std::ofstream(run_ + "/" + name + tail) << "half";
  }
  std::ofstream(run_ + "/mine.tmp") << "x";
  RunDir run(run_, Open::automatic);
  for (const char* name : {"config.toml", "checkpoints/step-2.gdck", "report/index.html"}) {
    EXPECT_FALSE(fs::exists(run.file(name + tail))) << name;
  }
  EXPECT_TRUE(fs::exists(run.file("mine.tmp")));
}

TEST_F(RunDirTest, OneWriter) {
  RunDir run(run_, Open::create);
  const std::string error = message_of<FileError>([&] { RunDir(run_, Open::automatic); });
  EXPECT_EQ(error.find("run: " + run_ + " is being written by another process (pid " +
                       std::to_string(getpid()) + ", boot "),
            0u)
      << error;
  EXPECT_NE(error.find("); wait for it, stop it, or choose another --out"), std::string::npos);
}

TEST_F(RunDirTest, AKilledWriterDoesNotBlockTheNext) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    RunDir run(run_, Open::create);
    run.write_config("a = 1\n");
    AtomicFile half(run.checkpoints() + "/step-1.gdck");
    half.write("half");
    if (write(pipe_ends[1], "x", 1) != 1) _exit(1);
    pause();
  }
  char byte = 0;
  ASSERT_EQ(read(pipe_ends[0], &byte, 1), 1);
  EXPECT_THROW(RunDir(run_, Open::automatic), FileError);
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(fs::exists(run_ + "/lock"));
  for (const auto& entry : fs::directory_iterator(run_ + "/checkpoints")) {
    fs::last_write_time(entry, fs::file_time_type::clock::now() - std::chrono::hours(1));
  }
  EXPECT_FALSE(fs::is_empty(run_ + "/checkpoints"));
  RunDir run(run_, Open::automatic);
  EXPECT_TRUE(run.resumed());
  EXPECT_TRUE(fs::is_empty(run_ + "/checkpoints"));  // the left-over half is gone
}

TEST_F(RunDirTest, CsvGoesOnWithoutDoubledOrTornRows) {
  fs::create_directory(run_);
  const std::string path = run_ + "/metrics.csv";
  const std::vector<std::string> columns{"step", "lr", "loss"};
  {
    CsvLog csv(path, columns);
    csv.row(10, {0.1, 1.0 / 3});
    csv.row(20, {0.1, std::numeric_limits<double>::quiet_NaN()});
    csv.row(30, {1e-300, -std::numeric_limits<double>::infinity()});
  }
  EXPECT_EQ(text("metrics.csv"), "step,lr,loss\n10,0.1,0.3333333333333333\n20,0.1,nan\n30,1e-300,-inf\n");
  std::ofstream(path, std::ios::app) << "40,0.1";  // torn by a power cut
  {
    CsvLog csv(path, columns, 40);
    csv.row(40, {1, 2});
  }
  EXPECT_EQ(text("metrics.csv"),
            "step,lr,loss\n10,0.1,0.3333333333333333\n20,0.1,nan\n30,1e-300,-inf\n40,1,2\n");
  { CsvLog csv(path, columns, 20); }
  EXPECT_EQ(text("metrics.csv"), "step,lr,loss\n10,0.1,0.3333333333333333\n20,0.1,nan\n");
  EXPECT_EQ(
      message_of<DataError>([&] {
        CsvLog(path, {"step", "lr"}, 20);
      }),
      "metrics: " + path +
          " has the columns step,lr,loss, this run writes step,lr; resume with the configuration of before");
  { CsvLog csv(path, columns, 5); }
  EXPECT_EQ(text("metrics.csv"), "step,lr,loss\n");
  std::ofstream(path) << "step,lr,loss\n10,1,2\nrubbish\n20,1,2\n";
  { CsvLog csv(path, columns, 100); }
  EXPECT_EQ(text("metrics.csv"), "step,lr,loss\n10,1,2\n");
  std::ofstream(path) << "";
  EXPECT_THROW(CsvLog(path, columns, 100), DataError);
  {
    CsvLog csv(path, columns);
    EXPECT_THROW(csv.row(1, {1}), ValueError);
  }
  EXPECT_EQ(text("metrics.csv"), "step,lr,loss\n");
  EXPECT_THROW(CsvLog(path, {"step"}), ValueError);
  EXPECT_THROW(CsvLog(path, {"step", "a,b"}), ValueError);
}

TEST_F(RunDirTest, DifferencesOfConfigurations) {
  EXPECT_EQ(config_differences("seed = 0\n# note\n[train]\nlr=0.1\nx = [1, 2]\n",
                               "[train]\nlr = 0.2\nx = [1, 2]\nmodel=\"a\""),
            (std::vector<std::string>{"seed: 0 -> (absent)", "train.lr: 0.1 -> 0.2",
                                      "train.model: (absent) -> \"a\""}));
}

}  // namespace
