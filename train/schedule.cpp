// Parsing and evaluation of learning-rate schedules.
#include "train/schedule.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <sstream>

#include "tensor/check.h"

namespace gadolin {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

// Reads the parts of one schedule in order; everything wrong with it is one message.
class Arguments {
 public:
  Arguments(const std::string& text, const std::vector<std::string>& parts, const char* form,
            std::int64_t epoch)
      : text_(text), parts_(parts), form_(form), epoch_(epoch) {}
  bool more() const { return next_ < parts_.size(); }
  double number(double low, double high) {
    const std::string part = take();
    double value = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (error != std::errc{} || end != part.data() + part.size() || !(value >= low && value <= high))
      wrong(part);
    return value;
  }
  // In steps.
  std::int64_t duration() { return duration(take()); }
  std::vector<std::int64_t> durations() {
    std::vector<std::int64_t> all;
    for (const std::string& part : split(take(), ',')) all.push_back(duration(part));
    std::sort(all.begin(), all.end());
    return all;
  }
  void end() const {
    if (more()) wrong(parts_[next_]);
  }

 private:
  std::string take() {
    if (!more()) wrong("");
    return parts_[next_++];
  }
  std::int64_t duration(std::string part) const {
    const std::string whole = part;
    const bool steps = !part.empty() && part.back() == 's';
    if (steps) part.pop_back();
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (error != std::errc{} || end != part.data() + part.size() || value < 1 || value > 1'000'000'000)
      wrong(whole);
    return steps ? value : value * epoch_;
  }
  [[noreturn]] void wrong(const std::string& part) const {
    fail<UsageError>("schedule: '", text_, "' ",
                     part.empty() ? std::string("lacks a number") : "has '" + part + "'", "; the form is ",
                     form_);
  }
  const std::string& text_;
  const std::vector<std::string>& parts_;
  const char* form_;
  std::int64_t epoch_;
  std::size_t next_ = 1;
};

}  // namespace

Schedule::Schedule(const std::string& text, const ScheduleOptions& options) : text_(text), options_(options) {
  require<UsageError>(
      options.lr > 0 && std::isfinite(options.lr) && options.min_lr >= 0 && options.min_lr <= options.lr,
      "schedule: learning rate ", options.lr, " with minimum ", options.min_lr,
      "; the rate must be positive and the minimum between 0 and it");
  require<UsageError>(options.total_steps >= 1 && options.steps_per_epoch >= 1 && options.warmup_steps >= 0 &&
                          options.warmup_factor >= 0 && options.warmup_factor <= 1,
                      "schedule: ", options.total_steps, " steps, ", options.steps_per_epoch, " an epoch, ",
                      options.warmup_steps, " of warm-up from a factor of ", options.warmup_factor,
                      "; at least one step, no negative warm-up, a factor between 0 and 1");
  std::string plain = text;
  std::replace(plain.begin(), plain.end(), '_', '-');
  read_arguments(split(plain, ':'));
}

void Schedule::read_arguments(const std::vector<std::string>& parts) {
  const struct {
    const char* name;
    Kind kind;
    const char* form;
  } kinds[] = {{"constant", Kind::constant, "constant"},
               {"step", Kind::step, "step:EVERY[:GAMMA]"},
               {"multi-step", Kind::multi_step, "multi-step:AT,AT,...[:GAMMA]"},
               {"exponential", Kind::exponential, "exponential:GAMMA[:EVERY]"},
               {"polynomial", Kind::polynomial, "polynomial[:POWER[:SPAN]]"},
               {"cosine", Kind::cosine, "cosine"},
               {"one-cycle", Kind::one_cycle, "one-cycle[:RISE[:START_DIVISOR[:END_DIVISOR]]]"},
               {"plateau", Kind::plateau, "plateau[:GAMMA[:PATIENCE[:THRESHOLD]]]"}};
  const auto* found =
      std::find_if(std::begin(kinds), std::end(kinds), [&](const auto& k) { return parts[0] == k.name; });
  require<UsageError>(found != std::end(kinds), "schedule: '", text_,
                      "' is not known; use constant, step, multi-step, "
                      "exponential, polynomial, cosine, one-cycle or plateau");
  kind_ = found->kind;
  Arguments arguments(text_, parts, found->form, options_.steps_per_epoch);
  if (kind_ == Kind::step) milestones_ = {arguments.duration()};
  if (kind_ == Kind::multi_step) milestones_ = arguments.durations();
  if (kind_ == Kind::exponential) gamma_ = arguments.number(1e-6, 1);
  if (kind_ == Kind::exponential)
    milestones_ = {arguments.more() ? arguments.duration() : options_.steps_per_epoch};
  const bool takes_gamma = kind_ == Kind::step || kind_ == Kind::multi_step || kind_ == Kind::plateau;
  if (takes_gamma && arguments.more()) gamma_ = arguments.number(1e-6, 1);
  if (kind_ == Kind::polynomial && arguments.more()) power_ = arguments.number(1e-3, 100);
  if (kind_ == Kind::polynomial && arguments.more()) milestones_ = {arguments.duration()};
  if (kind_ == Kind::one_cycle) {
    require<UsageError>(options_.warmup_steps == 0, "schedule: '", text_, "' has its own warm-up, but ",
                        options_.warmup_steps, " steps of another were asked for; drop one of them");
    if (arguments.more()) rise_ = arguments.number(0, 1);
    if (arguments.more()) start_divisor_ = arguments.number(1, 1e12);
    if (arguments.more()) end_divisor_ = arguments.number(1, 1e12);
  }
  if (kind_ == Kind::plateau) {
    if (arguments.more()) patience_ = static_cast<std::int64_t>(arguments.number(0, 1e6));
    if (arguments.more()) threshold_ = arguments.number(0, 1);
  }
  arguments.end();
}

double Schedule::one_cycle(double step) const {
  const double total = static_cast<double>(options_.total_steps), start = options_.lr / start_divisor_;
  const double peak_at = rise_ * total - 1, end_at = total - 1;
  const auto cosine = [](double from, double to, double share) {
    return to + (from - to) / 2 * (1 + std::cos(std::numbers::pi * share));
  };
  if (step < peak_at) return cosine(start, options_.lr, step / peak_at);
  const double share = end_at > peak_at ? (step - peak_at) / (end_at - peak_at) : 1;
  return cosine(options_.lr, start / end_divisor_, std::min(share, 1.0));
}

double Schedule::lr_at(std::int64_t step) const {
  const double lr = options_.lr, low = options_.min_lr;
  const std::int64_t warmup = options_.warmup_steps;
  const bool spans = kind_ == Kind::polynomial && !milestones_.empty();
  const double remaining =
      static_cast<double>(spans ? milestones_[0] : std::max<std::int64_t>(options_.total_steps - warmup, 1));
  const double share = std::clamp(static_cast<double>(step - warmup) / remaining, 0.0, 1.0);
  double rate = lr;
  switch (kind_) {
    case Kind::constant: break;
    case Kind::step:
    case Kind::exponential: rate = lr * std::pow(gamma_, static_cast<double>(step / milestones_[0])); break;
    case Kind::multi_step: {
      const auto passed =
          std::upper_bound(milestones_.begin(), milestones_.end(), step) - milestones_.begin();
      rate = lr * std::pow(gamma_, static_cast<double>(passed));
      break;
    }
    case Kind::polynomial: rate = low + (lr - low) * std::pow(1 - share, power_); break;
    case Kind::cosine: rate = low + (lr - low) * (1 + std::cos(std::numbers::pi * share)) / 2; break;
    case Kind::one_cycle: rate = one_cycle(static_cast<double>(step)); break;
    case Kind::plateau: rate = lr * std::pow(gamma_, static_cast<double>(watched_.reductions)); break;
  }
  rate = std::max(rate, low);
  if (step >= warmup) return rate;
  const double done = static_cast<double>(step) / static_cast<double>(warmup);
  return rate * (options_.warmup_factor + (1 - options_.warmup_factor) * done);
}

void Schedule::observe(double metric) {
  if (kind_ != Kind::plateau) return;
  const double best = watched_.best, margin = options_.maximize ? 1 + threshold_ : 1 - threshold_;
  const bool better =
      !std::isnan(metric) &&
      (!watched_.any || (options_.maximize ? metric > best * margin : metric < best * margin));
  if (better) {
    watched_ = {metric, true, 0, watched_.reductions};
  } else if (++watched_.waited > patience_) {
    watched_.waited = 0;
    ++watched_.reductions;
  }
}

std::string Schedule::state() const {
  char best[40];
  std::snprintf(best, sizeof best, "%a", watched_.best);  // hexadecimal: every bit comes back
  return cat(watched_.any ? 1 : 0, " ", best, " ", watched_.waited, " ", watched_.reductions);
}

void Schedule::set_state(const std::string& state) {
  int any = -1, read = 0;
  char best[40] = "";
  Watched w;
  long long waited = -1, reductions = -1;
  const bool whole =
      std::sscanf(state.c_str(), "%d %39s %lld %lld%n", &any, best, &waited, &reductions, &read) == 4 &&
      static_cast<std::size_t>(read) == state.size();
  char* end = nullptr;
  w.best = std::strtod(best, &end);
  require<FormatError>(
      whole && (any == 0 || any == 1) && end != best && *end == '\0' && waited >= 0 && reductions >= 0,
      "schedule: state '", state.substr(0, 60), "' is not one of ", text_);
  w.any = any == 1;
  w.waited = waited;
  w.reductions = reductions;
  watched_ = w;
}

}  // namespace gadolin
