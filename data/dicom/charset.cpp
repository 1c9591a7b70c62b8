// Character sets of PS3.3 C.12.1.1.2: the code extensions of ISO 2022 here, the tables of characters by
// iconv.
#include "data/dicom/charset.h"

#include <iconv.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

namespace gadolin::detail {
namespace {

// A set that an escape sequence designates for bytes below 128 (G0) or above (G1). `converter` knows its
// characters with the high bit set, behind `shift`.
struct CharacterSet {
  int number;  // of the defined term: 100 of "ISO_IR 100" and "ISO 2022 IR 100"
  std::string_view escape;
  bool upper;  // G1
  std::size_t width;
  const char* converter;  // nullptr: ASCII
  std::string_view shift = "";
};
constexpr CharacterSet character_sets[] = {{6, "(B", false, 1, nullptr},
                                           {14, "(J", false, 1, nullptr},
                                           {100, "-A", true, 1, "ISO-8859-1"},
                                           {101, "-B", true, 1, "ISO-8859-2"},
                                           {109, "-C", true, 1, "ISO-8859-3"},
                                           {110, "-D", true, 1, "ISO-8859-4"},
                                           {144, "-L", true, 1, "ISO-8859-5"},
                                           {127, "-G", true, 1, "ISO-8859-6"},
                                           {126, "-F", true, 1, "ISO-8859-7"},
                                           {138, "-H", true, 1, "ISO-8859-8"},
                                           {148, "-M", true, 1, "ISO-8859-9"},
                                           {203, "-b", true, 1, "ISO-8859-15"},
                                           {166, "-T", true, 1, "TIS-620"},
                                           {13, ")I", true, 1, "EUC-JP", "\x8e"},
                                           {149, "$)C", true, 2, "EUC-KR"},
                                           {58, "$)A", true, 2, "EUC-CN"},
                                           {87, "$B", false, 2, "EUC-JP"},
                                           {159, "$(D", false, 2, "EUC-JP", "\x8f"},
                                           // Not of the standard, but written: other ways to the same sets.
                                           {87, "$@", false, 2, "EUC-JP"},
                                           {87, "$(B", false, 2, "EUC-JP"},
                                           {13, "(I", false, 1, "EUC-JP", "\x8e"},
                                           {149, "$(C", false, 2, "EUC-KR"},
                                           {58, "$A", false, 2, "EUC-CN"},
                                           {58, "$(A", false, 2, "EUC-CN"}};

const CharacterSet* set_of(int number) {
  const auto at = std::find_if(std::begin(character_sets), std::end(character_sets),
                               [&](const CharacterSet& s) { return s.number == number; });
  return at == std::end(character_sets) ? nullptr : at;
}

// What a term of (0008,0005) means: a set of the table by its number, or an encoding of its own.
struct Term {
  int number = 0;
  std::string encoding;
};

Term term_of(std::string_view text) {
  std::string plain;
  for (const char c : text) {
    if (c >= 'a' && c <= 'z')
      plain += static_cast<char>(c - 'a' + 'A');
    else if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
      plain += c;
  }
  std::string_view rest = plain;
  const auto drop = [&](std::string_view prefix) {
    if (rest.starts_with(prefix)) rest.remove_prefix(prefix.size());
  };
  if (rest.empty()) return {6, ""};
  drop("ISO");
  drop("2022");
  drop("IR");
  static constexpr std::pair<std::string_view, int> numbers[] = {
      {"646", 6},       {"ASCII", 6},    {"USASCII", 6},  {"88591", 100},  {"LATIN1", 100}, {"88592", 101},
      {"LATIN2", 101},  {"88593", 109},  {"88594", 110},  {"88595", 144},  {"88596", 127},  {"88597", 126},
      {"88598", 138},   {"88599", 148},  {"LATIN5", 148}, {"885911", 166}, {"TIS620", 166}, {"885915", 203},
      {"LATIN9", 203},  {"GB2312", 58},  {"JP", 87},      {"JP2", 87},     {"KR", 149},     {"KSX1001", 149},
      {"KSC5601", 149}, {"JISX0201", 13}};
  for (const auto& [name, number] : numbers)
    if (name == rest) return {number, ""};
  static constexpr std::pair<std::string_view, const char*> encodings[] = {
      {"192", "UTF-8"}, {"UTF8", "UTF-8"},   {"GB18030", "GB18030"}, {"GBK", "GBK"},   {"SHIFTJIS", "SJIS"},
      {"SJIS", "SJIS"}, {"EUCJP", "EUC-JP"}, {"EUCKR", "EUC-KR"},    {"BIG5", "BIG5"}, {"KOI8R", "KOI8-R"}};
  for (const auto& [name, encoding] : encodings)
    if (name == rest) return {0, encoding};
  for (const std::string_view prefix : {"WINDOWS", "CP", "WIN"}) {
    if (rest.starts_with(prefix) && rest.substr(prefix.size()).starts_with("125"))
      return {0, "CP" + std::string(rest.substr(prefix.size()))};
  }
  int number = 0;
  const auto end = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  return {end.ptr == rest.data() + rest.size() && set_of(number) ? number : 0, ""};
}

// One character after the other through iconv; the last converter is kept.
class Characters {
 public:
  Characters() = default;
  Characters(const Characters&) = delete;
  Characters& operator=(const Characters&) = delete;
  ~Characters() { close(); }

