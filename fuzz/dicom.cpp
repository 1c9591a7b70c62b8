// Any bytes as a DICOM file: an error, or a header, pixels, a picture and a de-identified copy that reads again.
#include "data/dicom.h"

#include "tensor/check.h"

using namespace gadolin;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count) {
  DicomOptions options;
  options.limits.samples = 1 << 20;
  options.limits.inflated_bytes = 4 << 20;
  options.limits.elements = 5'000;
  options.limits.free_bytes = 4 << 20;
  try {
    const DicomFile file({reinterpret_cast<const char*>(bytes), count}, "input", options);
    dump_text(file);
    dump_json(file);
    dump_csv(file);
    slice_place(file);
    try {
      const std::string copy = anonymized(file, {"key"});
      DicomFile(copy, "copy", options);
    } catch (const Error&) {
    }
    const DicomImage image = read_dicom_image(file);
    for (const DicomDisplay mode : {DicomDisplay::automatic, DicomDisplay::percentile, DicomDisplay::full}) {
      DicomDisplayOptions how;
      how.mode = mode;
      how.bits = mode == DicomDisplay::full ? 16 : 8;
      to_image(image, how);
    }
    to_hounsfield(image);
  } catch (const Error&) {
  }
  return 0;
}
