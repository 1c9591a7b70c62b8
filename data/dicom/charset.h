// Text of DICOM elements in its Specific Character Set, as UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace gadolin::detail {

struct DicomText {
  std::string utf8;
  // False: some bytes mean nothing in the character set. They stand in the text as \xNN, so that two values
  // that differ stay different.
  bool clean = true;
};

// `charset` is the value of (0008,0005), several values separated by backslashes; its terms are known in
// their common misspellings too. `delimiters` end a part of the text, as ^ and = do in a name: behind them
// the first character set holds again (PS3.5 6.1.2.5.3). Nothing is thrown.
DicomText dicom_utf8(std::string_view text, std::string_view charset, std::string_view delimiters);

}  // namespace gadolin::detail
