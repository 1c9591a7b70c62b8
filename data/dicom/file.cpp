// Values of elements as text and numbers.
#include "data/dicom/file.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>

#include "data/dicom/charset.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

std::string_view without_padding(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\0' || (c >= '\t' && c <= '\r'); };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

// No attribute has as many values; half a megabyte of a deflated file could claim half a billion.
constexpr std::size_t most_numbers = 1 << 20, most_texts = 1 << 16;

template <class T> T value_at(std::string_view bytes, std::size_t at, bool big) {
  std::array<char, sizeof(T)> b;
  std::memcpy(b.data(), bytes.data() + at, sizeof(T));
  if (big) std::reverse(b.begin(), b.end());
  return std::bit_cast<T>(b);
}

template <class T> void all_values(std::string_view bytes, bool big, std::vector<double>& out) {
  bytes = bytes.substr(0, most_numbers * sizeof(T));
  for (std::size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
    out.push_back(static_cast<double>(value_at<T>(bytes, at, big)));
  }
}

bool one_of(std::string_view vr, std::string_view pairs) {
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
    if (pairs.substr(i, 2) == vr) return true;
  }
  return false;
}
bool is_binary_number(std::string_view vr) { return one_of(vr, "USSSULSLUVSVFLFD"); }
bool is_text(std::string_view vr) { return one_of(vr, "AEASCSDADSDTISLOLTPNSHSTTMUCUIURUT"); }

struct Decimals {
  std::vector<double> values;
  bool comma = false, unreadable = false;
};

std::optional<double> decimal(std::string_view part) {
  if (!part.empty() && part.front() == '+') part.remove_prefix(1);
  double v = 0;
  const auto done = std::from_chars(part.data(), part.data() + part.size(), v);
  const bool good = !part.empty() && done.ec == std::errc() && done.ptr == part.data() + part.size();
  return good && std::isfinite(v) ? std::optional<double>(v) : std::nullopt;
}

// Values of decimal text, each at its place.
Decimals decimals(std::string_view text) {
  Decimals out;
  while (!text.empty() && out.values.size() < most_numbers) {
    const std::size_t end = std::min(text.find('\\'), text.size());
    std::string part(without_padding(text.substr(0, end)));
    const std::size_t comma = part.find(',');
    if (comma != std::string::npos && part.find('.') == std::string::npos) part[comma] = '.';
    const std::optional<double> v = decimal(part);
    out.comma = out.comma || (v && comma != std::string::npos);
    out.unreadable = out.unreadable || (!v && !part.empty());
    out.values.push_back(v.value_or(std::numeric_limits<double>::quiet_NaN()));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string attribute(const DicomElement& e) {
  const std::string_view keyword = dicom_keyword(e.tag);
  return keyword.empty() ? dicom_tag_text(e.tag) : std::string(keyword);
}

std::string shortest(double v) {
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, v);
  return {text, end.ptr};
}

}  // namespace

// Reading is const and may happen in several threads.
struct DicomFile::Warnings {
  std::mutex mutex;
  std::vector<std::string> sentences;
};

DicomFile::DicomFile() : warnings_(std::make_shared<Warnings>()) {}

std::vector<std::string> DicomFile::warnings() const {
  const std::lock_guard lock(warnings_->mutex);
  return warnings_->sentences;
}

void DicomFile::add_warning(std::string sentence) const {
  constexpr std::size_t most = 64;
  const std::lock_guard lock(warnings_->mutex);
  auto& all = warnings_->sentences;
  if (all.size() < most && std::find(all.begin(), all.end(), sentence) == all.end())
    all.push_back(std::move(sentence));
}

const DicomElement* DicomFile::find(DicomTag tag) const {
  for (std::size_t i = 0; i < elements_.size(); i = elements_[i].end) {
    if (elements_[i].tag == tag) return &elements_[i];
  }
  return nullptr;
}

const DicomElement* DicomFile::find_in(std::size_t item, DicomTag tag) const {
  for (std::size_t i = item + 1; i < elements_[item].end; i = elements_[i].end) {
    if (elements_[i].tag == tag) return &elements_[i];
  }
  return nullptr;
}

std::vector<std::size_t> DicomFile::items(const DicomElement& sequence) const {
  std::vector<std::size_t> out;
  for (std::size_t i = index(sequence) + 1; i < sequence.end; i = elements_[i].end) {
    if (elements_[i].tag == dicom::item) out.push_back(i);
  }
  return out;
}

