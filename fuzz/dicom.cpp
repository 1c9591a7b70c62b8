// Any bytes as a DICOM file: an error, or a header, pixels, a picture and a de-identified copy that reads
// again.
#include <cstring>

#include "data/dicom/dicom.h"
#include "tensor/check.h"

using namespace gadolin;

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* bytes, std::size_t count, std::size_t room);

namespace {

DicomOptions tight() {
  DicomOptions options;
  options.limits.samples = 1 << 20;
  options.limits.inflated_bytes = 4 << 20;
  options.limits.elements = 5'000;
  options.limits.free_bytes = 4 << 20;
  return options;
}

}  // namespace

// Half of the changes keep the file readable up to one element: its value, its type, its length, or the whole
// of it.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* bytes, std::size_t count, std::size_t room,
                                               unsigned seed) {
  if (seed % 2 == 0 || count < 140) return LLVMFuzzerMutate(bytes, count, room);
  std::size_t begin = 0, length = 0, before = 8;
  try {
    const DicomFile file({reinterpret_cast<const char*>(bytes), count}, "input", tight());
    if (file.elements().empty() || file.transfer_syntax() == "1.2.840.10008.1.2.1.99")
      return LLVMFuzzerMutate(bytes, count, room);
    const DicomElement& e = file.elements()[seed / 8 % file.elements().size()];
    begin = static_cast<std::size_t>(e.begin);
    length = static_cast<std::size_t>(e.length);
    // The long form has its representation eight bytes before the value.
    if (begin >= 12 && bytes[begin - 8] == static_cast<std::uint8_t>(e.vr[0]) &&
        bytes[begin - 7] == static_cast<std::uint8_t>(e.vr[1]))
      before = 12;
  } catch (const Error&) {
    return LLVMFuzzerMutate(bytes, count, room);
  }
  if (begin < before || begin + length > count) return LLVMFuzzerMutate(bytes, count, room);
  const std::size_t head = begin - before, whole = before + length;
  switch (seed / 2 % 4) {
    case 0:  // the value, as long as before
      if (length > 0) LLVMFuzzerMutate(bytes + begin, length, length);
      return count;
    case 1:  // representation and length
      LLVMFuzzerMutate(bytes + head + 4, before - 4, before - 4);
      return count;
    case 2:  // once more
      if (whole > room - count) return count;
      std::memmove(bytes + begin + length + whole, bytes + begin + length, count - begin - length);
      std::memcpy(bytes + begin + length, bytes + head, whole);
      return count + whole;
    default:  // left out
      std::memmove(bytes + head, bytes + begin + length, count - begin - length);
      return count - whole;
  }
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count) {
  const DicomOptions options = tight();
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
    if (image.channels == 3)
      to_rgb_samples(image);
    else
      to_hounsfield(image);
    read_dicom_image(file, image.frames - 1);
  } catch (const Error&) {
  }
  return 0;
}
