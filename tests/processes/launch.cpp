// gadolin launch as a user meets it: a training on several processes, and everything that can go wrong.
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <regex>

#include "apps/launch/mpirun.h"
#include "tests/processes/launched.h"

namespace gadolin::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

TEST_F(Launch, TrainsAndSaysEverythingOnce) {
  const Outcome run = run_program(launched(2, training({"--epochs", "3"})));
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(count_of(run.out, "epoch 3/3"), 1u) << run.out;
  EXPECT_EQ(count_of(run.err, "10 training and 4 validation samples"), 1u) << run.err;
  EXPECT_EQ(column("step").size(), 3u);
  EXPECT_EQ(Json::parse(contents_of(dir_ / "out/env.json"))["processes"], "2");
  EXPECT_EQ(run.err.find("-----"), std::string::npos) << "nothing of mpirun\n" << run.err;
  EXPECT_EQ(leftovers(dir_ / "out"), std::vector<std::string>());
  EXPECT_FALSE(fs::exists(dir_ / "out/lock"));
}

// A rank that is killed ends all within 10 seconds with its name, and the run goes on from its checkpoint.
TEST_F(Launch, AKilledRankEndsAllByName) {
  for (const int rank : {1, 0}) {
    steady_clock::time_point killed;
    const Outcome run = disturbed(3, {}, [&] {
      killed = steady_clock::now();
      EXPECT_EQ(::kill(process_of(rank), SIGKILL), 0);
    });
    EXPECT_LT(steady_clock::now() - killed, std::chrono::seconds(10));
    EXPECT_EQ(run.code, 1);
    char host[256] = {};
    ::gethostname(host, sizeof host - 1);
    std::string want =
        "gadolin: launch: rank R was ended by signal 9 (Killed) on HOST, and the others were ended; a "
        "training goes on with --resume auto [GD-PROCESS-002]";
    want.replace(want.find("HOST"), 4, host);
    want.replace(want.find(" R "), 3, cat(" ", rank, " "));
    EXPECT_NE(run.err.find(want), std::string::npos) << run.err;
    EXPECT_EQ(run.err.find("-----"), std::string::npos) << run.err;
    expect_resumes();
  }
}

// Complaint H3: a rank that stands still.
TEST_F(Launch, H3ARankThatStandsStillIsNamed) {
  pid_t stopped = 0;
  const Outcome run = disturbed(2, {"--patience", "3"}, [&] {
    stopped = process_of(1);
    EXPECT_EQ(::kill(stopped, SIGSTOP), 0);
  });
  EXPECT_EQ(run.code, 1);
  EXPECT_TRUE(std::regex_search(
      run.err, std::regex("gadolin: processes: rank 1 has not come to the [^;]* in 3 s: it does not answer; "
                          "look at what it does, or give it longer with --patience \\[GD-PROCESS-001\\]")))
      << run.err;
  expect_resumes();
}

// A signal to the launcher, or to any rank: saved once, stopped once, gone on with.
TEST_F(Launch, ASignalAnywhereSavesOnce) {
  for (const int to : {-1, 0, 1}) {
    const Outcome run = disturbed(2, {}, [&] {
      const pid_t parent = [&] {  // of the ranks is mpirun, of that the launcher
        std::ifstream stat(cat("/proc/", process_of(0), "/stat"));
        std::string pid, name, state;
        pid_t of_rank = 0, of_mpirun = 0;
        stat >> pid >> name >> state >> of_rank;
        std::ifstream(cat("/proc/", of_rank, "/stat")) >> pid >> name >> state >> of_mpirun;
        return of_mpirun;
      }();
      EXPECT_EQ(::kill(to < 0 ? parent : process_of(to), SIGTERM), 0);
    });
    EXPECT_EQ(run.code, 75) << run.err;
    EXPECT_EQ(count_of(run.err, "gadolin: train: stopped by SIG"), 1u) << run.err;
    EXPECT_EQ(count_of(run.err, "continue with --resume auto [GD-STOPPED-001]"), 1u) << run.err;
    const std::size_t at = run.err.find(" at step ");
    EXPECT_EQ(std::atoll(run.err.c_str() + at + 9), steps_saved()) << "the checkpoint is of that step";
    EXPECT_EQ(leftovers(dir_ / "out"), std::vector<std::string>());
    expect_resumes();
  }
}

