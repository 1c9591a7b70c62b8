// A task on series of different lengths: does the series rise? Padded batches with a mask, no pictures at
// all.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "layers/linear.h"
#include "layers/loss.h"
#include "tasks/task.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace gadolin::test {

class ToySeries : public Dataset {
 public:
  explicit ToySeries(int count) : Dataset({"falls", "rises"}, false, infos(count), "") {}
  Sample sample(std::int64_t i) const override {
    const std::int64_t number = info(i).record;
    RandomStream random(3, stream_id(2, static_cast<std::uint64_t>(number)));
    const std::int64_t length = 3 + static_cast<std::int64_t>(random.below(20));
    const float slope = number % 2 ? 0.3f : -0.3f;
    SampleArray x{{length, 2}, {}};
    for (std::int64_t t = 0; t < length; ++t) {
      x.values.push_back(slope + 0.5f * (random.uniform() - 0.5f));  // the change since the step before
      x.values.push_back(random.uniform());                          // says nothing
    }
    Sample s;
    s.set("x", x).set("label", std::vector<int>{static_cast<int>(number % 2)});
    return s;
  }

 protected:
  std::unique_ptr<Dataset> clone() const override { return std::make_unique<ToySeries>(*this); }

 private:
  static std::vector<SampleInfo> infos(int count) {
    std::vector<SampleInfo> all;
    for (int i = 0; i < count; ++i) {
      SampleInfo info;
      info.name = cat("series-", i);
      info.patient = cat("p", i / 2);
      info.labels = {i % 2};
      info.record = i;
      info.split = i % 4 == 3 ? Split::val : Split::train;
      all.push_back(info);
    }
    return all;
  }
};

// "series:40" is forty of them.
inline std::unique_ptr<Dataset> open_series(const std::string& path, const DatasetOptions& = {}) {
  require<DataError>(path.starts_with("series:"), "toy: ", path, " is no set of series");
  return std::make_unique<ToySeries>(std::stoi(path.substr(7)));
}

// A hidden layer at every step, the mean over the steps that are there, a linear layer.
class ToyReader : public Module {
 public:
  ToyReader() : step_(add("step", Linear(2, 8))), last_(add("last", Linear(8, 2))) {}
  Tensor operator()(const Tensor& x, const Tensor& mask) {
    const Tensor inputs[] = {x, mask};
    return called(inputs, [&] {
      const std::int64_t n = x.size(0), t = x.size(1);
      const Tensor hidden = tanh(step_(x.reshape({n * t, 2}))).reshape({n, t, 8});
      const Tensor sums = sum(hidden * mask.reshape({n, t, 1}), {1});
      return last_(sums / sum(mask, {1}, true));
    });
  }
  const char* kind() const override { return "ToyReader"; }

 private:
  Linear &step_, &last_;
};

class SequenceEvaluator : public Evaluator {
 public:
  explicit SequenceEvaluator(const Dataset& set) : set_(set) {}
  std::vector<Metric> metrics() const override { return {{"accuracy"}}; }
  std::string chosen() const override { return "accuracy"; }
  double loss() const override { return 1 - values({})[0]; }
  void add(const Batch& batch, const Outputs& outputs) override {
    const std::vector<double> classes = outputs["class"].to_vector<double>();
    for (std::size_t n = 0; n < batch.indices.size(); ++n) {
      right_.push_back(static_cast<int>(classes[n]) == set_.info(batch.indices[n]).labels[0]);
      patients_.push_back(set_.info(batch.indices[n]).patient);
    }
  }
  std::vector<double> values(Reals weight) const override {
    double sum = 0, all = 0;
    for (std::size_t i = 0; i < right_.size(); ++i) {
      const double w = weight.empty() ? 1 : weight[i];
      sum += w * right_[i];
      all += w;
    }
    return {sum / all};
  }
  std::vector<std::string> patients() const override { return patients_; }

 private:
  const Dataset& set_;
  std::vector<double> right_;
  std::vector<std::string> patients_;
};

class ToySequence : public Task {
 public:
  static constexpr const char* name = "toy-sequence";
  ToySequence() : Task({"falls", "rises"}, {}), net_(std::make_unique<ToyReader>()) {}
  const char* kind() const override { return name; }
  Module& net() override { return *net_; }
  std::string model() const override { return "toy"; }
  std::unique_ptr<Dataset> open(const std::string& path, DatasetOptions) const override {
    return open_series(path);
  }
  std::unique_ptr<DataLoader> loader(const Dataset& set, const Pipeline&, const LoaderOptions& options,
                                     std::shared_ptr<const Sampler> sampler) const override {
    if (!sampler) {
      const BatchCut cut{options.batch_size, options.drop_last};
      sampler = options.shuffle ? shuffled(set.size(), cut) : in_order(set.size(), cut);
    }
    LoaderOptions rest = options;
    rest.shuffle = rest.drop_last = false;
    return std::make_unique<DataLoader>(set, sampler, std::make_unique<SequenceCollation>(), rest);
  }
  LossParts loss(const Batch& batch) override {
    return cross_entropy((*net_)(batch["x"], batch["mask"]), batch["label"]);
  }
  Outputs predict(const Batch& batch) override {
    const NoGrad guard;
    return Outputs({{"class", argmax((*net_)(batch["x"], batch["mask"]), 1)}});
  }
  std::unique_ptr<Evaluator> evaluator(const Dataset& set) const override {
    return std::make_unique<SequenceEvaluator>(set);
  }
  std::vector<std::string> columns() const override { return {"class"}; }
  Said say(const Outputs& outputs, std::int64_t n, int) const override {
    const auto k =
        static_cast<std::size_t>(outputs["class"].to_vector<double>()[static_cast<std::size_t>(n)]);
    return {{{classes_[k]}}, {{"class", classes_[k]}}};
  }
  void describe(Checkpoint& c) const override {
    Task::describe(c);
    c.facts["model"] = "toy";
  }

 private:
  std::unique_ptr<ToyReader> net_;
};

// Once a program.
inline void know_the_series() {
  static const bool known = [] {
    add_task_kind(
        {.name = ToySequence::name,
         .make = [](const Checkpoint&, const std::string&) { return std::make_unique<ToySequence>(); },
         .report = [](const std::string&, const Json&, report::RunReport& page) { page.kind = "Toy series"; },
         .begin = [](const TaskStart&) { return std::make_unique<ToySequence>(); },
         .open = open_series});
    return true;
  }();
  (void)known;
}

}  // namespace gadolin::test
