// Text that is safe inside HTML and SVG, and numbers written the same way on every machine.
#pragma once

#include <string>
#include <string_view>

namespace gadolin::chart {

// & < > " ' become entities, control characters a space and bytes that are not UTF-8 U+FFFD, so that no file
// name or label can leave its place in the document or make it ill-formed.
std::string escape(std::string_view text);

// Shortest of the forms with at most `digits` significant digits: 0.5, 1e-05, 12000. NaN and infinity: "n/a",
// "inf".
std::string number(double value, int digits = 4);
// Always `decimals` digits after the point; for tables.
std::string fixed(double value, int decimals);

}  // namespace gadolin::chart
