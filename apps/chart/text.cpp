#include "apps/chart/text.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace gadolin::chart {
namespace {

// Advances of DejaVu Sans in hundredths of the size, from space to ~.
constexpr std::array<std::uint8_t, 95> advances = {
    32, 40, 46, 84, 64, 95, 78, 28, 39,  39, 50, 84, 32, 36, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 34, 34, 84, 84, 84, 53, 100, 69, 69, 70, 77, 64, 58, 78, 76, 30, 30, 66, 56, 87, 75, 79,
    61, 79, 70, 64, 61, 74, 69, 99, 69,  61, 69, 39, 34, 39, 84, 50, 50, 62, 64, 55, 64, 62, 36, 64,
    64, 28, 28, 58, 28, 98, 64, 62, 64,  64, 42, 52, 40, 64, 60, 82, 60, 60, 53, 64, 34, 64, 84};
constexpr double bold_factor = 1.15;

// Bytes of the character at the start: what begins none is one byte, which escape() makes U+FFFD.
std::size_t character(std::string_view text) {
  std::size_t length = 1;
  while (length < text.size() && length < 4 && (static_cast<unsigned char>(text[length]) & 0xC0u) == 0x80u)
    ++length;
  return (static_cast<unsigned char>(text[0]) & 0x80u) != 0 ? length : 1;
}

// Letters of other alphabets are taken for wide ones, those of three bytes and more for squares.
double advance(std::string_view one) {
  const auto first = static_cast<unsigned char>(one[0]);
  if (first >= 0x20u && first < 0x7Fu) return advances[first - 0x20u];
  return first < 0x80u ? advances[0] : one.size() <= 2 ? 80 : 105;
}

constexpr std::string_view breaks_behind = "_-/.,:;|=\\";

// Pieces that may stand on different lines; each keeps its separator, spaces hang on the piece before them.
std::vector<std::string_view> pieces_of(std::string_view text, std::string_view behind) {
  std::vector<std::string_view> pieces;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool last = i + 1 == text.size();
    const bool may =
        text[i] == ' ' ? !last && text[i + 1] != ' ' : behind.find(text[i]) != std::string_view::npos;
    if (!last && (!may || text[i + 1] == ' ')) continue;
    pieces.push_back(text.substr(begin, i + 1 - begin));
    begin = i + 1;
  }
  return pieces;
}

std::string_view without_spaces(std::string_view text) {
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// The most characters that fit, at least one.
std::size_t fitting(std::string_view word, double width, double size, bool bold) {
  std::size_t end = character(word);
  while (end < word.size()) {
    const std::size_t next = end + character(word.substr(end));
    if (text_width(word.substr(0, next), size, bold) > width) break;
    end = next;
  }
  return end;
}

}  // namespace

double text_width(std::string_view text, double size, bool bold) {
  double sum = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = character(text.substr(i));
    sum += advance(text.substr(i, length));
    i += length;
  }
  return sum / 100 * size * (bold ? bold_factor : 1);
}

std::vector<std::string> wrapped(std::string_view text, double width, double size, bool bold) {
  std::vector<std::string> lines;
  std::string line;
  const auto fits = [&](const std::string& with) {
    return text_width(without_spaces(with), size, bold) <= width;
  };
  const auto end_line = [&] {
    if (const std::string_view kept = without_spaces(line); !kept.empty()) lines.emplace_back(kept);
    line.clear();
  };
  // A word that is too wide even alone is tried again in smaller pieces: "" , breaks_behind, then by
  // characters.
  const auto put = [&](const auto& self, std::string_view part, int level) -> void {
    for (const std::string_view piece : pieces_of(part, level == 0 ? "" : breaks_behind)) {
      if (!fits(line + std::string(piece))) end_line();
      if (fits(std::string(piece))) {
        line += piece;
      } else if (level == 0) {
        self(self, piece, 1);
      } else {
        for (std::string_view rest = piece; !rest.empty();) {
          const std::size_t end = fitting(rest, width, size, bold);
          line = rest.substr(0, end);
          rest.remove_prefix(end);
          if (!rest.empty()) end_line();
        }
      }
    }
  };
  put(put, text, 0);
  end_line();
  return lines;
}

double widest(const std::vector<std::string>& lines, double size, bool bold) {
  double most = 0;
  for (const std::string& line : lines) most = std::max(most, text_width(line, size, bold));
  return most;
}

}  // namespace gadolin::chart
