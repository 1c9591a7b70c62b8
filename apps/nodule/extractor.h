// The net that makes features of films, as a command line names it, and as a folder of features keeps it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/program/command.h"
#include "tasks/feature_classifier.h"
#include "train/checkpoint.h"

namespace gadolin::nodule {

struct ExtractorFlags {
  std::string net, layer = "trunk", order = "chw", weights, pipeline;
  std::vector<std::string> net_options;
  bool pool = false, random_weights = false;
};
void add_extractor_flags(CLI::App* app, ExtractorFlags& f);

// A net with the steps between a film and it. `said`: for people, what its weights are.
struct Extractor {
  std::unique_ptr<FeatureExtractor> net;
  std::string pipeline, said;
};
// On the session's device. Throws UsageError for flags that leave a choice open, or do not fit together.
Extractor extractor_of(const Session& session, const ExtractorFlags& flags);

// extractor.gdck of a folder of features: what would make the same features of a new film.
Checkpoint checkpoint_of(const Extractor& extractor);
bool same_extractor(const Checkpoint& a, const Checkpoint& b);

// A classifier of features (checkpoint of a run) and the extractor of its features as one checkpoint, which
// takes films: a command that knows classifiers of pictures knows it. Throws CheckpointError for one of
// another kind.
Checkpoint film_checkpoint(const Checkpoint& classifier, const Checkpoint& extractor,
                           const std::string& path);

}  // namespace gadolin::nodule
