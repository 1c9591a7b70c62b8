// What a classifier's training run is made of: splits, pipelines, the loader, the loss.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "apps/run/train_options.h"
#include "data/sets/loader.h"

namespace gadolin {

// Splits as the data set has them; what is missing is divided off by patient.
std::unique_ptr<Dataset> open_split(const TrainCommand& o, std::uint64_t seed);
// split.csv: a manifest that eval opens. Samples inside a container have no files: what is written then is
// for reading.
void write_split(const std::string& path, const Dataset& set);
// Channels of the first picture that can be read; the loader deals with those that cannot.
int channels_of(const Dataset& set);

// Steps of --pipeline and of --augment, or what is usual. Throw UsageError.
std::string evaluation_steps(const TrainCommand& o, int channels);
std::string training_steps(const TrainCommand& o, int channels);

LoaderOptions loader_options(const TrainCommand& o, const Session& session);

}  // namespace gadolin
