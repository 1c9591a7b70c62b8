// gadolin grade: the grader that lies beside is started with the words behind --.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>

#include "tests/apps/program.h"
#include "tests/scratch.h"

namespace gadolin::test {
namespace {

TEST(Grade, StartsTheGraderThatLiesBeside) {
  const Scratch scratch;
  const std::string program = scratch / "bin/gadolin", grader = scratch / "bin/gadolin-grade";
  std::filesystem::create_directories(scratch / "bin");
  std::filesystem::copy_file(GADOLIN_PROGRAM, program);
  const auto run = [&](const std::string& words) {
    const int status =
        std::system((program + " grade " + words + " > " + (scratch / "out") + " 2>&1").c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  const auto said = [&] { return contents_of(scratch / "out"); };
  EXPECT_EQ(run("-- 1"), 6);
  EXPECT_NE(said().find("grade: neither " + grader + " nor " + (scratch / "course/gadolin-grade") +
                        " is there; run course/setup.sh"),
            std::string::npos)
      << said();
  scratch.write("bin/gadolin-grade", "neither a program nor a script");
  ::chmod(grader.c_str(), 0755);
  EXPECT_EQ(run("-- 1"), 1);
  EXPECT_NE(said().find("grade: " + grader + " cannot be started; run course/setup.sh"), std::string::npos)
      << said();
  scratch.write("bin/gadolin-grade", "#!/bin/sh\necho graded \"$@\"\nexit 7\n");
  EXPECT_EQ(run("-- 1 --student anna"), 7);
  EXPECT_EQ(said(), "graded 1 --student anna\n");
}

}  // namespace
}  // namespace gadolin::test
