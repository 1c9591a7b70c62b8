// TensorBoard's files of a run, read back: tags under train/ and val/, the values of metrics.csv, and the
// same tags after a resume.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <set>

#include "io/csv.h"
#include "io/events.h"
#include "tests/train/trainer_job.h"

namespace gadolin {
namespace {

using test::Folder;
using test::Job;
namespace fs = std::filesystem;

using Tags = std::set<std::string>;

// One list a file, in the order in which the files were begun.
std::vector<std::vector<ScalarEvent>> events_of(const std::string& run) {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(run + "/tb")) files.push_back(entry.path().string());
  const auto begun = [](const std::string& file) { return std::pair(file.size(), file); };  // counter last
  std::sort(files.begin(), files.end(),
            [&](const std::string& a, const std::string& b) { return begun(a) < begun(b); });
  std::vector<std::vector<ScalarEvent>> all;
  for (const std::string& file : files) all.push_back(read_scalar_events(file));
  return all;
}

Tags tags_of(const std::vector<ScalarEvent>& events) {
  Tags tags;
  for (const ScalarEvent& e : events) tags.insert(e.tag);
  return tags;
}

Trainer& with_steps_logged(Job& job) {
  job.options.log_every = 1;
  job.options.summary_seconds = 0;
  return job.make_trainer();
}

const Tags every_tag{"train/loss", "train/lr",         "train/epoch",    "train/images_per_second",
                     "val/loss",   "train/batch_loss", "train/batch_lr", "train/data_wait"};

TEST(TrainerEvents, TagsAreTrainAndValWithTheValuesOfTheRows) {
  const Folder folder;
  Job job(folder.path);
  with_steps_logged(job).run();
  const auto files = events_of(folder.path);
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(tags_of(files[0]), every_tag);
  const CsvTable table = read_csv(folder.path + "/metrics.csv");
  ASSERT_EQ(table.rows.size(), 3u);
  const std::vector<std::pair<std::string, std::string>> columns{
      {"train_loss", "train/loss"}, {"val_loss", "val/loss"}, {"lr", "train/lr"}, {"epoch", "train/epoch"}};
  for (const auto& [column, tag] : columns) {
    const auto at = static_cast<std::size_t>(table.column(column));
    std::size_t row = 0;
    for (const ScalarEvent& e : files[0]) {
      if (e.tag != tag) continue;
      ASSERT_LT(row, table.rows.size()) << tag;
      EXPECT_EQ(std::to_string(e.step), table.rows[row][0]) << tag;
      // Rounded to float as the event was: by way of the double. The mean of two floats is often half way.
      EXPECT_EQ(e.value, static_cast<double>(static_cast<float>(std::stod(table.rows[row][at])))) << tag;
      ++row;
    }
    EXPECT_EQ(row, table.rows.size()) << tag;
  }
  EXPECT_EQ(std::count_if(files[0].begin(), files[0].end(),
                          [](const ScalarEvent& e) { return e.tag == "train/batch_loss"; }),
            9);
}

TEST(TrainerEvents, AResumedRunGoesOnUnderTheSameTags) {
  const Folder folder;
  {
    Job job(folder.path);
    job.batches.watch = [](std::int64_t epoch, std::int64_t batch) {
      if (epoch == 1 && batch == 3) std::raise(SIGTERM);
    };
    EXPECT_THROW(with_steps_logged(job).run(), Stopped);
  }
  Job job(folder.path, RunDir::Open::resume);
  with_steps_logged(job).restore(CheckpointStore(job.run->checkpoints()).newest()->checkpoint);
  job.trainer->run();
  const auto files = events_of(folder.path);
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(tags_of(files[0]), every_tag);
  EXPECT_EQ(tags_of(files[1]), every_tag);
  for (const ScalarEvent& e : files[1]) EXPECT_GT(e.step, 5) << e.tag;
}

// A metric of one class keeps its own slash, parts of the loss go where the loss is.
TEST(TrainerEvents, PartsOfTheLossAndMetricsOfOneClass) {
  const Folder folder;
  Job job(folder.path);
  with_steps_logged(job);
  TrainHooks hooks;
  hooks.loss = [&](const Batch& batch) {
    const Tensor loss = cross_entropy(job.net(batch["x"]), batch["label"]);
    return LossParts{loss, {{"class", loss.detach()}}};
  };
  hooks.evaluate = [] { return MetricList{{"val_loss", 1}, {"val_roc_auc/train_val", 0.5}}; };
  job.trainer.emplace(job.net, job.optimizer, job.schedule, job.batches, *job.run, hooks, job.options);
  job.trainer->run();
  Tags wanted = every_tag;
  wanted.insert({"train/class", "train/batch_class", "val/roc_auc/train_val"});
  EXPECT_EQ(tags_of(events_of(folder.path).at(0)), wanted);
}

}  // namespace
}  // namespace gadolin
