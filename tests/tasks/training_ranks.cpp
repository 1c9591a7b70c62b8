// Evaluations that several processes share, alone and in a training run: the numbers of one process.
#include <gtest/gtest.h>

#include <algorithm>

#include "io/text.h"
#include "tasks/classification.h"
#include "tasks/classification_evaluator.h"
#include "tasks/evaluate.h"
#include "tasks/training.h"
#include "tests/data/scratch.h"
#include "tests/tasks/toy_detector.h"
#include "tests/tasks/toy_sequence.h"
#include "tests/train/thread_communicator.h"

namespace gadolin {
namespace {

using test::Ranks;
using test::ToySquares;

std::unique_ptr<Task> new_task(bool detector) {
  manual_seed(5);
  const Pipeline pipeline("grey,resize:24x24");
  if (detector) return std::make_unique<test::ToyDetector>(pipeline);
  const NetOptions options{
      {"num_classes", 2.0}, {"input_channels", 1.0}, {"width", 4.0}, {"small_input", true}};
  auto task = std::make_unique<ClassificationTask>(
      "resnet18", options, std::vector<std::string>{"small", "large"}, false, pipeline);
  task->learn_from(ToySquares(8), {}, cpu);
  return task;
}

// All that an evaluator says, as text with every bit.
std::string told(const Evaluator& evaluator) {
  std::string text = exact_text(evaluator.loss());
  for (const double v : evaluator.values({})) text += " " + exact_text(v);
  for (const std::string& patient : evaluator.patients()) text += " " + patient;
  for (const auto& [name, content] : evaluator.files()) text += "\n" + name + "\n" + content;
  return text;
}

TEST(EvaluationRanks, GiveTheBitsOfOneProcess) {
  for (const bool detector : {false, true}) {
    for (const int samples : {1, 2, 5, 13}) {
      const ToySquares set(samples);
      const auto evaluated = [&](Communicator& c) {
        const auto task = new_task(detector);
        const auto loader = task->loader(set, task->pipeline(), divided({.batch_size = 2, .workers = 0}, c));
        auto evaluator = task->evaluator(set);
        evaluate(*task, *loader, *evaluator, DType::fp32);
        evaluator->gather(c);
        return evaluator;
      };
      const std::string alone = told(*evaluated(no_communicator()));
      for (const int size : {1, 2, 3}) {
        Ranks::run(size, [&](Communicator& c) {
          const auto evaluator = evaluated(c);
          if (c.first()) {
            EXPECT_EQ(told(*evaluator), alone) << samples << " samples, " << size << " ranks";
          } else {
            EXPECT_TRUE(evaluator->patients().empty());
          }
        });
      }
    }
  }
}

TEST(EvaluationRanks, SeveralLabelsASample) {
  std::vector<SampleInfo> infos(5);
  for (std::size_t i = 0; i < infos.size(); ++i) {
    infos[i].name = cat("s", i);
    if (i % 2 == 0) infos[i].labels.push_back(0);
    if (i > 2) infos[i].labels.push_back(1);
  }
  const Dataset set({"a", "b"}, true, infos, "");
  const auto add = [&](Evaluator& evaluator, std::int64_t from, std::int64_t to) {
    for (std::int64_t i = from; i < to; ++i) {
      Tensor truth = zeros({1, 2});
      for (const int label : set.info(i).labels) truth.data<float>()[label] = 1;
      Batch batch({"label"}, {truth});
      batch.indices = {i};
      evaluator.add(batch, Outputs({{"logits", tensor({0.3 * static_cast<double>(i) - 0.5, 0.2}, {1, 2})}}));
    }
  };
  ClassificationEvaluator alone(set, set.classes(), true);
  add(alone, 0, 5);
  Ranks::run(3, [&](Communicator& c) {
    ClassificationEvaluator evaluator(set, set.classes(), true);
    const std::int64_t cuts[] = {0, 0, 4, 5};  // of the first rank nothing
    add(evaluator, cuts[c.rank()], cuts[c.rank() + 1]);
    evaluator.gather(c);
    EXPECT_EQ(c.first() ? told(evaluator) : told(alone), told(alone));
  });
}

TEST(EvaluationRanks, AnEvaluatorThatCannotSaysSo) {
  const test::ToySeries set(4);
  test::SequenceEvaluator evaluator(set);
  EXPECT_NO_THROW(evaluator.gather(no_communicator()));
  std::vector<std::string> said(2);
  Ranks::run(2, [&](Communicator& c) {
    test::SequenceEvaluator own(set);
    said[static_cast<std::size_t>(c.rank())] = test::message_of<Unsupported>([&] { own.gather(c); });
  });
  for (const std::string& text : said)
    EXPECT_EQ(text,
              "evaluator: what 2 processes have added cannot be brought together; override gather, or use "
              "one process");
}

struct Listener : Reporter {
  mutable std::vector<std::string> lines;
  mutable int others = 0;
  void say(const std::string&) const override { ++others; }
  void event(const Json&) const override { ++others; }
  void log(const std::string& line) const override { lines.push_back(line); }
};

// Squares of which the one at place 3 cannot be read.
class OneIsBad : public ToySquares {
 public:
  using ToySquares::ToySquares;
  StoredImage read(std::int64_t i) const override {
    require<FormatError>(info(i).record != 3, "toy: a damaged square");
    return ToySquares::read(i);
  }

