// A training over two hosts: network namespaces with a link that delays, drops and breaks.
#include "tests/processes/launched.h"
#include "tests/processes/two_hosts.h"

namespace gadolin::test {
namespace {

namespace fs = std::filesystem;

class Hosts : public Launch {
 protected:
  void SetUp() override {
    Launch::SetUp();
    if (IsSkipped()) return;
    if (!hosts_.refused().empty()) GTEST_SKIP() << hosts_.refused();
  }
  // gadolin launch on the first host, of two processes on each; its output and exit code. What the second
  // host still runs then holds no stream of ours.
  Outcome run(const std::vector<std::string>& more, const std::string& patience = "60") {
    std::string line = "timeout -s KILL 60 " GADOLIN_PROGRAM;
    for (const std::string& word :
         launched(4, training(more), {"--hosts", hosts_.hosts_file(), "--patience", patience}))
      line += " " + word;
    const int status =
        std::system((hosts_.on_first(line) + " > " + dir_ / "said" + " 2>&1 < /dev/null").c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, "", contents_of(dir_ / "said")};
  }
  TwoHosts hosts_;
};

// Packets that come late, and some never: the numbers are those of one machine.
TEST_F(Hosts, ASlowLinkThatDropsPacketsChangesNoBit) {
  const std::vector<std::string> options{"--epochs", "2", "--threads", "1"};
  hosts_.set_delay(0.002);
  hosts_.set_drop_every(200);
  const Outcome far = run(options);
  ASSERT_EQ(far.code, 0) << far.err;
  EXPECT_GT(hosts_.dropped(), 0);
  EXPECT_GT(hosts_.passed(), 100);
  const std::string want = weights_digest(checkpoint("last"), dir_.path());
  fs::remove_all(dir_ / "out");
  const Outcome near = run_program(launched(4, training(options)));
  ASSERT_EQ(near.code, 0) << near.err;
  EXPECT_EQ(weights_digest(checkpoint("last"), dir_.path()), want);
}

TEST_F(Hosts, ALinkThatBreaksEndsAllAndTheRunGoesOn) {
  auto broken = std::async(std::launch::async, [&] {
    return run({"--epochs", "1000000", "--save-every", "5", "--threads", "1"}, "2");
  });
  while (!fs::exists(dir_ / "out/checkpoints/last.gdck") &&
         broken.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout) {
  }
  hosts_.set_broken(true);
  const auto begun = std::chrono::steady_clock::now();
  const Outcome ended = broken.get();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(30));
  EXPECT_EQ(ended.code, 1) << ended.err;
  EXPECT_NE(ended.err.find("in 2 s: it does not answer; look at what it does"), std::string::npos)
      << ended.err;
  EXPECT_NE(ended.err.find(
                "gadolin: launch: mpirun has not ended 10 s after a process failed, as when a host cannot be "
                "reached, and was ended; look at what that process said [GD-PROCESS-001]"),
            std::string::npos)
      << ended.err;
  for (int i = 0; i < 100 && fs::exists(dir_ / "out/lock"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  expect_resumes();
}

}  // namespace
}  // namespace gadolin::test
