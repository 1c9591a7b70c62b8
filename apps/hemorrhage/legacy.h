// The sequences of the original, for extract-features --legacy: all slices of a patient as one, and the
// arrays that its train_lstm read (apps-spec 6.9).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/hemorrhage/slices.h"

namespace gadolin::hemorrhage {

// `most` of the numbers 0 to n - 1, as int(linspace(0, n - 1, most)) takes them; all where there are no more.
std::vector<std::int64_t> evenly_picked(std::int64_t n, std::int64_t most);

// Makes one series of each patient, ordered by place over all its scans, of at most `most` slices
// (evenly_picked); 0: of any length.
void join_patients(Slices& slices, std::int64_t most);

// Of features of joined patients in `folder` (open_sequences): {train_embeddings [P, T, F], train_labels
// [P, T, 6], train_mask [P, T]}.npy, or {test_embeddings [P, T, F], test_img_ids [P, T]}.npy, of fp32 and of
// texts. Patients are sorted; shorter ones have zeros, "pad" and mask 0 in front. T is `length`, or the
// longest patient if that is more. Throws FileError, FormatError, DataError.
void write_legacy_arrays(const std::string& folder, const std::string& base, std::int64_t length);

}  // namespace gadolin::hemorrhage
