// DICOM files as pictures of a data set: the first frame, by the rules of display.cpp.
#include "data/dicom/image.h"
#include "data/image/codec.h"

namespace gadolin::detail {

Image decode_dicom(Bytes bytes, std::string_view name, const DecodeOptions& options) {
  DicomOptions how;
  how.limits.file_bytes = options.limits.file_bytes;
  how.limits.ratio = options.limits.ratio;
  how.limits.free_bytes = options.limits.free_bytes;
  const DicomFile file({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, std::string(name), how);
  const std::int64_t columns = file.integer(dicom::columns, 0), rows = file.integer(dicom::rows, 0);
  check_image_size(bytes, name, columns, rows, 1, options.limits);
  const DicomImage image = read_dicom_image(file, 0);
  DicomDisplayOptions display;
  display.bits = image.bits_stored > 8 && !options.reduce_to_8bit ? 16 : 8;
  return as_wanted(to_image(image, display), options);
}

}  // namespace gadolin::detail
