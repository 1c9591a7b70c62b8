// Kills of any rank at any moment: what goes on from them are the weights of a run that nobody disturbed.
#include "tensor/random.h"
#include "tests/processes/launched.h"

namespace gadolin::test {
namespace {

namespace fs = std::filesystem;

// Two kills; 100 with GADOLIN_CAMPAIGN=1.
TEST_F(Launch, KillsOverFourProcessesAreResumedBitForBit) {
  const int kills = std::getenv("GADOLIN_CAMPAIGN") ? 100 : 2;
  const auto run = [&](const std::vector<std::string>& more) {
    std::vector<std::string> args =
        training({"--epochs", "1000000", "--schedule", "constant", "--warmup-epochs", "0", "--eval-every",
                  "50", "--save-every", "10", "--resume", "auto", "--threads", "1", "--quiet"});
    args.insert(args.end(), more.begin(), more.end());
    return run_program(launched(4, args));
  };
  RandomStream random(16, 4);
  const auto newest = [&] {
    std::error_code none;
    return fs::last_write_time(dir_ / "out/checkpoints/last.gdck", none);
  };
  for (int k = 0; k < kills; ++k) {
    const auto before = newest();
    auto disturbed = std::async(std::launch::async, [&] { return run({}); });
    while (newest() == before &&
           disturbed.wait_for(std::chrono::milliseconds(5)) == std::future_status::timeout) {
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random.below(100'000)));
    const int rank = static_cast<int>(random.below(4));
    EXPECT_EQ(::kill(process_of(rank), SIGKILL), 0);
    const Outcome ended = disturbed.get();
    ASSERT_EQ(ended.code, 1) << "kill " << k << "\n" << ended.err;
    EXPECT_NE(ended.err.find(cat("rank ", rank, " was ended by signal 9")), std::string::npos) << ended.err;
  }
  const std::string steps = std::to_string(steps_saved() + 7);
  const Outcome last = run({"--max-steps", steps});
  ASSERT_EQ(last.code, 0) << last.err;
  const std::string want = weights_digest(checkpoint("last"), dir_.path());
  fs::remove_all(dir_ / "out");
  const Outcome whole = run({"--max-steps", steps});
  ASSERT_EQ(whole.code, 0) << whole.err;
  EXPECT_EQ(weights_digest(checkpoint("last"), dir_.path()), want)
      << steps << " steps, " << kills << " kills";
}

}  // namespace
}  // namespace gadolin::test
