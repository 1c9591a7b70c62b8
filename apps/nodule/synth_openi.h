// A made-up collection of Open-i: films of two views with and without nodules, and their reports.
#pragma once

#include <cstdint>
#include <string>

#include "data/image/image.h"

namespace gadolin::nodule {

struct SynthOpeniOptions {
  std::string form = "xml";  // xml, scraper, csv
  int patients = 40, size = 96;
  double nodules = 0.4;  // share of the patients
  bool faults = false;  // blanked words, contradictions, missing and left-over files, an image in two reports
  std::uint64_t seed = 0;
};

// Two lungs, or one from the side, on an uneven ground with noise; with `nodule` a bright spot in a lung.
Image synth_chest_film(const SynthOpeniOptions& options, int patient, bool lateral, bool nodule);

// Writes images/ and, by the form, reports/NUMBER.xml with views.csv, datas.json, or indiana_reports.csv with
// indiana_projections.csv under `folder`. Throws FileError.
void write_synth_openi(const std::string& folder, const SynthOpeniOptions& options);

}  // namespace gadolin::nodule
