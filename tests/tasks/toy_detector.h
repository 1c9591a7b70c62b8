// A detector in small: one bright square a picture, of one of two sizes. It proves that a task need not be a
// classifier: boxes in samples and batches, a net without a single result, a loss of two parts, metrics of
// its own, rows of boxes.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "layers/conv.h"
#include "layers/linear.h"
#include "layers/loss.h"
#include "tasks/task.h"
#include "tensor/ops.h"
#include "tests/tasks/toy_squares.h"

namespace gadolin::test {

// Two answers of one trunk: a Module, not a Layer.
class ToyNet : public Module {
 public:
  struct Answer {
    Tensor logits, box;  // [N, 2], [N, 4] as shares of the side
    std::vector<Tensor> tensors() const { return {logits, box}; }
  };
  ToyNet()
      : conv1_(add("conv1", Conv2d(1, 8, 3, {.stride = 2, .padding = 1}))),
        conv2_(add("conv2", Conv2d(8, 16, 3, {.stride = 2, .padding = 1}))),
        class_(add("class", Linear(16 * 36, 2))), box_(add("box", Linear(16 * 36, 4))) {}
  Answer operator()(const Tensor& x) {
    return called(x, [&] {
      const Tensor trunk = relu(conv2_(relu(conv1_(x)))).flatten(1);
      return Answer{class_(trunk), sigmoid(box_(trunk))};
    });
  }
  const char* kind() const override { return "ToyNet"; }

 private:
  Conv2d &conv1_, &conv2_;
  Linear &class_, &box_;
};

inline double overlap(const double* a, const double* b) {  // intersection over union
  const double w = std::min(a[2], b[2]) - std::max(a[0], b[0]),
               h = std::min(a[3], b[3]) - std::max(a[1], b[1]);
  const double inside = std::max(w, 0.0) * std::max(h, 0.0);
  return inside / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inside);
}

class ToyEvaluator : public Evaluator {
 public:
  explicit ToyEvaluator(const Dataset& set) : set_(set) {}
  std::vector<Metric> metrics() const override { return {{"iou"}, {"miss", false}}; }
  std::string chosen() const override { return "iou"; }
  double loss() const override { return 1 - mean_of(iou_, {}); }
  void add(const Batch& batch, const Outputs& outputs) override {
    const std::vector<double> boxes = outputs["boxes"].to_vector<double>(),
                              classes = outputs["class"].to_vector<double>();
    for (std::size_t n = 0; n < batch.indices.size(); ++n) {
      const SampleInfo& info = set_.info(batch.indices[n]);
      const ObjectBox b = ToySquares::box_of(info.record);
      const double truth[] = {b.x1, b.y1, b.x2, b.y2};
      iou_.push_back(overlap(boxes.data() + 4 * n, truth));
      miss_.push_back(static_cast<int>(classes[n]) == b.label ? 0 : 1);
      indices_.push_back(batch.indices[n]);
    }
  }
  void gather(Communicator& communicator) override {
    iou_ = gather_values(communicator, iou_);
    miss_ = gather_values(communicator, miss_);
    indices_ = gather_values(communicator, indices_);
  }
  std::vector<double> values(Reals weight) const override {
    return {mean_of(iou_, weight), mean_of(miss_, weight)};
  }
  std::vector<std::string> patients() const override {
    std::vector<std::string> all;
    for (const std::int64_t index : indices_) all.push_back(set_.info(index).patient);
    return all;
  }
  Json details() const override { return {{"boxes", iou_.size()}}; }
  std::vector<std::pair<std::string, std::string>> files() const override {
    std::string text = "name,iou\n";
    for (std::size_t i = 0; i < iou_.size(); ++i)
      text += set_.info(indices_[i]).name + "," + std::to_string(iou_[i]) + "\n";
    return {{"boxes.csv", text}};
  }

 private:
  static double mean_of(const std::vector<double>& values, Reals weight) {
    double sum = 0, all = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double w = weight.empty() ? 1 : weight[i];
      sum += w * values[i];
      all += w;
    }
    return sum / all;
  }
  const Dataset& set_;
  std::vector<double> iou_, miss_;
  std::vector<std::int64_t> indices_;
};

