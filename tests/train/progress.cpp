// The progress line, on a terminal and as plain lines.
#include "train/progress.h"

#include <gtest/gtest.h>

#include <algorithm>
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
  Progress p("epoch 3", 120, screen.options(true));
  screen.now += 2;
  p.update(60, 0.1, "loss 0.41");
  EXPECT_EQ(screen.text,
            "\repoch 3  [==========>          ]  60/120  30.0/s  data 5%  left 0:02  loss 0.41\033[K");
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
            "\repoch 3  [====================]  120/120  30.0/s  data 3%  took 0:04  loss 0.30\033[K\n");
}

TEST(Progress, NeverWrapsTheTerminal) {
  for (int width = 1; width < 120; ++width) {
    Screen screen;
    Progress p("a long label of an epoch", 100000, screen.options(true, width), " images");
    screen.now += 10;
    p.update(777, 3, "loss 0.123456");
    const std::string drawn = screen.text.substr(1, screen.text.size() - 4);
    EXPECT_LE(drawn.size(), static_cast<std::size_t>(std::max(width - 1, 1)));
  }
}

TEST(Progress, PlainLinesNowAndThen) {
  Screen screen;
  Progress p("epoch 1", 1000, screen.options(false));
  for (int i = 1; i <= 100; ++i) {
    screen.now += 1;
    p.update(i, 0);
  }
  EXPECT_EQ(std::count(screen.text.begin(), screen.text.end(), '\n'), 3);
  EXPECT_EQ(screen.text.substr(0, screen.text.find('\n')), "epoch 1  30/1000  1.0/s  data 0%  left 16:10");
  EXPECT_EQ(screen.text.find('\r'), std::string::npos);
  EXPECT_EQ(screen.text.find('\033'), std::string::npos);
  screen.text.clear();
  p.clear();
  p.finish();
  EXPECT_EQ(screen.text, "epoch 1  100/1000  1.0/s  data 0%  took 1:40\n");
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
