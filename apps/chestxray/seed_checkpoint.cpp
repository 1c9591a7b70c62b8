#include "apps/chestxray/seed_checkpoint.h"

#include <unistd.h>

#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "apps/chestxray/nih_table.h"
#include "apps/chestxray/stages.h"
#include "apps/run/weight_options.h"
#include "io/weights.h"
#include "layers/init.h"
#include "tensor/check.h"
#include "train/checkpoint_store.h"

namespace gadolin::chestxray {
namespace {

namespace fs = std::filesystem;

constexpr const char* original_steps = "rgb,resize:224,normalize:0.485/0.456/0.406:0.229/0.224/0.225";

// The largest N of names that begin with `before`N.
int last_part(const std::map<std::string, Tensor>& weights, const std::string& before) {
  int last = -1;
  for (auto at = weights.lower_bound(before); at != weights.end() && at->first.starts_with(before); ++at) {
    int number = -1;
    std::from_chars(at->first.data() + before.size(), at->first.data() + at->first.size(), number);
    last = std::max(last, number);
  }
  return last;
}

// As repr() of Python: the shortest digits; an exponent of two digits below 1e-4 and from 1e16.
std::string python_text(double v) {
  char text[40];
  const bool small = v != 0 && std::abs(v) < 1e-4, large = std::abs(v) >= 1e16;
  const auto format = small || large ? std::chars_format::scientific : std::chars_format::fixed;
  const auto end = std::to_chars(text, text + sizeof text, v, format).ptr;
  std::string written(text, end);
  if (written.find_first_of(".e") == std::string::npos) written += ".0";
  return written;
}

}  // namespace

std::string original_name(int stage, double lr, std::int64_t epoch) {
  const std::string rate = python_text(lr);
  char number[24];
  std::snprintf(number, sizeof number, "%02lld", static_cast<long long>(epoch));
  return cat("stage", stage, "_", rate.substr(rate.rfind('.') + 1), "_", number, ".pth");
}

std::string net_of_weights(const std::map<std::string, Tensor>& weights, const std::string& path) {
  const int blocks = last_part(weights, "layer3.") + 1,
            layers = last_part(weights, "features.denseblock3.denselayer");
  const bool bottlenecks = weights.contains("layer3.0.conv3.weight");
  const std::pair<bool, const char*> known[] = {{blocks == 2 && !bottlenecks, "resnet18"},
                                                {blocks == 6 && !bottlenecks, "resnet34"},
                                                {blocks == 6 && bottlenecks, "resnet50"},
                                                {blocks == 23 && bottlenecks, "resnet101"},
                                                {layers == 24, "densenet121"},
                                                {layers == 32, "densenet169"}};
  for (const auto& [fits, name] : known)
    if (fits) return name;
  fail<CheckpointError, 3>("chestxray: ", path,
                           " holds the weights of none of resnet18, resnet34, resnet50, ",
                           "resnet101, densenet121 and densenet169; gadolin import takes other nets");
}

std::unique_ptr<ClassificationTask> read_original(const std::string& path, const Session& session) {
  const WeightFile file = read_weights(path);
  for (const std::string& note : file.notes) session.log(path + ": " + note);
  const std::string model = net_of_weights(file.tensors, path), head = head_of(model);
  const auto found = file.tensors.find(head + ".weight");
  const std::int64_t outputs = found == file.tensors.end() ? 0 : found->second.size(0);
  const auto& labels = nih_labels();
  require<CheckpointError, 2>(outputs == std::ssize(labels), "chestxray: ", path, " has ", outputs,
                              " outputs, and NIH's labels are ", labels.size(),
                              "; gadolin import takes it, with --class-names");
  const SkipInitialValues zeros;
  auto task = std::make_unique<ClassificationTask>(model, options_from_weights(model, file.tensors, {}),
                                                   std::vector<std::string>(labels.begin(), labels.end()),
                                                   true, Pipeline(original_steps));
  task->set_apart({no_finding});
  const LoadReport report = task->net().load_state(file.tensors, {}, path);
  session.say(cat(path, ": ", model, ", ", outputs, " outputs, loaded ", report.loaded.size(), " of ",
                  task->net().state().size()));
  return task;
}

OpenedCheckpoint::OpenedCheckpoint(const std::string& given, const Session& session)
    : path_(find_checkpoint(given)) {
  if (is_checkpoint(path_)) return;
  const auto task = read_original(path_, session);
  Checkpoint checkpoint;
  for (const Parameter& p : task->net().state()) checkpoint.tensors["model." + p.name] = p.tensor.detach();
  task->describe(checkpoint);
  std::error_code error;
  const fs::path base = fs::temp_directory_path(error);
  std::string folder = (base / "gadolin-XXXXXX").string();
  require<FileError>(!error && ::mkdtemp(folder.data()) != nullptr,
                     "chestxray: no temporary folder can be made; set TMPDIR to a folder with room");
  folder_ = folder;
  path_ = folder_ + "/" + fs::path(given).stem().string() + checkpoint_suffix;
  save_checkpoint(path_, checkpoint);
}

OpenedCheckpoint::~OpenedCheckpoint() {
  std::error_code error;
  if (!folder_.empty()) fs::remove_all(folder_, error);
}

}  // namespace gadolin::chestxray