// An anonymiser that knew no types wrote everything as UN: the dictionary's type holds again.
std::string_view DicomFile::value_representation(const DicomElement& e) const {
  if (e.is("UN") || e.is("??")) return dicom_vr(e.tag);
  return {e.vr, 2};
}

// Of the data set, unless an item that the element stands in has its own.
std::string_view DicomFile::character_set(const DicomElement& e) const {
  const DicomElement* set = find(dicom::character_set);
  const std::size_t at = index(e);
  for (std::size_t i = 0; e.depth > 0 && i < at;) {
    if (elements_[i].end <= at) {
      i = elements_[i].end;
      continue;
    }
    const DicomElement* own = elements_[i].tag == dicom::item ? find_in(i, dicom::character_set) : nullptr;
    if (own != nullptr) set = own;
    ++i;
  }
  return set != nullptr ? without_padding(raw(*set)) : std::string_view();
}

std::string DicomFile::text(const DicomElement& e) const {
  const std::string_view vr = value_representation(e);
  const std::string_view bytes = raw(e);
  if (is_binary_number(vr)) {
    std::string out;
    for (const double v : numbers(e)) out += (out.empty() ? "" : "\\") + shortest(v);
    return out;
  }
  if (vr == "AT") {
    std::string out;
    for (std::size_t at = 0; at + 4 <= bytes.size(); at += 4) {
      const auto tag = static_cast<DicomTag>(value_at<std::uint16_t>(bytes, at, e.big_endian)) << 16 |
                       value_at<std::uint16_t>(bytes, at + 2, e.big_endian);
      out += (out.empty() ? "" : "\\") + dicom_tag_text(tag);
    }
    return out;
  }
  if (!is_text(vr)) return "";
  const std::string_view charset = one_of(vr, "LOLTPNSHSTUCUT") ? character_set(e) : "";
  const std::string_view delimiters = vr == "PN" ? "\\^=" : one_of(vr, "LOSHUC") ? "\\" : "";
  detail::DicomText text =
      detail::dicom_utf8(without_padding(bytes), e.is("UN") ? "ISO_IR 192" : charset, delimiters);
  if (e.is("UN") && !text.clean) text = detail::dicom_utf8(without_padding(bytes), charset, delimiters);
  if (!text.clean)
    warn(attribute(e), " has bytes that mean nothing in its character set; they are shown as \\xNN");
  return std::string(without_padding(text.utf8));
}

std::string DicomFile::text(DicomTag tag) const {
  const DicomElement* e = find(tag);
  return e != nullptr ? text(*e) : "";
}

std::vector<std::string> DicomFile::texts(DicomTag tag) const {
  const DicomElement* e = find(tag);
  return e != nullptr ? texts(*e) : std::vector<std::string>{};
}

