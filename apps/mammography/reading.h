// What the commands share that let detectors look at films: one model or several, and from which score on a
// detection counts.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/program/command.h"
#include "data/sets/boxes/detection_set.h"
#include "tasks/detection/detector_committee.h"

namespace gadolin::mammography {

struct ReadingFlags {
  std::vector<std::string> models;
  std::string views = "identity";
  std::optional<double> score_threshold;
  std::string draw;
};

void add_reading_flags(CLI::App* app, ReadingFlags& f, bool several);
std::unique_ptr<DetectorCommittee> readers_of(const Session& session, const ReadingFlags& f);

// From which score on: the flag, or what the checkpoint remembers of its validation, or `otherwise`. `text`
// says which: "score 0.37 and more, chosen on 40 validation pictures".
struct ShownFrom {
  double score = 0;
  std::string text;
};
ShownFrom shown_from(const DetectionTask& task, const std::optional<double>& flag, double otherwise);

// Detections of at least this score.
std::vector<Detection> scoring(std::vector<Detection> found, double score);

// The film with truth and detections as FOLDER/STEM.png, in 8 bits.
void draw_film(const std::string& folder, const std::string& stem, const Image& film,
               std::span<const MarkedBox> truth, std::span<const Detection> found,
               const std::vector<std::string>& classes);

}  // namespace gadolin::mammography
