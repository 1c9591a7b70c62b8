// Atomic files under faults: whatever fails, the old file stays whole, nothing is left behind, and the
// message says why.
#include "io/atomic_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "tensor/check.h"
#include "tests/scratch.h"

using namespace gadolin;
namespace fs = std::filesystem;

namespace {

class AtomicFileTest : public testing::Test {
 protected:
  void TearDown() override { detail::file_fault = nullptr; }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder_)) found.insert(entry.path().filename().string());
    return found;
  }
  test::Scratch scratch_;
  std::string folder_ = scratch_.path();
};

const char* fault_call = "";
int fault_error = 0;
int fault_countdown = 0;
int fault_by_name(const char* call, const char*) {
  if (std::strcmp(call, fault_call) != 0 || fault_countdown-- > 0) return 0;
  return fault_error;
}

TEST_F(AtomicFileTest, WritesAndReplaces) {
  write_file_atomically(path("a"), "one");
  EXPECT_EQ(read_file(path("a"), 100), "one");
  std::string large(3'000'000, 'x');
  large[1'234'567] = '\0';
  write_file_atomically(path("a"), large);
  EXPECT_EQ(read_file(path("a"), 1 << 22), large);
  write_file_atomically(path("a"), "");
  EXPECT_EQ(read_file(path("a"), 100), "");
  EXPECT_EQ(names(), std::set<std::string>{"a"});
}

TEST_F(AtomicFileTest, NothingAppearsBeforeCommit) {
  {
    AtomicFile file(path("a"), 1 << 20);
    file.write("half");
    EXPECT_EQ(file.size(), 4);
    EXPECT_FALSE(fs::exists(path("a")));
    EXPECT_TRUE(fs::exists(file.temporary_path()));
    file.sync();
    EXPECT_EQ(read_file(file.temporary_path(), 100), "half");  // the reserved megabyte is cut off again
    file.write("+more");
  }
  EXPECT_TRUE(names().empty());
  AtomicFile file(path("a"));
  file.write("whole");
  file.commit();
  EXPECT_THROW(file.write("late"), FileError);
  EXPECT_EQ(read_file(path("a"), 100), "whole");
}

TEST_F(AtomicFileTest, EveryFailingCallKeepsTheOldFile) {
  const struct {
    const char* call;
    int error;
    const char* message;
  } cases[] = {
      {"open", EACCES, "permission denied; check the permissions or choose another folder"},
      {"open", EROFS, "read-only file system; choose a folder on another disk"},
      {"open", EMFILE, "too many open files; raise the limit with ulimit -n"},
      {"fallocate", ENOSPC, "no space left on device; free some space or choose another folder"},
      {"write", ENOSPC, "no space left on device; free some space or choose another folder"},
      {"write", EDQUOT, "disk quota exceeded; remove files or choose another folder"},
      {"write", EIO, "input/output error; look at the system log; the disk or the share may be failing"},
      {"fsync", EIO, "input/output error; look at the system log; the disk or the share may be failing"},
      {"close", ENOSPC, "no space left on device; free some space or choose another folder"},
      {"rename", EACCES, "permission denied; check the permissions or choose another folder"},
  };
  for (const auto& c : cases) {
    detail::file_fault = nullptr;
    write_file_atomically(path("a"), "old");
    fault_call = c.call;
    fault_error = c.error;
    fault_countdown = 0;
    detail::file_fault = fault_by_name;
    try {
      write_file_atomically(path("a"), "new contents");
      ADD_FAILURE() << c.call << " failed in silence";
    } catch (const FileError& e) {
      EXPECT_EQ(std::string(e.what()), "write: " + path("a") + ": " + c.message) << c.call;
      EXPECT_EQ(e.exit_code(), Exit::file);
    }
    EXPECT_EQ(read_file(path("a"), 100), "old") << c.call;
    EXPECT_EQ(names(), std::set<std::string>{"a"}) << c.call;
  }
}

