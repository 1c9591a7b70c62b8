// Look-up tables: modality LUT, VOI LUT, palettes (PS3.3 C.7.6.3.1.5, C.11.1, C.11.2). Descriptors lie often
// enough, about the sign of their first value and about the bits of their entries: what the table holds
// counts.
#include <algorithm>
#include <bit>
#include <cmath>

#include "data/dicom/codec.h"
#include "data/dicom/image.h"
#include "data/image/image.h"

namespace gadolin::detail {
namespace {

// Values that a table is asked for.
struct InputRange {
  double low = 0, high = 0;
};

InputRange stored_range(const DicomImage& image) {
  const double all = std::pow(2.0, image.bits_stored);
  return image.is_signed ? InputRange{-all / 2, all / 2 - 1} : InputRange{0, all - 1};
}

InputRange rescaled_range(const DicomImage& image) {
  const InputRange stored = stored_range(image);
  InputRange out{INFINITY, -INFINITY};
  for (const auto& r : image.rescale) {
    for (const double v : {stored.low, stored.high}) {
      out.low = std::min(out.low, r.slope * v + r.intercept);
      out.high = std::max(out.high, r.slope * v + r.intercept);
    }
  }
  return out;
}

// The 16 bits of the first value are meant with or without sign: as stated where the table then meets values,
// else the other way.
double first_input(double stated, std::size_t entries, InputRange in) {
  const auto meets = [&](double first) {
    return first <= in.high && first + static_cast<double>(entries) - 1 >= in.low;
  };
  const double other = stated < 0 ? stated + 65536 : stated > 32767 ? stated - 65536 : stated;
  return meets(stated) || !meets(other) ? stated : other;
}

std::optional<DicomLut> table(const DicomFile& file, const DicomElement* descriptor, const DicomElement* data,
                              InputRange in) {
  if (descriptor == nullptr || data == nullptr) return std::nullopt;
  const std::vector<double> d = file.numbers(*descriptor);
  if (d.size() < 3 || !(std::abs(d[0]) < 65536) || !(std::abs(d[1]) < 65536) || std::isnan(d[2]))
    return std::nullopt;
  DicomLut lut;
  const auto entries = static_cast<std::size_t>(d[0] <= 0 ? d[0] + 65536 : d[0]);
  lut.first = first_input(d[1], entries, in);
  lut.bits = static_cast<int>(std::clamp(d[2], 1.0, 16.0));
  const std::string_view raw = file.raw(*data);
  if (entries == 0 || raw.size() < entries) return std::nullopt;
  if (raw.size() < 2 * entries) {  // 8-bit entries, two in a word
    lut.bits = std::min(lut.bits, 8);
    for (std::size_t i = 0; i < entries; ++i)
      lut.values.push_back(
          static_cast<std::uint8_t>(raw[data->big_endian && (i ^ 1) < raw.size() ? i ^ 1 : i]));
  } else {
    for (std::size_t i = 0; i < entries; ++i) {
      const auto a = static_cast<std::uint8_t>(raw[2 * i]), b = static_cast<std::uint8_t>(raw[2 * i + 1]);
      lut.values.push_back(static_cast<std::uint16_t>(data->big_endian ? a << 8 | b : b << 8 | a));
    }
  }
  return lut;
}

unsigned largest(const DicomLut& lut) { return *std::max_element(lut.values.begin(), lut.values.end()); }

std::optional<DicomLut> table_in(const DicomFile& file, DicomTag sequence, InputRange in) {
  const DicomElement* s = file.find(sequence);
  if (s == nullptr) return std::nullopt;
  for (const std::size_t item : file.items(*s)) {
    auto lut =
        table(file, file.find_in(item, dicom::lut_descriptor), file.find_in(item, dicom::lut_data), in);
    if (!lut) continue;
    if (const int bits = static_cast<int>(std::bit_width(largest(*lut))); bits > lut->bits) {
      file.warn(dicom_keyword(sequence), " says ", lut->bits, " bits, its table has ", bits);
      lut->bits = bits;
    }
    return lut;
  }
  return std::nullopt;
}

bool has_items(const DicomFile& file, DicomTag sequence) {
  const DicomElement* s = file.find(sequence);
  return s != nullptr && !file.items(*s).empty();
}

// Tables of words decide together how deep they are: one of them may well be dark. One of bytes has 8 bits.
void read_palette(const DicomFile& file, DicomImage& image) {
  unsigned most = 0;
  std::vector<bool> bytes;
  for (DicomTag c = 0; c < 3; ++c) {
    const DicomElement* data = file.find(dicom::palette_data + c);
    auto lut = table(file, file.find(dicom::palette_descriptor + c), data, stored_range(image));
    if (!lut) return image.palette.clear();
    bytes.push_back(data->length < 2 * lut->values.size());
    if (!bytes.back()) most = std::max(most, largest(*lut));
    image.palette.push_back(std::move(*lut));
  }
  for (std::size_t c = 0; c < image.palette.size(); ++c) {
    DicomLut& lut = image.palette[c];
    if (bytes[c]) {
      lut.bits = 8;
      continue;
    }
    const int said = std::max(lut.bits, 8);
    lut.bits = most < 256 ? 8 : static_cast<int>(std::bit_width(most)) > said ? 16 : said;
    if (lut.bits != said) file.warn("a palette says ", said, " bits, its table has ", lut.bits);
  }
}

}  // namespace

void read_tables(const DicomFile& file, DicomImage& image) {
  image.modality_lut = table_in(file, dicom::modality_lut, stored_range(image));
  require<FormatError, 64>(image.modality_lut || !has_items(file, dicom::modality_lut),
                           "dicom: ", printable(file.name()),
                           ": ModalityLUTSequence has no table that can be read, and values without it would "
                           "be wrong; write the table anew or remove it");
  // What a modality LUT gives has no sign (PS3.3 C.11.2.1.1).
  image.voi_lut =
      table_in(file, dicom::voi_lut, image.modality_lut ? InputRange{0, 65535} : rescaled_range(image));
  if (image.voi_lut && image.modality_lut && image.voi_lut->first < 0) image.voi_lut->first += 65536;
  if (!image.voi_lut && has_items(file, dicom::voi_lut))
    file.warn("VOILUTSequence has no table that can be read, it is left out");
  if (image.photometric == "PALETTE COLOR") read_palette(file, image);
}

}  // namespace gadolin::detail
