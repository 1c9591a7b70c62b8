// Headers of many DICOM files as a table, without looking at pixels.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/dicom/file.h"
#include "io/csv.h"

namespace gadolin {

// What an index holds.
struct DicomIndexOptions {
  // PatientID as written; false: a pseudonym that is the same for one patient ("P-" and 12 hex digits of a
  // keyed SHA-256).
  bool keep_patient_ids = false;
  std::string key;             // of the pseudonyms; the same key gives the same ones
  std::vector<DicomTag> more;  // further columns, named by keyword
  DicomLimits limits = {};     // what is refused
  int rank = 0, ranks = 1;     // of several processes: which one this is
  // Brings the bytes of all processes to the first one. That one gets the table, the others an empty one.
  std::function<std::vector<std::string>(const std::string& bytes)> gather = {};
};

// What was found.
struct DicomIndex {
  // path, patient_id, study_id, series_id, instance_id, modality, body_part, ..., warning, error
  CsvTable table;
  // skipped: no DICOM files; failed: have a row with `error`.
  std::int64_t files = 0, skipped = 0, failed = 0;
};

// `source`: a folder (searched through all its folders, links not followed), a zip archive (read in place), a
// DICOMDIR (the files that it names), or one file. Rows are sorted by path; those of one series also carry
// slice_order, from 1, along the slice normal. Uses all threads. Throws FileError or FormatError when the
// source itself cannot be read; a damaged file in it gets a row that says so.
DicomIndex index_dicom(const std::string& source, const DicomIndexOptions& options = {});

// One file of a source. Bytes are valid during the call only; `error` says why there are none.
struct SourceFile {
  const std::string& name;            // as the source names it
  std::string_view bytes;             // of the whole file
  std::string error;                  // empty: it was read
  std::size_t number = 0, count = 0;  // from 0; of all files
};
// Calls visit for each file in `source`, DICOM or not, in order of names, then for those that a DICOMDIR
// names and that are not there.
void each_file(const std::string& source, const std::function<void(const SourceFile&)>& visit);

// Calls visit(name, bytes) for each DICOM file in `source`, as above, in order of names. Bytes are valid
// during the call only.
void each_dicom(const std::string& source,
                const std::function<void(const std::string& name, std::string_view bytes)>& visit);

}  // namespace gadolin
