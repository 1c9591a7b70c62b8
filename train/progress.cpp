// Drawing of the progress line.
#include "train/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

namespace gadolin {
namespace {

std::string rate_text(double rate) {
  char text[32];
  std::snprintf(text, sizeof text, rate >= 100 ? "%.0f/s" : rate >= 1 ? "%.1f/s" : "%.2f/s", rate);
  return text;
}

}  // namespace

ProgressOptions progress_on_stderr(bool quiet) {
  ProgressOptions options;
  if (quiet) return options;
  options.terminal = ::isatty(STDERR_FILENO) == 1;
  winsize size{};
  if (options.terminal && ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
    options.width = size.ws_col;
  options.write = [](std::string_view text) {
    // A closed or full terminal must not end a training run, so what write() says is dropped.
    while (!text.empty()) {
      const ssize_t done = ::write(STDERR_FILENO, text.data(), text.size());
      if (done <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(done));
    }
  };
  return options;
}

std::string duration_text(double seconds) {
  if (!(seconds >= 0) || seconds > 3.6e6) return "-";
  const long whole = std::lround(seconds);
  char text[32];
  if (whole >= 3600)
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  else
    std::snprintf(text, sizeof text, "%ld:%02ld", whole / 60, whole % 60);
  return text;
}

Progress::Progress(std::string label, std::int64_t total, ProgressOptions options, std::string unit)
    : label_(std::move(label)), unit_(std::move(unit)), total_(total), options_(std::move(options)) {
  if (!options_.clock) {
    options_.clock = [] {
      return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    };
  }
  started_ = options_.clock();
  if (!options_.terminal) drawn_ = started_;  // the first plain line comes after an interval
}

std::string Progress::line(bool final, double now) const {
  const double passed = std::max(now - started_, 1e-9), rate = static_cast<double>(done_) / passed;
  const double share =
      total_ > 0 ? std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0) : 1;
  std::string numbers = std::to_string(done_) + "/" + std::to_string(total_) + unit_ + "  " + rate_text(rate);
  const double waiting = std::clamp(waited_ / passed, 0.0, 1.0);
  numbers += "  data " + std::to_string(std::lround(100 * waiting)) + "%";
  if (final)
    numbers += "  took " + duration_text(passed);
  else if (done_ > 0)
    numbers += "  left " + duration_text(static_cast<double>(total_ - done_) / rate);
  if (!text_.empty()) numbers += "  " + text_;
  if (!options_.terminal) return label_ + "  " + numbers;
  const int room = options_.width - 1 - static_cast<int>(label_.size() + numbers.size()) - 6;
  std::string bar;
  if (room >= 8) {
    const int cells = std::min(room, 30), filled = static_cast<int>(share * cells);
    bar = "[" + std::string(static_cast<std::size_t>(filled), '=');
    if (filled < cells) bar += '>' + std::string(static_cast<std::size_t>(cells - filled - 1), ' ');
    bar += "]  ";
  }
  return (label_ + "  " + bar + numbers).substr(0, static_cast<std::size_t>(std::max(options_.width - 1, 1)));
}

void Progress::update(std::int64_t done, double waited, const std::string& text) {
  done_ = done;
  waited_ = waited;
  text_ = text;
  if (!options_.write) return;
  const double now = options_.clock(), interval = options_.terminal ? 0.1 : options_.plain_interval;
  if (now - drawn_ < interval) return;
  drawn_ = now;
  options_.write(options_.terminal ? "\r" + line(false, now) + "\033[K" : line(false, now) + "\n");
  visible_ = options_.terminal;
}

void Progress::finish(const std::string& text) {
  if (!text.empty()) text_ = text;
  if (!options_.write) return;
  options_.write((options_.terminal ? "\r" : "") + line(true, options_.clock()) +
                 (options_.terminal ? "\033[K\n" : "\n"));
  visible_ = false;
}

void Progress::clear() {
  if (!visible_ || !options_.write) return;
  options_.write("\r\033[K");
  visible_ = false;
  drawn_ = -1e300;
}

}  // namespace gadolin
