// Headers of the archive's slices, and what they tell of a series: order, passes, gaps, tilt, copies.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "apps/hemorrhage/archive.h"
#include "data/dicom/series.h"

namespace gadolin::hemorrhage {

// The columns of {train,test}_metadata.csv that are attributes of the file, by their keywords.
std::vector<std::string> header_columns();

struct SliceHeader {
  std::size_t member = 0;  // of CtArchive::members()
  bool readable = false;
  std::string cells;                 // of header_columns, as a part of a row
  std::string patient, sop;          // PatientID, SOPInstanceUID
  std::string study, series;         // UIDs; a series is known by both
  std::vector<std::string> missing;  // of the attributes that later steps need
  std::array<double, 3> position{};
  std::array<double, 6> orientation{1, 0, 0, 0, 1, 0};
  bool placed = false;  // both are there
  std::int64_t instance = 0;
  std::optional<std::int64_t> acquisition;
  std::optional<double> tilt;  // GantryDetectorTilt, degrees
  // What the series tells.
  int pass = 1;
  double along = std::numeric_limits<double>::quiet_NaN();    // mm along the normal
  double spacing = std::numeric_limits<double>::quiet_NaN();  // mm, median of the pass
  std::int64_t same_as = -1;                                  // the header whose bytes these are
};

template <class A> void pack_fields(A& a, SliceHeader& h) {  // for another process (io/pack.h)
  a(h.member, h.readable, h.cells, h.patient, h.sop, h.study, h.series, h.missing, h.position, h.orientation,
    h.placed, h.instance, h.acquisition, h.tilt, h.pass, h.along, h.spacing, h.same_as);
}

// Reads the header of a member; of a packed one no more is unpacked than is needed to come to its pixels
// (4 KB, then four times as much). Throws FormatError.
SliceHeader read_header(const CtArchive& archive, std::size_t member);

struct SeriesRemark {
  std::size_t header;  // of the slice that it is about, or the first of its series
  std::string text;
};

// Marks of two members with the same bytes the one that comes later in the archive. Members are compared
// byte by byte where size and CRC-32 agree.
void find_copies(const CtArchive& archive, std::vector<SliceHeader>& headers);

// Sets pass, along and spacing of the slices of one series, given by their places in `headers`; copies and
// unreadable ones are not among them. Positions that repeat are parted by AcquisitionNumber where that leaves
// none within a part; otherwise they stay together and are named.
void order_one_series(std::vector<SliceHeader>& headers, const std::vector<std::size_t>& slices,
                      const std::function<std::string(std::size_t)>& name,
                      std::vector<SeriesRemark>& remarks);

}  // namespace gadolin::hemorrhage
