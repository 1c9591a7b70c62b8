#include "tasks/detection/detection.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "io/text.h"
#include "nets/retinanet.h"
#include "tasks/detection/anchor_recall.h"
#include "tasks/detection/canvas.h"
#include "tasks/detection/detection_evaluator.h"
#include "tasks/detection/detection_report.h"
#include "tasks/evaluate.h"
#include "tasks/net_options.h"
#include "tensor/autograd.h"
#include "tensor/check.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

NetOptions with_classes(NetOptions options, std::size_t classes, const DetectorSettings& settings) {
  options["num_classes"] = static_cast<double>(classes);
  options["anchors"] = static_cast<double>(Anchors(settings.anchors).per_place());
  return options;
}

// Throws DataError with the way out.
const DetectionSet& with_boxes(const Dataset& set) {
  const auto* boxes = dynamic_cast<const DetectionSet*>(&set);
  require<DataError>(boxes != nullptr, "detection: ", printable(set.root()),
                     " has no boxes; give a table path,x1,y1,x2,y2,class, Pascal VOC or COCO");
  return *boxes;
}

Affine map_at(const double* m) { return {m[0], m[1], m[2], m[3], m[4], m[5]}; }

// "512.3", in pixels.
std::string pixels(double value) { return fixed(value, 1); }

std::unique_ptr<Task> make_detection(const Checkpoint& c, const std::string& path) {
  DescribedNet net = described_net(c, path, "a detector");
  const Json settings = Json::parse(c.fact("detector"), nullptr, false);
  require<CheckpointError, 30>(settings.is_object(), "checkpoint: ", path,
                               " does not describe a detector; was it written by gadolin train?");
  auto task = std::make_unique<DetectionTask>(c.fact("model"), std::move(net.options),
                                              settings_from_json(settings, "checkpoint: " + path),
                                              std::move(net.classes), Pipeline(c.fact("pipeline")));
  for (const char* fact : {"score_threshold", "tiles", "preparation"})
    if (c.has(fact)) task->remember(fact, c.fact(fact));
  return task;
}

// The net's maps, of a small picture, must be those that the anchors are laid out for: otherwise most of them
// lie outside the picture, and nothing says so.
void check_strides(RetinaNet& net, const NetOptions& options, const std::vector<double>& strides) {
  const auto channels = options.find("input_channels");
  const bool given = channels != options.end() && std::holds_alternative<double>(channels->second);
  const std::int64_t side = std::max<std::int64_t>(128, net.least_size());
  const NoGrad guard;
  const EvaluationMode mode(net);
  const DetectorOutput out =
      net(zeros({1, given ? static_cast<std::int64_t>(std::get<double>(channels->second)) : 3, side, side}));
  for (std::size_t level = 0; level < std::min(strides.size(), out.grids.size()); ++level) {
    const auto places = static_cast<int>(std::ceil(static_cast<double>(side) / strides[level]));
    require<UsageError>(out.grids[level].w == places, "detection: level ", level + 3, " of the net has ",
                        out.grids[level].w, " places a side for a picture of ", side, " pixels, but anchors ",
                        strides[level], " pixels apart have ", places,
                        "; correct anchor_strides, or leave out small_input");
  }
}

// What take_settings left must be the net's: a misspelt setting would be told apart from the settings.
void check_net_options(const std::string& model, const NetOptions& options) {
  std::vector<std::string> known = detector_info(model).options;
  for (const char* own : {"num_classes", "anchors"}) {
    require<UsageError>(!options.contains(own), "detection: ", own, " is not for --net-option: the ",
                        own == std::string("anchors") ? "anchor_ratios and anchor_scales" : "data",
                        " decide; leave it out");
    std::erase(known, own);
  }
  known.insert(known.end(), {"preset"});
  const Json settings = settings_to_json({});
  for (const auto& [name, value] : settings.items()) known.push_back(name);
  std::string all;
  for (const std::string& name : known) all += (all.empty() ? "" : ", ") + name;
  for (const auto& [name, value] : options)
    require<UsageError>(std::ranges::find(known, name) != known.end(), "detection: --net-option ", name,
                        " is unknown; known are ", all);
}