  // Appends the character that these bytes are; false when they are none.
  bool append(const char* encoding, std::string_view bytes, std::string& out) {
    if (name_ != encoding) {
      close();
      name_ = encoding;
      open_ = iconv_open("UTF-8", encoding);
    }
    if (open_ == nothing()) return false;
    std::string in(bytes);
    char room[16];
    char *from = in.data(), *to = room;
    std::size_t left = in.size(), space = sizeof room;
    const bool good = iconv(open_, &from, &left, &to, &space) != static_cast<std::size_t>(-1) && left == 0;
    if (good)
      out.append(room, sizeof room - space);
    else
      iconv(open_, nullptr, nullptr, nullptr, nullptr);
    return good;
  }

 private:
  static iconv_t nothing() { return reinterpret_cast<iconv_t>(-1); }
  void close() {
    if (open_ != nothing()) iconv_close(open_);
    open_ = nothing();
  }
  std::string name_;
  iconv_t open_ = nothing();
};

// Bytes of the character that the text begins with; 0 when it is no UTF-8.
std::size_t utf8_character(std::string_view text) {
  const auto c = static_cast<unsigned char>(text[0]);
  const std::size_t n = c >= 0xf0 && c < 0xf5 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 && c < 0xe0 ? 2 : 0;
  if (n > text.size()) return 0;
  for (std::size_t k = 1; k < n; ++k)
    if ((static_cast<unsigned char>(text[k]) & 0xc0) != 0x80) return 0;
  return n;
}

bool high(char c) { return (c & 0x80) != 0; }
bool control(char c) { return (c >= 0 && c < 0x20) || c == 0x7f; }

class Decoder2022 {
 public:
  Decoder2022(std::string_view text, std::string_view delimiters) : text_(text), delimiters_(delimiters) {}

  // All of it in one encoding without code extensions.
  DicomText whole(const std::string& encoding) {
    for (at_ = 0; at_ < text_.size();) {
      if (!high(text_[at_])) {
        ascii();
      } else if (encoding == "UTF-8") {
        const std::size_t n = utf8_character(text_.substr(at_));
        n > 0 ? take(n) : lost();
      } else {
        std::size_t n = 1;
        while (n <= 4 && at_ + n <= text_.size() &&
               !characters_.append(encoding.c_str(), text_.substr(at_, n), out_.utf8))
          ++n;
        n <= 4 && at_ + n <= text_.size() ? static_cast<void>(at_ += n) : lost();
      }
    }
    return std::move(out_);
  }

