#include "tasks/features.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/npy.h"
#include "layers/module.h"
#include "tasks/evaluate.h"
#include "tensor/ops.h"
#include "train/progress.h"

namespace gadolin {
namespace {

std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t corner = i;
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t best = std::min({row[j] + 1, row[j + 1] + 1, corner + (a[i] == b[j] ? 0 : 1)});
      corner = std::exchange(row[j + 1], best);
    }
  }
  return row.back();
}

std::string labels_of(const Dataset& set, const SampleInfo& info) {
  std::string text;
  for (const int label : info.labels)
    text += (text.empty() ? "" : "|") + set.classes().at(static_cast<std::size_t>(label));
  return text;
}

}  // namespace

LayerTap::LayerTap(Module& net, const std::string& layer) : layer_(layer) {
  input_ = layer == "embedding" || layer.ends_with(":input");
  if (layer == "embedding") return;
  const std::string wanted = layer.substr(0, layer.size() - (input_ ? 6 : 0));
  std::vector<std::string> paths;
  static_cast<const Module&>(net).visit([&](const std::string& path, const Module& module) {
    if (!path.empty()) paths.push_back(path);
    if (path == wanted && !path.empty()) watched_ = &module;
  });
  if (watched_ != nullptr) return;
  std::stable_sort(paths.begin(), paths.end(), [&](const std::string& a, const std::string& b) {
    return edit_distance(a, wanted) < edit_distance(b, wanted);
  });
  paths.resize(std::min<std::size_t>(paths.size(), 3));
  std::string near;
  for (const std::string& path : paths) near += path + ", ";
  fail<UsageError>("layer: ", layer, " is not in the net; near are ", near,
                   "or embedding; gadolin summary shows all names");
}

LayerTap::Result LayerTap::watch(const std::function<Tensor()>& run) const {
  Result result;
  {
    const Unfused apart;
    // By the module, not by its path: the net may be a part of a larger one that is running.
    const CallObserver observer([&](const Module& module, const std::string&, std::span<const Tensor> in,
                                    std::span<const Tensor> out) {
      if (watched_ ? &module == watched_ : std::string_view(module.kind()) == "Linear")
        result.feature = input_ ? in[0] : out[0];
    });
    result.output = run();
  }
  require<UsageError>(result.feature.defined(), "layer: ", layer_,
                      " does not run in a forward pass; gadolin summary shows those that do");
  return result;
}

