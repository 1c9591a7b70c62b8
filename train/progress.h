// The progress line of a long job: bar, rate, share of time spent waiting for data, time left.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace gadolin {

struct ProgressOptions {
  bool terminal = false;                        // redraw one line; otherwise a plain line now and then
  int width = 80;                               // of the terminal, in columns
  double plain_interval = 30;                   // seconds between plain lines
  std::function<void(std::string_view)> write;  // where text goes; nothing: no output
  std::function<double()> clock;                // seconds; the default is the steady clock
};

// Of the standard error stream: a terminal or not, its width (COLUMNS, or what the terminal says); `quiet`
// writes nothing.
ProgressOptions progress_on_stderr(bool quiet = false);

// What the rate counts: `each` of them in one of the total.
struct ProgressUnit {
  std::string name = "img";
  double each = 1;
};

// progress p("epoch 3/12", 120, options, {"img", 8}); ... p.update(done, waited, "loss 0.412"); ...
// p.finish();
//   epoch 3/12 [=========>          ] 58/120 330 img/s ETA 0:02 data 3% loss 0.412
// Where that is too wide the bar is shorter or missing, then the share of waiting, then the end of the text,
// word by word of "name value".
class Progress {
 public:
  Progress(std::string label, std::int64_t total, ProgressOptions options, ProgressUnit unit = {});
  // `done` of total so far; `waited`: seconds since the start in which the next batch was not ready; `text`:
  // at the end. Draws at most ten times a second on a terminal and once an interval elsewhere.
  void update(std::int64_t done, double waited, const std::string& text = "");
  // The last state, with the time that it took, as a line that stays.
  void finish(const std::string& text = "");
  // Removes the line, so that something else can be printed; the next update draws it again.
  void clear();

 private:
  std::string line(bool final, double now) const;
  std::string label_, text_;
  ProgressUnit unit_;
  std::int64_t total_, done_ = 0;
  double started_, drawn_ = -1e300, waited_ = 0;
  ProgressOptions options_;
  bool visible_ = false;
};

// 0:07, 12:30, 3:05:00
std::string duration_text(double seconds);

}  // namespace gadolin
