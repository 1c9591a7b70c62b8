// gadolin hemorrhage predict: six rows an image, whatever became of the image.
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "apps/hemorrhage/commands.h"
#include "apps/hemorrhage/labels.h"
#include "apps/hemorrhage/slices.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "data/sets/sequence_set.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/mapped_file.h"
#include "io/zip_file.h"
#include "layers/compute.h"
#include "tasks/evaluate.h"
#include "tasks/sequences/sequences.h"
#include "tensor/check.h"
#include "train/shares.h"

namespace gadolin::hemorrhage {
namespace fs = std::filesystem;
namespace {

struct PredictFlags {
  std::string features, model_id, model_type = "lstm", out = "output.csv", data_dir, sample;
  double blend = 0.5;
  std::int64_t batch_size = 32;
};

constexpr double least_probability = 1e-6;
constexpr std::uint64_t most_sample_bytes = std::uint64_t{1} << 30;  // RSNA's has 22 MB
using SixProbabilities = std::array<double, subtypes.size()>;
using Answered = std::map<std::string, SixProbabilities>;  // by image

std::string lstm_checkpoint(const std::string& model_id) {
  if (fs::is_regular_file(model_id)) return model_id;
  for (const char* name : {"best", "last"})
    if (const std::string path = model_id + "/checkpoints/" + name + ".gdck"; fs::is_regular_file(path))
      return path;
  fail<DataError>("hemorrhage predict: ", printable(model_id),
                  " holds no checkpoints; give --model_id a run of hemorrhage train-lstm, or a checkpoint");
}

// The table itself, or the one in the archive.
CsvTable read_sample(const std::string& path) {
  if (!path.ends_with(".zip")) return read_csv(path);
  const MappedFile file(path);
  const ZipFile zip(file.text(), path);
  for (const ZipEntry& entry : zip.entries())
    if (std::string_view(entry.name).ends_with("sample_submission.csv"))
      return parse_csv(zip.read(entry, most_sample_bytes), cat(path, ":", entry.name));
  fail<DataError>("hemorrhage predict: ", printable(path),
                  " has no sample_submission.csv; give --sample-submission the table");
}

// The images of a sample submission, in its order.
std::vector<std::string> images_of_sample(const std::string& path) {
  const CsvTable table = read_sample(path);
  const auto id = static_cast<std::size_t>(table.column("ID"));
  table.column("Label");
  std::vector<std::string> images;
  std::map<std::string, std::uint8_t> said;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const RowId row = parse_row_id(table.rows[i][id], table.place(i));
    const auto [at, fresh] = said.try_emplace(std::string(row.image));
    if (fresh) images.push_back(at->first);
    at->second |= static_cast<std::uint8_t>(1u << row.subtype);
  }
  for (const auto& [image, bits] : said)
    require<DataError>(bits == 0x3f, "hemorrhage predict: ", printable(path), " has fewer than six rows of ",
                       printable(image, 60), "; fetch it again");
  return images;
}

// The images to answer for: of the sample submission, else of test_metadata.csv, else those with features.
std::vector<std::string> listed_images(const PredictFlags& f, const Answered& said, const SliceTable& table) {
  if (!f.sample.empty()) return images_of_sample(f.sample);
  std::vector<std::string> images = table.placeless;
  for (const auto& [image, key] : table.keys) images.push_back(image);
  for (const auto& [image, other] : table.same_as) images.push_back(image);
  if (f.data_dir.empty())
    for (const auto& [image, p] : said) images.push_back(image);
  std::sort(images.begin(), images.end());
  return images;
}

// How often each subtype is there in the labelled slices beside the test part, else in what was predicted.
SixProbabilities prior_of(const SequenceSet* all, const Answered& said) {
  SixProbabilities sum{};
  double count = 0;
  const auto add = [&](const auto& of) {
    for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += of(k);
    ++count;
  };
  for (std::int64_t i = 0; all != nullptr && i < all->size(); ++i)
    for (const SequenceSlice& s : all->slices(i))
      if (s.labelled) add([&](std::size_t k) { return static_cast<double>(s.labels >> k & 1); });
  if (count == 0)
    for (const auto& [image, p] : said) {
      const SixProbabilities& six = p;
      add([&](std::size_t k) { return six[k]; });
    }
  for (double& v : sum) v = count > 0 ? v / count : 0.5;
  return sum;
}

void add_base(const SequenceSet& test, double share, Answered& said) {
  require<DataError>(test.has_base(), "hemorrhage predict: ", printable(test.root()),
                     " has no base.npy, which --model_type base and blend need; extract the features again");
  for (std::int64_t i = 0; i < test.size(); ++i) {
    const std::vector<float> base = test.base(i);
    const auto slices = test.slices(i);
    for (std::size_t t = 0; t < slices.size(); ++t)
      for (std::size_t k = 0; k < subtypes.size(); ++k)
        said[slices[t].name][k] += share * static_cast<double>(base[t * subtypes.size() + k]);
  }
}

void add_sequences(Session& session, const PredictFlags& f, const std::vector<std::unique_ptr<Dataset>>& sets,
                   double share, Answered& said) {
  require<UsageError>(!f.model_id.empty(),
                      "hemorrhage predict: --model_type lstm and blend need --model_id, a run of hemorrhage "
                      "train-lstm");
  const std::string path = lstm_checkpoint(f.model_id);
  const auto task = load_task(path, session.device());
  require<DataError>(task->kind() == std::string(SequenceTask::name) && task->classes() == sets[0]->classes(),
                     "hemorrhage predict: ", printable(path),
                     " is no model of sequences of the six classes; "
                     "give a run of hemorrhage train-lstm");
  LoaderOptions load;
  load.batch_size = f.batch_size;
  load.device = session.device();
  Communicator& processes = session.communicator();
  const EvaluationMode mode(task->net());
  const ComputeScope scope(session.compute());
  RecordedPrediction predict(*task);
  for (const auto& set : sets) {
    const SequenceSet& test = as_sequences(*set);
    const auto loader = task->loader(test, task->pipeline(), divided(load, processes));
    std::vector<std::pair<std::string, SixProbabilities>> found;
    for_each_batch(*loader, session.bars() ? "predicting" : "", [&](const Batch& batch) {
      const Tensor logits = predict(batch)["logits"];
      const std::vector<double> values = logits.to_vector<double>();
      const auto width = static_cast<std::size_t>(logits.size(1)), k = subtypes.size();
      for (std::size_t n = 0; n < batch.indices.size(); ++n) {
        const auto slices = test.slices(batch.indices[n]);
        for (std::size_t t = 0; t < slices.size(); ++t) {
          SixProbabilities& six = found.emplace_back(slices[t].name, SixProbabilities{}).second;
          for (std::size_t c = 0; c < k; ++c) {
            const double x = values[(n * width + t) * k + c];
            require<NumericError>(!std::isnan(x), "hemorrhage predict: ", printable(slices[t].name),
                                  " got a logit that is NaN; the checkpoint is damaged, train again");
            six[c] = share / (1 + std::exp(-x));
          }
        }
      }
    });
    for (const auto& [name, six] : gather_items(processes, std::move(found)))
      for (std::size_t c = 0; c < six.size(); ++c) said[name][c] += six[c];
  }
}

// The series of the test part, as each net of slices saw them.
std::vector<std::unique_ptr<Dataset>> test_series(const std::string& features, const SequenceSet* all,
                                                  const DatasetOptions& read) {
  std::vector<std::unique_ptr<Dataset>> sets;
  if (all != nullptr && all->has_split(Split::test)) sets.push_back(all->subset(Split::test));
  for (std::size_t k = 0; fs::is_directory(features + "/" + test_part(k)); ++k)
    sets.push_back(open_sequences(features + "/" + test_part(k), read));
  require<DataError>(!sets.empty(), "hemorrhage predict: ", printable(features),
                     " has no part test; make it with hemorrhage extract-features --base_data test");
  return sets;
}

void predict(Session& session, const PredictFlags& f) {
  check_output_file("hemorrhage predict: --out", f.out, ".csv", {f.features, f.sample});
  DatasetOptions read;
  read.classes = {subtypes.begin(), subtypes.end()};
  std::unique_ptr<SequenceSet> all;  // with the labelled part, if that lies there too
  if (!feature_parts(f.features).empty()) all = open_sequences(f.features, read);
  const auto sets = test_series(f.features, all.get(), read);
  Answered said;
  const double sequence = f.model_type == "lstm" ? 1 : f.model_type == "base" ? 0 : 1 - f.blend;
  const auto share = 1 / static_cast<double>(sets.size());
  for (const auto& set : sets)
    if (sequence < 1) add_base(as_sequences(*set), share * (1 - sequence), said);
  if (sequence > 0) add_sequences(session, f, sets, share * sequence, said);
  if (!session.communicator().first()) return;
  SliceTable table;
  if (!f.data_dir.empty()) table = read_slice_table(f.data_dir + "/test_metadata.csv");
  for (const auto& [image, other] : table.same_as)
    if (const auto found = said.find(other); found != said.end()) said.emplace(image, found->second);
  const std::vector<std::string> images = listed_images(f, said, table);
  const SixProbabilities prior = prior_of(all.get(), said);
  AtomicFile out(f.out);
  out.write("ID,Label\n");
  std::int64_t fallen = 0;
  for (const std::string& image : images) {
    const auto found = said.find(image);
    const SixProbabilities& p = found == said.end() ? prior : found->second;
    fallen += found == said.end();
    std::string rows;
    for (std::size_t k = 0; k < subtypes.size(); ++k)
      rows += cat(image, "_", subtypes[k], ",",
                  exact_text(std::clamp(p[k], least_probability, 1 - least_probability)), "\n");
    out.write(rows);
  }
  const std::set<std::string> listed(images.begin(), images.end());
  std::int64_t beside = 0;
  for (const auto& [image, p] : said) beside += !listed.contains(image);
  require<DataError>(f.sample.empty() || beside == 0, "hemorrhage predict: ", beside, " of ", said.size(),
                     " images with features are not in ", printable(f.sample),
                     "; it is the sample of another stage");
  out.commit();
  session.say(cat(images.size(), " images, ", 6 * images.size(), " rows in ", f.out));
  if (fallen > 0)
    session.say(cat(fallen, " images have no features and get how often each subtype is there"));
  session.metric("images", images.size());
  session.metric("rows", 6 * images.size());
  session.metric("without_features", fallen);
  session.output("predictions", f.out);
}

}  // namespace

