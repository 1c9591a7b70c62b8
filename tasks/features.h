// What a layer of a net makes of pictures: features for other models, streamed to a file.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/sets/loader.h"
#include "layers/module.h"
#include "tasks/task.h"

namespace gadolin {

// Runs a net, unfused, and keeps one layer's value. Names are the paths of `gadolin summary`; "PATH:input" is
// what goes into a layer, and "embedding" what goes into the last Linear: the vector that the classifier
// sees. A layer that runs several times in a forward pass gives its last value. Meanwhile another observer on
// this thread sees no calls.
class LayerTap {
 public:
  // Throws UsageError naming the nearest layers when there is none of this name. The net must outlive the
  // tap.
  LayerTap(Layer& net, const std::string& layer) : LayerTap(static_cast<Module&>(net), layer) {
    unary_ = &net;
  }
  // Of any module: run() calls it, and its result is `output`.
  LayerTap(Module& net, const std::string& layer);
  // What a call gave.
  struct Result {
    Tensor output, feature;  // of the net; of the layer
  };
  // Throws UsageError when the layer does not run, as auxiliary heads in evaluation.
  Result operator()(const Tensor& x) const {
    return watch([&] { return (*unary_)(x); });
  }
  Result watch(const std::function<Tensor()>& run) const;  // of a module that is called by `run`

 private:
  Layer* unary_ = nullptr;
  std::string layer_;
  const Module* watched_ = nullptr;  // null of "embedding": the last Linear
  bool input_ = false;
};

// Which features, and how they are computed.
struct FeatureOptions {
  std::string layer = "embedding";  // empty: what the net gives, with its layers fused
  bool pool = false;                // the mean over height and width of [N, C, H, W]
  DType dtype = DType::fp32;        // of the features: fp32 or fp16
  DType compute = DType::fp32;      // in which the net computes
  bool pictures = false;  // the samples are pictures alone, without what the task learns from, such as boxes
  std::string progress = {};  // label of a progress line on stderr; empty: none
};
// What was extracted.
struct FeatureResult {
  std::int64_t rows = 0;       // one a sample
  Shape row;                   // [C, H, W], [C], ...
  std::vector<BadSample> bad;  // left out
};

// Gets features of some samples [M, ...] and their places in the set.
using TakeFeatures = std::function<void(const Tensor& rows, const std::vector<std::int64_t>& indices)>;

// The features of every sample in evaluation mode, in the order of the set, handed over batch by batch as [M,
// ...] on the net's device with the places of the samples. Several processes take the batches in turns, and
// rank 0 gets those of all, on the CPU; the result is that of all ranks on each. With `bad_samples` skip or
// quarantine, samples that cannot be read are left out. `shuffle` and `drop_last` must be off. Memory does
// not grow with the set. Throws as the loader and LayerTap.
FeatureResult extract_features(Task& task, const Dataset& set, const LoaderOptions& loader,
                               const FeatureOptions& options, const TakeFeatures& take,
                               Communicator& communicator = no_communicator());
// The same of a net of pictures without a task.
FeatureResult extract_features(Layer& net, const Dataset& set, const Pipeline& pipeline,
                               const LoaderOptions& loader, const FeatureOptions& options,
                               const TakeFeatures& take, Communicator& communicator = no_communicator());

// The same into folder/features.npy [rows, ...] and folder/index.csv (row,path,patient,label,split), which
// appear when all is done. The folder is made. map_npy (io/npy.h) reads the array without loading it.
FeatureResult write_features(const std::string& folder, Task& task, const Dataset& set,
                             const LoaderOptions& loader, const FeatureOptions& options,
                             Communicator& communicator = no_communicator());
// The same of a net of pictures without a task.
FeatureResult write_features(const std::string& folder, Layer& net, const Dataset& set,
                             const Pipeline& pipeline, const LoaderOptions& loader,
                             const FeatureOptions& options, Communicator& communicator = no_communicator());

}  // namespace gadolin
