// The task of sequences: its loss, padding, learning, checkpoints, and which slices carry a decision.
#include "tasks/sequences/sequences.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tasks/evaluate.h"
#include "tasks/sequences/attribution.h"
#include "tasks/sequences/sequence_evaluator.h"
#include "tasks/training.h"
#include "tests/tasks/sequences/toy_scans.h"

namespace gadolin {
namespace {

using test::message_of;
using test::Scratch;

const NetOptions small_lstm{{"hidden_size", 12.0}, {"num_layers", 1.0}, {"dropout", 0.0}};

std::unique_ptr<SequenceTask> small_task(const SequenceSet& set, const std::string& loss = "auto") {
  manual_seed(3);
  LossOptions options;
  options.kind = loss;
  auto task = sequence_kind().begin({"lstm", small_lstm, set, {}, options, cpu});
  return std::unique_ptr<SequenceTask>(static_cast<SequenceTask*>(task.release()));
}

// Trained for a few seconds, once for all tests.
class LearnsOnScans : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = new Scratch;
    test::write_toy_scans(*dir_, "scans", 128);
    const auto set = open_sequences(*dir_ / "scans");
    const auto train = set->subset(Split::train), val = set->subset(Split::val);
    const auto task = small_task(dynamic_cast<const SequenceSet&>(*train));
    TrainPlan plan;
    plan.load.batch_size = 16;
    plan.load.workers = 0;
    plan.rule = optimizer_options("adam");
    plan.rule.lr = 0.02;
    plan.rule.clip_norm = 10;
    plan.loop.epochs = 14;
    plan.loop.quiet = true;
    Reporter silent;
    Training training(*task, *train, *val, plan, set->fingerprint(), silent);
    monitor_ = training.monitor();
    RunDir run(*dir_ / "run", RunDir::Open::create);
    training.run(run);
  }
  static void TearDownTestSuite() {
    delete dir_;
    dir_ = nullptr;
  }
  static std::unique_ptr<SequenceTask> best() {
    auto task = load_task(*dir_ / "run/checkpoints/best.gdck", cpu);
    return std::unique_ptr<SequenceTask>(static_cast<SequenceTask*>(task.release()));
  }
  static Scratch* dir_;
  static std::string monitor_;
};
Scratch* LearnsOnScans::dir_ = nullptr;
std::string LearnsOnScans::monitor_;

double value_of(const std::vector<MetricValue>& all, const std::string& name, Interval* interval = nullptr) {
  for (const MetricValue& m : all)
    if (m.name == name) {
      if (interval) *interval = m.interval;
      return m.value;
    }
  ADD_FAILURE() << "no metric " << name;
  return NAN;
}

TEST_F(LearnsOnScans, BeatsTheBestModelOfSingleSlicesOnOtherPatients) {
  EXPECT_EQ(monitor_, "val_weighted_log_loss");
  const auto task = best();
  const auto val = task->open(*dir_ / "scans", {})->subset(Split::val);
  const auto loader = task->loader(*val, {}, {.batch_size = 8, .workers = 0});
  const auto evaluator = task->evaluator(*val);
  evaluate(*task, *loader, *evaluator, DType::fp32);
  const auto all = evaluator->finish({200, 0.95, 0});
  Interval gain{};
  const double sequence = value_of(all, "weighted_log_loss"), alone = value_of(all, "base_weighted_log_loss");
  EXPECT_NEAR(value_of(all, "gain_over_base", &gain), alone - sequence, 1e-12);
  EXPECT_GT(gain.low, 0) << sequence << " of the sequence, " << alone << " of slices alone";
  EXPECT_GT(value_of(all, "roc_auc/any"), 0.85);
  // Files and details, and the page that is made of them.
  const Json details = evaluator->details();
  EXPECT_EQ(details["series"], val->size());
  EXPECT_EQ(details["levels"][0]["members"], val->size());
  EXPECT_EQ(details["levels"][1]["members"], val->size() / 2);
  Json metrics = details;
  for (const MetricValue& m : all)
    metrics["metrics"][m.name] = {{"value", m.value}, {"low", m.interval.low}, {"high", m.interval.high}};
  for (const auto& [name, text] : evaluator->files()) dir_->write("eval/" + name, text);
  report::RunReport page;
  report_sequences(*dir_ / "eval", metrics, page);
  EXPECT_EQ(page.kind, "Sequences");
  std::vector<std::string> titles;
  for (const auto& table : page.tables) titles.push_back(table.title);
  EXPECT_NE(std::find(titles.begin(), titles.end(), "Series and patients"), titles.end());
  EXPECT_NE(std::find(titles.begin(), titles.end(), "Weighted log loss"), titles.end());
  EXPECT_EQ(message_of<FormatError>([&] {
              metrics.erase("levels");
              report::RunReport other;
              report_sequences("F", metrics, other);
            }),
            "report: F/metrics.json is none of sequences: [json.exception.out_of_range.403] key 'levels' not "
            "found; evaluate again");
}