void add_predict(Program& program, CLI::App* group) {
  const auto f = std::make_shared<PredictFlags>();
  CLI::App* app = program.add(
      group, "predict", "Six rows an image, for a submission", [f](Session& s) { predict(s, *f); },
      "gadolin hemorrhage predict features --model_id runs/series --sample-submission sample.csv --out "
      "output.csv");
  app->add_option("features", f->features, "Folder of hemorrhage extract-features, with a part test")
      ->required();
  app->add_option("--model-id,--model_id", f->model_id, "Run of hemorrhage train-lstm, or a checkpoint");
  app->add_option("--model-type,--model_type", f->model_type,
                  "lstm: the net of series; base: the nets of slices; blend: both")
      ->check(one_of({"lstm", "base", "blend"}))
      ->capture_default_str();
  app->add_option("--blend", f->blend, "Of --model_type blend: the share of the nets of slices")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  app->add_option("--out", f->out, "Table ID,Label with six rows an image")->capture_default_str();
  app->add_option("--data-dir,--data_dir", f->data_dir,
                  "Folder with test_metadata.csv: all its images get rows, unreadable ones too, and copies "
                  "of a file those of the other");
  app->add_option(
      "--sample-submission", f->sample,
      "Table, or archive with a sample_submission.csv: its images get rows, in its order, and no others "
      "may have been predicted");
  app->add_option("--batch-size,--batch_size", f->batch_size, "Series that are computed together")
      ->check(between(1, 1000000))
      ->capture_default_str();
}

}  // namespace gadolin::hemorrhage
