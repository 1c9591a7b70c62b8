// Names and value representations of DICOM attributes, out of DCMTK's dictionary.
#pragma once

#include <string>
#include <string_view>

#include "data/dicom/tags.h"

namespace gadolin {

// False when Gadolin was built without DCMTK; then everything that opens a DICOM file throws Unsupported.
bool dicom_available();
// Throws Unsupported, beginning with `op`, when it is not.
void require_dicom(const char* op);

// "Rows"; "" for private and unknown attributes. Repeating groups (overlays, curves) are known.
std::string_view dicom_keyword(DicomTag tag);
// "US"; "UN" for private and unknown attributes. Where the standard leaves a choice: "US" for US or SS, "OW"
// for OB or OW.
std::string_view dicom_vr(DicomTag tag);
// "Rows", "00280010", "(0028,0010)" or "0028,0010". Throws UsageError.
DicomTag dicom_tag(std::string_view text);
// "(0028,0010)"
std::string dicom_tag_text(DicomTag tag);

}  // namespace gadolin
