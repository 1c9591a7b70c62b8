// The progress line, on a terminal and as plain lines.
#include "train/progress.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

using namespace gadolin;

namespace {

struct Screen {
  double now = 100;
  std::string text;
  ProgressOptions options(bool terminal, int width = 80) {
    ProgressOptions o;
    o.terminal = terminal;
    o.width = width;
    o.plain_interval = 30;
    o.write = [this](std::string_view written) { text += written; };
    o.clock = [this] { return now; };
    return o;
  }
};

TEST(Progress, DrawsOneLineOnATerminal) {
  Screen screen;
  Progress p("epoch 3", 120, screen.options(true), {"img", 8});
  screen.now += 2;
  p.update(60, 0.1, "loss 0.41");
  EXPECT_EQ(screen.text,
            "\repoch 3 [==========>         ] 60/120 240 img/s ETA 0:02 data 5% loss 0.41\033[K");
  screen.text.clear();
  screen.now += 0.05;
  p.update(61, 0.1, "loss 0.41");
  EXPECT_EQ(screen.text, "") << "at most ten times a second";
  p.clear();
  EXPECT_EQ(screen.text, "\r\033[K");
  screen.text.clear();
  p.clear();
  EXPECT_EQ(screen.text, "");
  screen.now += 1.95;
  p.update(120, 0.1);
  screen.text.clear();
  p.finish("loss 0.30");
  EXPECT_EQ(screen.text,
            "\repoch 3 [====================] 120/120 240 img/s took 0:04 data 3% loss 0.30\033[K\n");
}

TEST(Progress, NeverWrapsTheTerminal) {
  for (int width = 1; width < 120; ++width) {
    Screen screen;
    Progress p("a long label of an epoch", 100000, screen.options(true, width));
    screen.now += 10;
    p.update(777, 3, "loss 0.123456");
    const std::string drawn = screen.text.substr(1, screen.text.size() - 4);
    EXPECT_LE(drawn.size(), static_cast<std::size_t>(std::max(width - 1, 1)));
  }
}

// The longest line of a training run that anybody is likely to see, and a usual one, on 80 columns.
TEST(Progress, FitsEightyColumnsWithUnits) {
  const auto drawn = [](const char* label, std::int64_t total, double each, double seconds, std::int64_t at,
                        const char* text) {
    Screen screen;
    Progress p(label, total, screen.options(true), {"img", each});
    screen.now += seconds;
    p.update(at, seconds, text);
    return screen.text.substr(1, screen.text.size() - 4);
  };
  const std::string longest = drawn("epoch 100/100", 100000, 1024, 3600, 20000, "loss 123.4567 lr 1.23e-05");
  EXPECT_EQ(longest, "epoch 100/100 20000/100000 5689 img/s ETA 4:00:00 loss 123.4567 lr 1.23e-05");
  EXPECT_LT(longest.size(), 80u);
  EXPECT_EQ(drawn("epoch 10000/10000", 1000000, 1024, 3600, 20000, "loss 123.4567 lr 1.23e-05"),
            "epoch 10000/10000 [>      ] 20000/1000000 5689 img/s ETA 49:00:00 loss 123.4567");
  EXPECT_EQ(drawn("epoch 3/12", 120, 8, 2, 60, "loss 0.4123 lr 0.001"),
            "epoch 3/12 [====>    ] 60/120 240 img/s ETA 0:02 data 100% loss 0.4123 lr 0.001");
}

TEST(Progress, ColumnsSayHowWideTheTerminalIs) {
  const char* before = std::getenv("COLUMNS");
  const std::string kept = before ? before : "";
  ::setenv("COLUMNS", "132", 1);
  EXPECT_EQ(progress_on_stderr().width, 132);
  ::setenv("COLUMNS", "wide", 1);
  EXPECT_NE(progress_on_stderr().width, 0);
  before ? ::setenv("COLUMNS", kept.c_str(), 1) : ::unsetenv("COLUMNS");
}

TEST(Progress, PlainLinesNowAndThen) {
  Screen screen;
  Progress p("epoch 1", 1000, screen.options(false));
  for (int i = 1; i <= 100; ++i) {
    screen.now += 1;
    p.update(i, 0);
  }
  EXPECT_EQ(std::count(screen.text.begin(), screen.text.end(), '\n'), 3);
  EXPECT_EQ(screen.text.substr(0, screen.text.find('\n')), "epoch 1 30/1000 1.0 img/s ETA 16:10 data 0%");
  EXPECT_EQ(screen.text.find('\r'), std::string::npos);
  EXPECT_EQ(screen.text.find('\033'), std::string::npos);
  screen.text.clear();
  p.clear();
  p.finish();
  EXPECT_EQ(screen.text, "epoch 1 100/1000 1.0 img/s took 1:40 data 0%\n");
}

TEST(Progress, NothingIsDivisibleByZero) {
  Screen screen;
  Progress p("x", 0, screen.options(true));
  p.update(0, 0);
  p.finish();
  EXPECT_EQ(screen.text.find("nan"), std::string::npos);
  Progress quiet("x", 10, progress_on_stderr(true));
  quiet.update(1, 0);
  quiet.finish();
}

TEST(Progress, Durations) {
  EXPECT_EQ(duration_text(7.4), "0:07");
  EXPECT_EQ(duration_text(59.6), "1:00");
  EXPECT_EQ(duration_text(750), "12:30");
  EXPECT_EQ(duration_text(11100), "3:05:00");
  EXPECT_EQ(duration_text(-1), "-");
  EXPECT_EQ(duration_text(1e18), "-");
  EXPECT_EQ(duration_text(std::numeric_limits<double>::quiet_NaN()), "-");
}

}  // namespace
