// tools/train.sbatch with stand-ins for SLURM's srun and scontrol: stopped before its limit, queued again,
// gone on.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include "tests/apps/program.h"
#include "tests/apps/small_run.h"
#include "tests/processes/ranks.h"
#include "train/checkpoint.h"

namespace gadolin::test {
namespace {

namespace fs = std::filesystem;

using Slurm = SmallRun;

TEST_F(Slurm, AJobGoesOnAfterItsTimeLimit) {
  NEEDS_MPI();
  // srun gives the program to mpirun, which hands USR1 on as srun does.
  dir_.write(
      "bin/srun",
      "#!/bin/sh\nshift 2\nshift\nexec mpirun -q --allow-run-as-root --oversubscribe --bind-to none -n 2 '" +
          std::string(GADOLIN_PROGRAM) + "' \"$@\"\n");
  dir_.write("bin/scontrol", "#!/bin/sh\necho \"$@\" >> '" + (dir_ / "asked") + "'\n");
  for (const char* name : {"bin/srun", "bin/scontrol"}) fs::permissions(dir_ / name, fs::perms::owner_all);
  const std::string out = dir_ / "out";
  const auto submit = [&](const std::string& steps) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::setenv("PATH", (dir_ / "bin" + ":" + std::getenv("PATH")).c_str(), 1);
      ::setenv("SLURM_JOB_ID", "17", 1);
      ::setenv("OMP_WAIT_POLICY", "passive", 1);
      const std::string script = in_repository("tools/train.sbatch"), set = dir_ / "set";
      ::execl("/bin/sh", "sh", script.c_str(), set.c_str(), "--out", out.c_str(), "--input-size", "8",
              "--width", "4", "--workers", "0", "--batch-size", "4", "--device", "cpu", "--save-every", "5",
              "--epochs", "1000000", "--max-steps", steps.c_str(), "--quiet", static_cast<char*>(nullptr));
      ::_exit(127);
    }
    return pid;
  };
  const auto code_of = [](pid_t pid) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  const pid_t first = submit("1000000");
  for (int i = 0; i < 3000 && !fs::exists(out + "/checkpoints/last.gdck"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  ::kill(first, SIGUSR1);
  EXPECT_EQ(code_of(first), 0);
  EXPECT_EQ(contents_of(dir_ / "asked"), "requeue 17\n");
  const auto step = [&] {
    return std::stoll(load_checkpoint_facts(out + "/checkpoints/last.gdck").at("step"));
  };
  const auto before = step();
  EXPECT_EQ(code_of(submit(std::to_string(before + 3))), 0);
  EXPECT_EQ(step(), before + 3);
  EXPECT_EQ(contents_of(dir_ / "asked"), "requeue 17\n") << "not again: it has ended";
}

}  // namespace
}  // namespace gadolin::test
