// Numbers and tables as text for people.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gadolin {

// Without blanks, those of UTF-8 too, tabs, carriage returns and byte order marks at either end.
std::string_view trimmed(std::string_view text);
// The lines of a text file as people and programs of every system write them: without a byte order mark, with
// \n, \r\n or \r between them, trimmed; empty ones are left out.
std::vector<std::string> text_lines(std::string_view text);
// Whether a name ends so, whatever its capitals: has_ending("FILMS.CSV", ".csv").
bool has_ending(std::string_view name, std::string_view ending);
// The candidate that a mistyped word is nearest to; empty when none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);
std::string joined(const std::vector<std::string>& words);  // "a, b, c"
// With this many digits behind the point: fixed(0.25, 1) is "0.2".
std::string fixed(double value, int digits);
// The shortest text that reads back as the same number; "nan", "inf".
std::string exact_text(double value);
// Columns padded to equal width, numbers to the right; one line a row. `header`: the first row names the
// columns.
std::string format_table(const std::vector<std::vector<std::string>>& rows, bool header = true);

}  // namespace gadolin
