// The ini file of Keras RetinaNet's --config: anchors and levels.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gadolin::mammography {

// [anchor_parameters] with sizes, strides, ratios and scales, [pyramid_levels] with levels; numbers with
// blanks between them. As options of the net: "anchor_sizes=16/32/64/128/256". Throws UsageError with file
// and line for other sections and keys, what is no number, and lists that do not fit the net's five levels.
std::vector<std::string> anchor_options(const std::string& path);
std::vector<std::string> anchor_options_of_text(std::string_view text, const std::string& name);

}  // namespace gadolin::mammography
