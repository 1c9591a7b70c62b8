// A made-up radiograph as a DICOM file, through DCMTK.
#include "apps/bodypart/synth_bodypart.h"

#include "data/dicom/dictionary.h"
#include "tensor/check.h"

#ifdef GADOLIN_DICOM
#include <algorithm>
#include <iterator>
//
#include <dcmtk/config/osconfig.h>
//
#include <dcmtk/dcmdata/dcostrmb.h>
#include <dcmtk/dcmdata/dcrleerg.h>
#include <dcmtk/dcmdata/dcrlerp.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmjpeg/djencode.h>
#include <dcmtk/dcmjpeg/djrplol.h>
#endif

namespace gadolin {

#ifdef GADOLIN_DICOM
namespace {

// Global to DCMTK, so once; instances keep their UIDs, and nothing is made a Secondary Capture.
void register_encoders() {
  static const bool done = [] {
    DcmRLEEncoderRegistration::registerCodecs();
    DJEncoderRegistration::registerCodecs(ECC_lossyYCbCr, EUC_never);
    return true;
  }();
  (void)done;
}

// PS3.16 CID 4009, in SNOMED CT.
struct CodedPart {
  const char *part, *code, *meaning;
};
constexpr CodedPart coded_parts[] = {{"ABDOMEN", "818981001", "Abdomen"},
                                     {"CHEST", "816094009", "Chest"},
                                     {"HAND", "85562004", "Hand"},
                                     {"HEAD", "69536005", "Head"},
                                     {"PELVIS", "816092008", "Pelvis"},
                                     {"SPINE", "421060004", "Spine"},
                                     {"MUSCULOSKELETAL", "66019005", "Extremity"}};

void fill_patient_and_study(DcmDataset& set, const SynthFilm& f) {
  const auto text = [&](const DcmTagKey& tag, const std::string& value) {
    set.putAndInsertString(tag, value.c_str());
  };
  text(DCM_SpecificCharacterSet, "ISO_IR 100");
  text(DCM_SOPClassUID,
       f.modality == "CR" ? UID_ComputedRadiographyImageStorage : UID_DigitalXRayImageStorageForPresentation);
  text(DCM_SOPInstanceUID, f.instance_uid);
  text(DCM_StudyInstanceUID, f.study_uid);
  text(DCM_SeriesInstanceUID, f.series_uid);
  text(DCM_PatientName, f.patient_name);
  text(DCM_PatientID, f.patient_id);
  text(DCM_PatientBirthDate, f.birth_date);
  text(DCM_PatientSex, f.sex);
  for (const DcmTagKey& tag : {DCM_StudyDate, DCM_SeriesDate, DCM_AcquisitionDate, DCM_ContentDate})
    text(tag, f.study_date);
  for (const DcmTagKey& tag : {DCM_StudyTime, DCM_ContentTime}) text(tag, "120000");
  for (const DcmTagKey& tag : {DCM_AccessionNumber, DCM_ReferringPhysicianName}) text(tag, "");
  text(DCM_StudyID, "1");
  text(DCM_Modality, f.modality);
  text(DCM_Manufacturer, "Gadolin");
  text(DCM_ManufacturerModelName, "synthetic radiographs");
  text(DCM_SeriesNumber, std::to_string(f.number + 1));
  text(DCM_InstanceNumber, "1");
  text(DCM_ImageComments, "MADE UP, NO PATIENT");
}

void fill_image(DcmDataset& set, const SynthFilm& f) {
  const auto text = [&](const DcmTagKey& tag, const std::string& value) {
    set.putAndInsertString(tag, value.c_str());
  };
  const auto number = [&](const DcmTagKey& tag, int v) {
    set.putAndInsertUint16(tag, static_cast<Uint16>(v));
  };
  text(DCM_ImageType, "ORIGINAL\\PRIMARY\\");
  text(DCM_BodyPartExamined, f.body_part);
  for (const DcmTagKey& tag : {DCM_ViewPosition, DCM_PositionerType, DCM_DetectorType}) text(tag, "");
  set.insertEmptyElement(DCM_AcquisitionContextSequence);
  if (f.modality == "DX") {
    const auto region = std::find_if(std::begin(coded_parts), std::end(coded_parts),
                                     [&](const CodedPart& r) { return f.body_part == r.part; });
    require<ValueError>(region != std::end(coded_parts), "synth: body part ", f.body_part,
                        " is none of synth_body_parts()");
    DcmItem* item = nullptr;
    set.findOrCreateSequenceItem(DCM_AnatomicRegionSequence, item, -2);
    item->putAndInsertString(DCM_CodeValue, region->code);
    item->putAndInsertString(DCM_CodingSchemeDesignator, "SCT");
    item->putAndInsertString(DCM_CodeMeaning, region->meaning);
  }
  text(DCM_ImageLaterality, "U");
  text(DCM_PatientOrientation, "L\\F");
  text(DCM_BurnedInAnnotation, "NO");
  const std::string spacing = std::to_string(f.spacing).substr(0, 8);
  text(DCM_ImagerPixelSpacing, spacing + "\\" + spacing);
  text(DCM_PresentationIntentType, "FOR PRESENTATION");
  text(DCM_PixelIntensityRelationship, "LOG");
  set.putAndInsertSint16(DCM_PixelIntensityRelationshipSign, static_cast<Sint16>(f.inverted ? 1 : -1));
  number(DCM_SamplesPerPixel, 1);
  text(DCM_PhotometricInterpretation, f.inverted ? "MONOCHROME1" : "MONOCHROME2");
  number(DCM_Rows, f.pixels.height);
  number(DCM_Columns, f.pixels.width);
  number(DCM_BitsAllocated, f.pixels.bits);
  number(DCM_BitsStored, f.bits);
  number(DCM_HighBit, f.bits - 1);
  number(DCM_PixelRepresentation, 0);
  text(DCM_RescaleIntercept, "0");
  text(DCM_RescaleSlope, "1");
  text(DCM_RescaleType, "US");
  text(DCM_LossyImageCompression, "00");
  text(DCM_PresentationLUTShape, f.inverted ? "INVERSE" : "IDENTITY");
  if (f.window_width > 0) {
    text(DCM_WindowCenter, cat(f.window_center));
    text(DCM_WindowWidth, cat(f.window_width));
  }
  if (f.bits == 8)
    set.putAndInsertUint8Array(DCM_PixelData, f.pixels.data<Uint8>(),
                               static_cast<unsigned long>(f.pixels.numel()));
  else
    set.putAndInsertUint16Array(DCM_PixelData, f.pixels.data<Uint16>(),
                                static_cast<unsigned long>(f.pixels.numel()));
}

}  // namespace

std::string synth_dicom(const SynthFilm& film) {
  register_encoders();
  DcmFileFormat file;
  fill_patient_and_study(*file.getDataset(), film);
  fill_image(*file.getDataset(), film);
  const E_TransferSyntax syntax = DcmXfer(film.transfer_syntax.c_str()).getXfer();
  const DJ_RPLossless lossless(1, 0);  // first-order prediction; no point transform
  const DcmRLERepresentationParameter rle;
  const DcmRepresentationParameter* how =
      syntax == EXS_RLELossless ? static_cast<const DcmRepresentationParameter*>(&rle) : &lossless;
  OFCondition done = file.getDataset()->chooseRepresentation(syntax, how);
  std::string bytes(static_cast<std::size_t>(film.pixels.numel()) * 4 + 65536, '\0');
  DcmOutputBufferStream out(bytes.data(), static_cast<offile_off_t>(bytes.size()));
  if (done.good()) {
    file.transferInit();
    done = file.write(out, syntax, EET_ExplicitLength, nullptr);
    file.transferEnd();
  }
  require<ValueError>(done.good(), "synth: no DICOM file of transfer syntax ", film.transfer_syntax,
                      " can be written");
  void* begin = nullptr;
  offile_off_t length = 0;
  out.flushBuffer(begin, length);
  bytes.resize(static_cast<std::size_t>(length));
  return bytes;
}
#else
std::string synth_dicom(const SynthFilm&) {
  require_dicom("synth");
  return "";
}
#endif

}  // namespace gadolin
