// What the fuzzers of boxes share: pictures that are not there, and what must hold of every set.
#pragma once

#include <cmath>
#include <cstdlib>
#include <functional>

#include "data/sets/boxes/raw_boxes.h"
#include "tensor/check.h"

namespace gadolin::fuzz {

// Sizes and orientations by the name.
inline ImageHeader made_up_header(const detail::RawPicture& picture) {
  const std::size_t hash = std::hash<std::string>()(picture.name);
  return {static_cast<int>(1 + hash % 97), static_cast<int>(1 + hash / 97 % 89),
          static_cast<int>(1 + hash / 9000 % 8)};
}

inline void must_hold(const DetectionSet& set) {
  const BoxCounts& c = set.counts();
  std::int64_t boxes = 0;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    const MarkedPicture& p = set.picture(i);
    for (const MarkedBox& b : p.boxes) {
      const bool inside = b.box.x1 >= 0 && b.box.y1 >= 0 && b.box.x1 < b.box.x2 && b.box.y1 < b.box.y2 &&
                          b.box.x2 <= p.width && b.box.y2 <= p.height;
      if (!inside || b.box.label < 0 || b.box.label >= set.num_classes() || !(b.area >= 0)) std::abort();
      set.place(b.origin);
      ++boxes;
    }
  }
  if (boxes != c.boxes || c.rows != c.boxes + c.wrong + c.thin + c.passed_over) std::abort();
  set.summary();
  set.fingerprint();
}

// Reads with wrong rows as errors, with wrong rows left out, and as written.
inline void both_ways(const std::function<void(const DatasetOptions&, detail::RawBoxes&)>& parse) {
  for (int way = 0; way < 3; ++way) {
    std::vector<std::string> problems;
    DatasetOptions options;
    options.allow_outside = true;  // names are not looked up on the disk
    options.as_written = way == 2;
    options.boxes_on_shown = way == 1;
    if (way == 1) options.problems = &problems;
    try {
      detail::RawBoxes raw;
      parse(options, raw);
      const auto set = detail::finish_boxes(std::move(raw), options, made_up_header);
      if (way < 2) must_hold(*set);
    } catch (const Error&) {
    }
  }
}

}  // namespace gadolin::fuzz
