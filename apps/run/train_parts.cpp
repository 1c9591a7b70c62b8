#include "apps/run/train_parts.h"

#include <algorithm>

#include "data/sets/split.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "layers/loss.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

std::string default_steps(const TrainCommand& o, int channels, bool training) {
  const std::string size = std::to_string(o.input_size), colour = channels == 1 ? "grey" : "rgb";
  const std::string normal =
      channels == 1 ? "normalize:0.5:0.25" : "normalize:0.485/0.456/0.406:0.229/0.224/0.225";
  if (o.small_input) {
    return colour +
           (training && o.augment != "none" ? ",resize:" + size + "x" + size + ",random-crop:" + size + ":" +
                                                  std::to_string(std::max(1, o.input_size / 8))
                                            : ",resize:" + size + "x" + size) +
           "," + normal;
  }
  if (!training || o.augment == "none") {
    return colour + ",resize:" + std::to_string(o.input_size * 8 / 7) + ",center-crop:" + size + "," + normal;
  }
  if (o.augment == "light") return colour + ",random-resized-crop:" + size + ":0.6:1:0.85:1.18," + normal;
  return colour + ",random-resized-crop:" + size + ":0.5:1:0.8:1.25,hflip,brightness:0.2,contrast:0.2," +
         normal;
}

Tensor class_weights(const Dataset& train, Device device) {
  std::vector<float> weights;
  const auto counts = train.class_counts();
  for (const std::int64_t n : counts) {
    weights.push_back(
        n == 0 ? 0.0f
               : static_cast<float>(static_cast<double>(train.size()) /
                                    (static_cast<double>(counts.size()) * static_cast<double>(n))));
  }
  return from_vector(weights, {static_cast<std::int64_t>(weights.size())}).to(device);
}

}  // namespace

// --- data --------------------------------------------------------------------------------------------------

std::unique_ptr<Dataset> open_split(const TrainCommand& o, std::uint64_t seed) {
  auto set = o.open ? o.open() : open_dataset(o.data, o.dataset);
  if (!o.splits.empty()) read_splits(o.splits, *set);
  if (o.ignore_splits) {
    for (std::int64_t i = 0; i < set->size(); ++i) set->set_split(i, Split::none);
  }
  if (!set->has_split(Split::train)) {
    require<DataError>(
        !set->has_split(Split::val) && !set->has_split(Split::test), "train: ", o.data,
        " has samples of val or test but none of train; set the split column, or add --ignore-splits");
    assign_splits(*set, split_shares(o.shares, seed));
  } else if (!set->has_split(Split::val)) {
    const auto train = set->subset(Split::train);
    SplitOptions halves{0.85, 0.15, 0, seed, true};
    assign_splits(*train, halves);
    std::int64_t at = 0;
    for (std::int64_t i = 0; i < set->size(); ++i) {
      if (set->info(i).split == Split::train) set->set_split(i, train->info(at++).split);
    }
  }
  return set;
}

std::string evaluation_steps(const TrainCommand& o, int channels) {
  return o.pipeline.empty() ? default_steps(o, channels, false) : o.pipeline;
}
std::string training_steps(const TrainCommand& o, int channels) {
  if (o.augment.find(':') != std::string::npos || o.augment.find(',') != std::string::npos) return o.augment;
  require<UsageError>(
      o.augment == "none" || o.augment == "light" || o.augment == "standard", "--augment ", o.augment,
      " is unknown; use none, light, standard or a list of steps such as grey,resize:128,random-crop:112");
  return default_steps(o, channels, true);
}

LoaderOptions loader_options(const TrainCommand& o, const Session& session) {
  LoaderOptions l;
  l.batch_size = o.batch_size;
  l.workers = o.workers;
  l.seed = session.common().seed;
  l.device = session.device();
  const std::map<std::string, BadSamples> policies{
      {"fail", BadSamples::fail}, {"skip", BadSamples::skip}, {"quarantine", BadSamples::quarantine}};
  const auto found = policies.find(o.bad_samples);
  require<UsageError>(found != policies.end(), "--bad-samples ", o.bad_samples,
                      " is unknown; use fail, skip or quarantine");
  l.bad_samples = found->second;
  if (l.bad_samples == BadSamples::quarantine) l.quarantine_file = o.out + "/bad_samples.csv";
  return l;
}

void write_split(const std::string& path, const Dataset& set) {
  if (!set.info(0).path.empty()) return write_manifest(path, set);
  CsvTable table{path, {"name", "labels", "split"}, {}, {}};
  for (std::int64_t i = 0; i < set.size(); ++i) {
    const SampleInfo& s = set.info(i);
    std::string labels;
    for (const int label : s.labels)
      labels += (labels.empty() ? "" : "|") + set.classes()[static_cast<std::size_t>(label)];
    table.rows.push_back({s.name, labels, split_name(s.split)});
  }
  write_file_atomically(path, to_csv(table));
}

int channels_of(const Dataset& set) {
  for (std::int64_t i = 0; i + 1 < set.size(); ++i) {
    try {
      return set.image(i).channels;
    } catch (const Error&) {
    }
  }
  return set.image(set.size() - 1).channels;
}

// --- loss --------------------------------------------------------------------------------------------------

std::function<Tensor(const Tensor&, const Tensor&)> make_loss(const TrainCommand& o, const Dataset& train,
                                                              Device device) {
  const bool multi = train.multi_label();
  const std::string kind = o.loss == "auto" ? (multi ? "bce" : "cross-entropy") : o.loss;
  require<UsageError>(kind == "cross-entropy" || kind == "bce" || kind == "focal", "--loss ", o.loss,
                      " is unknown; use auto, cross-entropy, bce or focal");
  require<UsageError>(
      !(multi && kind == "cross-entropy") && !(!multi && kind == "bce"), "--loss ", kind,
      " does not fit: the set has ",
      multi ? "several labels a sample; use bce or focal" : "one label a sample; use cross-entropy or focal");
  if (multi) {
    if (kind == "focal") {
      return [o](const Tensor& x, const Tensor& y) {
        return sigmoid_focal_loss(x, y.to(x.dtype()), -1, o.focal_gamma);
      };
    }
    Tensor positive;
    if (o.class_weights) {  // negatives over positives, as far as ten
      std::vector<float> weights;
      for (const std::int64_t n : train.class_counts()) {
        weights.push_back(static_cast<float>(std::clamp(
            static_cast<double>(train.size() - n) / std::max(1.0, static_cast<double>(n)), 1.0, 10.0)));
      }
      positive = from_vector(weights, {static_cast<std::int64_t>(weights.size())}).to(device);
    }
    return [positive](const Tensor& x, const Tensor& y) {
      return binary_cross_entropy_with_logits(x, y.to(x.dtype()), positive);
    };
  }
  CrossEntropyOptions c;
  c.label_smoothing = o.label_smoothing;
  if (o.class_weights) c.class_weight = class_weights(train, device);
  if (kind == "focal")
    return [c, o](const Tensor& x, const Tensor& y) { return softmax_focal_loss(x, y, o.focal_gamma, c); };
  return [c](const Tensor& x, const Tensor& y) { return cross_entropy(x, y, c); };
}

}  // namespace gadolin
