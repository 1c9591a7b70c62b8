// Which films a detector fires on: the question behind `ensemble` and `cases`.
#pragma once

#include "apps/mammography/marked_data.h"
#include "apps/mammography/reading.h"

namespace gadolin::mammography {

// When a detection on a film counts. any: wherever it lies, as the original's programs count; centre: the
// centre of an annotation lies inside it; iou: it overlaps one by `iou`.
struct FiringRule {
  enum class Where { any, centre, iou } where = Where::any;
  double iou = 0.2, score = 0.1;
  int label = 0;  // of the class of lesions
};

struct FiringFlags {
  MarkedData data;
  ReadingFlags reading;
  std::string split = "all", splits, where = "any", label;
  double iou = 0.2;
};
void add_firing_flags(CLI::App* app, FiringFlags& f, bool several);
// Of films without boxes there is nowhere to check. Throws UsageError for words that are unknown.
FiringRule firing_rule(const FiringFlags& f, const DetectionTask& task);
std::string text_of(const FiringRule& rule, const DetectionTask& task);

bool fires(const std::vector<Detection>& found, const MarkedPicture& film, const FiringRule& rule);

// The films that are asked about, with the splits of --splits.
std::unique_ptr<DetectionSet> films_of(const Session& session, FiringFlags& f, const DetectionTask& task);

}  // namespace gadolin::mammography
