// A folder appears with everything in it or not at all.
#include "io/staged_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "io/atomic_file.h"
#include "tests/data/messages.h"

using namespace gadolin;
using namespace gadolin::test;
namespace fs = std::filesystem;

namespace {

std::int64_t entries(const Scratch& dir) {
  return std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator());
}

TEST(StagedFolder, AppearsWhole) {
  const Scratch dir;
  for (const char* name : {"new", "deep/er", "there", "slash/"}) {
    fs::create_directory(dir / "there");
    StagedFolder folder("op", dir / name);
    write_file_atomically(folder / "a", "1");
    fs::create_directory(folder / "b");
    EXPECT_FALSE(fs::exists(dir / name + "/a"));
    folder.commit();
    EXPECT_EQ(read_file(dir / name + "/a", 10), "1");
    EXPECT_TRUE(fs::is_directory(dir / name + "/b"));
  }
  EXPECT_EQ(entries(dir), 4);
  struct stat status {};
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ASSERT_EQ(::stat((dir / "new").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0777 & ~mask);
}

TEST(StagedFolder, LeavesNothingWithoutCommit) {
  const Scratch dir;
  {
    const StagedFolder folder("op", dir / "new");
    write_file_atomically(folder / "a", "1");
    EXPECT_EQ(entries(dir), 1);
  }
  EXPECT_EQ(entries(dir), 0);
}

TEST(StagedFolder, OverwritesNothing) {
  const Scratch dir;
  dir.write("full/a", "1");
  dir.write("file", "1");
  fs::create_symlink("nowhere", dir / "link");
  for (const std::string name : {"full", "file", "link"}) {
    expect_says<UsageError>(
        dir, [&] { StagedFolder folder("op", dir / name); },
        "op: DIR/" + name + " exists and is no empty folder; give another or remove it");
  }
  // Somebody else was faster.
  StagedFolder late("op", dir / "late");
  dir.write("late/a", "theirs");
  EXPECT_THROW(late.commit(), FileError);
  EXPECT_EQ(read_file(dir / "late/a", 10), "theirs");
}

}  // namespace
