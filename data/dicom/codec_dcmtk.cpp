// 12-bit JPEG through DCMTK's codec: each frame is handed over as a small data set of its own,
// made from the checked pixel module, so that nothing else of a file reaches them.
#include "data/dicom/codec.h"

#ifdef GADOLIN_DICOM
#include <dcmtk/config/osconfig.h>
//
#include <dcmtk/dcmdata/dcpixel.h>
#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcpxitem.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/oflog/oflog.h>
#endif

namespace gadolin::detail {

#ifdef GADOLIN_DICOM
namespace {

// Registration is global and not safe beside decoding: once, before the first frame.
void register_codecs() {
  static const bool done = [] {
    OFLog::configure(OFLogger::OFF_LOG_LEVEL);
    DJDecoderRegistration::registerCodecs(EDC_never);
    return true;
  }();
  (void)done;
}

}  // namespace

void decode_jpeg12_frame(CodedBytes bytes, const PixelModule& m, const std::string& who, RawFrame& out) {
  register_codecs();
  const JpegHead head = jpeg_head(bytes, m, who);
  if (m.allocated != 8 && m.allocated != 16)
    broken_frame(who, "JPEG of ", m.allocated, " allocated bits is not defined");
  DcmDataset set;
  const auto us = [&](const DcmTagKey& key, int v) { set.putAndInsertUint16(key, static_cast<Uint16>(v)); };
  us(DCM_SamplesPerPixel, m.channels);
  set.putAndInsertString(DCM_PhotometricInterpretation, m.photometric.c_str());
  if (m.channels > 1) us(DCM_PlanarConfiguration, 0);
  us(DCM_Rows, m.rows);
  us(DCM_Columns, m.columns);
  us(DCM_BitsAllocated, head.precision > 8 ? 16 : 8);
  us(DCM_BitsStored, head.precision);
  us(DCM_HighBit, head.precision - 1);
  us(DCM_PixelRepresentation, 0);
  set.putAndInsertString(DCM_NumberOfFrames, "1");

  auto* pixels = new DcmPixelData(DCM_PixelData);
  auto* sequence = new DcmPixelSequence(DcmTag(DCM_PixelData, EVR_OB));
  sequence->insert(new DcmPixelItem(DcmTag(DCM_Item, EVR_OB)));
  auto* fragment = new DcmPixelItem(DcmTag(DCM_Item, EVR_OB));
  const std::size_t even = bytes.size() + bytes.size() % 2;
  Uint8* room = nullptr;
  require<OutOfMemory>(fragment->createUint8Array(static_cast<Uint32>(even), room).good(),
                       "dicom: no memory for a frame of ", even, " bytes");
  room[even - 1] = 0;
  std::copy(bytes.begin(), bytes.end(), room);
  sequence->insert(fragment);
  pixels->putOriginalRepresentation(EXS_JPEGProcess2_4, nullptr, sequence);
  set.insert(pixels, OFTrue);

  out.container = head.precision > 8 ? 16 : 8;
  out.planar = false;
  const std::size_t size =
      static_cast<std::size_t>(m.frame_samples()) * static_cast<std::size_t>(out.container / 8);
  out.bytes.resize(size + size % 2);
  Uint32 first = 0;
  OFString model;
  const OFCondition done = pixels->getUncompressedFrame(&set, 0, first, out.bytes.data(),
                                                        static_cast<Uint32>(out.bytes.size()), model);
  if (done.bad()) broken_frame(who, "the stream is damaged or truncated (", done.text(), ")");
}
#else
void decode_jpeg12_frame(CodedBytes, const PixelModule&, const std::string&, RawFrame&) {
  require_dicom("dicom");
}
#endif

}  // namespace gadolin::detail
