// See svg.h. to_chars knows no locale, so a decimal comma cannot slip into a chart.
#include "apps/chart/svg.h"

#include <array>
#include <charconv>
#include <cmath>

namespace gadolin::chart {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

// Bytes of the UTF-8 character that starts `text`, 0 when it is none (RFC 3629: no overlong forms, no
// surrogates).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned first = byte(0);
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  if (first < 0x80u) return 1;
  if (first >= 0xC2u && first <= 0xDFu) return tail(1) ? 2 : 0;
  if (first >= 0xE0u && first <= 0xEFu) {
    const bool overlong = first == 0xE0u && byte(1) < 0xA0u;
    const bool surrogate = first == 0xEDu && byte(1) >= 0xA0u;
    const bool noncharacter = first == 0xEFu && byte(1) == 0xBFu && byte(2) >= 0xBEu;
    return tail(1) && tail(2) && !overlong && !surrogate && !noncharacter ? 3 : 0;
  }
  if (first >= 0xF0u && first <= 0xF4u) {
    const bool outside = (first == 0xF0u && byte(1) < 0x90u) || (first == 0xF4u && byte(1) >= 0x90u);
    return tail(1) && tail(2) && tail(3) && !outside ? 4 : 0;
  }
  return 0;
}

std::string converted(double value, std::chars_format form, int digits) {
  std::array<char, 400> text;
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value, form, digits);
  return std::string(text.data(), result.ptr);
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text.substr(i));
    const char c = text[i];
    if (length == 0)
      out += replacement;
    else if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (c == '\'')
      out += "&#39;";
    else if (length == 1 && (static_cast<unsigned char>(c) < 0x20u || c == 0x7F))
      out += c == '\n' ? '\n' : ' ';
    else
      out += text.substr(i, length);
    i += length == 0 ? 1 : length;
  }
  return out;
}

std::string number(double value, int digits) {
  if (std::isnan(value)) return "n/a";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  if (value == 0) return "0";
  return converted(value, std::chars_format::general, digits);
}

std::string fixed(double value, int decimals) {
  if (!std::isfinite(value)) return number(value);
  const std::string text = converted(value, std::chars_format::fixed, decimals);
  const bool negative_zero = text.starts_with('-') && text.find_first_of("123456789") == std::string::npos;
  return negative_zero ? text.substr(1) : text;
}

}  // namespace gadolin::chart