std::vector<std::string> DicomFile::texts(const DicomElement& e) const {
  std::vector<std::string> out;
  const std::string all = text(e);
  std::string_view rest = all;
  while (!rest.empty() && out.size() < most_texts) {
    const std::size_t end = std::min(rest.find('\\'), rest.size());
    out.emplace_back(without_padding(rest.substr(0, end)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

std::vector<double> DicomFile::numbers(const DicomElement& e) const {
  std::vector<double> out;
  const std::string_view bytes = raw(e);
  const std::string_view vr = value_representation(e);
  const bool big = e.big_endian;
  if (vr == "US" || vr == "OW")
    all_values<std::uint16_t>(bytes, big, out);
  else if (vr == "SS")
    all_values<std::int16_t>(bytes, big, out);
  else if (vr == "UL" || vr == "OL")
    all_values<std::uint32_t>(bytes, big, out);
  else if (vr == "SL")
    all_values<std::int32_t>(bytes, big, out);
  else if (vr == "UV" || vr == "OV")
    all_values<std::uint64_t>(bytes, big, out);
  else if (vr == "SV")
    all_values<std::int64_t>(bytes, big, out);
  else if (vr == "FL" || vr == "OF")
    all_values<float>(bytes, big, out);
  else if (vr == "FD" || vr == "OD")
    all_values<double>(bytes, big, out);
  else if (vr == "OB")
    all_values<std::uint8_t>(bytes, big, out);
  else if (is_text(vr)) {
    const Decimals text = decimals(without_padding(bytes));
    // An anonymiser that knew no types wrote numbers that are text in the standard as little-endian integers.
    const bool integer =
        e.is("UN") && !bytes.empty() && bytes.size() <= 4 &&
        std::all_of(text.values.begin(), text.values.end(), [](double v) { return std::isnan(v); });
    if (integer) {
      std::uint32_t v = 0;
      for (std::size_t i = bytes.size(); i-- > 0;) v = v << 8 | static_cast<unsigned char>(bytes[i]);
      return {static_cast<double>(v)};
    }
    out = text.values;
    if (text.comma) warn(attribute(e), " has a decimal comma, it is read as a point");
    if (text.unreadable) warn(attribute(e), " has a value that is no number, it is left out");
  }
  for (double& v : out)
    if (!std::isfinite(v)) v = std::numeric_limits<double>::quiet_NaN();
  return out;
}

std::vector<double> DicomFile::numbers(DicomTag tag) const {
  const DicomElement* e = find(tag);
  return e != nullptr ? numbers(*e) : std::vector<double>{};
}

std::optional<double> DicomFile::number(DicomTag tag) const {
  const DicomElement* e = find(tag);
  return e != nullptr ? number(*e) : std::nullopt;
}

std::optional<double> DicomFile::number(const DicomElement& e) const {
  const std::vector<double> all = numbers(e);
  if (all.size() > 1) warn(attribute(e), " has ", all.size(), " values, the first one counts");
  return all.empty() || std::isnan(all[0]) ? std::nullopt : std::optional<double>(all[0]);
}

std::int64_t DicomFile::integer(DicomTag tag, std::int64_t otherwise) const {
  const std::optional<double> v = number(tag);
  return v && std::abs(*v) < 9e15 ? static_cast<std::int64_t>(*v) : otherwise;
}

std::string transfer_syntax_name(const std::string& uid) {
  static constexpr std::pair<std::string_view, std::string_view> names[] = {
      {"1.2.840.10008.1.2", "Implicit VR Little Endian"},
      {"1.2.840.10008.1.2.1", "Explicit VR Little Endian"},
      {"1.2.840.10008.1.2.1.99", "Deflated Explicit VR Little Endian"},
      {"1.2.840.10008.1.2.2", "Explicit VR Big Endian"},
      {"1.2.840.10008.1.2.5", "RLE Lossless"},
      {"1.2.840.10008.1.2.4.50", "JPEG Baseline (Process 1)"},
      {"1.2.840.10008.1.2.4.51", "JPEG Extended (Process 2 and 4)"},
      {"1.2.840.10008.1.2.4.57", "JPEG Lossless (Process 14)"},
      {"1.2.840.10008.1.2.4.70", "JPEG Lossless (Process 14, selection value 1)"},
      {"1.2.840.10008.1.2.4.80", "JPEG-LS Lossless"},
      {"1.2.840.10008.1.2.4.81", "JPEG-LS Near-Lossless"},
      {"1.2.840.10008.1.2.4.90", "JPEG 2000 Lossless"},
      {"1.2.840.10008.1.2.4.91", "JPEG 2000"},
      {"1.2.840.10008.1.2.4.92", "JPEG 2000 Part 2 Multi-component Lossless"},
      {"1.2.840.10008.1.2.4.93", "JPEG 2000 Part 2 Multi-component"},
      {"1.2.840.10008.1.2.4.94", "JPIP Referenced"},
      {"1.2.840.10008.1.2.4.95", "JPIP Referenced Deflate"},
      {"1.2.840.10008.1.2.4.100", "MPEG2 Main Profile"},
      {"1.2.840.10008.1.2.4.101", "MPEG2 High Profile"},
      {"1.2.840.10008.1.2.4.102", "MPEG-4 AVC/H.264 High Profile"},
      {"1.2.840.10008.1.2.4.103", "MPEG-4 AVC/H.264 BD-compatible"},
      {"1.2.840.10008.1.2.4.107", "HEVC/H.265 Main Profile"},
      {"1.2.840.10008.1.2.4.201", "High-Throughput JPEG 2000 Lossless"},
      {"1.2.840.10008.1.2.4.203", "High-Throughput JPEG 2000"}};
  for (const auto& [known, name] : names) {
    if (known == uid) return std::string(name);
  }
  return uid;
}

}  // namespace gadolin
