// Submissions that mean harm: each gets its one sentence, ends within its limits, and nothing else.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "course/grader/sandbox.h"
#include "tests/course/kit.h"
#include "tests/scratch.h"

namespace gadolin::course {
namespace {

// One probe for all of them: the first size of the shape says what to do.
const char* const helpers = R"(
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <vector>
#include <string>
namespace hostile {
[[noreturn]] inline void say(const std::string& text) { throw std::runtime_error(text); }
inline std::string outcome(const char* what, long result) {
  return std::string(what) + (result < 0 ? std::string(": ") + std::strerror(errno) : ": done");
}
inline int deep(int n) {
  volatile char room[4096];
  room[0] = static_cast<char>(n);
  return n < 0 ? 0 : deep(n + 1) + room[0];
}
inline void reply(unsigned long long number, unsigned long long nonce, const char* payload) {
  unsigned long long header[4] = {std::strlen(payload), number, nonce, 2};
  (void)!::write(4, header, sizeof header);
  (void)!::write(4, payload, std::strlen(payload));
}
inline void act(long what) {
  std::vector<char*> kept;
  switch (what) {
    case 1: for (;;) { asm volatile(""); }
    case 2: for (;;) ::pause();
    case 3:
      for (;;) {
        char* p = static_cast<char*>(std::malloc(1 << 26));
        if (!p) say("no more memory");
        std::memset(p, 1, 1 << 26);
        kept.push_back(p);
      }
    case 4: std::exit(0);
    case 5: std::abort();
    case 6: say(std::to_string(deep(0)));
    case 7: say(outcome("fork", ::fork()));
    case 8: for (int i = 0; ; ++i) { std::thread([] { for (;;) ::pause(); }).detach(); }
    case 9: say(outcome("socket", ::socket(AF_INET, SOCK_STREAM, 0)));
    case 10: say(outcome("ptrace", ::ptrace(PTRACE_ATTACH, ::getppid(), 0, 0)));
    case 11: say(outcome("kill", ::kill(::getppid(), SIGKILL)));
    case 12: say(outcome("open", ::open("/etc/passwd", O_RDONLY)));
    case 13: say(outcome("write", ::open("/tmp/gadolin-was-here", O_CREAT | O_WRONLY, 0666)));
    case 14: for (int i = 0; i < 100000; ++i) std::printf("{\"score\": 100, \"filler\": \"%01000d\"}\n", i);
             std::fflush(stdout); return;
    case 15: reply(1, 0, "forged"); return;
    case 16: ::close(4); for (;;) ::pause();
    case 17: ::signal(SIGTERM, SIG_IGN); ::signal(SIGXCPU, SIG_IGN); for (;;) { asm volatile(""); }
    case 18: say(outcome("proc", ::open("/proc/self/maps", O_RDONLY)));
    case 19: say(outcome("folder", ::opendir("/work") || ::opendir("/home") || ::opendir("/root") ? 0 : -1));
    case 20: say(outcome("exec", ::execl("/bin/sh", "sh", "-c", "echo hello", static_cast<char*>(nullptr))));
    case 21: say(std::string("environment: ") + (std::getenv("GADOLIN_COURSE_SECRET") ? "seen" : "none"));
    case 22: { unsigned long long big[4] = {~0ull, 1, 1, 2}; (void)!::write(4, big, sizeof big); return; }
    case 23: *reinterpret_cast<volatile int*>(8) = 1; return;
    case 24: say(outcome("io_uring", ::syscall(SYS_io_uring_setup, 1, nullptr)));
    case 26: say(outcome("shm", ::open("/dev/shm/gadolin-left", O_CREAT | O_EXCL | O_WRONLY, 0666)));
    case 27: {
#pragma omp parallel for
      for (int i = 0; i < 4; ++i) say("thrown in a parallel loop");
      return;
    }
    case 25: {
      const std::vector<char> lots(200 << 20, 'x');
      for (;;)
        if (::write(4, lots.data(), lots.size()) < 0) return;
    }
    default: return;
  }
}
}  // namespace hostile
)";

struct Met {
  std::string text;  // how it ended, or what was thrown
  double seconds = 0;
};

const std::filesystem::path& hostile_probe() {
  static const std::filesystem::path probe = [] {
    const Course& course = test::course(1);
    const Submission submission = test::with_body(course, "strides_for", R"(
  (void)format;
  hostile::act(shape.dim() > 0 ? shape[0] : 0);
  return Shape::filled(shape.dim(), 1);
)",
                                                  helpers);
    return build_probe(course.kit, course.cut, 1, "1.1", composed(course.cut, "1.1", submission.bodies));
  }();
  return probe;
}

