// A made-up film as a DICOM file, through DCMTK.
#include "data/dicom/made_up.h"

#include "data/dicom/dictionary.h"
#include "tensor/check.h"

#ifdef GADOLIN_DICOM
#include <dcmtk/config/osconfig.h>
//
#include <dcmtk/dcmdata/dcostrmb.h>
#include <dcmtk/dcmdata/dctk.h>
#endif

namespace gadolin {

#ifdef GADOLIN_DICOM
std::string made_up_dicom(const DicomTexts& texts, const Image& pixels, int bits, bool inverted,
                          bool is_signed) {
  DcmFileFormat file;
  DcmDataset& set = *file.getDataset();
  const auto key = [](DicomTag tag) {
    return DcmTagKey(static_cast<Uint16>(tag >> 16), static_cast<Uint16>(tag & 0xffff));
  };
  for (const auto& [tag, text] : texts) set.putAndInsertString(key(tag), text.c_str());
  const auto number = [&](DicomTag tag, int v) { set.putAndInsertUint16(key(tag), static_cast<Uint16>(v)); };
  number(dicom::samples_per_pixel, 1);
  set.putAndInsertString(DCM_PhotometricInterpretation, inverted ? "MONOCHROME1" : "MONOCHROME2");
  number(dicom::rows, pixels.height);
  number(dicom::columns, pixels.width);
  number(dicom::bits_allocated, pixels.bits);
  number(dicom::bits_stored, bits);
  number(dicom::high_bit, bits - 1);
  number(dicom::pixel_representation, is_signed ? 1 : 0);
  const auto count = static_cast<unsigned long>(pixels.numel());
  if (pixels.bits == 8)
    set.putAndInsertUint8Array(DCM_PixelData, pixels.data<Uint8>(), count);
  else
    set.putAndInsertUint16Array(DCM_PixelData, pixels.data<Uint16>(), count);
  std::string bytes(pixels.pixels.size() + 65536, '\0');
  DcmOutputBufferStream out(bytes.data(), static_cast<offile_off_t>(bytes.size()));
  file.transferInit();
  const OFCondition done = file.write(out, EXS_LittleEndianExplicit, EET_ExplicitLength, nullptr);
  file.transferEnd();
  require<ValueError>(done.good(), "synth: these texts do not fit into a DICOM file");
  void* begin = nullptr;
  offile_off_t length = 0;
  out.flushBuffer(begin, length);
  bytes.resize(static_cast<std::size_t>(length));
  return bytes;
}
#else
std::string made_up_dicom(const DicomTexts&, const Image&, int, bool, bool) {
  require_dicom("synth");
  return "";
}
#endif

}  // namespace gadolin