std::unique_ptr<Task> begin_detection(const TaskStart& start) {
  const DetectionSet& set = with_boxes(start.train);
  require<DataError>(set.num_classes() > 0, "detection: ", printable(set.root()),
                     " has no boxes at all, so there is nothing to find");
  NetOptions options = start.options;
  DetectorSettings settings = take_settings(options);
  check_net_options(start.model, options);
  if (start.loss.kind == "focal") settings.gamma = start.loss.focal_gamma;
  require<UsageError>(start.loss.kind == "auto" || start.loss.kind == "focal", "--loss ", start.loss.kind,
                      " is none of a detector; use focal");
  require<UsageError>(start.loss.label_smoothing == 0 && !start.loss.class_weights,
                      "detection: --label-smoothing and --class-weights are of classifiers; leave them out");
  require<UsageError>(!start.loss.mixes, "detection: mixup and cutmix are not for boxes; leave them out");
  AnchorRecall recall = anchor_recall(set, start.augment.value_or(start.pipeline), settings);
  require_matches(recall, settings);
  auto task = std::make_unique<DetectionTask>(start.model, options, settings, set.classes(), start.pipeline);
  task->expect(std::move(recall));
  if (!settings.anchors.torchvision) check_strides(task->net(), options, settings.anchors.strides);
  return task;
}

// Shapes are kept; corners of boxes follow.
std::string detection_steps(const StepChoice& choice) {
  std::string steps = cat("fit:", choice.size, ":", choice.size * 5 / 3);
  if (choice.training && choice.augment != "none") steps += ",hflip";
  if (choice.training && choice.augment == "standard") steps += ",brightness:0.2,contrast:0.2";
  return steps;
}

}  // namespace

DetectionTask::DetectionTask(std::string model, NetOptions options, DetectorSettings settings,
                             std::vector<std::string> classes, Pipeline pipeline)
    : Task(std::move(classes), std::move(pipeline)), model_(std::move(model)),
      options_(with_classes(std::move(options), classes_.size(), settings)), settings_(std::move(settings)),
      anchors_(settings_.anchors), net_(make_detector(model_, options_)) {}

std::unique_ptr<Dataset> DetectionTask::open(const std::string& path, DatasetOptions options) const {
  auto set = Task::open(path, std::move(options));
  with_boxes(*set);
  return set;
}

std::unique_ptr<DataLoader> DetectionTask::loader(const Dataset& set, const Pipeline& pipeline,
                                                  const LoaderOptions& options,
                                                  std::shared_ptr<const Sampler> sampler) const {
  auto sizes = std::make_shared<const std::vector<std::pair<int, int>>>(sizes_behind(set, pipeline));
  DetectionOptions padding;
  const auto side = [&](int length) { return canvas_side(length, settings_.padding); };
  padding.size_of = [sizes](std::int64_t place) { return (*sizes)[static_cast<std::size_t>(place)]; };
  std::pair<int, int> largest{32, 32};
  for (const auto& [width, height] : *sizes) {
    padding.sizes.emplace_back(side(width), side(height));
    largest = {std::max(largest.first, side(width)), std::max(largest.second, side(height))};
  }
  const bool mixed = settings_.padding == Padding::batch;
  if (mixed) {  // every width may meet every height
    const auto met = padding.sizes;
    for (const auto& [width, own_height] : met)
      for (const auto& [own_width, height] : met) padding.sizes.emplace_back(width, height);
  }
  padding.sizes.push_back(largest);  // for a sampler that mixes shapes
  std::ranges::sort(padding.sizes);
  padding.sizes.erase(std::unique(padding.sizes.begin(), padding.sizes.end()), padding.sizes.end());
  auto collation = std::make_unique<DetectionCollation>(pipeline, padding);
  const auto bucket_of = [&](std::int64_t place) { return collation->bucket(place); };
  const LastBatch last = options.drop_last ? LastBatch::fill : LastBatch::keep;
  if (sampler && !mixed)
    if (auto own = sampler->within(bucket_of, last)) sampler = std::move(own);
  if (!sampler && mixed) {
    const BatchCut cut{options.batch_size, options.drop_last};
    sampler = options.shuffle ? shuffled(set.size(), cut) : in_order(set.size(), cut);
  }
  if (!sampler) sampler = by_bucket(set.size(), bucket_of, {options.batch_size, options.shuffle, last});
  LoaderOptions rest = options;
  rest.shuffle = rest.drop_last = false;
  return std::make_unique<DataLoader>(set, std::move(sampler), std::move(collation), rest);
}