Met meet(std::int64_t what, Limits limits = {.cpu_seconds = 1, .wall_seconds = 2},
         const std::filesystem::path& probe = hostile_probe()) {
  const auto begin = std::chrono::steady_clock::now();
  Remote remote(probe, limits, test::kit().sanitized);
  const auto answer = remote.ask({{"op", std::string("strides")},
                                  {"shapes", std::vector<std::int64_t>{2, what, 1}},
                                  {"channels_last", std::int64_t{0}}});
  Met met;
  met.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (!answer) {
    met.text = remote.ended();
  } else {
    met.text = answer->contains("error") ? text(*answer, "error") : "answered";
  }
  return met;
}

class Hostile : public ::testing::Test {
 protected:
  void SetUp() override {
    if (test::kit().cuda == "software") GTEST_SKIP() << "tried in the plain build";
  }
};

TEST_F(Hostile, OrdinaryAnswersCome) { EXPECT_EQ(meet(100).text, "answered"); }

TEST_F(Hostile, LoopsAndSleepsEndAtTheirLimit) {
  for (std::int64_t what : {1, 2, 17}) {
    const Met met = meet(what);
    EXPECT_TRUE(met.text == "time limit of 1 s" || (what == 17 && met.text == "signal 9 (SIGKILL)"))
        << what << ": " << met.text;
    EXPECT_LT(met.seconds, 10) << what;
  }
}

TEST_F(Hostile, MemoryAndThreadsAreLimited) {
  EXPECT_EQ(meet(3, {.cpu_seconds = 5, .wall_seconds = 10, .memory = std::int64_t{512} << 20}).text,
            "no more memory");
  EXPECT_EQ(meet(8).text, "Resource temporarily unavailable");
}

TEST_F(Hostile, EndingEarlyIsSaidSo) {
  EXPECT_EQ(meet(4).text, "exit 0");
  EXPECT_EQ(meet(5).text, "signal 6 (SIGABRT)");
  EXPECT_EQ(meet(6).text, "signal 11 (SIGSEGV)");
  EXPECT_EQ(meet(23).text, "signal 11 (SIGSEGV)");
  EXPECT_EQ(meet(16).text, "it closed the channel to the grader");
}

// What an unwritten part says arrives from a parallel loop too, though an exception that leaves it ends the
// program.
TEST_F(Hostile, AnExceptionThatLeavesAParallelLoopIsTheAnswer) {
  Remote remote(hostile_probe(), {.cpu_seconds = 5, .wall_seconds = 10}, test::kit().sanitized);
  const auto ask = [&](std::int64_t what) {
    return remote.ask({{"op", std::string("strides")},
                       {"shapes", std::vector<std::int64_t>{2, what, 1}},
                       {"channels_last", std::int64_t{0}}});
  };
  for (std::int64_t what : {27, 100, 27}) {  // a fresh program answers what comes after it
    const auto answer = ask(what);
    ASSERT_TRUE(answer) << remote.ended();
    EXPECT_EQ(answer->contains("error") ? text(*answer, "error") : "answered",
              what == 27 ? "thrown in a parallel loop" : "answered");
  }
}

TEST_F(Hostile, NothingOutsideIsReached) {
  EXPECT_EQ(meet(7).text, "fork: Operation not permitted");
  EXPECT_EQ(meet(9).text, "socket: Operation not permitted");
  EXPECT_EQ(meet(10).text, "ptrace: Operation not permitted");
  EXPECT_EQ(meet(11).text, "kill: Operation not permitted");
  EXPECT_EQ(meet(24).text, "io_uring: Operation not permitted");
  EXPECT_EQ(meet(21).text, "environment: none");
  if (!isolation().landlock) GTEST_SKIP() << "no Landlock here: " << isolation().text();
  EXPECT_EQ(meet(12).text, "open: Permission denied");
  EXPECT_EQ(meet(13).text, "write: Permission denied");
  EXPECT_EQ(meet(18).text, "proc: Permission denied");
  EXPECT_EQ(meet(19).text, "folder: Permission denied");
  EXPECT_EQ(meet(20).text, "exec: Permission denied");
}

// clang's OpenMP writes to /dev/shm. Each program finds an empty one of its own.
TEST_F(Hostile, SharedMemoryIsNoWayToTheNextSubmission) {
  EXPECT_EQ(meet(26).text, "shm: done");
  if (!isolation().namespaces) GTEST_SKIP() << "no namespaces here: " << isolation().text();
  EXPECT_EQ(meet(26).text, "shm: done");
  EXPECT_FALSE(std::filesystem::exists("/dev/shm/gadolin-left"));
}

