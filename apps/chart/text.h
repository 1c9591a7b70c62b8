// How wide a text is drawn, and where it may be broken, so that no chart cuts a title or a name. The font is
// the reader's; widths are those of a wide one (DejaVu Sans, close to Verdana), so that others fit too.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gadolin::chart {

inline constexpr double text_size = 11, title_size = 13, note_size = 10;
inline constexpr double line_step = 13;  // between lines of text, not of titles

// In pixels; `text` is UTF-8.
double text_width(std::string_view text, double size = text_size, bool bold = false);

// Lines of at most `width` pixels: broken at spaces, else behind _ - / . , : ; | or =, and inside a word only
// where that alone is wider. Spaces at breaks are dropped, nothing else; an empty text is no line.
std::vector<std::string> wrapped(std::string_view text, double width, double size = text_size,
                                 bool bold = false);

double widest(const std::vector<std::string>& lines, double size = text_size, bool bold = false);

}  // namespace gadolin::chart
