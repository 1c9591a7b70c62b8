// The image pixel module: how the samples of a file are stored, checked before anything is taken for them.
#include <algorithm>
#include <cctype>

#include "data/dicom/codec.h"
#include "data/image/image.h"

namespace gadolin::detail {
namespace {

constexpr std::string_view photometrics[] = {
    "MONOCHROME1",  "MONOCHROME2",     "PALETTE COLOR",   "RGB",     "YBR_FULL",
    "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT"};

std::string bare(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (std::isalnum(static_cast<unsigned char>(c)))
      out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

std::string photometric_of(const DicomFile& file, int channels) {
  const std::string usual = channels == 3 ? "RGB" : "MONOCHROME2",
                    kind = defined_term(file, file.find(dicom::photometric), photometrics);
  if (kind.empty()) {
    file.warn("PhotometricInterpretation is missing, the samples are read as ", usual);
    return usual;
  }
  if (std::ranges::find(photometrics, kind) == std::end(photometrics)) {
    if (channels == 3) return kind;  // the stream may know better
    if (!bare(kind).starts_with("MONOCHROME")) refuse_photometric(file, kind, usual);
    file.warn("PhotometricInterpretation is ", printable(kind), ", which is unknown; it is read as ", usual);
    return usual;
  }
  const bool one = kind.starts_with("MONOCHROME") || kind == "PALETTE COLOR";
  require<FormatError, 64>(one == (channels == 1), "dicom: ", printable(file.name()), ": ", kind, " with ",
                           channels, " samples per pixel contradict each other");
  return kind;
}

}  // namespace

std::string defined_term(const DicomFile& file, const DicomElement* e,
                         std::span<const std::string_view> terms) {
  if (e == nullptr) return "";
  const std::vector<std::string> all = file.texts(*e);
  if (all.empty()) return "";
  const std::string& word = all[0];
  if (all.size() > 1) file.warn(dicom_keyword(e->tag), " has ", all.size(), " values, the first one counts");
  if (std::ranges::find(terms, word) != terms.end()) return word;
  for (const std::string_view term : terms) {
    if (bare(term) != bare(word)) continue;
    file.warn(dicom_keyword(e->tag), " is written ", printable(word), ", it is read as ", term);
    return std::string(term);
  }
  return word;
}

void refuse_photometric(const DicomFile& file, const std::string& kind, std::string_view instead) {
  fail<FormatError, 64>("dicom: ", printable(file.name()), ": PhotometricInterpretation ", printable(kind),
                        " is not read in ", printable(transfer_syntax_name(file.transfer_syntax())),
                        "; convert the pixels to ", instead);
}

PixelModule read_pixel_module(const DicomFile& file) {
  const std::string who = printable(file.name());
  const DicomLimits& limits = file.limits();
  const auto need = [&](DicomTag tag, std::int64_t least, std::int64_t most) {
    const std::optional<double> v = file.number(tag);
    require<FormatError, 64>(v.has_value(), "dicom: ", who, " has no readable ", dicom_keyword(tag),
                             ", pixels need it");
    require<FormatError, 64>(*v >= static_cast<double>(least) && *v <= static_cast<double>(most),
                             "dicom: ", who, ": ", dicom_keyword(tag), " is ", *v, ", from ", least, " to ",
                             most, " are possible");
    return static_cast<int>(*v);
  };
  const auto is_one = [&](DicomTag tag) {
    const std::int64_t v = file.integer(tag, 0);
    if (v != 0 && v != 1) file.warn(dicom_keyword(tag), " is ", v, ", 0 and 1 are possible; it is read as 0");
    return v == 1;
  };
  PixelModule m;
  m.rows = need(dicom::rows, 1, 65535);
  m.columns = need(dicom::columns, 1, 65535);
  m.allocated = need(dicom::bits_allocated, 1, 32);
  m.stored = file.find(dicom::bits_stored) ? need(dicom::bits_stored, 1, m.allocated) : m.allocated;
  m.high_bit =
      file.find(dicom::high_bit) ? need(dicom::high_bit, m.stored - 1, m.allocated - 1) : m.stored - 1;
  m.is_signed = is_one(dicom::pixel_representation);
  m.channels = file.find(dicom::samples_per_pixel) ? need(dicom::samples_per_pixel, 1, 3) : 1;
  require<FormatError, 64>(m.channels != 2, "dicom: ", who, ": SamplesPerPixel is 2, 1 or 3 are possible");
  m.planar = m.channels == 3 && is_one(dicom::planar);
  const DicomElement* frames = file.find(dicom::number_of_frames);
  if (frames != nullptr && frames->length > 0) {
    require<FormatError, 64>(file.number(dicom::number_of_frames).has_value(), "dicom: ", who,
                             ": NumberOfFrames is no number");
    const std::int64_t n = file.integer(dicom::number_of_frames, 1);
    require<FormatError, 62>(n <= limits.frames, "dicom: ", who, " has ", n, " frames, at most ",
                             limits.frames, " are read");
    m.frames = static_cast<int>(std::max<std::int64_t>(n, 1));
  }
  m.photometric = photometric_of(file, m.channels);
  require<FormatError, 62>(m.samples() <= limits.samples, "dicom: ", who, " has ", m.frames, " x ", m.rows,
                           " x ", m.columns, " x ", m.channels, " samples, at most ", limits.samples,
                           " are read");
  return m;
}

}  // namespace gadolin::detail