namespace {

// What is watched: a net, its batches of a set, and how it runs on one.
struct Watched {
  Module& net;
  std::function<std::unique_ptr<DataLoader>(const Dataset&, const LoaderOptions&)> loader;
  std::function<Tensor(const Batch&)> run;
};

Watched watched(Task& task, bool pictures) {
  return {task.net(),
          [&task, pictures](const Dataset& set, const LoaderOptions& options) {
            return pictures ? std::make_unique<DataLoader>(set, task.pipeline(), options)
                            : task.loader(set, task.pipeline(), options);
          },
          [&task](const Batch& batch) {
            task.predict(batch);
            return Tensor();
          }};
}

Watched watched(Layer& net, const Pipeline& pipeline) {
  return {net,
          [&pipeline](const Dataset& set, const LoaderOptions& options) {
            return std::make_unique<DataLoader>(set, pipeline, options);
          },
          [&net](const Batch& batch) { return net(batch["image"]); }};
}

FeatureResult extract_from(const Watched& watched, const Dataset& set, const LoaderOptions& loader_options,
                           const FeatureOptions& options, const TakeFeatures& take,
                           Communicator& communicator) {
  require<UsageError>(options.dtype == DType::fp32 || options.dtype == DType::fp16, "features: cannot be ",
                      options.dtype, ", only fp32 or fp16");
  require<UsageError>(!loader_options.shuffle && !loader_options.drop_last,
                      "features: the loader must take every sample in order");
  std::optional<LayerTap> tap;
  if (!options.layer.empty()) tap.emplace(watched.net, options.layer);
  const NoGrad guard;
  const ComputeScope scope(options.compute);
  struct Mode {
    Module& net;
    bool training;
    explicit Mode(Module& n) : net(n), training(n.training()) { net.eval(); }
    ~Mode() { net.train(training); }
  } mode(watched.net);
  const auto loader = watched.loader(set, divided(loader_options, communicator, Divide::turns));
  std::optional<Progress> progress;
  if (!options.progress.empty())
    progress.emplace(options.progress, loader->batches(), progress_on_stderr(),
                     ProgressUnit{"img", static_cast<double>(loader->batch_size())});
  FeatureResult result;
  Batch batch;
  for (std::int64_t done = 0; loader->next(batch);) {
    Tensor rows = tap ? tap->watch([&] { return watched.run(batch); }).feature : watched.run(batch);
    require<ShapeError>(rows.defined() && rows.dim() > 0 && rows.size(0) == batch.size(),
                        "features: ", options.layer, " gives ", rows.shape(), " for ", batch.size(),
                        " samples");
    if (options.pool && rows.dim() == 4) rows = mean(rows, {2, 3});
    rows = rows.to(options.dtype);
    result.row = Shape{};
    for (int d = 1; d < rows.dim(); ++d) result.row.push_back(rows.size(d));
    const KeptRows kept = kept_rows(batch, *loader, communicator);
    if (std::ssize(kept.rows) < batch.size())
      rows = index_select(rows, 0, from_vector(kept.rows, {std::ssize(kept.rows)}, rows.device()));
    rows = gather_rows(communicator, rows);
    const std::vector<std::int64_t> places = gather_values(communicator, kept.places);
    if (communicator.first()) take(rows, places);
    if (progress) progress->update(++done, loader->stats().wait_seconds);
  }
  if (progress) progress->finish();
  result.bad = bad_samples_of_all(*loader, set.size(), communicator);
  result.rows = set.size() - std::ssize(result.bad);
  return result;
}

FeatureResult write_from(const Watched& watched, const std::string& folder, const Dataset& set,
                         const LoaderOptions& loader, const FeatureOptions& options,
                         Communicator& communicator) {
  if (!options.layer.empty()) const LayerTap check(watched.net, options.layer);  // before anything is made
  std::optional<NpyWriter> array;
  std::optional<AtomicFile> index;
  const FeatureResult result = extract_from(
      watched, set, loader, options,
      [&](const Tensor& rows, const std::vector<std::int64_t>& places) {
        if (!array) {  // the first batch could be read and run
          make_folders("features", folder);
          index.emplace(folder + "/index.csv");
          index->write("row,path,patient,label,split\n");
          Shape row;
          for (int d = 1; d < rows.dim(); ++d) row.push_back(rows.size(d));
          array.emplace(folder + "/features.npy", row, options.dtype);
        }
        std::int64_t at = array->rows();
        array->append(rows);
        for (const std::int64_t place : places) {
          const SampleInfo& info = set.info(place);
          index->write(cat(at++, ",", csv_field(info.path.empty() ? info.name : info.path), ",",
                           csv_field(info.patient), ",", csv_field(labels_of(set, info)), ",",
                           split_name(info.split), "\n"));
        }
      },
      communicator);
  if (array) array->commit();
  if (index) index->commit();
  return result;
}

}  // namespace

FeatureResult extract_features(Task& task, const Dataset& set, const LoaderOptions& loader,
                               const FeatureOptions& options, const TakeFeatures& take,
                               Communicator& communicator) {
  return extract_from(watched(task, options.pictures), set, loader, options, take, communicator);
}

FeatureResult extract_features(Layer& net, const Dataset& set, const Pipeline& pipeline,
                               const LoaderOptions& loader, const FeatureOptions& options,
                               const TakeFeatures& take, Communicator& communicator) {
  return extract_from(watched(net, pipeline), set, loader, options, take, communicator);
}

FeatureResult write_features(const std::string& folder, Task& task, const Dataset& set,
                             const LoaderOptions& loader, const FeatureOptions& options,
                             Communicator& communicator) {
  return write_from(watched(task, options.pictures), folder, set, loader, options, communicator);
}

FeatureResult write_features(const std::string& folder, Layer& net, const Dataset& set,
                             const Pipeline& pipeline, const LoaderOptions& loader,
                             const FeatureOptions& options, Communicator& communicator) {
  return write_from(watched(net, pipeline), folder, set, loader, options, communicator);
}

}  // namespace gadolin