TEST_F(AtomicFileTest, InterruptedWritesGoOn) {
  static int interruptions;
  interruptions = 3;
  detail::file_fault = [](const char* call, const char*) {
    return std::strcmp(call, "write") == 0 && interruptions-- > 0 ? EINTR : 0;
  };
  write_file_atomically(path("a"), "text");
  EXPECT_EQ(read_file(path("a"), 100), "text");
}

TEST_F(AtomicFileTest, FileSizeLimitIsAShortWriteAndThenAnError) {
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    setrlimit(RLIMIT_FSIZE, &limit);
    int result = 1;
    try {
      AtomicFile file(path("a"));
      file.write(std::string(1500, 'x'));  // the kernel takes 1000 bytes of it, then fails
      file.commit();
    } catch (const FileError& e) {
      result = std::strstr(e.what(), "file too large; raise the limit") != nullptr ? 0 : 2;
    }
    _exit(result);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(names().empty());
}

TEST_F(AtomicFileTest, MissingFolderAndFolderInTheWay) {
  try {
    write_file_atomically(path("none/a"), "x");
    ADD_FAILURE();
  } catch (const FileError& e) {
    EXPECT_EQ(std::string(e.what()),
              "write: " + path("none/a") +
                  ": no such file or directory; check the path; folders above it must exist");
    EXPECT_EQ(e.code(), "GD-FILE-001");
  }
  fs::create_directory(path("d"));
  EXPECT_THROW(write_file_atomically(path("d"), "x"), FileError);
  EXPECT_EQ(names(), std::set<std::string>{"d"});
}

TEST_F(AtomicFileTest, FoldersAreMadeOrRefusedInOneLine) {
  make_folders("made", path("a/b/c"));
  make_folders("made", path("a/b/c"));
  EXPECT_TRUE(fs::is_directory(path("a/b/c")));
  write_file_atomically(path("file"), "x");
  EXPECT_EQ(test::message_of<FileError>([&] { make_folders("made", path("file/x/y")); }),
            "made: " + path("file/x/y") + ": not a directory; a part of the path is a file, not a folder");
}

TEST_F(AtomicFileTest, ReadOnlyFolder) {
  fs::permissions(folder_, static_cast<fs::perms>(0555));
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 && setuid(65534) != 0) _exit(3);  // root may write anywhere
    int result = 1;
    try {
      write_file_atomically(path("a"), "x");
    } catch (const FileError& e) {
      result = std::strstr(e.what(), "permission denied") != nullptr ? 0 : 2;
    }
    _exit(result);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  fs::permissions(folder_, fs::perms::owner_all);
}