 protected:
  std::unique_ptr<Dataset> clone() const override { return std::make_unique<OneIsBad>(*this); }
};

// Validation metrics of a run are those that one process finds for the net that came out, on all ranks; and
// the first one alone speaks.
TEST(TrainingRanks, AllDecideByTheMetricsOfOneProcess) {
  const OneIsBad set(64);
  const auto train = set.subset(Split::train), val = set.subset(Split::val);
  for (const bool detector : {false, true}) {
    for (const int size : {1, 2, 3}) {
      const test::Scratch scratch;
      std::vector<std::unique_ptr<Task>> tasks(static_cast<std::size_t>(size));
      std::vector<TrainResult> results(tasks.size());
      std::vector<Listener> heard(tasks.size());
      Ranks::run(size, [&](Communicator& c) {
        const auto rank = static_cast<std::size_t>(c.rank());
        tasks[rank] = new_task(detector);
        TrainPlan plan;
        plan.data = "toys";
        plan.augment = tasks[rank]->pipeline();
        plan.load = {.batch_size = 4, .workers = 0, .bad_samples = BadSamples::skip};
        plan.rule = optimizer_options("adam");
        plan.loop.epochs = 2;
        plan.loop.quiet = true;
        plan.loop.log_every = 1;
        plan.log_steps = true;
        Training training(*tasks[rank], *train, *val, plan, set.fingerprint(), heard[rank], c);
        RunDir run(scratch / "run", RunDir::Open::automatic, c);
        results[rank] = training.run(run);
      });
      Task& trained = *tasks[0];
      const auto loader = trained.loader(*val, trained.pipeline(), {.batch_size = 4, .workers = 0});
      const auto evaluator = trained.evaluator(*val);
      evaluate(trained, *loader, *evaluator, DType::fp32);
      MetricList want{{"val_loss", evaluator->loss()}};
      for (const MetricValue& m : evaluator->finish({0, 0.95, 0}))
        want.emplace_back("val_" + m.name, m.value);
      for (std::size_t rank = 0; rank < tasks.size(); ++rank) {
        std::size_t found = 0;
        for (const auto& [name, value] : results[rank].last) {
          if (!name.starts_with("val_")) continue;
          EXPECT_EQ(name, want.at(found).first);
          EXPECT_EQ(exact_text(value), exact_text(want.at(found++).second))
              << name << ", rank " << rank << " of " << size;
        }
        EXPECT_EQ(found, want.size());
        EXPECT_EQ(heard[rank].others > 0, rank == 0);
        EXPECT_EQ(heard[rank].lines.empty(), rank > 0);
      }
      const auto& lines = heard[0].lines;
      EXPECT_EQ(std::count_if(lines.begin(), lines.end(),
                              [](const auto& l) { return l.starts_with("skipped square-3: "); }),
                1)
          << size << " ranks";
    }
  }
}

}  // namespace
}  // namespace gadolin
