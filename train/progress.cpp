// Drawing of the progress line.
#include "train/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace gadolin {
namespace {

std::string rate_text(double rate) {
  char text[32];
  std::snprintf(text, sizeof text, rate >= 100 ? "%.0f" : rate >= 1 ? "%.1f" : "%.2f", rate);
  return text;
}

// "loss 0.412 lr 0.001" -> "loss 0.412"
std::string without_last_pair(const std::string& text) {
  const std::size_t value = text.rfind(' ');
  const std::size_t name = value == std::string::npos || value == 0 ? value : text.rfind(' ', value - 1);
  return name == std::string::npos || value == std::string::npos ? "" : text.substr(0, name);
}

}  // namespace

ProgressOptions progress_on_stderr(bool quiet) {
  ProgressOptions options;
  if (quiet) return options;
  options.terminal = ::isatty(STDERR_FILENO) == 1;
  winsize size{};
  if (options.terminal && ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
    options.width = size.ws_col;
  if (const char* columns = std::getenv("COLUMNS"); columns != nullptr && std::atoi(columns) >= 20)
    options.width = std::min(std::atoi(columns), 1000);
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

Progress::Progress(std::string label, std::int64_t total, ProgressOptions options, ProgressUnit unit)
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
  const std::string count = std::to_string(done_) + "/" + std::to_string(total_) + " " +
                            rate_text(rate * unit_.each) + " " + unit_.name + "/s";
  const std::string time = final       ? " took " + duration_text(passed)
                           : done_ > 0 ? " ETA " + duration_text(static_cast<double>(total_ - done_) / rate)
                                       : "";
  const std::string waiting =
      " data " + std::to_string(std::lround(100 * std::clamp(waited_ / passed, 0.0, 1.0))) + "%";
  const auto spaced = [](const std::string& text) { return text.empty() ? text : " " + text; };
  if (!options_.terminal) return label_ + " " + count + time + waiting + spaced(text_);
  const auto room = static_cast<std::size_t>(std::max(options_.width - 1, 1));
  std::string text = text_, bar, tail = count + time + waiting + spaced(text);
  if (label_.size() + 1 + tail.size() > room) tail = count + time + spaced(text);
  while (label_.size() + 1 + tail.size() > room && !text.empty()) {
    text = without_last_pair(text);
    tail = count + time + spaced(text);
  }
  const std::size_t used = label_.size() + tail.size() + 4;
  if (used + 6 <= room) {
    const auto cells = std::min<std::size_t>(room - used, 20),
               filled = static_cast<std::size_t>(share * static_cast<double>(cells));
    bar = "[" + std::string(filled, '=');
    if (filled < cells) bar += '>' + std::string(cells - filled - 1, ' ');
    bar += "] ";
  }
  return (label_ + " " + bar + tail).substr(0, room);
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
