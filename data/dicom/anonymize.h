// DICOM files without what names a person: the Basic Application Confidentiality Profile of PS3.15 annex E.
#pragma once

#include <cstdint>
#include <string>

#include "data/dicom/file.h"

namespace gadolin {

// What is kept, and what pseudonyms depend on.
struct AnonymizeOptions {
  // What pseudonyms and new UIDs are derived from. The same key maps the same UID and patient to the same
  // replacement, in all files; without the key nobody can find out which belong together.
  std::string key;
};

// "P-" and 12 hex digits; "" for "".
std::string patient_pseudonym(const std::string& patient_id, const std::string& key);
// "2.25." and a decimal number (PS3.5 B.2); "" for "".
std::string replaced_uid(const std::string& uid, const std::string& key);

// The bytes of a new file: preamble of zeros, meta header of its own, attributes removed, emptied or
// replaced, private ones and unknown ones removed, UIDs replaced, PatientID and PatientName the pseudonym,
// and PatientIdentityRemoved with the method. Pixels are copied as they are: what is burned into them stays.
// Deflated files are written unpacked. Throws FormatError 67 when the file ends inside its pixel data, 64
// without SOPClassUID or SOPInstanceUID.
std::string anonymized(const DicomFile& file, const AnonymizeOptions& options);

namespace detail {
enum class Confidential : std::uint8_t { keep, remove, empty, dummy, uid };
Confidential confidential(DicomTag tag);
}  // namespace detail

}  // namespace gadolin
