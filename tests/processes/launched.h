// A training under gadolin launch that a test disturbs.
#pragma once

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "tests/apps/program.h"
#include "tests/apps/small_run.h"
#include "tests/processes/ranks.h"
#include "train/checkpoint.h"

namespace gadolin::test {

class Launch : public SmallRun {
 protected:
  void SetUp() override {
    if (!mpi_available()) GTEST_SKIP() << "built without MPI";
    SmallRun::SetUp();
  }
  std::vector<std::string> training(const std::vector<std::string>& more) {
    std::vector<std::string> args{"train",    dir_ / "set", "--out",     dir_ / "out", "--input-size", "8",
                                  "--width",  "4",          "--workers", "0",          "--batch-size", "8",
                                  "--device", "cpu",        "--lr",      "0.01"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  static std::vector<std::string> launched(int processes, const std::vector<std::string>& command,
                                           const std::vector<std::string>& options = {}) {
    std::vector<std::string> args{"launch", "-n", std::to_string(processes)};
    args.insert(args.end(), options.begin(), options.end());
    args.push_back("--");
    args.insert(args.end(), command.begin(), command.end());
    return args;
  }
  // An endless run in the background; once it has a checkpoint, `f` is called.
  template <class F> Outcome disturbed(int processes, const std::vector<std::string>& options, F&& f) {
    std::filesystem::remove_all(dir_ / "out");
    auto run = std::async(std::launch::async, [&] {
      return run_program(launched(
          processes, training({"--epochs", "1000000", "--save-every", "5", "--resume", "auto"}), options));
    });
    while (!std::filesystem::exists(dir_ / "out/checkpoints/last.gdck") &&
           run.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout) {
    }
    try {
      f();
    } catch (...) {  // the run would never end
      for (const pid_t pid : processes_with("")) ::kill(pid, SIGKILL);
      throw;
    }
    return run.get();
  }
  // The process of a rank of the run in out/, by the variables that mpirun gave it.
  pid_t process_of(int rank) const {
    const std::vector<pid_t> all = processes_with(cat("OMPI_COMM_WORLD_RANK=", rank));
    if (all.empty()) throw std::runtime_error(cat("there is no rank ", rank));
    return all.front();
  }
  // Of the run in out/, with a variable. A process that has just begun has none for a moment.
  std::vector<pid_t> processes_with(const std::string& variable) const {
    const auto text = [](const std::filesystem::path& path) {
      std::ifstream file(path);
      return std::string(std::istreambuf_iterator<char>(file), {});
    };
    std::vector<pid_t> found;
    for (int tries = 0; tries < 50 && found.empty(); ++tries) {
      if (tries > 0) std::this_thread::sleep_for(std::chrono::milliseconds(50));
      std::error_code gone;
      for (std::filesystem::directory_iterator entry("/proc", gone), end; !gone && entry != end;
           entry.increment(gone)) {
        const int pid = std::atoi(entry->path().filename().c_str());
        if (pid > 0 && text(entry->path() / "cmdline").find(dir_ / "out") != std::string::npos &&
            text(entry->path() / "environ").find(variable) != std::string::npos)
          found.push_back(pid);
      }
    }
    return found;
  }
  // It goes on for some steps and ends well, as one process.
  void expect_resumes() {
    const Outcome run = run_program(training(
        {"--epochs", "1000000", "--max-steps", std::to_string(steps_saved() + 4), "--resume", "auto"}));
    EXPECT_EQ(run.code, 0) << run.err;
    EXPECT_NE(run.err.find("resuming from"), std::string::npos) << run.err;
  }
  std::int64_t steps_saved() const {
    return std::stoll(load_checkpoint_facts(dir_ / "out/checkpoints/last.gdck").at("step"));
  }
};

inline std::size_t count_of(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; ++at) ++count;
  return count;
}

}  // namespace gadolin::test