TEST_F(LearnsOnScans, IntegratedGradientsAddUpAndPointToTheLesion) {
  const auto task = best();
  const auto set = task->open(*dir_ / "scans", {})->subset(Split::val);
  const auto& series = dynamic_cast<const SequenceSet&>(*set);
  double inside = 0, outside = 0, slices_inside = 0, slices_outside = 0;
  for (std::int64_t i = 0; i < set->size(); ++i) {
    if (set->labels(i).empty()) continue;
    const Batch batch = task->one(*set, i, cpu);
    const auto parts = integrated_gradients(*task, batch, 0, 128);
    ASSERT_EQ(std::ssize(parts), batch["x"].size(1));
    Batch zero = batch;
    zero.set("x", zeros(batch["x"].shape()));
    const double whole = task->evidence(batch, 0).item() - task->evidence(zero, 0).item();
    double sum = 0, size = 0;
    const auto slices = series.slices(i);
    for (std::size_t t = 0; t < parts.size(); ++t) {
      sum += parts[t];
      if (t >= slices.size()) {
        EXPECT_EQ(parts[t], 0);
        continue;
      }
      const bool in = slices[t].labels & 1;
      (in ? inside : outside) += std::abs(parts[t]);
      (in ? slices_inside : slices_outside) += 1;
      size += std::abs(parts[t]);
    }
    EXPECT_NEAR(sum, whole, 0.1 * size) << set->name(i);
  }
  EXPECT_GT(inside / slices_inside, outside / slices_outside);
  EXPECT_EQ(message_of<ValueError>([&] { integrated_gradients(*task, task->one(*set, 0, cpu), 0, 0); }),
            "integrated_gradients: 1 series at 0 points; one series and at least one point are needed");
  EXPECT_EQ(message_of<ValueError>([&] { task->evidence(task->one(*set, 0, cpu), 3); }),
            "sequences: class 3 of a net with 3 classes");
}

TEST_F(LearnsOnScans, PaddingAndNeighboursInABatchChangeNothing) {
  const auto task = best();
  const auto set = task->open(*dir_ / "scans", {})->subset(Split::val);
  const auto& series = dynamic_cast<const SequenceSet&>(*set);
  const EvaluationMode mode(task->net());
  const auto loader = task->loader(*set, {}, {.batch_size = 5, .workers = 0});
  for (const Batch& batch : *loader) {
    const std::vector<double> together = task->predict(batch)["logits"].to_vector<double>();
    const std::size_t width = static_cast<std::size_t>(batch["x"].size(1)) * 3;
    for (std::size_t n = 0; n < batch.indices.size(); ++n) {
      Batch one = task->one(*set, batch.indices[n], cpu);
      const auto alone = task->predict(one)["logits"].to_vector<double>();
      const auto real = static_cast<std::size_t>(series.length(batch.indices[n])) * 3;
      for (std::size_t k = 0; k < width; ++k) {
        if (k >= real) {
          EXPECT_TRUE(std::isnan(together[n * width + k]));
        } else {
          EXPECT_NEAR(together[n * width + k], alone[k], 1e-5);
        }
      }
    }
  }
}

