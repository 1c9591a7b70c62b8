// Character sets through DCMTK, which knows the code extensions of ISO 2022.
#include "data/dicom/charset.h"

#include <algorithm>

#ifdef GADOLIN_DICOM
#include <dcmtk/config/osconfig.h>
//
#include <dcmtk/dcmdata/dcspchrs.h>
#endif

namespace gadolin::detail {

std::string only_utf8(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::size_t n = c < 0x80 ? 1 : c >= 0xf0 && c < 0xf5 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 && c < 0xe0 ? 2 : 0;
    bool good = n > 0 && c != 0 && i + n <= text.size();
    for (std::size_t k = 1; good && k < n; ++k) good = (static_cast<unsigned char>(text[i + k]) & 0xc0) == 0x80;
    if (good) out.append(text.substr(i, n));
    i += good ? n : 1;
  }
  return out;
}

namespace {

bool plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<signed char>(c) > 0 && c != 0x1b; });
}

std::string ascii_only(std::string_view text) {
  std::string out;
  for (const char c : text) if (static_cast<signed char>(c) > 0) out += c;
  return out;
}

}  // namespace

std::string dicom_utf8(std::string_view text, const std::string& charset, bool name) {
  if (plain(text)) return std::string(text);
  if (charset == "ISO_IR 192") return only_utf8(text);
#ifdef GADOLIN_DICOM
  DcmSpecificCharacterSet converter;
  // A file that names no character set and is not ASCII is most often Latin-1.
  if (converter.selectCharacterSet(charset.empty() ? "ISO_IR 100" : charset.c_str()).good()) {
    OFString out;
    if (converter.convertString(text.data(), text.size(), out, name ? "\\^=" : "\\").good()) {
      return only_utf8({out.c_str(), out.length()});
    }
  }
#else
  (void)charset, (void)name;
#endif
  return ascii_only(text);
}

}  // namespace gadolin::detail
