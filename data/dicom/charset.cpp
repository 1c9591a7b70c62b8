// Character sets through DCMTK, which knows the code extensions of ISO 2022.
#include "data/dicom/charset.h"

#include <iconv.h>

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
    const std::size_t n = c < 0x80                ? 1
                          : c >= 0xf0 && c < 0xf5 ? 4
                          : c >= 0xe0 && c < 0xf0 ? 3
                          : c >= 0xc2 && c < 0xe0 ? 2
                                                  : 0;
    bool good = n > 0 && c != 0 && i + n <= text.size();
    for (std::size_t k = 1; good && k < n; ++k)
      good = (static_cast<unsigned char>(text[i + k]) & 0xc0) == 0x80;
    if (good) out.append(text.substr(i, n));
    i += good ? n : 1;
  }
  return out;
}

namespace {

bool plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<signed char>(c) > 0 && c != 0x1b; });
}

// Without bytes above 127 and escape sequences (ESC, intermediates, one final byte).
std::string ascii_only(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == 0x1b) {
      while (i + 1 < text.size() && text[i + 1] >= 0x20 && text[i + 1] <= 0x2f) ++i;
      if (i + 1 < text.size()) ++i;
    } else if (static_cast<signed char>(text[i]) > 0) {
      out += text[i];
    }
  }
  return out;
}

// DCMTK on the C library's iconv does not know the Japanese sets by DICOM's names; iconv does by its own.
bool japanese(std::string_view text, const std::string& charset, std::string& out) {
  const bool kanji =
      charset.find("IR 87") != std::string::npos || charset.find("IR 159") != std::string::npos;
  if (!kanji && charset.find("IR 13") == std::string::npos) return false;
  const iconv_t converter = iconv_open("UTF-8", kanji ? "ISO-2022-JP-2" : "JIS_X0201");
  if (converter == reinterpret_cast<iconv_t>(-1)) return false;
  std::string in(text), room(text.size() * 4 + 16, '\0');
  char *from = in.data(), *to = room.data();
  std::size_t left = in.size(), space = room.size();
  const bool good = iconv(converter, &from, &left, &to, &space) != static_cast<std::size_t>(-1);
  iconv_close(converter);
  if (good) out = room.substr(0, room.size() - space);
  return good;
}

}  // namespace

std::string dicom_utf8(std::string_view text, const std::string& charset, bool name) {
  if (plain(text)) return std::string(text);
  if (charset == "ISO_IR 192") return only_utf8(text);
  std::string converted;
  if (japanese(text, charset, converted)) return only_utf8(converted);
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
