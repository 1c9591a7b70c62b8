#include "io/text.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>

namespace gadolin {

std::string fixed(double value, int digits) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string exact_text(double value) {
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, value);
  return {text, end.ptr};
}

std::string format_table(const std::vector<std::vector<std::string>>& rows, bool header) {
  std::vector<std::size_t> width;
  for (const auto& row : rows) {
    width.resize(std::max(width.size(), row.size()), 0);
    for (std::size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
  }
  const auto is_number = [](const std::string& s) {
    return !s.empty() && (std::isdigit(static_cast<unsigned char>(s[0])) || s[0] == '-');
  };
  std::string text;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t i = 0; i < rows[r].size(); ++i) {
      const std::string pad(width[i] - rows[r][i].size(), ' ');
      const std::string& probe =
          r == 0 && header && rows.size() > 1 && i < rows[1].size() ? rows[1][i] : rows[r][i];
      text += i ? "  " : "";
      text += is_number(probe) && i > 0 ? pad + rows[r][i] : rows[r][i] + (i + 1 < rows[r].size() ? pad : "");
    }
    text += "\n";
  }
  return text;
}

}  // namespace gadolin
