#include <algorithm>

#include "apps/verify/subject.h"
#include "layers/loss.h"
#include "nets/lstm.h"
#include "nets/retinanet.h"
#include "tasks/detection/detection.h"
#include "tasks/detection/torchvision.h"
#include "tensor/check.h"
#include "tensor/ops.h"

namespace gadolin {

Tensor Subject::known_loss(const std::string& kind, const Tensor& output) const {
  if (kind == "sum_squares") return mul(sum(mul(output, output)), 0.5);
  require<FormatError, 22>(kind == "cross_entropy" || kind == "bce_with_logits", "verify: ", file_.path(),
                           " wants the loss ", kind,
                           "; known are cross_entropy, bce_with_logits, sum_squares, retinanet (of "
                           "detectors), none");
  const Tensor target = file_.tensor_here("target");
  if (kind == "cross_entropy") {  // of logits [N, K], or of each step of [N, T, K]
    const std::int64_t classes = output.size(-1);
    return cross_entropy(output.reshape({-1, classes}), target.to(DType::int64).reshape({-1}));
  }
  return binary_cross_entropy_with_logits(output, target.to(output.dtype()));
}

Tensor Subject::loss(const std::string& kind, const std::vector<Tensor>& outputs) {
  return known_loss(kind, outputs.at(0));
}

namespace {

class ImageSubject : public Subject {
 public:
  explicit ImageSubject(const FixtureFile& file) : Subject(file) {
    file.number("num_classes");
    net_ = make_net(file.model(), file.net_options());
  }
  Module& module() override { return *net_; }
  std::vector<Tensor> run(const std::vector<Tensor>& inputs) override {
    if (!net_->training()) return {(*net_)(inputs[0])};
    return net_->logits(inputs[0]).tensors();
  }
  Tensor loss(const std::string& kind, const std::vector<Tensor>& outputs) override {
    const Logits logits{outputs[0], {outputs.begin() + 1, outputs.end()}};
    return loss_with_auxiliary(logits, [&](const Tensor& y) { return known_loss(kind, y); });
  }

 private:
  std::unique_ptr<ImageNet> net_;
};

// "lstm": torch.nn.LSTM alone (state names as there), or with a classifier behind it (state names "lstm." and
// "fc."). Options have PyTorch's defaults. Inputs: x, and the initial h and c. Outputs: the sequence, and of
// the layers alone h and c behind the last step.
class SequenceSubject : public Subject {
 public:
  explicit SequenceSubject(const FixtureFile& file) : Subject(file) {
    const State state = file.state();
    bare_ = !state.contains("fc.weight");
    NetOptions options{{"num_layers", 1.0},  {"bidirectional", false}, {"dropout", 0.0}, {"drop_last", false},
                       {"forget_bias", 0.0}, {"one_bias", false},      {"bias", true}};
    for (const auto& [name, value] : file.net_options()) options[name] = value;
    if (const auto first = options.find("batch_first"); first != options.end()) {
      const bool* batch = std::get_if<bool>(&first->second);
      require<FormatError, 20>(batch != nullptr, "verify: ", file.path(),
                               ": batch_first is neither true nor false");
      steps_first_ = !*batch;
      options.erase(first);
    }
    if (bare_) options.erase("num_classes");
    net_ = make_sequence_net(options);
  }
  Module& module() override { return bare_ ? static_cast<Module&>(net_->recurrent()) : *net_; }
  std::vector<Tensor> run(const std::vector<Tensor>& inputs) override {
    const auto turned = [&](const Tensor& t) { return steps_first_ ? t.transpose(0, 1) : t; };
    const Tensor x = turned(inputs[0]);
    if (!bare_) return {turned((*net_)(x))};
    RecurrentState initial;
    if (inputs.size() > 1) initial.h = inputs[1];
    if (inputs.size() > 2) initial.c = inputs[2];
    const RecurrentOutput out = net_->recurrent()(x, {}, initial);
    std::vector<Tensor> all{turned(out.y), out.last.h};
    if (out.last.c.defined()) all.push_back(out.last.c);
    return all;
  }