// Of two ranks one has series of up to 5 steps of 12, the other of up to 9: what they give can be joined.
TEST(SequenceTasks, G3OutputIsAsLongAsTheInputOnEveryRank) {
  manual_seed(4);
  const auto net = make_sequence_net({{"input_size", 3.0}, {"hidden_size", 4.0}, {"num_classes", 2.0}});
  net->eval();
  const NoGrad guard;
  const Tensor x = randn({4, 12, 3});
  const std::vector<std::int64_t> lengths{5, 2, 9, 7};
  const Tensor all = (*net)(x, Steps(lengths)),
               first = (*net)(x.slice(0, 0, 2), Steps(std::vector{lengths[0], lengths[1]})),
               second = (*net)(x.slice(0, 2, 4), Steps(std::vector{lengths[2], lengths[3]}));
  EXPECT_EQ(first.shape(), (Shape{2, 12, 2}));
  EXPECT_EQ(concat({first, second}, 0).to_vector<float>(), all.to_vector<float>());
}

// The original padded in front; holes are possible too.
TEST(SequenceTasks, G10AnyMaskGivesTheValuesOfItsStepsAlone) {
  manual_seed(5);
  const auto net = make_sequence_net({{"input_size", 3.0}, {"hidden_size", 4.0}, {"num_classes", 2.0}});
  net->eval();
  const NoGrad guard;
  const Tensor x = randn({1, 4, 3});
  for (const std::vector<float>& mask : {std::vector<float>{0, 0, 1, 1}, {1, 0, 1, 1}, {1, 1, 0, 0}}) {
    std::vector<std::int64_t> places;
    for (std::int64_t t = 0; t < 4; ++t)
      if (mask[static_cast<std::size_t>(t)] > 0) places.push_back(t);
    const auto count = std::ssize(places);
    const Tensor steps = from_vector(places, {count});
    Tensor noise = x.clone();
    for (std::int64_t t = 0; t < 4; ++t)
      if (!(mask[static_cast<std::size_t>(t)] > 0)) noise.slice(1, t, t + 1).fill_(NAN);
    const auto got =
                   index_select((*net)(noise, Steps(from_vector(mask, {1, 4}))), 1, steps).to_vector<float>(),
               want = (*net)(index_select(x, 1, steps)).to_vector<float>();
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-6);
  }
}

TEST_F(LearnsOnScans, SaysTheLikeliestSlices) {
  const auto task = best();
  const auto set = task->open(*dir_ / "scans", {});
  const Outputs out = task->predict(task->one(*set, 0, cpu));
  const Said said = task->say(out, 0, 2);
  ASSERT_EQ(said.rows.size(), 2u);
  ASSERT_EQ(said.rows[0].size(), task->columns().size());
  EXPECT_EQ(std::ssize(said.event["slices"]), dynamic_cast<const SequenceSet&>(*set).length(0));
  EXPECT_GE(std::stod(said.rows[0][2]), std::stod(said.rows[1][2]));
  const auto most = task->class_probabilities(out, 0);
  EXPECT_NEAR(*std::max_element(most.begin(), most.end()), std::stod(said.rows[0][2]), 1e-4);
  const TextRows remarks = task->remarks(*set);
  ASSERT_GE(remarks.size(), 2u);
  EXPECT_EQ(remarks[0][0], "padded to");
}

