// What every command shares: common options, where output goes, and how a command is registered.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "apps/program/processes.h"
#include "io/json.h"
#include "io/text.h"  // IWYU pragma: export
#include "tensor/device.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "train/reporter.h"

namespace gadolin {

// The common options after parsing (docs/commands.md).
struct Common {
  std::string device = "auto", dtype = "fp32", backend = "best", math = "default", tune = "on";
  std::uint64_t seed = 0;
  int threads = 0;
  bool json = false, quiet = false, verbose = false;
};

// What a command runs with, and what it says; of several processes the first one alone. Text goes to stdout,
// or nowhere with --json; progress and logs to stderr.
class Session : public Reporter {
 public:
  Session(std::string command, const Common& common);

  const Common& common() const { return common_; }
  // auto: the first GPU, or the CPU without one. A GPU that was asked for and is not there is an error.
  // The processes that were started together (apps/program/processes.h); for one alone no_communicator().
  Communicator& communicator() const { return processes(); }
  Device device() const { return device_; }
  DType compute() const { return compute_; }  // fp32, bf16 or fp16
  bool tf32() const { return tf32_; }

  // A line for people; ignored with --json or --quiet.
  void say(const std::string& line) const override;
  // A line of the log, on stderr; ignored with --quiet.
  void log(const std::string& line) const override;
  // One JSON object a line on stdout with --json, and to the pipeline that started this process.
  void event(const Json& event) const override;

  // Entries of the final event: "metrics" and "outputs".
  void metric(const std::string& name, Json value) override { metrics_[name] = std::move(value); }
  void output(const std::string& name, const std::string& path) override { outputs_[name] = path; }
  bool bars() const override { return !common_.quiet && !common_.json && communicator().first(); }
  Json done(double seconds) const;
  // For a command that runs another one: the program ends with its code, and without an event of its own.
  void ends_with(int code) { code_ = code; }
  std::optional<int> code() const { return code_; }

 private:
  std::string command_;
  Common common_;
  Device device_;
  DType compute_ = DType::fp32;
  bool tf32_ = false;
  std::optional<int> code_;
  Json metrics_ = Json::object(), outputs_ = Json::object();
};

using Settled = std::map<std::string, std::string>;

// The program: a CLI11 application whose commands are added by one function a folder.
class Program {
 public:
  Program();
  using Run = std::function<void(Session&)>;
  // A command with the common options; options are added to the returned application, `run` is called after
  // parsing.
  CLI::App* add(const std::string& name, const std::string& about, Run run, const std::string& example = "");
  // A group such as `data`, whose commands are added with add(group, ...); a command can have further ones
  // too.
  CLI::App* group(const std::string& name, const std::string& about);
  CLI::App* add(CLI::App* group, const std::string& name, const std::string& about, Run run,
                const std::string& example = "");

  // The program's exit code; 6 also when standard output takes no more (a full disk).
  int main(int argc, char** argv);
  CLI::App& app() { return app_; }
  // The options in force as a TOML text that --config accepts back. `settled`: what options of the command,
  // and common ones, came to stand for, by their names; empty: left out.
  std::string effective_config(const Settled& settled = {}) const;
  // What these arguments would run, without running it: the command's name and effective_config's text.
  // Throws UsageError as the program would say it.
  struct Request {
    std::string command, options;
  };
  Request request_of(const std::vector<std::string>& args);
  // What stands behind -- on the command line of `launch`: another command, which is not parsed here.
  const std::vector<std::string>& behind_dashes() const { return behind_dashes_; }

 private:
  struct Entry {
    CLI::App* app;
    std::string name;
    Run run;
  };
  int parse_and_run(int argc, char** argv);
  void parse(int argc, char** argv);
  const Entry* chosen() const;  // nullptr: none was named
  CLI::App* add_to(CLI::App& parent, const std::string& path, const std::string& about, Run run,
                   const std::string& example);
  CLI::App app_;
  Common common_;
  std::vector<Entry> entries_;
  std::vector<std::string> behind_dashes_;
};

// Seconds since the program started; of the steady clock.
double seconds_now();
// "3x224x224" -> [3, 224, 224]. Throws UsageError.
Shape parse_input(const std::string& text);

}  // namespace gadolin