 private:
  bool bare_ = false, steps_first_ = false;
  std::unique_ptr<SequenceNet> net_;
};

// Outputs: class logits and box regression over all anchors. The batch is one of equal pictures, as large as
// the input. Settings are torchvision's, which the config changes by their names in checkpoints; batch norms
// that count their batches are no frozen ones, and a second version learns boxes by GIoU.
class DetectorSubject : public Subject {
 public:
  explicit DetectorSubject(const FixtureFile& file) : Subject(file) {
    NetOptions options = file.net_options();
    const auto classes = static_cast<std::size_t>(std::clamp(file.number("num_classes"), 1.0, 1e5));
    options.erase("num_classes");
    for (const auto& [name, ignored] : file.state())
      if (name.ends_with(".num_batches_tracked")) options.try_emplace("frozen_norm", false);
    if (file.model().ends_with("_v2")) options.try_emplace("box_loss", "giou");
    options.try_emplace("preset", "torchvision");
    const DetectorSettings settings = take_settings(options);
    std::vector<std::string> names;
    for (std::size_t k = 0; k < classes; ++k) names.push_back(std::to_string(k));
    task_ = std::make_unique<DetectionTask>(file.model(), options, settings, std::move(names), Pipeline());
  }
  Module& module() override { return task_->net(); }
  std::vector<Tensor> run(const std::vector<Tensor>& inputs) override {
    image_ = inputs[0];
    out_ = task_->net()(image_);
    return out_.tensors();
  }
  Tensor loss(const std::string& kind, const std::vector<Tensor>& outputs) override {
    if (kind == "sum_squares") return add(known_loss(kind, outputs[0]), known_loss(kind, outputs[1]));
    if (kind != "retinanet") return known_loss(kind, outputs[0]);
    return task_->loss_of(out_, batch()).total;
  }

 private:
  Batch batch() const {
    const std::int64_t n = image_.size(0);
    std::vector<Tensor> boxes, labels;
    std::vector<std::int64_t> count;
    std::int64_t most = 1;
    for (std::int64_t i = 0; i < n; ++i) {
      const std::string of_boxes = cat("target.boxes.", i), of_labels = cat("target.labels.", i);
      require<FormatError, 23>(file_.has(of_boxes) && file_.has(of_labels), "verify: ", file_.path(),
                               " wants the loss retinanet, but holds no ",
                               file_.has(of_boxes) ? of_labels : of_boxes);
      boxes.push_back(file_.tensor(of_boxes).to(DType::fp32));
      labels.push_back(file_.tensor(of_labels).to(DType::int64));
      const std::int64_t m = labels.back().numel();
      require<FormatError, 21>(boxes.back().shape() == (Shape{m, 4}), "verify: ", file_.path(), ": ",
                               of_boxes, " is ", boxes.back().shape(), ", but ", of_labels, " has ", m,
                               " classes");
      count.push_back(m);
      most = std::max(most, m);
    }
    const Tensor all = zeros({n, most, 4}), label = full({n, most}, -1.0, DType::int64);
    for (std::int64_t i = 0; i < n; ++i) {
      if (count[static_cast<std::size_t>(i)] == 0) continue;
      const std::int64_t m = count[static_cast<std::size_t>(i)];
      all.slice(0, i, i + 1).slice(1, 0, m).copy_(boxes[static_cast<std::size_t>(i)].reshape({1, m, 4}));
      label.slice(0, i, i + 1).slice(1, 0, m).copy_(labels[static_cast<std::size_t>(i)].reshape({1, m}));
    }
    std::vector<std::int64_t> size;
    for (std::int64_t i = 0; i < n; ++i) size.insert(size.end(), {image_.size(2), image_.size(3)});
    const Device device = image_.device();
    return Batch({"image", "boxes", "label", "count", "size"},
                 {image_, all.to(device), label.to(device), from_vector(count, {n}).to(device),
                  from_vector(size, {n, 2}).to(device)});
  }

  std::unique_ptr<DetectionTask> task_;
  Tensor image_;
  DetectorOutput out_;
};

}  // namespace

std::unique_ptr<Subject> make_subject(const FixtureFile& file) {
  const std::string& model = file.model();
  if (model.starts_with("op:")) return make_op_subject(file);
  if (model == sequence_net_info().name) return std::make_unique<SequenceSubject>(file);
  if (std::ranges::any_of(detectors(), [&](const NetInfo& info) { return info.name == model; }))
    return std::make_unique<DetectorSubject>(file);
  return std::make_unique<ImageSubject>(file);
}

}  // namespace gadolin