TEST(SequenceTasks, LossesAreMeansOverKnownSlices) {
  const Scratch dir;
  test::write_toy_scans(dir, "scans", 8);
  const auto set = open_sequences(dir / "scans");
  for (const std::string& kind : row_loss_kinds()) {
    const auto task = small_task(*set, kind);
    const auto loader = task->loader(*set, {}, {.batch_size = 8, .workers = 0});
    task->net().eval();
    Batch batch;
    ASSERT_TRUE(loader->next(batch));
    const auto logits = task->predict(batch)["logits"].to_vector<double>(),
               y = batch["label"].to_vector<double>(), known = batch["known"].to_vector<double>();
    const double weight[] = {2, 1, 1};  // any, left, right
    double total = 0, count = 0;
    for (std::size_t r = 0; r < known.size(); ++r) {
      if (known[r] == 0) continue;
      double row = 0, all = 0;
      for (std::size_t k = 0; k < 3; ++k) all += std::exp(logits[3 * r + k]);
      for (std::size_t k = 0; k < 3; ++k) {
        const double x = logits[3 * r + k], t = y[3 * r + k], p = 1 / (1 + std::exp(-x));
        const double bce = -t * std::log(p) - (1 - t) * std::log(1 - p);
        row += kind == "bin"        ? bce
               : kind == "weighted" ? weight[k] * bce
               : kind == "log"      ? -t * std::log(p + 1e-7) - (1 - t) * std::log(1 - p + 1e-7)
               : kind == "l1"       ? std::abs(p - t)
               : kind == "l2"       ? (p - t) * (p - t)
                                    : -t * (x - std::log(all));
      }
      total += row;
      ++count;
    }
    EXPECT_NEAR(task->loss(batch).total.item(), total / count, 1e-5 * std::max(1.0, total / count)) << kind;
    // Slices that nothing is known of count for nothing; all of them unknown are a loss of 0, not NaN.
    batch.set("known", zeros(batch["known"].shape()));
    EXPECT_EQ(task->loss(batch).total.item(), 0) << kind;
  }
  EXPECT_EQ(message_of<UsageError>([&] { row_losses("hinge", {1}, cpu); }),
            "--loss hinge is unknown; use bin, weighted, log, l1, l2, cat");
}

TEST(SequenceTasks, Messages) {
  const Scratch dir;
  test::write_toy_scans(dir, "scans", 8);
  const auto set = open_sequences(dir / "scans");
  SequenceTask task({{"num_classes", 3.0}, {"input_size", 5.0}, {"hidden_size", 2.0}}, set->classes());
  EXPECT_EQ(message_of<DataError>([&] { task.loader(*set, {}, {}); }),
            "sequences: the slices of " + (dir / "scans") +
                " have 4 features, the net was made for 5; extract them with the same net and layer");
  EXPECT_EQ(
      message_of<DataError>([&] { as_sequences(*open_dataset(dir / "scans")); }),
      "sequences: " + (dir / "scans") + " is no set of series; give a folder of hemorrhage extract-features");
  EXPECT_EQ(message_of<ValueError>([&] { task.loss(Batch()); }),
            "sequences: there is no loss yet; call learn_from first");
  EXPECT_EQ(message_of<UsageError>([] { sequence_kind().check_model("resnet18"); }),
            "--model resnet18 is no net of sequences; use --model lstm");
  Checkpoint c;
  c.facts = {{"net_options", "[]"}, {"classes", "{}"}};
  EXPECT_EQ(message_of<CheckpointError>([&] { sequence_kind().make(c, "c.gdck"); }),
            "checkpoint: c.gdck does not describe a model of sequences; was it written by gadolin train?");
  SequenceEvaluator nothing(*set, set->classes());
  EXPECT_EQ(message_of<DataError>([&] { nothing.finish({}); }),
            "sequences: no slice has a label, so nothing can be measured; use hemorrhage predict");
  const std::int64_t t = set->length(0);
  Batch batch;
  batch.set("mask", ones({1, t}));
  batch.indices = {0};
  EXPECT_EQ(message_of<NumericError>([&] {
              nothing.add(batch, Outputs({{"logits", full({1, t, 3}, NAN)}}));
            }),
            "sequences: " + set->slices(0)[0].name + " of " + set->name(0) +
                " got a logit that is NaN; train with a smaller rate");
}