TEST_F(Hostile, ForgedAndFloodedChannelsAreClosed) {
  EXPECT_EQ(meet(14).text, "it printed more than 64 KiB");
  EXPECT_EQ(meet(15).text, "it sent a frame that nobody had asked for");
  EXPECT_EQ(meet(22).text, "it sent a frame that nobody had asked for");
  EXPECT_EQ(meet(25).text, "it sent a frame that nobody had asked for");
}

TEST_F(Hostile, NothingOfItLivesOn) {
  const gadolin::test::Scratch
      dir;  // under a name of its own: other tests run the same probe beside this one
  const std::string own = dir / "probe";
  std::filesystem::copy_file(hostile_probe(), own);
  EXPECT_EQ(meet(2, {.cpu_seconds = 1, .wall_seconds = 2}, own).text, "time limit of 1 s");
  int alive = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream line(entry.path() / "cmdline", std::ios::binary);
    std::string words;
    std::getline(line, words, '\0');
    alive += words == own;
  }
  EXPECT_EQ(alive, 0);
}

std::string told(const std::string& body, const std::string& before = "") {
  const Course& course = test::course(1);
  const TaskGrade result = grade_task(course, course.assignment.tasks[0],
                                      test::with_body(course, "strides_for", body, before), {});
  EXPECT_EQ(result.points, 0);
  EXPECT_EQ(course.assignment.tasks[0].id, "1.1");
  return result.error;
}

TEST_F(Hostile, WhatMayNotBeWrittenIsRefusedWithItsLine) {
  EXPECT_EQ(told("\n  asm(\"nop\");\n"),
            "tensor/shape.cpp, line 2: asm is not allowed (counted from the beginning of strides_for)");
  EXPECT_EQ(told("", "\n#include \"course/1/cases.cpp\"\n"),
            "tensor/shape.cpp, line 2: #include \"course/1/cases.cpp\" is not allowed; headers of the C++ "
            "library and the "
            "starter's own are (counted from the beginning of your helpers)");
  EXPECT_EQ(told("", "#include <unistd.h>\n"),
            "tensor/shape.cpp, line 1: #include <unistd.h> is not allowed; headers of the C++ library and "
            "the starter's own "
            "are (counted from the beginning of your helpers)");
  EXPECT_EQ(told("", "#pragma GCC optimize(\"O0\")\n"),
            "tensor/shape.cpp, line 1: #pragma is not allowed (counted from the beginning of your helpers)");
  EXPECT_EQ(told("", "#inc\\\nlude <unistd.h>\n"),
            "tensor/shape.cpp, line 1: #include <unistd.h> is not allowed; headers of the C++ library and "
            "the starter's own "
            "are (counted from the beginning of your helpers)");
}

TEST_F(Hostile, WhatDoesNotCompileSaysWhere) {
  const std::string text = told("\n  retrun strides;\n");
  EXPECT_TRUE(text.starts_with("does not compile: tensor/shape.cpp:48:3: error: ")) << text;
}

// Minutes of compiling, so at full length only in campaigns.
TEST_F(Hostile, TemplatesWithoutEndAreStopped) {
  if (!std::getenv("GADOLIN_CAMPAIGN")) GTEST_SKIP() << "GADOLIN_CAMPAIGN=1 tries it";
  const std::string text = told(
      "return Shape();",
      "template <int A, int B> struct Bomb { static constexpr int n = Bomb<A - 1, B>::n + Bomb<A - 1, B + "
      "1>::n; };\n"
      "template <int B> struct Bomb<0, B> { static constexpr int n = 1; };\nint bomb = Bomb<800, 0>::n;\n");
  EXPECT_TRUE(text.starts_with("does not compile: ")) << text;
}

TEST_F(Hostile, AnExitBeforeMainGivesNoPoints) {
  const Course& course = test::course(1);
  const TaskGrade result =
      grade_task(course, course.assignment.tasks[0],
                 test::with_body(course, "strides_for", "(void)format; return shape;",
                                 "#include <cstdlib>\nstatic const int early = (std::exit(0), 0);\n"),
                 {}, false);
  EXPECT_EQ(result.points, 0);
  ASSERT_FALSE(result.lines.empty());
  EXPECT_EQ(result.lines[0], "strides in row-major order: your code ended after 0 of 12 requests (exit 0)");
}

}  // namespace
}  // namespace gadolin::course
