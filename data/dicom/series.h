// Slices of a series in anatomical order: sorted by position along the slice normal, never by name or
// instance number.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "data/dicom/file.h"

namespace gadolin {

// What ordering needs of one file.
struct SlicePlace {
  std::string path;                                     // or any name
  std::string series;                                   // SeriesInstanceUID
  std::array<double, 3> position{};                     // ImagePositionPatient, mm
  std::array<double, 6> orientation{1, 0, 0, 0, 1, 0};  // direction of a row, direction of a column
  bool placed = false;                                  // both are there
  std::int64_t instance = 0;                            // InstanceNumber
  double tilt = 0;                                      // GantryDetectorTilt, degrees; 0 when absent
};
SlicePlace slice_place(const DicomFile& file);  // of the first frame

// The order of a series' slices.
struct SeriesOrder {
  std::vector<std::size_t> order;  // indices of the slices given, from the lowest position along the normal
  std::vector<double> positions;   // mm along the normal, in that order; empty when slices have no place
  std::array<double, 3> normal{};  // of the slices, a unit vector
  double spacing = 0;              // median distance of neighbours, mm
  double least_spacing = 0, most_spacing = 0;  // between neighbours, in mm
  double tilt = 0;                             // GantryDetectorTilt of the first slice, degrees
  double shear = 0;  // degrees between the normal and the line through the slices: the tilt as measured
  // Sentences without personal data: gaps, doubled positions, mixed orientations, missing places.
  std::vector<std::string> problems;
};
// Slices without position come last, by instance number. Ties keep instance number, then the order given.
// Empty: all empty.
SeriesOrder order_series(const std::vector<SlicePlace>& slices);

}  // namespace gadolin
