#include "tests/apps/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "io/sha256.h"
#include "tests/scratch.h"

namespace gadolin::test {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

// A file without a name, to take what a process prints.
struct Capture {
  int file;
  Capture() {
    std::string pattern = (fs::temp_directory_path() / "gadolin-output-XXXXXX").string();
    file = mkstemp(pattern.data());
    unlink(pattern.c_str());
    if (file < 0) throw std::runtime_error("no temporary file");
  }
  ~Capture() { close(file); }
  std::string text() const {
    std::string all;
    char piece[4096];
    lseek(file, 0, SEEK_SET);
    for (ssize_t n; (n = read(file, piece, sizeof piece)) > 0;)
      all.append(piece, static_cast<std::size_t>(n));
    return all;
  }
};

}  // namespace

Outcome run_program(const std::vector<std::string>& args, const RunOptions& options) {
  const Capture out, err;
  std::vector<std::string> held{GADOLIN_PROGRAM};
  held.insert(held.end(), args.begin(), args.end());
  std::vector<char*> argv;
  for (std::string& arg : held) argv.push_back(arg.data());
  argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid == 0) {
    setenv("OMP_WAIT_POLICY", "passive", 0);  // spinning threads slow down what runs beside them
    for (const auto& [name, value] : options.environment)
      value ? setenv(name.c_str(), value->c_str(), 1) : unsetenv(name.c_str());
    dup2(out.file, STDOUT_FILENO);
    dup2(err.file, STDERR_FILENO);
    if (options.closed_output) close(STDOUT_FILENO);
    if (options.file_limit > 0) {
      const rlimit limit{static_cast<rlim_t>(options.file_limit), static_cast<rlim_t>(options.file_limit)};
      setrlimit(RLIMIT_FSIZE, &limit);
      std::signal(SIGXFSZ, SIG_IGN);  // writing then fails with an error, as on a full disk
    }
    execv(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  using std::chrono::steady_clock;
  auto due = steady_clock::now() + std::chrono::duration<double>(options.after);
  bool armed = options.signal != 0, waiting = armed && !options.once.empty();
  for (;;) {
    const pid_t ended = waitpid(pid, &status, armed ? WNOHANG : 0);
    if (ended == pid) break;
    if (waiting && fs::exists(options.once)) {
      waiting = false;
      due = steady_clock::now() + std::chrono::duration<double>(options.after);
    }
    if (armed && !waiting && steady_clock::now() >= due) {
      kill(pid, options.signal);
      armed = false;
    }
    if (armed) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), out.text(), err.text()};
}

std::vector<json> events(const Outcome& run) {
  std::vector<json> list;
  std::istringstream lines(run.out);
  for (std::string line; std::getline(lines, line);) list.push_back(json::parse(line));
  return list;
}

std::vector<json> events(const Outcome& run, const std::string& kind) {
  std::vector<json> list;
  for (const json& event : events(run)) {
    if (event.value("event", "") == kind) list.push_back(event);
  }
  return list;
}

json last_event(const Outcome& run) {
  std::string text = run.out;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return json::parse(text.substr(text.rfind('\n') + 1), nullptr, false);
}

json done(const Outcome& run) {
  EXPECT_EQ(run.code, 0) << run.err;
  const std::size_t line = run.out.rfind("{\"event\":\"done\"");
  return line == std::string::npos ? json() : json::parse(run.out.substr(line));
}

std::string contents_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::vector<std::string>> table_of(const std::string& text, char delimiter) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    rows.emplace_back();
    std::istringstream cells(line);
    for (std::string cell; std::getline(cells, cell, delimiter);) rows.back().push_back(cell);
  }
  return rows;
}

std::string in_repository(const std::string& name) { return fixture("../../" + name); }
std::string examples(const std::string& name) { return in_repository("examples/data/" + name); }

std::vector<std::string> leftovers(const std::string& folder) {
  std::vector<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.find(".tmp") != std::string::npos || name == "lock") found.push_back(entry.path().string());
  }
  return found;
}

std::string weights_digest(const std::string& checkpoint, const std::string& scratch) {
  const std::string file = scratch + "/digest.safetensors";
  fs::remove(file);
  const Outcome run = run_program({"export", checkpoint, file});
  EXPECT_EQ(run.code, 0) << run.err;
  return sha256_hex(contents_of(file));
}

}  // namespace gadolin::test
