// What a training run is made of: data, splits, pipelines, the loader, the task, the plan.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "apps/run/train_options.h"
#include "data/sets/loader.h"
#include "tasks/training.h"

namespace gadolin {

// The data as the task reads them, with the splits of --splits.
std::unique_ptr<Dataset> open_data(const TrainCommand& o, const Session& session);
// Splits as the data set has them; what is missing is divided off by patient.
std::unique_ptr<Dataset> open_split(const TrainCommand& o, const Session& session);
// split.csv: a manifest that eval opens. Samples inside a container have no files: what is written then is
// for reading.
void write_split(const std::string& path, const Dataset& set);
// Channels of the first picture that can be read; the loader deals with those that cannot. 0 for samples
// without pictures.
int channels_of(const Dataset& set);

// Steps of --pipeline and of --augment, or what is usual; none without pictures. Throw UsageError.
std::string evaluation_steps(const TrainCommand& o, int channels);
std::string training_steps(const TrainCommand& o, int channels);

LoaderOptions loader_options(const TrainCommand& o, const Session& session);

// The task with a net that fits the training set, with initial weights (train_net.cpp).
std::unique_ptr<Task> make_task(const TrainCommand& o, const Session& session, const Dataset& train,
                                int channels);
// The net as the run begins with it: its weights, what of them learns, where it lies. Throws UsageError for
// parts that it lacks.
void settle_net(Module& net, const TrainCommand& o, const Session& session);
TrainPlan plan_of(const TrainCommand& o, const Session& session, const Module& net, int channels);

// Everything that a run needs but its folder.
struct Prepared {
  std::unique_ptr<Dataset> set, train, val;
  std::unique_ptr<Task> task;
  TrainPlan plan;
  int channels = 0;  // of the net's pictures; 0: samples without pictures
};
Prepared prepare_run(Session& session, TrainCommand& o, std::unique_ptr<Dataset> set);
RunDir::Open open_mode(const TrainCommand& o);
// One run in the folder o.out (train_run.cpp), and one a fold in folders of their own, with what they say
// together (train_folds.cpp).
TrainResult run_one(Session& session, const TrainCommand& o, std::unique_ptr<Dataset> set,
                    const ConfigText& config);
void train_folds(Session& session, const TrainCommand& o, const ConfigText& config);
// For a run that is no cross-validation. Throws UsageError when its folder holds the folds of one, unless
// --overwrite removes them.
void check_folds(const TrainCommand& o);
// Removes folds.csv, and the runs of all folds behind the first `kept`.
void remove_folds(const std::string& out, int kept);

}  // namespace gadolin
