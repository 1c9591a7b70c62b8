// Made-up labelled pictures of made-up patients: for examples, tests and benchmarks without any data at hand.
#pragma once

#include <string>

#include "data/sets/dataset.h"

namespace gadolin {

// What is made up.
struct SynthOptions {
  int samples = 200, patients = 50, classes = 4;  // at most 6 classes
  int size = 64;                                  // width and height
  bool colour = false, jpeg = false;              // three channels instead of one; JPEG instead of PNG
  bool multi_label = false;                       // each shape present or not, on its own
  std::uint64_t seed = 0;                         // other pictures for another one
};
// Names of the first classes: disc, square, cross, ring, stripes, triangle.
std::vector<std::string> synth_classes(int count);

// Picture `index`: the shapes of `labels` at random places on an uneven, noisy ground. The ground belongs to
// the patient, so a net that learns patients instead of shapes is found out by a split by patient. A pure
// function of its arguments.
Image synth_image(const SynthOptions& options, std::uint64_t index, std::uint64_t patient,
                  const std::vector<int>& labels);

// Writes images/ and manifest.csv (path, patient, labels, split by patient) under `folder`, which is made
// when it is missing. Throws UsageError for settings out of range, FileError when a file cannot be written.
void write_synth(const std::string& folder, const SynthOptions& options);

}  // namespace gadolin
