// What a source of films says: which films there are, whose they are, what lies on them and where. Every
// source ends in this form; pixels of films are not looked at here.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "data/dicom/file.h"
#include "data/image/affine.h"
#include "data/sets/dataset.h"

namespace gadolin::mammography {

struct Lesion {
  Corners box;           // pixels of the stored film
  std::string kind;      // mass, calcification, cluster ...
  std::string verdict;   // of this lesion: malignant, benign; empty where the source says nothing of it alone
  bool ellipse = false;  // the source draws a circle: the lesion touches the four sides of its box
};

struct Film {
  std::string file;     // below the folder of the source
  std::string patient;  // empty: unknown
  std::string side;     // L or R; empty: unknown
  std::string view;     // CC, MLO ...; empty: unknown
  std::string verdict;  // of the film as a whole: malignant, benign, normal; empty: see verdict_of
  Split split = Split::none;
  std::vector<Lesion> lesions;
};

// A row or a file of a source that did not come through, and why.
struct Remainder {
  std::string kind;  // row, file, film, mask
  std::string name;  // "mass_case_description_train_set.csv:12", a path below the source
  std::string reason;
};

struct Source {
  std::string name;  // cbis-ddsm, inbreast, mini-mias or films
  std::string root;
  std::string malignant;  // the rule by which something is called so
  bool truth = true;      // false: nothing is known of lesions
  std::vector<Film> films;
  std::vector<Remainder> unmatched;  // rows without files and files without rows
  std::vector<Remainder> left_out;   // what else did not come through
  std::vector<std::string> notes;    // one sentence each
  std::vector<std::string> sides;    // headers and tables that contradict one another
  std::set<std::string> ids;         // of patients, as the source writes them
  std::int64_t rows = 0;             // of its tables, contours of its files
};

struct SourceOptions {
  std::set<std::string> findings = {};  // kinds that are wanted; "all"; empty: as the source does by default
  std::string birads_3 = "unknown";     // benign, malignant or unknown
  double point_size = 10;               // side of a box around one point, pixels of the film
  std::string sheet = {}, xml = {}, boxes = {};  // paths that are not where the source has them
  std::string patient_until = {};                // of films: a file's name up to one of these is its patient
  bool normal = false;                           // of films: nothing lies on any of them
  bool skip_wrong = false;                       // contours that cannot be read leave with their film
  bool keep_patient_ids = false;                 // of films: as in the headers
  std::string key = {};                          // of films: what pseudonyms of patients are derived from
  bool wants(const std::string& kind) const { return findings.contains("all") || findings.contains(kind); }
};

// CBIS-DDSM (Lee et al., Sci. Data 4:170177, 2017): mass_case_description_*.csv, calc_case_description_*.csv
// and a tree of DICOM files. Files are found by the UIDs of a row's paths, else by kind, patient, side, view
// and number. Which of a row's two further files is the mask is decided by their pixels.
Source read_cbis(const std::string& root, const SourceOptions& options);
// INbreast (Moreira et al., Acad. Radiol. 19(2), 2012): DICOM files NUMBER_PATIENT_MG_SIDE_VIEW_ANON.dcm, a
// sheet as CSV, NUMBER.xml. Masses unless `findings` says otherwise.
Source read_inbreast(const std::string& root, const SourceOptions& options);
// mini-MIAS (Suckling et al. 1994): Info.txt and PGM files in pairs of one patient. y counts from below.
Source read_mini_mias(const std::string& root, const SourceOptions& options);
// Pictures of any kind in a folder and its folders, without truth, with a table of boxes, or all normal.
Source read_films(const std::string& root, const SourceOptions& options);

// Opens `root` as the named source; "auto": as the one whose files it has. All throw DataError and FileError.
Source read_source(const std::string& root, const std::string& name, const SourceOptions& options);

// The worst of the lesions' verdicts where the film has none of its own; normal without lesions; empty where
// a lesion's is unknown and none is malignant.
std::string verdict_of(const Film& film);
// The lesion's own verdict, else that of its film.
std::string verdict_of(const Film& film, const Lesion& lesion);
// The same of several: malignant before unknown before benign before normal.
std::string worse(const std::string& a, const std::string& b);
// malignant, benign, or "" by the assessment of a sheet ("4b"). Throws DataError, beginning with `place`.
std::string verdict_of_birads(std::string_view text, const SourceOptions& options, const std::string& place);

// L, R or empty: the laterality of a DICOM header, or a body part such as "Left Breast".
std::string side_of_header(const DicomFile& file);

// What the readers share: files below a folder by name, sorted; films that lack a wanted lesion but have
// others leave the source.
std::vector<std::string> files_below(const std::string& root);
void drop_other_findings(Source& source, const SourceOptions& options);
// Films with a lesion of which nothing is known leave the source, where verdicts are to be learnt.
void drop_unknown_verdicts(Source& source);

}  // namespace gadolin::mammography
