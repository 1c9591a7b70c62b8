// Transfer learning: one net makes features of pictures, and a small one learns on them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "layers/linear.h"
#include "layers/norm.h"
#include "nets/registry.h"
#include "tasks/features.h"

namespace gadolin {

// Whose features, and which.
struct ExtractorOptions {
  std::string model = "vgg16";  // of the registry
  NetOptions net = {};          // of it, without num_classes
  std::string layer = "trunk";  // what the classifier of the net reads before it pools: C5; or as LayerTap
  bool pool = false;            // the mean over height and width
  // How [N, C, H, W] becomes a row: channel after channel, or, as TensorFlow does, place after place.
  bool channels_innermost = false;
};

// x [N, C, H, W] -> [N, D]. It does not learn: always in evaluation mode. Of ResNet, DenseNet and VGG only
// the trunk is made, where the layer lies in it: VGG-16 has then 14.7 of its 138.4 million weights.
class FeatureExtractor : public Layer {
 public:
  // Throws UsageError for an unknown net, option or layer, naming the nearest.
  explicit FeatureExtractor(ExtractorOptions options);
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "FeatureExtractor"; }
  const ExtractorOptions& options() const { return options_; }  // as made
  ImageNet& net() { return *net_; }                             // the net whose features they are
  const ImageNet& net() const { return *net_; }                 // as above
  // Weights by the names of the whole net: those of parts that were not made are passed over, and all others
  // must be there. Throws CheckpointError.
  void load(const State& weights, const std::string& source);

 private:
  ExtractorOptions options_;
  ImageNet* net_;
  bool whole_;                   // with its classifier
  std::optional<LayerTap> tap_;  // none: the trunk's result, with its layers fused
};

// As options of a classifier: extractor, layer, pool, order (chw, hwc), and extractor.NAME for the net's own.
NetOptions extractor_to_options(const ExtractorOptions& extractor);
// The other way round, from all options of a checkpoint; none without `extractor`.
std::optional<ExtractorOptions> extractor_from_options(const NetOptions& options);

// Sizes of the classifier.
struct FeatureClassifierOptions {
  int features = 25088, num_classes = 2;  // numbers of a row
  std::vector<int> hidden{512, 512};      // units of each hidden layer
  double dropout = 0;                     // behind each hidden layer
  // Normalise by each batch, in evaluation too: an answer then depends on the other samples of its batch, and
  // there is none for a single one.
  bool batch_statistics = false;
};

// Hidden layers without bias, from Xavier's uniform values, each with batch norm (eps 0.001) and ReLU, and a
// linear layer with bias from 0 (of 25,088 features with two of 512 and 2 classes 13,110,274 parameters).
// Takes rows [N, features] and, with an extractor, pictures.
class FeatureClassifier : public ImageNet {
 public:
  // With an extractor it takes pictures.
  explicit FeatureClassifier(const FeatureClassifierOptions& options,
                             std::unique_ptr<FeatureExtractor> extractor = {});
  const char* kind() const override { return "FeatureClassifier"; }
  std::int64_t least_size(bool training) const override;

 private:
  Tensor trunk(const Tensor& x, const Taps& taps) override;
  Tensor head(const Tensor& last) override;
  FeatureClassifierOptions options_;
  FeatureExtractor* extractor_ = nullptr;
  std::vector<Linear*> linear_;
  std::vector<BatchNorm2d*> norm_;
  std::vector<Dropout*> dropout_;
  Linear* last_;
};

// What classification tasks call the net above.
inline constexpr const char* feature_classifier_name = "mlp";
// It, with the options num_classes, features, hidden ("512/512"), dropout, batch_statistics and those of
// extractor_to_options; or a net of the registry. input_channels counts for the extractor. Throws UsageError.
std::unique_ptr<ImageNet> make_classifier(const std::string& model, const NetOptions& options);

}  // namespace gadolin
