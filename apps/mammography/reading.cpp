#include "apps/mammography/reading.h"

#include <algorithm>

#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "io/atomic_file.h"
#include "tasks/detection/draw.h"
#include "tasks/detection/operating_score.h"
#include "tensor/check.h"

namespace gadolin::mammography {

void add_reading_flags(CLI::App* app, ReadingFlags& f, bool several) {
  app->add_option("--model", f.models,
                  several ? "Checkpoints, separated by commas or repeated, in their order"
                          : "Checkpoint; several, separated by commas or repeated, are fused")
      ->required()
      ->delimiter(',');
  app->add_option("--views", f.views,
                  "Of each film, whose boxes are fused: identity, hflip, vflip, both, or all")
      ->capture_default_str();
  app->add_option("--score-threshold", f.score_threshold,
                  several ? "From which score on a detection counts; default 0.1"
                          : "From which score on boxes are shown; default that of the checkpoint, which was "
                            "chosen on validation")
      ->check(between(0.0, 1.0));
  app->add_option("--draw", f.draw, "Folder for the films with truth and detections drawn");
}

std::unique_ptr<DetectorCommittee> readers_of(const Session& session, const ReadingFlags& f) {
  if (!f.draw.empty()) check_output_folder("--draw", f.draw);
  return std::make_unique<DetectorCommittee>(f.models, views_from(f.views), session.device(),
                                             session.compute());
}

ShownFrom shown_from(const DetectionTask& task, const std::optional<double>& flag, double otherwise) {
  if (flag) return {*flag, cat("score ", exact_text(*flag), " and more, as asked for")};
  const std::string& text = task.remembered("score_threshold");
  if (text.empty())
    return {otherwise,
            cat("score ", exact_text(otherwise), " and more, which nobody chose on validation pictures")};
  const OperatingScore score = operating_score_from_json(text, "checkpoint");
  return {score.value, cat("score ", exact_text(score.value), " and more, chosen on ", score.pictures,
                           " validation pictures: sensitivity ", fixed(score.sensitivity, 3), " at ",
                           fixed(score.false_per_picture, 3), " false alarms a picture")};
}

std::vector<Detection> scoring(std::vector<Detection> found, double score) {
  std::erase_if(found, [&](const Detection& d) { return !(d.score >= score); });
  return found;
}

void draw_film(const std::string& folder, const std::string& stem, const Image& film,
               std::span<const MarkedBox> truth, std::span<const Detection> found,
               const std::vector<std::string>& classes) {
  make_folders("mammography", folder);
  write_png(folder + "/" + stem + ".png", draw_boxes(to_8bit(film), drawn_boxes(truth, found, classes)));
}

}  // namespace gadolin::mammography
