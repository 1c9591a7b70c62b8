// Text of DICOM elements in its Specific Character Set, as UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace gadolin::detail {

// `charset` is the value of (0008,0005), several values separated by backslashes. `name`: parts may be
// separated by ^ and =, as in PN. What cannot be converted loses the bytes outside ASCII; nothing is thrown.
std::string dicom_utf8(std::string_view text, const std::string& charset, bool name);
// Keeps what is valid UTF-8, drops other bytes and NULs.
std::string only_utf8(std::string_view text);

}  // namespace gadolin::detail
