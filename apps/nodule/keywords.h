// The keyword list by which the original labelled reports (apps-spec 3.2).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gadolin::nodule {

// In the original's order; "spine/degenerative " ends with a blank, as there.
const std::vector<std::string>& keywords();
// Every keyword that the lowered text contains, one behind the other; "missing" where there is none. The text
// is all terms joined by "/".
std::string composite_label(const std::vector<std::string>& terms);
// As written in a table: terms separated by |.
std::vector<std::string> terms_of(std::string_view field);
// Whether any term says nodule.
bool mentions_nodule(const std::vector<std::string>& terms);
// Whether "normal" is a part of another word only, such as "abnormal".
bool normal_within_a_word(const std::vector<std::string>& terms);

}  // namespace gadolin::nodule
