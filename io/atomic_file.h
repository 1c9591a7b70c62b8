// Files that appear complete or not at all: written beside their name, synced, then renamed over it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

namespace gadolin {

// A file being written. Nothing stands under `path` before commit(); what stood there stays until then.
// Destroyed without commit(), or after an error, it leaves no trace. Every failure is a FileError (exit code
// 6) with path, reason and hint.
class AtomicFile {
 public:
  // Opens `path`.tmp-<pid>-<random> in the folder of `path`, which must exist; a device, a pipe and what lies
  // below /dev or /proc is written as it is. `expected_bytes` reserves room, so that a full disk shows first.
  explicit AtomicFile(std::string path, std::int64_t expected_bytes = 0);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* bytes, std::size_t count);                          // throws FileError
  void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }  // throws FileError
  // Puts other bytes over those already written from byte `at` on, for headers whose contents are known last.
  void overwrite(std::int64_t at, std::string_view bytes);
  std::int64_t size() const { return written_; }  // bytes so far
  // Everything written is on the disk afterwards, still under the temporary name: for reading back before
  // commit().
  void sync();
  void commit();  // syncs and renames; throws FileError
  // The same without waiting for the disk: of thousands of small files, one sync_file_system() makes sure.
  // Whole after a kill of the process; after a loss of power before that, perhaps not.
  void commit_unsynced();
  const std::string& temporary_path() const { return temporary_; }  // until commit()

 private:
  [[noreturn]] void give_up(const char* call, int error);
  void discard();
  void rename_over();
  std::string path_, temporary_;
  std::int64_t written_ = 0, reserved_ = 0;
  int file_ = -1;
  bool synced_ = false;
};

void write_file_atomically(const std::string& path, std::string_view bytes);  // all of it; throws FileError

// Makes `link` another name of the file `target` in one step, replacing what `link` was; both in the same
// folder. A hard link, or a symbolic one where the file system has no hard links.
void link_file_atomically(const std::string& target, const std::string& link);

// Whole contents. Throws FileError when it cannot be read and FormatError when it is larger than `limit`
// bytes.
std::string read_file(const std::string& path, std::int64_t limit);

// Waits until the names in a folder (created, renamed, removed files) are on the disk.
void sync_folder(const std::string& folder);

// Waits until everything written to the file system of `folder` is on the disk.
void sync_file_system(const std::string& folder);

// Removes files of the form NAME.tmp-<pid>-<random> in `folder` that were last written before `before`, the
// left-overs of killed processes. Returns how many.
int remove_stale_temporaries(const std::string& folder, std::time_t before);

// FileError for a failed system call: "<op>: <path>: <reason>; <what to do>". `error` is an errno.
[[noreturn]] void fail_file(const char* op, const std::string& path, int error);

// Makes the folder and those above it. Throws FileError as fail_file says.
void make_folders(const char* op, const std::string& path);

namespace detail {
// For tests of faults: called before each system call that changes a file, by its name. What it returns (an
// errno, or 0) is what the call reports; it may also kill the process.
extern int (*file_fault)(const char* call, const char* path);
}  // namespace detail

}  // namespace gadolin