class ToyDetector : public Task {
 public:
  static constexpr const char* name = "toy-detection";
  explicit ToyDetector(Pipeline pipeline = Pipeline("grey,resize:24x24"))
      : Task({"small", "large"}, std::move(pipeline)), net_(std::make_unique<ToyNet>()) {}
  const char* kind() const override { return name; }
  Module& net() override { return *net_; }
  std::string model() const override { return "toy"; }

  std::unique_ptr<Dataset> open(const std::string& path, DatasetOptions) const override {
    return open_squares(path);
  }
  std::unique_ptr<DataLoader> loader(const Dataset& set, const Pipeline& pipeline,
                                     const LoaderOptions& options,
                                     std::shared_ptr<const Sampler> sampler) const override {
    if (!sampler) {
      const BatchCut cut{options.batch_size, options.drop_last};
      sampler = options.shuffle ? shuffled(set.size(), cut) : in_order(set.size(), cut);
    }
    LoaderOptions rest = options;
    rest.shuffle = rest.drop_last = false;
    return std::make_unique<DataLoader>(set, sampler, std::make_unique<DetectionCollation>(pipeline), rest);
  }

  LossParts loss(const Batch& batch) override {
    const ToyNet::Answer answer = (*net_)(batch["image"]);
    const Tensor target =
        batch["boxes"].slice(1, 0, 1).reshape({batch["image"].size(0), 4}) * (1.0 / toy_side);
    const Tensor kind =
        cross_entropy(answer.logits, batch["label"].slice(1, 0, 1).reshape({batch["image"].size(0)}));
    const Tensor box = mean(abs(answer.box - target));
    return LossParts(add(kind, mul(box, 10.0)), {{"class", kind}, {"box", box}});
  }
  Outputs predict(const Batch& batch) override {
    const NoGrad guard;
    const ToyNet::Answer answer = (*net_)(batch["image"]);
    const Tensor p = softmax(answer.logits, 1);
    return Outputs({{"boxes", answer.box * double{toy_side}},
                    {"class", argmax(p, 1)},
                    {"score", max(p, {1})},
                    {"p", p}});
  }
  std::unique_ptr<Evaluator> evaluator(const Dataset& set) const override {
    return std::make_unique<ToyEvaluator>(set);
  }
  std::vector<std::string> columns() const override { return {"x1", "y1", "x2", "y2", "class", "score"}; }
  Said say(const Outputs& outputs, std::int64_t n, int) const override {
    const std::vector<double> b = outputs["boxes"].slice(0, n, n + 1).to_vector<double>();
    const auto k =
        static_cast<std::size_t>(outputs["class"].to_vector<double>()[static_cast<std::size_t>(n)]);
    const double score = outputs["score"].to_vector<double>()[static_cast<std::size_t>(n)];
    std::vector<std::string> row;
    for (const double v : b) row.push_back(std::to_string(static_cast<int>(v + 0.5)));
    row.insert(row.end(), {classes_[k], std::to_string(score)});
    return {{row}, {{"boxes", {b}}, {"class", classes_[k]}, {"score", score}}};
  }
  std::vector<double> class_probabilities(const Outputs& outputs, std::int64_t n) const override {
    return outputs["p"].slice(0, n, n + 1).to_vector<double>();
  }
  Tensor evidence(const Batch& batch, int target) override {
    return sum((*net_)(batch["image"]).logits.slice(1, target, target + 1));
  }
  void describe(Checkpoint& c) const override {
    Task::describe(c);
    c.facts["model"] = "toy";
  }

 private:
  std::unique_ptr<ToyNet> net_;
};

inline TaskKind toy_kind() {
  return {
      .name = ToyDetector::name,
      .make = [](const Checkpoint& c,
                 const std::string&) { return std::make_unique<ToyDetector>(Pipeline(c.fact("pipeline"))); },
      .report =
          [](const std::string&, const Json& metrics, report::RunReport& page) {
            page.kind = "Toy detection";
            for (const auto& [name, m] : metrics["metrics"].items())
              page.metrics.push_back(
                  {name, m["value"].get<double>(), m["low"].get<double>(), m["high"].get<double>()});
          },
      .begin = [](const TaskStart& start) { return std::make_unique<ToyDetector>(start.pipeline); },
      .open = open_squares};
}
// Once a program.
inline void know_the_toy() {
  static const bool known = [] {
    add_task_kind(toy_kind());
    return true;
  }();
  (void)known;
}

}  // namespace gadolin::test
