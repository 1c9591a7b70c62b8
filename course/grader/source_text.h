// Finds pieces of C++ text without parsing it: comments and strings are seen, everything else is characters.
#pragma once

#include <string>

namespace gadolin::course {

struct Span {
  std::size_t begin = 0, end = 0;
};
// The same number of characters and lines, with comments blank; with `strings` their contents and those of
// character literals as well.
std::string without_comments(const std::string& text, bool strings);
// Where `wanted` stands in text[within], any white space being like any other. Returns the number of places
// and writes the first.
int find_code(const std::string& text, const std::string& wanted, Span within, Span& found);
// Position of the brace that closes the one before `open`; npos when there is none. `blank` is
// without_comments(text, true).
std::size_t closing_brace(const std::string& blank, std::size_t open);
int line_of(const std::string& text, std::size_t at);  // from 1
std::string indent_of(const std::string& text, std::size_t at);

}  // namespace gadolin::course
