// DICOM files as pictures of a data set: the first frame, by the rules of display.cpp, or as rescaled values.
#include <cmath>
#include <limits>

#include "data/dicom/image.h"
#include "data/image/codec.h"

namespace gadolin::detail {
namespace {

// Text and numbers are looked at when somebody reads them: here everything is.
void tell_warnings(const DicomFile& file, const DecodeOptions& options) {
  for (const DicomElement& e : file.elements()) {
    file.text(e);
    const std::string_view vr = dicom_vr(e.tag);
    if (vr == "DS" || vr == "IS") file.numbers(e);
  }
  for (const std::string& sentence : file.warnings()) options.warn(sentence);
}

DicomImage first_frame(Bytes bytes, std::string_view name, const DecodeOptions& options) {
  DicomOptions how;
  how.limits.file_bytes = options.limits.file_bytes;
  how.limits.ratio = options.limits.ratio;
  how.limits.free_bytes = options.limits.free_bytes;
  const DicomFile file({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, std::string(name), how);
  const std::int64_t columns = file.integer(dicom::columns, 0), rows = file.integer(dicom::rows, 0);
  check_image_size(bytes, name, columns, rows, 1, options.limits);
  DicomImage image = read_dicom_image(file, 0);
  if (options.warn) tell_warnings(file, options);
  return image;
}

}  // namespace

ImageHeader dicom_header(Bytes bytes, std::string_view name) {
  DicomOptions how;
  how.pixels = false;
  const DicomFile file({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, std::string(name), how);
  const auto side = [&](DicomTag tag) {
    const std::int64_t number = file.integer(tag, 0);
    return number > 0 && number <= 65535 ? static_cast<int>(number) : 0;
  };
  return {side(dicom::columns), side(dicom::rows), 1};
}

Image decode_dicom(Bytes bytes, std::string_view name, const DecodeOptions& options) {
  const DicomImage image = first_frame(bytes, name, options);
  DicomDisplayOptions display;
  display.bits = image.bits_stored > 8 && !options.reduce_to_8bit ? 16 : 8;
  return as_wanted(to_image(image, display), options);
}

std::optional<PhysicalImage> physical_dicom(Bytes bytes, std::string_view name,
                                            const DecodeOptions& options) {
  return to_physical(first_frame(bytes, name, options));
}

}  // namespace gadolin::detail

namespace gadolin {

std::optional<PhysicalImage> to_physical(const DicomImage& image) {
  if (image.channels != 1 || image.photometric == "PALETTE COLOR") return {};
  const Tensor rescaled = to_hounsfield(image);
  const auto* stored = image.samples.data<std::int32_t>();
  PhysicalImage out;
  out.width = image.columns;
  out.height = image.rows;
  out.inverted = image.photometric == "MONOCHROME1";
  const auto pixels = static_cast<std::size_t>(out.width) * static_cast<std::size_t>(out.height);
  out.values.assign(rescaled.data<float>(), rescaled.data<float>() + pixels);
  for (std::size_t i = 0; i < pixels; ++i) {
    // What overflowed while it was rescaled is no value either.
    if (image.is_padding(stored[i]) || !std::isfinite(out.values[i]))
      out.values[i] = std::numeric_limits<float>::quiet_NaN();
  }
  return out;
}

}  // namespace gadolin
