// Whether two sets are apart: a patient, or a picture under another name, that is in both makes every number
// measured on the second one too good.
#pragma once

#include <string>

#include "data/sets/dataset.h"

namespace gadolin {

struct Overlap {
  std::int64_t patients = 0, pictures = 0;  // in both
  std::int64_t unnamed = 0;                 // samples of either without a patient
  std::string first, second;                // names of two samples that should not both be there
};

// Patients are compared by name, pictures by the bytes of their files (of those of equal size). Files that
// cannot be read are passed over. Never names a patient.
Overlap overlap_of(const Dataset& a, const Dataset& b);

// "patients in both: 0". Throws DataError, calling the sets by these names, when anything is in both.
std::string require_apart(const Dataset& a, const Dataset& b, const std::string& name_of_a,
                          const std::string& name_of_b);

}  // namespace gadolin
