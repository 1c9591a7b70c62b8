// Learning rate as a function of the step, written as a short text: "cosine", "step:30:0.1", "one-cycle".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gadolin {

// What a schedule needs to know of a run.
struct ScheduleOptions {
  double lr = 0.1;                   // base rate; the peak of one-cycle
  double min_lr = 0;                 // where cosine and polynomial end, and below which nothing goes
  std::int64_t total_steps = 1;      // of the run
  std::int64_t steps_per_epoch = 1;  // optimiser steps
  std::int64_t warmup_steps = 0;     // straight line from warmup_factor * lr to lr
  double warmup_factor = 0.01;       // where the line begins, as a factor on lr
  bool maximize = false;             // plateau: the metric is better when larger
};

// Forms; durations are in epochs, or in steps with the suffix s (step:30000s:0.1):
//   constant
//   step:EVERY[:GAMMA=0.1]                multi-step:AT,AT,...[:GAMMA=0.1]
//   exponential:GAMMA[:EVERY=1]           polynomial[:POWER=1[:SPAN]]     cosine
//   one-cycle[:RISE=0.3[:START_DIVISOR=25[:END_DIVISOR=10000]]]   (Smith and Topin 2017; no other warm-up)
//   plateau[:GAMMA=0.1[:PATIENCE=10[:THRESHOLD=0.0001]]]          (relative threshold)
// Polynomial and cosine span the steps after the warm-up, a polynomial with a SPAN only that long; the others
// count from the start of the run, and warm-up scales them. Rates agree with torch.optim.lr_scheduler, see
// tools/fixtures/schedules.py.
class Schedule {
 public:
  // Throws UsageError, naming the text and the form wanted.
  explicit Schedule(const std::string& text, const ScheduleOptions& options = {});

  // Rate of optimiser step 0, 1, ...; a pure function of step, except for plateau, which also depends on what
  // observe() saw.
  double lr_at(std::int64_t step) const;

  double base_lr() const { return options_.lr; }                  // as made
  bool watches_metric() const { return kind_ == Kind::plateau; }  // whether observe() means anything
  // Plateau: the metric of an epoch that just ended. NaN counts as no improvement. Nothing for other kinds.
  void observe(double metric);

  const std::string& text() const { return text_; }  // as made
  // What a checkpoint keeps; set_state throws FormatError for anything that state() did not write.
  std::string state() const;
  void set_state(const std::string& state);  // of a schedule of the same text

 private:
  enum class Kind { constant, step, multi_step, exponential, polynomial, cosine, one_cycle, plateau };
  void read_arguments(const std::vector<std::string>& parts);
  double one_cycle(double step) const;

  std::string text_;
  ScheduleOptions options_;
  Kind kind_ = Kind::constant;
  double gamma_ = 0.1, power_ = 1, rise_ = 0.3, start_divisor_ = 25, end_divisor_ = 1e4, threshold_ = 1e-4;
  // In steps; one entry for step, exponential and the span of polynomial.
  std::vector<std::int64_t> milestones_;
  std::int64_t patience_ = 10;
  struct Watched {
    double best = 0;
    bool any = false;
    std::int64_t waited = 0, reductions = 0;
  } watched_;
};

}  // namespace gadolin
