#include "apps/serve/models.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <thread>

#include "data/sets/dataset.h"
#include "io/bytes.h"
#include "io/mapped_file.h"
#include "io/sha256.h"
#include "io/text.h"
#include "tasks/cam.h"
#include "tasks/classification.h"
#include "tasks/detection/detection.h"
#include "tasks/sequences/sequences.h"
#include "tensor/ops.h"

namespace gadolin::serve {
namespace {

// Pictures that are decoded at once.
std::counting_semaphore<>& decoders() {
  static std::counting_semaphore<> free(std::max(1u, std::thread::hardware_concurrency()));
  return free;
}

// A black picture that the pipeline has done with.
class BlackSet : public Dataset {
 public:
  BlackSet(Image picture, const std::vector<std::string>& classes)
      : Dataset(classes, false, {SampleInfo{}}, ""), picture_(std::move(picture)) {}
  StoredImage read(std::int64_t) const override { return {{}, picture_}; }

 protected:
  std::unique_ptr<Dataset> clone() const override { return std::unique_ptr<Dataset>(new BlackSet(*this)); }

 private:
  Image picture_;
};

std::vector<std::int64_t> input_of(const Task& task) {
  const auto* classifier = dynamic_cast<const ClassificationTask*>(&task);
  const auto* detector = dynamic_cast<const DetectionTask*>(&task);
  const NetOptions options = classifier ? classifier->options()
                             : detector ? detector->options()
                                        : NetOptions{};
  std::int64_t channels = task.pipeline().channels() > 0 ? task.pipeline().channels() : 3;
  if (const auto given = options.find("input_channels"); given != options.end())
    if (const auto* number = std::get_if<double>(&given->second))
      channels = static_cast<std::int64_t>(*number);
  const auto size = task.pipeline().output_size();
  return {channels, size ? size->second : -1, size ? size->first : -1};
}

// runs/view/checkpoints/best.gdck is called "view": "best" names no model.
std::string name_of_file(const std::string& path) {
  const std::filesystem::path file = std::filesystem::absolute(path).lexically_normal();
  const std::filesystem::path folder = file.parent_path();
  std::string name =
      folder.filename() == "checkpoints" ? folder.parent_path().filename().string() : file.stem().string();
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '_' && c != '-') c = '-';
  return name.empty() ? "model" : name;
}

bool names_model(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  });
}

}  // namespace

DecoderTurn::DecoderTurn() { decoders().acquire(); }
DecoderTurn::~DecoderTurn() { decoders().release(); }

ServedModel::ServedModel(std::string name, std::string path, ModelOptions options)
    : name_(std::move(name)), path_(std::move(path)), options_(options) {}

void ServedModel::load() {
  hash_ = [&] {
    const MappedFile file(path_);
    return sha256_hex(file.text()).substr(0, 12);
  }();
  watch_ = InputWatch(path_);
  predictor_ = std::make_unique<Predictor>(
      load_task(path_, options_.device), PredictorOptions{.most = options_.batch,
                                                          .wait = options_.wait,
                                                          .compute = options_.compute,
                                                          .observe = [this](std::int64_t n, double seconds) {
                                                            batch_sizes.add(static_cast<double>(n));
                                                            batch_seconds.add(seconds);
                                                          }});
  if (const auto* detector = dynamic_cast<const DetectionTask*>(&task()))
    require<Unsupported>(detector->remembered("tiles").empty(), "serve: ", printable(path_),
                         " is a detector that looks at tiles; gadolin predict reads it");
  require<Unsupported>(dynamic_cast<const SequenceTask*>(&task()) == nullptr, "serve: ", printable(path_),
                       " is a net of series, and pictures come here one by one; gadolin hemorrhage predict "
                       "asks it");
  input_ = input_of(task());
  try_once();
  ready_ = true;
}

void ServedModel::fail(const std::string& why) {
  const std::lock_guard lock(mutex_);
  why_ = why;
  failed_ = true;
}

void ServedModel::require_ready() const {
  if (ready_) return;
  if (failed_) refuse(503, "model ", name_, " could not be loaded; the server's log says why");
  refuse(503, "model ", name_, " is being loaded; ask again later");
}

// A net that cannot answer is found here and not by the first patient.
void ServedModel::try_once() {
  Batch batch;
  const auto side = [](std::int64_t n) { return n > 0 ? n : 256; };
  if (dynamic_cast<const DetectionTask*>(&task()) == nullptr) {
    batch = Batch({"image"}, {zeros({1, input_[0], side(input_[1]), side(input_[2])}).to(options_.device)});
    batch.indices = {0};
  } else {
    const BlackSet set(
        Image(static_cast<int>(side(input_[2])), static_cast<int>(side(input_[1])), input_[0] == 1 ? 1 : 3),
        task().classes());
    const auto loader = task().loader(set, Pipeline(task().pipeline().normalize()),
                                      {.batch_size = 1, .workers = 0, .device = options_.device});
    loader->next(batch);
  }
  const Outputs outputs = predictor_->run(batch);
  for (const auto& [name, tensor] : outputs.all()) {
    const auto values = tensor.to_vector<double>();
    require<NumericError>(
        std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); }),
        "serve: the test inference of ", printable(path_), " gives NaN or infinity as ", name,
        "; train it again, or serve an earlier checkpoint");
  }
}