// As on a full disk: nothing can be opened for writing any more.
TEST_F(Launch, AFirstRankThatCannotWriteIsSaidOnce) {
  const Outcome run = disturbed(2, {}, [&] {
    const rlimit none{3, 3};
    EXPECT_EQ(::prlimit(process_of(0), RLIMIT_NOFILE, &none, nullptr), 0);
  });
  EXPECT_EQ(run.code, 6) << run.err;
  EXPECT_EQ(count_of(run.err, "gadolin: "), 1u) << run.err;
  EXPECT_TRUE(std::regex_search(run.err, std::regex("[Tt]oo many open files")))
      << run.err;  // by which call came first
  expect_resumes();
}

// Programs side by side that are not the same, under one mpirun.
struct Side {
  std::string folder;
  std::vector<std::string> args;
};
std::string together(const std::vector<Side>& sides) {
  MpirunOptions options;
  options.processes = 1;
  options.root = true;
  std::vector<std::string> words = mpirun_words(options);
  words.erase(words.begin() + 1, words.begin() + 3);  // -n 1
  for (std::size_t i = 0; i < sides.size(); ++i) {
    if (i > 0) words.push_back(":");
    words.insert(words.end(), {"-n", "1", "--wdir", sides[i].folder, GADOLIN_PROGRAM});
    words.insert(words.end(), sides[i].args.begin(), sides[i].args.end());
  }
  std::string line = "OMP_WAIT_POLICY=passive ", text;
  for (const std::string& word : words) line += "'" + word + "' ";
  FILE* const out = ::popen((line + "2>&1").c_str(), "r");
  char piece[4096];
  while (const std::size_t n = std::fread(piece, 1, sizeof piece, out)) text.append(piece, n);
  EXPECT_NE(::pclose(out), 0);
  return text;
}

TEST_F(Launch, OtherOptionsOrDataOfARankAreRefusedByName) {
  const std::string here = dir_.path();
  const std::string options =
      together({{here, training({"--epochs", "2"})}, {here, training({"--epochs", "3"})}});
  EXPECT_EQ(count_of(options, "gadolin: "), 1u) << options;
  EXPECT_NE(options.find(
                "gadolin: rank 1 has other options: train.epochs=3, rank 0 train.epochs=2; start all of them "
                "with one command [GD-PROCESS-001]"),
            std::string::npos)
      << options;
  fs::create_directories(dir_ / "other");
  fs::copy(dir_ / "set", dir_ / "other/set", fs::copy_options::recursive);
  std::string rows = contents_of(dir_ / "set/manifest.csv");
  rows.replace(rows.find(",a,"), 3, ",b,");
  dir_.write("other/set/manifest.csv", rows);
  std::vector<std::string> args = training({"--epochs", "2"});
  args[1] = "set";
  const std::string data = together({{here, args}, {dir_ / "other", args}});
  EXPECT_EQ(count_of(data, "gadolin: "), 1u) << data;
  EXPECT_TRUE(std::regex_search(
      data,
      std::regex(
          "gadolin: rank 1 has other data: 14 samples with the fingerprint \\w+, rank 0 14 samples with "
          "the fingerprint \\w+; give all the same files \\[GD-PROCESS-001\\]")))
      << data;
  EXPECT_FALSE(fs::exists(dir_ / "out")) << "before the run has a folder";
}

TEST_F(Launch, WhatIsWrongIsSaidOnce) {
  const Outcome alone = run_program(launched(2, {"data", "check", dir_ / "set"}));
  EXPECT_EQ(alone.code, 2);
  EXPECT_EQ(alone.err,
            "gadolin: gadolin data check works in one process, but mpirun started 2; run it without mpirun "
            "[GD-USAGE-001]\n");
  const Outcome missing = run_program(launched(2, training({"--epochs", "0"})));
  EXPECT_EQ(missing.code, 2);
  EXPECT_EQ(count_of(missing.err, "gadolin: "), 1u) << missing.err;
  const auto said = [&](const std::vector<std::string>& args) {
    return last_line(run_here(args), dir_.path());
  };
  EXPECT_EQ(said(training({"--reduce-dtype", "fp8"})),
            "--reduce-dtype fp8 is unknown; use fp32 or bf16 [GD-USAGE-001]");
  EXPECT_EQ(
      said({"launch", "-n", "2"}),
      "launch: there is no command; write it behind --: gadolin launch -n 2 -- train ... [GD-USAGE-001]");
  EXPECT_EQ(said({"launch", "--", "launch", "--", "train"}),
            "launch: processes that launch others are not possible; use one launch with a larger -n "
            "[GD-USAGE-001]");
  EXPECT_EQ(
      said({"launch", "--hosts", dir_ / "none", "--", "doctor"}),
      "launch: --hosts DIR/none is no file; give one with a line a machine: NAME slots=N [GD-FILE-001]");
  EXPECT_EQ(said({"launch", "--mpirun", dir_ / "none", "--", "doctor"}),
            "launch: DIR/none cannot be started; apt-get install openmpi-bin, or name it with --mpirun "
            "[GD-PROCESS-001]");
}

