// gadolin launch on GPUs as a user meets it, each process on its own.
#include "tests/processes/launched.h"

namespace gadolin::test {
namespace {

namespace fs = std::filesystem;

class LaunchOnDevices : public Launch {
 protected:
  void SetUp() override {
    NEEDS_DEVICES(2);
    ::setenv("GADOLIN_SOFTWARE_CHECK", "0",
             1);  // other tests look for races; the whole program is slow there
    Launch::SetUp();
  }
  std::vector<std::string> on_gpus(const std::vector<std::string>& more, const std::string& device = "cuda") {
    std::vector<std::string> args = training(more);
    args.insert(args.end(), {"--device", device});  // the last one counts
    return args;
  }
};

TEST_F(LaunchOnDevices, TrainsEvaluatesAndPredicts) {
  const Outcome run =
      run_program(launched(2, on_gpus({"--max-steps", "5", "--epochs", "5", "--eval-every", "5"})));
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.err.find("warning"), std::string::npos) << run.err;
  EXPECT_EQ(column("step").back(), 5);
  const std::string best = checkpoint("best");
  std::map<int, std::string> evaluated, predicted;
  for (const int processes : {1, 2}) {
    const auto outcome = [&](std::vector<std::string> args) {
      args.insert(args.end(), {"--device", "cuda"});
      const Outcome done = run_program(processes == 1 ? args : launched(processes, args));
      EXPECT_EQ(done.code, 0) << done.err;
      return done.out;
    };
    evaluated[processes] =
        outcome({"eval", dir_ / "set", "--checkpoint", best, "--split", "val", "--batch-size", "2"});
    predicted[processes] = outcome({"predict", dir_ / "set/images", "--checkpoint", best});
  }
  EXPECT_EQ(evaluated[2], evaluated[1]);
  EXPECT_EQ(predicted[2], predicted[1]);
  EXPECT_NE(predicted[1], "");
}

TEST_F(LaunchOnDevices, OneGpuForTwoIsSaidOnceAndGivesTheSame) {
  const std::vector<std::string> options{"--max-steps", "2", "--epochs", "2", "--eval-every", "2"};
  const Outcome apart = run_program(launched(2, on_gpus(options)));
  ASSERT_EQ(apart.code, 0) << apart.err;
  const std::vector<double> want = column("train_loss");
  fs::remove_all(dir_ / "out");
  const Outcome shared = run_program(launched(2, on_gpus(options, "cuda:0")));
  ASSERT_EQ(shared.code, 0) << shared.err;
  EXPECT_EQ(count_of(shared.err,
                     "warning: gradients on GPUs are summed through the host, which is slower: ranks 0 "
                     "and 1 share the GPU cuda:0 of "),
            1u)
      << shared.err;
  const std::vector<double> got = column("train_loss");
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-5 * want[i]);
}

TEST_F(LaunchOnDevices, AKilledRankEndsAllByName) {
  auto run = std::async(std::launch::async, [&] {
    return run_program(launched(2, on_gpus({"--epochs", "1000000", "--save-every", "2"})));
  });
  while (!fs::exists(dir_ / "out/checkpoints/last.gdck") &&
         run.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout) {
  }
  const auto killed = std::chrono::steady_clock::now();
  EXPECT_EQ(::kill(process_of(1), SIGKILL), 0);
  const Outcome ended = run.get();
  EXPECT_LT(std::chrono::steady_clock::now() - killed, std::chrono::seconds(10));
  EXPECT_EQ(ended.code, 1);
  EXPECT_NE(ended.err.find("gadolin: launch: rank 1 was ended by signal 9 (Killed) on "), std::string::npos)
      << ended.err;
}

}  // namespace
}  // namespace gadolin::test
