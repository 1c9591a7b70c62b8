#include "io/text.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>

namespace gadolin {

std::string_view trimmed(std::string_view text) {
  // The last three in UTF-8: no-break space, byte order mark, ideographic space.
  constexpr std::string_view blanks[] = {" ", "\t", "\r", "\xc2\xa0", "\xef\xbb\xbf", "\xe3\x80\x80"};
  for (bool more = true; more;) {
    more = false;
    for (const std::string_view blank : blanks) {
      while (text.starts_with(blank)) text.remove_prefix(blank.size()), more = true;
      while (text.ends_with(blank)) text.remove_suffix(blank.size()), more = true;
    }
  }
  return text;
}

std::vector<std::string> text_lines(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    if (!line.empty()) lines.emplace_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// The one that goes on where the word ends; else by Levenshtein's distance: a name is near when a third of
// its letters differ at most.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  int longer = 0;
  for (const std::string& candidate : candidates)
    if (word.size() >= 4 && candidate.starts_with(word)) best = candidate, ++longer;
  if (longer == 1) return best;
  best.clear();
  std::size_t least = word.size() / 3 + 2;
  for (const std::string& candidate : candidates) {
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 0; i < word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i + 1;
      for (std::size_t j = 0; j < candidate.size(); ++j) {
        const std::size_t above = row[j + 1];
        row[j + 1] = std::min({row[j] + 1, above + 1, diagonal + (word[i] == candidate[j] ? 0u : 1u)});
        diagonal = above;
      }
    }
    // Words that differ in half their letters are different words.
    if (row.back() < least && 2 * row.back() < std::max(word.size(), candidate.size())) {
      least = row.back();
      best = candidate;
    }
  }
  return best;
}

bool has_ending(std::string_view name, std::string_view ending) {
  if (name.size() < ending.size()) return false;
  name.remove_prefix(name.size() - ending.size());
  return std::equal(name.begin(), name.end(), ending.begin(),
                    [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

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
