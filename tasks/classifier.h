// A trained classifier with everything that is needed to use it, and what it says about a set of samples.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/sets/loader.h"
#include "nets/registry.h"
#include "tasks/metric_summary.h"
#include "train/checkpoint.h"

namespace gadolin {

struct Classifier {
  std::string model;  // name in the registry
  NetOptions options;
  std::vector<std::string> classes;
  bool multi_label = false;
  Pipeline pipeline;  // of evaluation
  std::unique_ptr<ImageNet> net;

  // What a checkpoint stores of it, besides the weights under "model.".
  void describe(Checkpoint& checkpoint) const;
};

// The net of a checkpoint, in evaluation mode, with its averaged weights when it has them.
// Throws CheckpointError for a file that holds no classifier.
Classifier load_classifier(const std::string& path, Device device);

// The checkpoint that a user means by `path`: the file, or the newest one of a run's folder or of a folder of
// checkpoints. Another path comes back as it is, also a folder with TensorFlow's file `checkpoint`. Throws
// FileError for any other folder.
std::string find_checkpoint(const std::string& path);

// Whether a file begins as a .gdck checkpoint does.
bool is_checkpoint(const std::string& path);

// Weights by torchvision's names from a .gdck checkpoint or any file of read_weights (io/weights.h).
State load_weights(const std::string& path);

struct SetPredictions {
  Predictions predictions;            // in the order of the data set
  std::vector<std::int64_t> indices;  // of the samples; bad ones are missing
  std::vector<BadSample> bad;
  double loss = 0;  // mean cross-entropy, binary for multi-label
};
// Softmax (or logistic, for several labels) probabilities of all samples. Patients are taken from the data
// set.
SetPredictions predict_set(Layer& net, const Dataset& set, const Pipeline& pipeline,
                           const LoaderOptions& loader, DType compute, const std::string& progress = "");
// [N, K] from logits.
std::vector<double> probabilities(const Tensor& logits, bool multi_label);

}  // namespace gadolin