// A process killed before any of its system calls leaves the old file or the new one, whole.
TEST_F(AtomicFileTest, KilledBetweenAnyTwoCalls) {
  static int calls_left;
  for (int at = 0;; ++at) {
    write_file_atomically(path("a"), "old");
    const pid_t child = fork();
    if (child == 0) {
      calls_left = at;
      detail::file_fault = [](const char*, const char*) {
        if (calls_left-- == 0) kill(getpid(), SIGKILL);
        return 0;
      };
      AtomicFile file(path("a"), 8);
      file.write("new ");
      file.write("file");
      file.commit();
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    const std::string now = read_file(path("a"), 100);
    EXPECT_TRUE(now == "old" || now == "new file") << now;
    if (WIFEXITED(status)) {
      EXPECT_EQ(now, "new file");
      EXPECT_GE(at, 8);
      break;
    }
  }
  EXPECT_GT(names().size(), 1u);  // the killed ones left their temporary files
  EXPECT_GT(remove_stale_temporaries(folder_, std::time(nullptr) + 10), 0);
  EXPECT_EQ(names(), std::set<std::string>{"a"});
}

TEST_F(AtomicFileTest, OnlyOldTemporariesOfThisFormAreRemoved) {
  const char* others[] = {"a.tmp",
                          "a.tmp-",
                          "a.tmp-12-0123456789abcde",
                          "a.tmp-x-0123456789abcdef",
                          "a.tmp-12-0123456789abcdeg",
                          ".tmp-12-0123456789abcdef"};
  for (const char* name : others) std::ofstream(path(name)) << "x";
  std::ofstream(path("a.tmp-12-0123456789abcdef")) << "x";
  EXPECT_EQ(remove_stale_temporaries(folder_, std::time(nullptr) - 1000), 0);
  EXPECT_EQ(remove_stale_temporaries(folder_, std::time(nullptr) + 1000), 1);
  EXPECT_EQ(names().size(), std::size(others));
  EXPECT_EQ(remove_stale_temporaries(path("none"), 0), 0);
}

TEST_F(AtomicFileTest, LinkReplacesInOneStep) {
  write_file_atomically(path("step-1"), "one");
  write_file_atomically(path("step-2"), "two");
  link_file_atomically(path("step-1"), path("last"));
  EXPECT_EQ(read_file(path("last"), 10), "one");
  link_file_atomically(path("step-2"), path("last"));
  link_file_atomically(path("step-2"), path("last"));
  EXPECT_EQ(read_file(path("last"), 10), "two");
  EXPECT_EQ(names(), (std::set<std::string>{"last", "step-1", "step-2"}));
  for (const char* call : {"link", "rename"}) {
    fault_call = call;
    fault_error = EIO;
    fault_countdown = 0;
    detail::file_fault = fault_by_name;
    EXPECT_THROW(link_file_atomically(path("step-1"), path("last")), FileError);
    EXPECT_EQ(read_file(path("last"), 10), "two");
    EXPECT_EQ(names().size(), 3u);
  }
  detail::file_fault = nullptr;
  EXPECT_THROW(link_file_atomically(path("step-3"), path("last")), FileError);
}

// A rename would put a plain file in their place, as root even over /dev/null.
TEST_F(AtomicFileTest, PipesAndDevicesStayWhatTheyAre) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  const int reader = ::open(path("pipe").c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  write_file_atomically(path("pipe"), "one");
  char bytes[8] = {};
  EXPECT_EQ(::read(reader, bytes, sizeof bytes), 3);
  EXPECT_STREQ(bytes, "one");
  { AtomicFile given_up(path("pipe")); }
  EXPECT_EQ(names(), std::set<std::string>{"pipe"});
  EXPECT_TRUE(fs::is_fifo(path("pipe")));
  ::close(reader);
  // Through a link, so that a mistake costs the link.
  ASSERT_EQ(::symlink("/dev/null", path("null").c_str()), 0);
  ASSERT_EQ(::symlink("/dev/full", path("full").c_str()), 0);
  write_file_atomically(path("null"), "nothing");
  EXPECT_TRUE(fs::is_symlink(path("null")));
  EXPECT_EQ(test::message_of<FileError>([&] { write_file_atomically(path("full"), "nothing"); }),
            "write: " + path("full") + ": no space left on device; free some space or choose another folder");
  EXPECT_TRUE(fs::is_symlink(path("full")));
  const int open_file = ::open(path("plain").c_str(), O_RDWR | O_CREAT | O_APPEND, 0600);
  ASSERT_EQ(::write(open_file, "a", 1), 1);
  write_file_atomically("/proc/self/fd/" + std::to_string(open_file), "b");
  EXPECT_EQ(read_file(path("plain"), 9), "ab");
  ::close(open_file);
}

TEST_F(AtomicFileTest, ReadingHasALimit) {
  write_file_atomically(path("a"), std::string(1000, 'x'));
  EXPECT_EQ(read_file(path("a"), 1000).size(), 1000u);
  EXPECT_THROW(read_file(path("a"), 999), FormatError);
  EXPECT_THROW(read_file(path("b"), 999), FileError);
  EXPECT_THROW(read_file(folder_, 999), FileError);
}

TEST_F(AtomicFileTest, TemporaryNamesAreUnpredictableAndBesideTheFile) {
  AtomicFile file(path("a"));
  EXPECT_EQ(file.temporary_path().rfind(path("a") + ".tmp-" + std::to_string(getpid()) + "-", 0), 0u);
  AtomicFile second(path("a"));
  EXPECT_NE(file.temporary_path(), second.temporary_path());
}

}  // namespace
