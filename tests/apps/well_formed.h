// A small checker for documents that are well-formed XML: every element closed in order, every attribute
// quoted, no stray < or &.
#pragma once

#include <string>
#include <string_view>

namespace gadolin::testing_support {

// "" when `document` is well-formed, else what is wrong and where.
std::string fault_in_markup(std::string_view document);
// How many elements of this name there are.
int count_elements(std::string_view document, std::string_view name);

}  // namespace gadolin::testing_support