bool ServedModel::several_labels() const {
  const auto* classifier = dynamic_cast<const ClassificationTask*>(&task());
  return classifier != nullptr && classifier->multi_label();
}

Json ServedModel::thresholds() const {
  const auto* classifier = dynamic_cast<const ClassificationTask*>(&task());
  if (classifier == nullptr || classifier->operation().thresholds.empty()) return nullptr;
  Json all = Json::object();
  for (const Threshold& t : classifier->operation().thresholds)
    all[t.label] = t.defined() && std::isfinite(t.value) ? Json(t.value) : Json();
  return all;
}

namespace {
bool knows(const Task& task, std::size_t k) {
  const auto* classifier = dynamic_cast<const ClassificationTask*>(&task);
  return classifier == nullptr || classifier->trained(k);
}
}  // namespace

std::vector<std::string> ServedModel::classes() const {
  std::vector<std::string> said;
  for (std::size_t k = 0; k < task().classes().size(); ++k)
    if (knows(task(), k)) said.push_back(task().classes()[k]);
  return said;
}

int likeliest(const Task& task, const std::vector<double>& p) {
  std::size_t best = p.size();
  for (std::size_t k = 0; k < p.size(); ++k)
    if (knows(task, k) && (best == p.size() || p[k] > p[best])) best = k;
  return static_cast<int>(best == p.size() ? 0 : best);
}

Json ServedModel::described() const {
  if (!ready_) return {{"name", name_}, {"ready", false}, {"failed", failed()}};
  Json all{{"name", name_},
           {"hash", hash_},
           {"task", task().kind()},
           {"net", task().model()},
           {"several_labels", several_labels()},
           {"classes", classes()}};
  if (const Json known = thresholds(); !known.is_null()) all["thresholds"] = known;
  all["ready"] = true;
  all["heatmap"] = dynamic_cast<const ClassificationTask*>(&task()) != nullptr;
  return all;
}

ServedModel::Room::Room(ServedModel& model, std::int64_t pictures) : model_(model), pictures_(pictures) {
  const std::int64_t before = model.under_way_.fetch_add(pictures);
  if (before + pictures <= model.options_.queue) return;
  model.under_way_ -= pictures;
  refuse(503, before, " pictures are under way, and ", pictures, " more would be above ",
         model.options_.queue, " (--queue); ask again later");
}

Batch ServedModel::one(const Dataset& set, std::int64_t i) const {
  const DecoderTurn turn;
  return task().one(set, i, options_.device);
}

Outputs ServedModel::wait_for(std::future<Outputs>& answer, double seconds) {
  if (answer.wait_for(std::chrono::duration<double>(seconds)) != std::future_status::ready)
    refuse(503, "the answer took longer than ", seconds, " s (--answer-seconds); ask again later");
  return answer.get();
}

Tensor ServedModel::heat(const Batch& batch, int target) {
  return predictor_->with([&](Task& own) {
    const auto evidence = [&] { return own.evidence(batch, target); };
    if (layer_.empty()) layer_ = cam_layer(own.net(), evidence);  // on the one thread of the net
    return grad_cam(own.net(), evidence, layer_).select(0, 0).to(cpu);
  });
}

Models::Models(const std::vector<std::string>& given, const ModelOptions& options) {
  for (const std::string& text : given) {
    const std::size_t equal = text.find('=');
    const bool named = equal != std::string::npos && !std::filesystem::exists(text);
    const std::string path = named ? text.substr(equal + 1) : text,
                      name = named ? text.substr(0, equal) : name_of_file(path);
    require<UsageError>(names_model(name), "serve: --checkpoint ", printable(text), " names a model ",
                        printable(name), "; use letters, digits, point, underscore and hyphen");
    require<FileError>(std::filesystem::is_regular_file(path), "serve: --checkpoint ", printable(path),
                       " is no file; give a checkpoint, such as runs/view/checkpoints/best.gdck");
    for (const auto& other : all_)
      require<UsageError>(other->name() != name, "serve: two checkpoints are called ", name,
                          "; name them, as in --checkpoint one=A.gdck --checkpoint two=B.gdck");
    all_.push_back(std::make_unique<ServedModel>(name, path, options));
  }
}

ServedModel& Models::at(const std::string& name, int missing) {
  for (const auto& model : all_) {
    if (!name.empty() && model->name() != name) continue;
    model->require_ready();
    return *model;
  }
  std::vector<std::string> known;
  for (const auto& model : all_) known.push_back(model->name());
  refuse(missing, "model ", utf8(name.substr(0, 100)), " is unknown; served are ", joined(known));
}

bool Models::ready() const {
  return std::all_of(all_.begin(), all_.end(), [](const auto& model) { return model->ready(); });
}
bool Models::failed() const {
  return std::all_of(all_.begin(), all_.end(), [](const auto& model) { return model->failed(); });
}

}  // namespace gadolin::serve