Batch DetectionTask::one(const Dataset& set, std::int64_t i, Device device) const {
  const auto alone = set.subset(std::vector<std::int64_t>{i});
  const auto loads = loader(*alone, pipeline_, {.batch_size = 1, .workers = 0, .device = device});
  Batch batch;
  loads->next(batch);
  return batch;
}

TextRows DetectionTask::remarks(const Dataset& train) const {
  return recall_table(recall_ ? *recall_ : anchor_recall(with_boxes(train), pipeline_, settings_));
}

// What lies beside the picture becomes exactly 0, the mean colour behind the normalisation, whatever it was.
// The host reads nothing, so that steps can be recorded.
Tensor DetectionTask::picture_of(const Batch& batch) {
  const Tensor& image = batch["image"];
  const Device device = image.device();
  const Tensor size = batch["size"].to(DType::fp32);
  const auto inside = [&](int dim) {
    const std::int64_t length = image.size(2 + dim);
    Tensor& places = counted_[{device.is_cuda() ? device.index : -1, length}];
    if (!places.defined()) {
      std::vector<float> numbers(static_cast<std::size_t>(length));
      std::iota(numbers.begin(), numbers.end(), 0.F);
      places = from_vector(numbers, {length}).to(device);
    }
    const Shape along = dim == 0 ? Shape{1, 1, length, 1} : Shape{1, 1, 1, length};
    return (places.reshape(along) < size.slice(1, dim, dim + 1).reshape({image.size(0), 1, 1, 1}))
        .to(image.dtype());
  };
  return image * (inside(0) * inside(1));
}

DetectorOutput DetectionTask::answer(const Batch& batch) {
  const Tensor& image = batch["image"];
  const std::int64_t least = net_->least_size();
  require<UsageError>(image.size(2) >= least && image.size(3) >= least, "detection: pictures of ",
                      image.size(3), " x ", image.size(2), " are too small for ", model_, ", which needs ",
                      least, " pixels a side; use a larger --input-size");
  return (*net_)(picture_of(batch));
}

const Tensor& DetectionTask::anchors_of(const DetectorOutput& out, const Batch& batch) {
  const Tensor& image = batch["image"];
  return anchors_.of(out.grids, {static_cast<int>(image.size(2)), static_cast<int>(image.size(3))},
                     image.device());
}

LossParts DetectionTask::loss_of(const DetectorOutput& out, const Batch& batch) {
  const Tensor& anchors = anchors_of(out, batch);
  const AnchorTargets targets =
      match_anchors(anchors, batch["boxes"], batch["label"], batch["count"], batch["size"], settings_.match);
  const Tensor positives = settings_.by_picture ? targets.positives : sum(targets.positives);
  const Tensor boxes =
      settings_.match.encoded ? out.deltas : decode_boxes(anchors, out.deltas, settings_.match.coder);
  const DType type = boxes.dtype() == DType::fp64 ? DType::fp64 : DType::fp32;  // matched in fp32
  const Tensor of_class =
      per_positive(anchor_focal_loss(out.logits, targets.label, settings_.alpha, settings_.gamma), positives);
  const Tensor of_box = per_positive(
      anchor_box_loss(boxes, targets.box.to(type), targets.label, settings_.box_loss), positives);
  Tensor total = add(of_class, mul(of_box.to(of_class.dtype()), settings_.box_weight));
  const NoGrad guard;  // what follows is for people
  const Tensor there = (targets.best >= 0.0).to(DType::fp32),
               missed = there * (targets.best < settings_.match.object).to(DType::fp32);
  const Tensor unmatched = sum(missed) / maximum(sum(there), ones({}, DType::fp32, missed.device()));
  Tensor dropped = zeros({}, DType::fp32, missed.device());
  if (batch.has("dropped")) {
    const Tensor lost = sum(batch["dropped"].to(DType::fp32)),
                 kept = sum((batch["label"] >= std::int64_t{0}).to(DType::fp32));
    dropped = lost / maximum(lost + kept, ones({}, DType::fp32, missed.device()));
  }
  return {std::move(total),
          {{"class", of_class}, {"box", of_box}, {"unmatched", unmatched}, {"dropped", dropped}},
          settings_.by_picture ? Tensor() : positives};
}