  // `upper`: the set of bytes above 127 until an escape sequence names another; nullptr: they mean nothing.
  DicomText extended(const CharacterSet* upper) {
    const CharacterSet *g0 = set_of(6), *g1 = upper;
    for (at_ = 0; at_ < text_.size();) {
      const char c = text_[at_];
      if (const CharacterSet* next = c == 0x1b ? designated() : nullptr) {
        (next->upper ? g1 : g0) = next;
      } else if (control(c) || (g0->width == 1 && delimiters_.find(c) != std::string_view::npos)) {
        g0 = set_of(6);
        g1 = upper;
        ascii();
      } else if (c == ' ' || (!high(c) && g0->converter == nullptr)) {
        take(1);
      } else {
        character(high(c) ? g1 : g0);
      }
    }
    return std::move(out_);
  }

 private:
  void take(std::size_t n) {
    out_.utf8.append(text_.substr(at_, n));
    at_ += n;
  }
  void lost() {
    out_.utf8 += escaped(text_[at_++]);
    out_.clean = false;
  }
  void ascii() { text_[at_] == '\0' || text_[at_] == 0x1b ? lost() : take(1); }
  static std::string escaped(char c) {
    constexpr char digits[] = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    return {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
  }

  const CharacterSet* designated() {
    for (const CharacterSet& s : character_sets) {
      if (text_.substr(at_ + 1, s.escape.size()) != s.escape) continue;
      at_ += 1 + s.escape.size();
      return &s;
    }
    return nullptr;
  }

  void character(const CharacterSet* set) {
    if (set == nullptr || at_ + set->width > text_.size()) return lost();
    std::string bytes(set->shift);
    bool same_half = true;
    for (std::size_t i = 0; i < set->width; ++i) {
      const char c = text_[at_ + i];
      same_half = same_half && high(c) == high(text_[at_]) && !control(c) && c != ' ';
      bytes += static_cast<char>(c | 0x80);
    }
    const bool graphic = static_cast<unsigned char>(bytes[set->shift.size()]) >= 0xa0;
    if (same_half && graphic && characters_.append(set->converter, bytes, out_.utf8))
      at_ += set->width;
    else if (set->number == 13 && high(text_[at_]) &&
             at_ + 2 <= text_.size() &&  // half-width kana are a part of Shift JIS
             characters_.append("SJIS", text_.substr(at_, 2), out_.utf8))
      at_ += 2;
    else
      lost();
  }

  std::string_view text_, delimiters_;
  std::size_t at_ = 0;
  DicomText out_;
  Characters characters_;
};

std::vector<Term> terms_of(std::string_view charset) {
  std::vector<Term> out;
  for (std::size_t at = 0; at <= charset.size();) {
    const std::size_t end = std::min(charset.find('\\', at), charset.size());
    out.push_back(term_of(charset.substr(at, end - at)));
    at = end + 1;
  }
  return out;
}

// What bytes above 127 are before any escape sequence: the set of the first term or, where that has none, of
// the first that has one. A file that names no set, or only ASCII, is most often Latin-1.
const CharacterSet* first_upper(const std::vector<Term>& terms) {
  for (const Term& t : terms) {
    const CharacterSet* set = set_of(t.number);
    if (set != nullptr && set->upper) return set;
  }
  const bool plain = std::all_of(terms.begin(), terms.end(), [](const Term& t) { return t.number == 6; });
  return plain ? set_of(100) : nullptr;
}

}  // namespace

DicomText dicom_utf8(std::string_view text, std::string_view charset, std::string_view delimiters) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return !high(c) && c != 0x1b && c != '\0'; }))
    return {std::string(text)};
  const std::vector<Term> terms = terms_of(charset);
  Decoder2022 decoder(text, delimiters);
  if (!terms[0].encoding.empty()) return decoder.whole(terms[0].encoding);
  return decoder.extended(first_upper(terms));
}

}  // namespace gadolin::detail
