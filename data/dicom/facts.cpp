// What belongs to looking at pixels: rescale, look-up tables, windows, padding, palettes (PS3.3 C.7.6.3,
// C.11.1, C.11.2).
#include <algorithm>
#include <cmath>

#include "data/dicom/codec.h"
#include "data/dicom/image.h"

namespace gadolin::detail {
namespace {

// A table in `item`, or in the data set itself when item is npos.
std::optional<DicomLut> table(const DicomFile& file, const DicomElement* descriptor, const DicomElement* data,
                              bool is_signed) {
  if (descriptor == nullptr || data == nullptr) return std::nullopt;
  const std::vector<double> d = file.numbers(*descriptor);
  if (d.size() < 3) return std::nullopt;
  DicomLut lut;
  const auto entries = static_cast<std::size_t>(d[0] == 0 ? 65536 : d[0] < 0 ? d[0] + 65536 : d[0]);
  lut.first = is_signed && d[1] > 32767 ? d[1] - 65536 : d[1];
  lut.bits = std::clamp(static_cast<int>(d[2]), 1, 16);
  const std::string_view raw = file.raw(*data);
  if (raw.size() >= entries && raw.size() < 2 * entries) {  // 8-bit entries, two in a word
    for (std::size_t i = 0; i < entries; ++i)
      lut.values.push_back(
          static_cast<std::uint8_t>(raw[data->big_endian && (i ^ 1) < raw.size() ? i ^ 1 : i]));
  } else {
    if (raw.size() < 2 * entries) return std::nullopt;
    for (std::size_t i = 0; i < entries; ++i) {
      const auto a = static_cast<std::uint8_t>(raw[2 * i]), b = static_cast<std::uint8_t>(raw[2 * i + 1]);
      lut.values.push_back(static_cast<std::uint16_t>(data->big_endian ? a << 8 | b : b << 8 | a));
    }
  }
  if (lut.values.empty()) return std::nullopt;
  return lut;
}

std::optional<DicomLut> table_in(const DicomFile& file, DicomTag sequence, bool is_signed) {
  const DicomElement* s = file.find(sequence);
  if (s == nullptr) return std::nullopt;
  for (const std::size_t item : file.items(*s)) {
    if (auto lut = table(file, file.find_in(item, dicom::lut_descriptor), file.find_in(item, dicom::lut_data),
                         is_signed))
      return lut;
  }
  return std::nullopt;
}

std::vector<DicomWindow> windows_of(const std::vector<double>& centers, const std::vector<double>& widths,
                                    const std::vector<std::string>& names, const std::string& function) {
  std::vector<DicomWindow> out;
  for (std::size_t i = 0; i < std::min(centers.size(), widths.size()); ++i) {
    if (!(widths[i] > 0)) continue;
    DicomWindow w{centers[i], widths[i], i < names.size() ? names[i] : "",
                  function.empty() ? "LINEAR" : function};
    out.push_back(std::move(w));
  }
  return out;
}

// The item of a functional group sequence: (5200,9229) has one for all frames, (5200,9230) one a frame.
const DicomElement* in_group(const DicomFile& file, std::size_t group, DicomTag sequence, DicomTag tag) {
  const DicomElement* s = file.find_in(group, sequence);
  if (s == nullptr) return nullptr;
  for (const std::size_t item : file.items(*s)) {
    if (const DicomElement* e = file.find_in(item, tag)) return e;
  }
  return nullptr;
}

double first_number(const DicomFile& file, const DicomElement* e, double otherwise) {
  if (e == nullptr) return otherwise;
  const std::vector<double> v = file.numbers(*e);
  return v.empty() ? otherwise : v[0];
}

void functional_groups(const DicomFile& file, DicomImage& image) {
  for (const DicomTag which : {dicom::shared_groups, dicom::frame_groups}) {
    const DicomElement* s = file.find(which);
    if (s == nullptr) continue;
    std::vector<DicomImage::Rescale> each;
    for (const std::size_t group : file.items(*s)) {
      const DicomElement* slope = in_group(file, group, dicom::frame_pixel_values, dicom::rescale_slope);
      if (slope != nullptr) {
        const double intercept =
            first_number(file, in_group(file, group, dicom::frame_pixel_values, dicom::rescale_intercept), 0);
        each.push_back({first_number(file, slope, 1), intercept});
      }
      if (image.windows.empty()) {
        const DicomElement* c = in_group(file, group, dicom::frame_voi, dicom::window_center);
        const DicomElement* w = in_group(file, group, dicom::frame_voi, dicom::window_width);
        if (c && w) image.windows = windows_of(file.numbers(*c), file.numbers(*w), {}, "");
      }
    }
    if (!each.empty()) image.rescale = each;
  }
}

}  // namespace

void read_display_facts(const DicomFile& file, DicomImage& image);
void read_display_facts(const DicomFile& file, DicomImage& image) {
  image.modality = file.text(dicom::modality);
  DicomImage::Rescale rescale{file.number(dicom::rescale_slope).value_or(1),
                              file.number(dicom::rescale_intercept).value_or(0)};
  if (rescale.slope == 0) rescale.slope = 1;
  image.rescale = {rescale};
  image.windows = windows_of(file.numbers(dicom::window_center), file.numbers(dicom::window_width),
                             file.texts(dicom::window_explanation), file.text(dicom::voi_function));
  if (file.find(dicom::shared_groups) || file.find(dicom::frame_groups)) functional_groups(file, image);
  image.modality_lut = table_in(file, dicom::modality_lut, image.is_signed);
  image.voi_lut = table_in(file, dicom::voi_lut, image.is_signed);
  if (image.photometric == "PALETTE COLOR") {
    for (DicomTag c = 0; c < 3; ++c) {
      auto lut = table(file, file.find(dicom::palette_descriptor + c), file.find(dicom::palette_data + c),
                       image.is_signed);
      if (lut) image.palette.push_back(std::move(*lut));
    }
    if (image.palette.size() != 3) image.palette.clear();
  }
  if (const auto padding = file.number(dicom::padding_value)) {
    const auto sign = [&](double v) {
      const auto whole = static_cast<std::int64_t>(v);
      return image.is_signed && whole > 32767 && whole < 65536 ? whole - 65536
             : !image.is_signed && whole < 0                   ? whole + 65536
                                                               : whole;
    };
    const std::int64_t a = sign(*padding), b = sign(file.number(dicom::padding_limit).value_or(*padding));
    image.padding_low = std::min(a, b);
    image.padding_high = std::max(a, b);
  }
}

}  // namespace gadolin::detail
