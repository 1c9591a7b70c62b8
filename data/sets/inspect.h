// A look at a data set before training: what is broken, doubled or leaking, and what it consists of.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "data/sets/dataset.h"

namespace gadolin {

// What decoding one sample told.
struct SampleFacts {
  std::string error;                  // empty: it decoded
  std::vector<std::string> warnings;  // what breaks the file's standard and is read all the same
  int width = 0, height = 0, channels = 0, bits = 0;  // as decoded
  std::int64_t file_bytes = 0;                        // of the stored sample
  ImageFormat format = ImageFormat::unknown;          // by its first bytes
  std::array<double, 3> sum{}, sum_of_squares{};      // of values in 0..1, a channel each
  double lowest = 0, highest = 0;                     // of values in 0..1
  std::string pixel_hash;  // SHA-256 over size and samples: equal pictures in different files have the same
};

// Decodes every sample on `threads` threads (0: one a core). The result depends on the samples alone.
std::vector<SampleFacts> inspect_samples(const Dataset& dataset, int threads = 0);

// Something about a set that a person should know.
struct Problem {
  // error: training would fail or cheat. warning: worth a look.
  // How bad it is.
  enum class Level { warning, error } level;
  // unreadable, duplicate, label-conflict, empty-class, missing-class, size-outlier, constant,
  // wrong-extension, standard, leak-patient, leak-pixels, row, left-out
  std::string kind;
  std::string text;  // names the samples; never a patient
};
// Problems in the order of the samples. `rows` are faults found while opening (DatasetOptions::problems).
std::vector<Problem> check_dataset(const Dataset& dataset, const std::vector<SampleFacts>& facts,
                                   const std::vector<std::string>& rows = {});

// Numbers of a set.
struct DataStats {
  // Of a value over all samples.
  struct Range {
    double least = 0, median = 0, most = 0;  // smallest, middle, largest
  };
  // Unreadable: left out of sizes and values; patients: known ones.
  std::int64_t samples = 0, unreadable = 0, patients = 0, unlabelled = 0;
  std::vector<std::array<std::int64_t, 4>> class_counts;    // [class][none, train, val, test]
  std::array<std::int64_t, 4> split_counts{};               // [none, train, val, test]
  Range width, height, file_bytes;                          // in pixels and bytes
  std::vector<std::pair<std::string, std::int64_t>> kinds;  // "JPEG grey 8 bit" -> files
  // Of values in 0..1 over all pixels: 1 entry when all pictures are grey, else 3 (grey ones count in each).
  std::vector<double> mean, deviation;
};
// Of samples inspected by inspect_samples, in the order of the set.
DataStats dataset_stats(const Dataset& dataset, const std::vector<SampleFacts>& facts);

}  // namespace gadolin
