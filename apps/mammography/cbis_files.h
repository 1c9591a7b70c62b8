// The tree of DICOM files of CBIS-DDSM: what each file is, by its header and its path.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/mammography/source.h"
#include "data/image/affine.h"

namespace gadolin::mammography {

// "Calc-Test_P_00038_LEFT_CC_1": what PatientID and folders say. PatientID holds view and number too, so a
// person is the part P_00038.
struct CbisId {
  std::string part;     // Mass-Training, Calc-Test ...; empty where it is not written
  std::string patient;  // P_00038
  std::string side, view;
  int number = 0;           // of the abnormality; 0: the whole film
  std::string key() const;  // one text for all of it
};
std::optional<CbisId> cbis_id(std::string_view text);

struct CbisFile {
  std::string path;  // below the source
  std::string study, series, patient_id;
  std::optional<CbisId> id;
  int width = 0, height = 0;
  bool used = false;
};

class CbisTree {
 public:
  // Reads all headers below `root`. Files that cannot be read go to `unmatched`.
  CbisTree(const std::string& root, std::vector<Remainder>& unmatched);
  std::vector<CbisFile>& files() { return files_; }
  // Files by a UID of a series or, where no series has it, of a study, that a table's path names.
  std::vector<std::size_t> by_path(std::string_view table_path) const;
  std::vector<std::size_t> by_id(const CbisId& id) const;

 private:
  std::vector<CbisFile> files_;
  std::multimap<std::string, std::size_t> series_, studies_, ids_;
};

// The lesion on a mask: the smallest rectangle around its largest component, on a film of this size. A mask
// has two values at most, one of them 0; a crop has more.
struct CbisMask {
  bool is_mask = false;
  int width = 0, height = 0;
  Corners box;              // pixels of the mask
  std::int64_t pixels = 0;  // set ones
};
CbisMask read_cbis_mask(const std::string& path);
// Whether a mask of another size has the film's aspect, to a pixel or a thousandth.
bool same_aspect(int mask_width, int mask_height, int width, int height);
Corners scaled(const Corners& box, double x, double y);

}  // namespace gadolin::mammography
