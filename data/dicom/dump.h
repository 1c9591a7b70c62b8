// The header of a DICOM file for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "data/dicom/file.h"

namespace gadolin {

// What is printed.
struct DumpOptions {
  std::vector<DicomTag> only;    // these of the data set itself; empty: all
  std::size_t text_limit = 128;  // longer values are cut with "..." in text
  // false: values that the Basic Confidentiality Profile removes or replaces are shown as "[hidden]".
  bool show_identity = true;
};

// One line an element, indented by depth: "(0028,0010) US Rows = 512". Control characters are escaped.
std::string dump_text(const DicomFile& file, const DumpOptions& options = {});
// The DICOM JSON Model (PS3.18 annex F), one object; bulk data has its vr only. Names of elements are added
// as "keyword".
std::string dump_json(const DicomFile& file, const DumpOptions& options = {});
// path,tag,vr,keyword,value with a header line; path is "" or "SequenceKeyword[item]..." .
std::string dump_csv(const DicomFile& file, const DumpOptions& options = {});

}  // namespace gadolin
