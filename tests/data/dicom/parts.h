// DICOM files put together element by element, for tests.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "data/dicom/dicom.h"
#include "data/dicom/tags.h"

namespace gadolin::test {

inline std::string little(std::uint64_t v, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(v >> 8 * i & 0xff);
  return out;
}

// One element of explicit little endian.
inline std::string element(DicomTag tag, std::string_view vr, std::string value) {
  if (value.size() % 2 != 0) value += vr == "UI" ? '\0' : ' ';
  std::string out = little(tag >> 16, 2) + little(tag & 0xffff, 2) + std::string(vr);
  const bool wide = vr[0] == 'O' || vr == "SQ" || vr == "UN" || vr == "UT" || vr == "UC" || vr == "UR" ||
                    vr == "UV" || vr == "SV";
  out += wide ? std::string(2, '\0') + little(value.size(), 4) : little(value.size(), 2);
  return out + value;
}
inline std::string us(DicomTag tag, int v) {
  return element(tag, "US", little(static_cast<std::uint64_t>(v), 2));
}

inline std::string meta(std::string_view syntax = "1.2.840.10008.1.2.1") {
  return std::string(128, '\0') + "DICM" + element(dicom::transfer_syntax, "UI", std::string(syntax));
}
inline std::string item(const std::string& content) {
  return little(0xfffe, 2) + little(0xe000, 2) + little(content.size(), 4) + content;
}
inline std::string end_of(DicomTag tag) {
  return little(tag >> 16, 2) + little(tag & 0xffff, 2) + little(0, 4);
}

// What a picture needs besides its pixels; `more` are elements of groups between 0x0028,0x0103 and 0x7fe0.
struct Picture {
  int rows = 2, columns = 2, allocated = 16, stored = 16, is_signed = 0, samples = 1;
  std::string photometric = "MONOCHROME2", front, more;
};
inline std::string picture(const Picture& p, const std::string& pixels,
                           std::string_view syntax = "1.2.840.10008.1.2.1") {
  return meta(syntax) + p.front + us(dicom::samples_per_pixel, p.samples) +
         element(dicom::photometric, "CS", p.photometric) + us(dicom::rows, p.rows) +
         us(dicom::columns, p.columns) + us(dicom::bits_allocated, p.allocated) +
         us(dicom::bits_stored, p.stored) + us(dicom::high_bit, p.stored - 1) +
         us(dicom::pixel_representation, p.is_signed) + p.more +
         element(dicom::pixel_data, p.allocated > 8 ? "OW" : "OB", pixels);
}
// The same with fragments behind an empty offset table.
inline std::string coded_picture(const Picture& p, std::string_view syntax,
                                 std::initializer_list<std::string> fragments) {
  const std::string bytes = picture(p, "", syntax);
  std::string out = bytes.substr(0, bytes.size() - 4) + little(0xffffffff, 4) + item("");
  for (const std::string& f : fragments) out += item(f + std::string(f.size() % 2, '\0'));
  return out + end_of(dicom::sequence_end);
}
inline std::string words(std::initializer_list<int> values) {
  std::string out;
  for (const int v : values) out += little(static_cast<std::uint64_t>(v) & 0xffff, 2);
  return out;
}

inline DicomImage image_of(const std::string& bytes, const DicomOptions& options = {}) {
  return read_dicom_image(DicomFile(bytes, "made", options));
}

}  // namespace gadolin::test
