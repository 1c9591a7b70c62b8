// The folder of a training run: config.toml, metrics.csv, train.log, env.json, checkpoints/, tb/, report/,
// and a lock.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "train/communicator.h"

namespace gadolin {

// Rows of numbers, safe to go on with: a row is one write, a torn last row and rows after the resumed step
// are dropped.
class CsvLog {
 public:
  // The first column is the step. A new file begins with the names of the columns. An existing one is cut
  // after the last row whose step is at most `resume_step` (-1: the file is replaced). Throws DataError,
  // naming the columns, when they have changed.
  CsvLog(std::string path, const std::vector<std::string>& columns, std::int64_t resume_step = -1);
  ~CsvLog();
  CsvLog(const CsvLog&) = delete;
  CsvLog& operator=(const CsvLog&) = delete;
  // One value for each column except the step; NaN is written as nan. Values are read back bit for bit.
  void row(std::int64_t step, const std::vector<double>& values);

 private:
  std::string path_;
  std::size_t columns_;
  int file_ = -1;
};

// A run's folder while it is written: locked until it is destroyed.
class RunDir {
 public:
  // What the folder may hold. create: makes the folder; one that already holds a run is refused. resume: goes
  // on in one that holds a run; automatic: resumes if there is one, else creates. overwrite: as create, but
  // what a former run left is removed. All take the lock and clear left-over temporary files. Throws
  // UsageError for the first two mistakes, FileError (number 3) when another live process writes to it. Of
  // several ranks the first one does all of this; the objects of the others write nothing and throw what it
  // threw (on_first).
  enum class Open { create, resume, automatic, overwrite };
  RunDir(std::string path, Open mode, Communicator& communicator = no_communicator());  // see Open
  // The UsageErrors of the constructor, without touching anything: for programs that look at all of their
  // configuration before they make a folder.
  static void check(const std::string& path, Open mode);
  // Removes what a training and evaluations of it wrote there, and the folder when nothing else is in it.
  // Nothing is done where no run is. Throws FileError, as the constructor does.
  static void remove(const std::string& path);
  ~RunDir();
  RunDir(const RunDir&) = delete;
  RunDir& operator=(const RunDir&) = delete;

  const std::string& path() const { return path_; }  // as given
  bool resumed() const { return resumed_; }          // there was a run before
  bool writes() const { return writes_; }            // false on all ranks but the first
  std::string file(const std::string& name) const { return path_ + "/" + name; }  // path of a file in it
  std::string checkpoints() const { return file("checkpoints"); }                 // folder
  std::string event_folder() const { return file("tb"); }                         // of TensorBoard's files

  void write_config(const std::string& toml) const { write("config.toml", toml); }  // config.toml
  std::string read_config() const;  // throws FileError where there is none
  // env.json: processor, cores, system, compiler, versions, and `more` (devices, libraries). No names of
  // people or machines.
  void write_environment(const std::map<std::string, std::string>& more = {}) const;
  // A line with the time (UTC) in train.log; control characters are escaped, so that it stays one line.
  void log(const std::string& line);
  void write(const std::string& name, const std::string& text) const;  // atomically

 private:
  RunDir(std::string path, bool writes) : path_(std::move(path)), writes_(writes) {}
  void open(Open mode);
  void lock();
  void remove_products();
  std::string path_;
  int lock_ = -1, log_ = -1;
  bool resumed_ = false, writes_ = true;
};

// What differs between two TOML texts, one line a key: "train.lr: 0.1 -> 0.2", "seed: 0 -> (absent)".
std::vector<std::string> config_differences(const std::string& before, const std::string& now);

}  // namespace gadolin
