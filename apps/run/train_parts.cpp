#include "apps/run/train_parts.h"

#include <algorithm>

#include "apps/run/box_options.h"
#include "apps/run/table_of_run.h"
#include "data/sets/boxes/tiles.h"
#include "data/sets/boxes/write_boxes.h"
#include "data/sets/split.h"
#include "io/atomic_file.h"
#include "io/csv.h"

namespace gadolin {
namespace {

std::string default_steps(const TrainCommand& o, int channels, bool training) {
  if (channels == 0) return "";
  const std::string size = std::to_string(o.input.size), colour = channels == 1 ? "grey" : "rgb";
  const std::string normal =
      channels == 1 ? "normalize:0.5:0.25" : "normalize:0.485/0.456/0.406:0.229/0.224/0.225";
  if (const auto& steps = trainable_kind(o.task).steps)
    return colour + "," + steps({o.input.size, o.input.augment, training}) + "," + normal;
  if (o.net.small_input) {
    return colour +
           (training && o.input.augment != "none" ? ",resize:" + size + "x" + size + ",random-crop:" + size +
                                                        ":" + std::to_string(std::max(1, o.input.size / 8))
                                                  : ",resize:" + size + "x" + size) +
           "," + normal;
  }
  if (!training || o.input.augment == "none") {
    return colour + ",resize:" + std::to_string(o.input.size * 8 / 7) + ",center-crop:" + size + "," + normal;
  }
  if (o.input.augment == "light")
    return colour + ",random-resized-crop:" + size + ":0.6:1:0.85:1.18," + normal;
  return colour + ",random-resized-crop:" + size + ":0.5:1:0.8:1.25,hflip,brightness:0.2,contrast:0.2," +
         normal;
}

}  // namespace

std::unique_ptr<Dataset> open_data(const TrainCommand& o, const Session& session) {
  const TaskKind& kind = trainable_kind(o.task);
  DatasetOptions read = o.data.read;
  allow_table_of_run(read, o.data.path);
  auto set = open_logged(session, read, o.data.skip_wrong, [&] {
    return o.data.open ? o.data.open()
           : kind.open ? kind.open(o.data.path, read)
                       : open_dataset(o.data.path, read);
  });
  if (!o.data.splits.empty()) read_splits(o.data.splits, *set);
  return set;
}

std::unique_ptr<Dataset> open_split(const TrainCommand& o, const Session& session) {
  auto set = open_data(o, session);
  const std::uint64_t seed = session.common().seed;
  for (const std::string& met : met_in(*set)) session.log("train: " + o.data.path + ": " + met);
  if (o.data.ignore_splits) {
    for (std::int64_t i = 0; i < set->size(); ++i) set->set_split(i, Split::none);
  }
  if (!set->has_split(Split::train)) {
    require<DataError>(
        !set->has_split(Split::val) && !set->has_split(Split::test), "train: ", o.data.path,
        " has samples of val or test but none of train; set the split column, or add --ignore-splits");
    assign_splits(*set, split_shares(o.data.shares, seed));
  } else if (!set->has_split(Split::val) && o.evaluate) {
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
  return o.input.pipeline.empty() ? default_steps(o, channels, false) : o.input.pipeline;
}
std::string training_steps(const TrainCommand& o, int channels) {
  if (o.input.augment.find(':') != std::string::npos || o.input.augment.find(',') != std::string::npos)
    return o.input.augment;
  require<UsageError>(
      o.input.augment == "none" || o.input.augment == "light" || o.input.augment == "standard", "--augment ",
      o.input.augment,
      " is unknown; use none, light, standard or a list of steps such as grey,resize:128,random-crop:112");
  return default_steps(o, channels, true);
}

LoaderOptions loader_options(const TrainCommand& o, const Session& session) {
  LoaderOptions l;
  l.batch_size = o.input.batch_size;
  l.workers = o.input.workers;
  l.seed = session.common().seed;
  l.device = session.device();
  const std::map<std::string, BadSamples> policies{
      {"fail", BadSamples::fail}, {"skip", BadSamples::skip}, {"quarantine", BadSamples::quarantine}};
  const auto found = policies.find(o.input.bad_samples);
  require<UsageError>(found != policies.end(), "--bad-samples ", o.input.bad_samples,
                      " is unknown; use fail, skip or quarantine");
  l.bad_samples = found->second;
  if (l.bad_samples == BadSamples::quarantine) l.quarantine_file = o.out + "/bad_samples.csv";
  return l;
}

void write_split(const std::string& path, const Dataset& set) {
  if (const auto* tiles = dynamic_cast<const TiledSet*>(&set)) return write_box_table(path, tiles->films());
  if (const auto* boxes = dynamic_cast<const DetectionSet*>(&set)) return write_box_table(path, *boxes);
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
      return set.sample(i).has("image") ? set.image(i).channels : 0;
    } catch (const Error&) {
    }
  }
  const std::int64_t last = set.size() - 1;
  return set.sample(last).has("image") ? set.image(last).channels : 0;
}

}  // namespace gadolin