// More than two slices make a series or a patient positive (apps-spec 6.10).
TEST(SequenceEvaluators, SeriesAndPatientsByMoreThanTwoSlices) {
  const Scratch dir;
  std::string index = "row,path,patient,series,position,label\n";
  // Patient p: series a with three slices of any, series b with one; patient q: series c with two.
  const int any[3][4] = {{1, 1, 1, 0}, {1, 0, 0, 0}, {1, 1, 0, 0}};
  for (int s = 0; s < 3; ++s)
    for (int t = 0; t < 4; ++t)
      index += cat(4 * s + t, ",i", t, ",", s < 2 ? "p" : "q", ",",
                   std::string(1, static_cast<char>('a' + s)), ",", t, ",", any[s][t] ? "any" : "", "\n");
  dir.write("f/index.csv", index);
  save_npy(dir / "f/features.npy", zeros({12, 1}));
  DatasetOptions options;
  options.classes = {"epidural", "any"};
  const auto set = open_sequences(dir / "f", options);
  SequenceEvaluator evaluator(*set, set->classes());
  // Called: three slices in a, none in b, three in c.
  const float logit[3][4] = {{2, 2, 2, -2}, {-2, -2, -2, -2}, {2, 2, 2, -2}};
  for (std::int64_t s = 0; s < 3; ++s) {
    std::vector<float> values;
    for (int t = 0; t < 4; ++t) values.insert(values.end(), {-2.f, logit[s][t]});
    Batch batch;
    batch.set("mask", ones({1, 4}));
    batch.indices = {s};
    evaluator.add(batch, Outputs({{"logits", from_vector(values, {1, 4, 2})}}));
  }
  const auto all = evaluator.finish({0, 0.95, 0});
  EXPECT_EQ(value_of(all, "series_sensitivity"), 1);
  EXPECT_EQ(value_of(all, "series_specificity"), 0.5);
  EXPECT_NEAR(value_of(all, "series_f1"), 2.0 / 3, 1e-12);
  EXPECT_EQ(value_of(all, "patient_sensitivity"), 1);
  EXPECT_EQ(value_of(all, "patient_specificity"), 0);
  EXPECT_EQ(value_of(all, "series_roc_auc"), 0.75);
  // 6 slices of any, 6 called, 5 of them right.
  EXPECT_NEAR(value_of(all, "f1"), 2 * 5.0 / 12, 1e-12);
  const double low = std::log1p(std::exp(-2.0)), high = std::log1p(std::exp(2.0));
  EXPECT_NEAR(value_of(all, "weighted_log_loss"), (12 * low + 2 * (10 * low + 2 * high)) / 36, 1e-12);
  EXPECT_NEAR(evaluator.loss(), (12 * low + 10 * low + 2 * high) / 12, 1e-12);
  EXPECT_EQ(evaluator.probabilities_of(1).size(), 8u);
}

TEST(SliceStrips, ShowTheSlicesAroundTheDecision) {
  std::vector<StripSlice> slices;
  for (int i = 0; i < 30; ++i) slices.push_back({cat("s", i), 0.1, i == 20 ? 3.0 : i == 21 ? -1.0 : 0.0});
  std::vector<std::string> asked;
  const Image strip = slice_strip(
      slices,
      [&](const std::string& name) {
        asked.push_back(name);
        return name == "s20" ? Image() : Image(40, 30, 1);
      },
      6, 64);
  EXPECT_EQ(asked.size(), 6u);
  EXPECT_NE(std::find(asked.begin(), asked.end(), "s20"), asked.end());
  EXPECT_EQ(strip.channels, 3);
  EXPECT_GT(strip.width, 6 * 64);
  EXPECT_LT(strip.height, 2 * 64);
  EXPECT_EQ(slice_strip(slices, {}, 6, 64).width, strip.width);
}

}  // namespace
}  // namespace gadolin