Outputs DetectionTask::predict(const Batch& batch) {
  const NoGrad guard;
  const DetectorOutput out = answer(batch);
  const Detections found = detect(out.logits, out.deltas, anchors_of(out, batch), anchors_.counts(out.grids),
                                  batch["size"], settings_.detect);
  return Outputs({{"boxes", found.boxes},
                  {"score", found.score},
                  {"label", found.label},
                  {"count", found.count},
                  {"map", batch["map"]},
                  {"size", batch["size"]}});
}

std::unique_ptr<Evaluator> DetectionTask::evaluator(const Dataset& set) const {
  return std::make_unique<DetectionEvaluator>(with_boxes(set), classes_, settings_.detect.score);
}

std::vector<std::vector<Detection>> detections_of(const Outputs& outputs) {
  const auto boxes = outputs["boxes"].to_vector<double>(), score = outputs["score"].to_vector<double>(),
             map = outputs["map"].to_vector<double>(), size = outputs["size"].to_vector<double>();
  const auto label = outputs["label"].to_vector<std::int64_t>(),
             count = outputs["count"].to_vector<std::int64_t>();
  const auto most = static_cast<std::size_t>(outputs["score"].size(1));
  std::vector<std::vector<Detection>> all(count.size());
  for (std::size_t n = 0; n < count.size(); ++n) {
    const Affine back = map_at(map.data() + 6 * n).inverse();
    const Corners whole =
        moved({0, 0, size[2 * n + 1], size[2 * n]}, back, INFINITY, INFINITY).box;  // of the file
    const double width = std::round(whole.x2), height = std::round(whole.y2);
    for (std::size_t k = n * most; k < n * most + static_cast<std::size_t>(count[n]); ++k) {
      const double* b = boxes.data() + 4 * k;
      Corners c{b[0], b[1], b[2], b[3]};
      // moved() would make a box of one that is none; who measures refuses it.
      if (std::all_of(b, b + 4, [](double x) { return std::isfinite(x); }))
        c = moved(c, back, width, height).box;
      if (c.x1 == c.x2 || c.y1 == c.y2) continue;  // cut away, but for a line
      all[n].push_back({{c.x1, c.y1, c.x2, c.y2, static_cast<int>(label[k])}, score[k]});
    }
  }
  return all;
}

Said DetectionTask::say(const Outputs& outputs, std::int64_t n, int most) const {
  Said said{{}, {{"boxes", Json::array()}}};
  const auto all = detections_of(outputs);
  for (const Detection& d : all[static_cast<std::size_t>(n)]) {
    const std::string& label = classes_[static_cast<std::size_t>(d.box.label)];
    if (static_cast<int>(said.rows.size()) < most)
      said.rows.push_back(
          {label, fixed(d.score, 4), pixels(d.box.x1), pixels(d.box.y1), pixels(d.box.x2), pixels(d.box.y2)});
    said.event["boxes"].push_back(
        {{"class", label}, {"score", d.score}, {"box", {d.box.x1, d.box.y1, d.box.x2, d.box.y2}}});
  }
  if (const std::size_t all_boxes = said.event["boxes"].size(); all_boxes > said.rows.size())
    said.rows.push_back({cat("and ", all_boxes - said.rows.size(), " more"), "", "", "", "", ""});
  if (said.rows.empty()) said.rows.push_back({"nothing found", "", "", "", "", ""});
  return said;
}

const std::string& DetectionTask::remembered(const std::string& fact) const {
  static const std::string nothing;
  const auto found = remembered_.find(fact);
  return found == remembered_.end() ? nothing : found->second;
}

std::vector<double> DetectionTask::class_probabilities(const Outputs&, std::int64_t) const {
  fail<Unsupported>(
      "detection: a detector says where objects are, not how likely each class is in a picture; gadolin "
      "predict shows its boxes");
}

void DetectionTask::describe(Checkpoint& checkpoint) const {
  Task::describe(checkpoint);
  for (const auto& [fact, text] : remembered_) checkpoint.facts[fact] = text;
  checkpoint.facts["model"] = model_;
  checkpoint.facts["net_options"] = options_to_json(options_).dump();
  checkpoint.facts["detector"] = settings_to_json(settings_).dump();
}

TaskKind detection_kind() {
  return {.name = DetectionTask::name,
          .make = make_detection,
          .report = report_detection,
          .begin = begin_detection,
          .check_model = [](const std::string& model) { detector_info(model); },
          .steps = detection_steps};
}

}  // namespace gadolin
