#include "apps/program/ranges.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "io/bytes.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

// The whole text as a number.
template <class T> bool reads(const std::string& text, T& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

// Also one of more digits than any type holds.
bool is_whole_number(const std::string& text) {
  const std::size_t sign = text.starts_with('-') ? 1 : 0;
  return text.size() > sign && text.find_first_not_of("0123456789", sign) == std::string::npos;
}

// CLI11 puts the option's name in front of what is returned; nothing is wrong with an empty text.
CLI::Validator validator(std::function<std::string(std::string&)> look) {
  return CLI::Validator(std::move(look), "", "range");
}
CLI::Validator real(bool (*inside)(double value, double least, double most), double least, double most,
                    const std::string& range) {
  return validator([=](std::string& text) {
    double value = 0;
    if (!reads(text, value)) return printable(text) + " is no number";
    return std::isfinite(value) && inside(value, least, most) ? "" : printable(text) + " is " + range;
  });
}

}  // namespace

CLI::Validator between(std::int64_t least, std::int64_t most, const std::string& way) {
  return validator([=](std::string& text) -> std::string {
    if (!is_whole_number(text)) return printable(text) + " is no whole number";
    std::int64_t value = 0;
    if (reads(text, value) && value >= least && value <= most) return "";
    return cat(printable(text), " is not in ", least, "..", most, way.empty() ? "" : "; ", way);
  });
}

CLI::Validator seed_number() {
  return validator([](std::string& text) -> std::string {
    std::uint64_t value = 0;
    if (reads(text, value)) return "";
    return printable(text) + " is no whole number from 0 to 18446744073709551615";
  });
}

CLI::Validator one_of(std::vector<std::string> words) {
  std::string known;
  for (const std::string& word : words)
    known += (known.empty() ? "" : &word == &words.back() ? " or " : ", ") + word;
  return validator([words = std::move(words), known](std::string& text) -> std::string {
    if (std::find(words.begin(), words.end(), text) != words.end()) return "";
    return printable(text) + " is unknown; use " + known;
  });
}

CLI::Validator between(double least, double most) {
  return real([](double v, double a, double b) { return v >= a && v <= b; }, least, most,
              cat("not in ", least, "..", most));
}
CLI::Validator at_least(double least) {
  return real([](double v, double a, double) { return v >= a; }, least, 0, cat("below ", least));
}
CLI::Validator above(double least) {
  return real([](double v, double a, double) { return v > a; }, least, 0, cat("not above ", least));
}
CLI::Validator share() {
  return real([](double v, double, double) { return v >= 0 && v < 1; }, 0, 0, "not in [0, 1)");
}
CLI::Validator finite() {
  return real([](double, double, double) { return true; }, 0, 0, "no finite number");
}

}  // namespace gadolin