// Complaint H8: threads of a process on fewer cores than it has threads; launch does not bind.
TEST_F(Launch, H8ThreadsOnTooFewCoresAreSaid) {
  // By taskset: a process that has used clang's OpenMP gives its children back all cores.
  const auto on_one_core = [](const std::vector<std::string>& args) {
    std::string command = cat("taskset -c ", ::sched_getcpu(), " '", GADOLIN_PROGRAM, "'"), said;
    for (const std::string& arg : args) command += cat(" '", arg, "'");
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen((command + " 2>&1").c_str(), "r"), ::pclose);
    for (int c; pipe && (c = std::fgetc(pipe.get())) != EOF;) said += static_cast<char>(c);
    return said;
  };
  const std::string bound = on_one_core({"doctor", "--threads", "2", "--device", "cpu"}),
                    step = on_one_core(training({"--epochs", "1", "--threads", "2"}));
  const std::string want =
      "2 threads share 1 core, which is all that this process may use; --threads 1, or start it with other "
      "cores "
      "(mpirun --bind-to none)";
  EXPECT_NE(bound.find("warning  " + want), std::string::npos) << bound;
  EXPECT_NE(step.find("warning: " + want), std::string::npos) << step;
  const Outcome launch = run_program(launched(2, {"doctor", "--device", "cpu"}));
  EXPECT_EQ(launch.code, 0) << launch.err;
  EXPECT_EQ(launch.out.find("threads share"), std::string::npos) << launch.out;
  EXPECT_NE(launch.out.find("this is 1 of 2"), std::string::npos) << launch.out;
}

TEST(Mpirun, ItsWordsAreTakenOut) {
  const std::string dashes(76, '-');
  MpirunWords words;
  EXPECT_EQ(words.of_others("a line of a rank\n"), "a line of a rank\n");
  EXPECT_EQ(words.of_others(dashes + "\n"), "");
  EXPECT_EQ(words.of_others("Primary job  terminated normally, but 1 process returned\n"), "");
  EXPECT_EQ(words.of_others("a non-zero exit code. Per user-direction, the job has been aborted.\n"), "");
  EXPECT_EQ(words.of_others(dashes + "\n"), "");
  EXPECT_EQ(words.killed(), "");
  words.of_others(dashes + "\n");
  words.of_others(
      "mpirun noticed that process rank 2 with PID 71 on node node-a exited on signal 9 (Killed).\n");
  EXPECT_EQ(words.of_others(dashes + "\n"), "");
  EXPECT_EQ(words.killed(), "rank 2 was ended by signal 9 (Killed) on node-a");
  words.of_others(dashes + "\n");  // Open MPI 5.0.11
  words.of_others("prterun noticed that process rank 1 with PID 24071 on node vm exited on\n");
  EXPECT_EQ(words.of_others("signal 9 (Killed).\n"), "");
  EXPECT_EQ(words.of_others(dashes + "\n"), "");
  EXPECT_EQ(words.killed(), "rank 1 was ended by signal 9 (Killed) on vm");
  words.of_others(dashes + "\n");
  for (const char* line : {"prterun detected that one or more processes exited with non-zero status,\n",
                           "thus causing the job to be terminated. The first process to do so was:\n", "\n",
                           "   Process name: [prterun-vm-24077@1,0]\n", "   Exit code:    75\n"})
    EXPECT_EQ(words.of_others(line), "");
  EXPECT_EQ(words.of_others(dashes + "\n"), "") << "the processes have said it themselves";
  words.of_others(dashes + "\n");
  words.of_others("There are not enough slots\n");
  EXPECT_EQ(words.of_others(dashes + "\n"), dashes + "\nThere are not enough slots\n" + dashes + "\n")
      << "what nobody else says stays";
  words.of_others(dashes + "\n");
  words.of_others("cut off");
  EXPECT_EQ(words.rest(), dashes + "\ncut off");
  const std::vector<std::string> mpich = mpirun_words({"mpiexec", "hosts", 3, 5, false, false});
  EXPECT_EQ(mpich, (std::vector<std::string>{"mpiexec", "-n", "3", "-f", "hosts", "-bind-to", "none", "-genv",
                                             "GADOLIN_PATIENCE", "5"}));
}

}  // namespace
}  // namespace gadolin::test
