// When an answer is right: every wanted value is there, whole numbers and text equal, numbers within limits.
#include <cmath>

#include "course/grader/grade.h"

namespace gadolin::course {
namespace {

// NaN is near NaN alone, infinity near itself alone.
bool near(double got, double want, const Limit& limit) {
  if (std::isnan(want)) return std::isnan(got);
  if (std::isinf(want)) return got == want;
  return std::abs(got - want) <= limit.relative * std::max(std::abs(want), limit.floor) + limit.absolute;
}

std::string place(std::size_t at, const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> index(shape.size());
  auto left = static_cast<std::int64_t>(at);
  for (std::size_t d = shape.size(); d-- > 0;) {
    index[d] = left % shape[d];
    left /= shape[d];
  }
  return to_string(Value(index));
}

std::string array_difference(const std::string& name, const Array& got, const Array& want,
                             const Limit& limit) {
  if (got.shape != want.shape)
    return name + " has shape " + to_string(Value(got.shape)) + ", wanted " + to_string(Value(want.shape));
  if (got.numbers.size() != want.numbers.size())
    return name + " has " + std::to_string(got.numbers.size()) + " numbers, wanted " +
           std::to_string(want.numbers.size());
  std::size_t worst = 0, wrong = 0;
  double largest = -1;
  for (std::size_t i = 0; i < want.numbers.size(); ++i) {
    if (near(got.numbers[i], want.numbers[i], limit)) continue;
    ++wrong;
    const double off = std::abs(got.numbers[i] - want.numbers[i]);
    const double size = std::isfinite(off) ? off : HUGE_VAL;
    if (size > largest) {
      largest = size;
      worst = i;
    }
  }
  if (wrong == 0) return "";
  return name + place(worst, want.shape) + " is " + to_string(Value(got.numbers[worst])) + ", wanted " +
         to_string(Value(want.numbers[worst])) + " (" + std::to_string(wrong) + " of " +
         std::to_string(want.numbers.size()) + " are wrong)";
}

}  // namespace

std::string difference(const Case& the_case, const Values& got, const Values& want) {
  const auto error = got.find("error");
  if (error != got.end() && !want.contains("error")) return to_string(error->second) + " was thrown";
  for (const auto& [name, wanted] : want) {
    const auto at = got.find(name);
    if (at == got.end()) return name + " is missing, wanted " + to_string(wanted);
    const Value& value = at->second;
    if (value.index() != wanted.index())
      return name + " is " + to_string(value) + ", wanted " + to_string(wanted);
    if (const auto* a = std::get_if<Array>(&wanted)) {
      const std::string text = array_difference(name, std::get<Array>(value), *a, the_case.limit);
      if (!text.empty()) return text;
    } else if (const auto* x = std::get_if<double>(&wanted)) {
      if (!near(std::get<double>(value), *x, the_case.limit))
        return name + " is " + to_string(value) + ", wanted " + to_string(wanted);
    } else if (value != wanted) {
      return name + " is " + to_string(value) + ", wanted " + to_string(wanted);
    }
  }
  return "";
}

}  // namespace gadolin::course
