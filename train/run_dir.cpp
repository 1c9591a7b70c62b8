// Lock, log and small files of a run directory.
#include "train/run_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "io/atomic_file.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

namespace fs = std::filesystem;

std::string first_line(const char* path, const std::string& start) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind(start, 0) != 0) continue;
    const std::size_t colon = start.empty() ? std::string::npos : line.find(": ");
    return colon == std::string::npos ? line : line.substr(colon + 2);
  }
  return "unknown";
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

bool holds_run(const std::string& path) {
  std::error_code error;
  return fs::exists(path + "/config.toml", error) || fs::exists(path + "/checkpoints/last.gdck", error);
}

std::string escaped(const std::string& line) {
  std::string safe;
  for (const char c : line) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      safe += c;
    } else {
      safe += "\\x";
      safe += "0123456789abcdef"[byte >> 4];
      safe += "0123456789abcdef"[byte & 15];
    }
  }
  return safe;
}

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// "section.key" -> value, for the flat TOML that config.toml is.
std::map<std::string, std::string> settings(const std::string& toml) {
  std::map<std::string, std::string> found;
  std::string section;
  std::size_t start = 0;
  while (start < toml.size()) {
    const std::size_t end = std::min(toml.find('\n', start), toml.size());
    const std::string line = trimmed(toml.substr(start, end - start));
    start = end + 1;
    const std::size_t equals = line.find('=');
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '[' && line.back() == ']')
      section = line.substr(1, line.size() - 2) + ".";
    else if (equals != std::string::npos)
      found[section + trimmed(line.substr(0, equals))] = trimmed(line.substr(equals + 1));
  }
  return found;
}

}  // namespace

void RunDir::check(const std::string& path, Open mode) {
  const bool run = holds_run(path);
  require<UsageError>(mode != Open::create || !run, "run: ", path,
                      " already holds a run; add --resume, or --overwrite, or choose another --out");
  require<UsageError>(mode != Open::resume || run, "run: ", path,
                      " holds no run to resume; leave out --resume");
}

RunDir::RunDir(std::string path, Open mode, Communicator& communicator)
    : path_(std::move(path)), writes_(communicator.first()) {
  const std::string before = on_first(communicator, [&] {
    open(mode);
    return std::string(resumed_ ? "resumed" : "new");
  });
  resumed_ = before == "resumed";
}

// None of it belongs to a new run.
void RunDir::remove_products() {
  std::error_code error;
  for (const char* name :
       {"config.toml", "split.csv", "metrics.csv", "train.log", "env.json", "checkpoints", "tb", "report",
        "bad_samples.csv", "metrics.json", "predictions.csv", "confusion.csv"}) {
    fs::remove_all(file(name), error);
    if (error) fail_file("run", file(name), error.value());
  }
}

void RunDir::remove(const std::string& path) {
  if (!holds_run(path)) return;
  {
    RunDir old(path, true);
    old.lock();
    old.remove_products();
  }
  std::error_code other_files;
  fs::remove(path, other_files);
}

void RunDir::open(Open mode) {
  check(path_, mode);
  resumed_ = holds_run(path_) && mode != Open::overwrite;
  make_folders("run", path_);
  lock();
  if (mode == Open::overwrite) remove_products();
  for (const std::string& folder : {checkpoints(), event_folder(), file("report")})
    make_folders("run", folder);
  // Whoever wrote them held the lock, so all are left over, also those of this very second.
  const std::time_t next = std::time(nullptr) + 1;
  remove_stale_temporaries(path_, next);
  for (const char* name : {"checkpoints", "report", "eval"}) {
    remove_stale_temporaries(file(name), next);
    std::error_code none;
    for (const auto& entry : fs::recursive_directory_iterator(file(name), none))
      if (entry.is_directory(none)) remove_stale_temporaries(entry.path().string(), next);
  }
  log_ = ::open(file("train.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (log_ < 0) fail_file("run", file("train.log"), errno);
}

RunDir::~RunDir() {
  if (log_ >= 0) ::close(log_);
  if (lock_ < 0) return;
  ::unlink(file("lock").c_str());
  ::close(lock_);
}

// The kernel drops the lock when its process dies, so a killed run never blocks the next; the contents are
// for people.
void RunDir::lock() {
  const std::string path = file("lock");
  for (;;) {
    const int held = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (held < 0) fail_file("run", path, errno);
    if (::flock(held, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      ::close(held);
      if (error == EINTR) continue;
      if (error != EWOULDBLOCK) fail_file("run", path, error);
      fail<FileError, 3>("run: ", path_, " is being written by another process (",
                         first_line(path.c_str(), ""), "); wait for it, stop it, or choose another --out");
    }
    // Its owner may have removed the file between our open and our lock; then we hold nothing.
    struct stat ours {
    }, named{};
    if (::fstat(held, &ours) != 0 || ::stat(path.c_str(), &named) != 0 || ours.st_ino != named.st_ino) {
      ::close(held);
      continue;
    }
    const std::string owner =
        cat("pid ", static_cast<long>(::getpid()), ", boot ",
            first_line("/proc/sys/kernel/random/boot_id", ""), ", since ", utc_now(), "\n");
    if (::ftruncate(held, 0) != 0 ||
        ::write(held, owner.data(), owner.size()) != static_cast<ssize_t>(owner.size())) {
      const int error = errno;
      ::close(held);
      fail_file("run", path, error);
    }
    lock_ = held;
    return;
  }
}

std::string RunDir::read_config() const { return read_file(file("config.toml"), 1 << 20); }

void RunDir::write(const std::string& name, const std::string& text) const {
  if (!writes_) return;
  write_file_atomically(file(name), text);
}

void RunDir::write_environment(const std::map<std::string, std::string>& more) const {
  if (!writes_) return;
  utsname system{};
  ::uname(&system);
  nlohmann::json facts = more;
  facts["processor"] = first_line("/proc/cpuinfo", "model name");
  facts["cores"] = ::sysconf(_SC_NPROCESSORS_ONLN);
  facts["memory_bytes"] = ::sysconf(_SC_PHYS_PAGES) * ::sysconf(_SC_PAGESIZE);
  facts["system"] = cat(system.sysname, " ", system.release, " ", system.machine);
  facts["compiler"] = __VERSION__;
  facts["started"] = utc_now();
  write("env.json", facts.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void RunDir::log(const std::string& line) {
  if (!writes_) return;
  const std::string text = utc_now() + " " + escaped(line) + "\n";
  ssize_t done = 0;
  while ((done = ::write(log_, text.data(), text.size())) < 0 && errno == EINTR) {
  }
  if (done != static_cast<ssize_t>(text.size()))
    fail_file("log", file("train.log"), done < 0 ? errno : ENOSPC);
}

std::vector<std::string> config_differences(const std::string& before, const std::string& now) {
  const std::map<std::string, std::string> a = settings(before), b = settings(now);
  std::set<std::string> keys;
  for (const auto* all : {&a, &b}) {
    for (const auto& [key, value] : *all) keys.insert(key);
  }
  std::vector<std::string> lines;
  for (const std::string& key : keys) {
    const auto value_in = [&](const auto& all) {
      return all.count(key) != 0 ? all.at(key) : std::string("(absent)");
    };
    if (value_in(a) != value_in(b)) lines.push_back(key + ": " + value_in(a) + " -> " + value_in(b));
  }
  return lines;
}

}  // namespace gadolin
