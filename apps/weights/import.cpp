// gadolin import: weights of elsewhere as a checkpoint, with every name accounted for.
#include <algorithm>
#include <memory>
#include <set>

#include "apps/commands.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "apps/weights/import.h"
#include "apps/weights/weights.h"
#include "nets/retinanet.h"
#include "tasks/classification.h"
#include "tasks/detection/torchvision.h"
#include "tasks/net_options.h"
#include "tasks/slim_weights.h"
#include "tensor/random.h"

namespace gadolin {
namespace {

void names(Session& session, const std::string& what, const std::vector<std::string>& list) {
  if (list.empty()) return;
  std::string text;
  for (const std::string& name : list) text += (text.empty() ? "" : ", ") + name;
  session.say(what + " (" + std::to_string(list.size()) + "): " + text);
  session.event({{"event", what}, {"names", list}});
}

std::string comma_separated(const std::set<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ",") + word;
  return text;
}

double number_option(const NetOptions& options, const std::string& name, double otherwise) {
  const auto found = options.find(name);
  return found == options.end() ? otherwise : std::get<double>(found->second);
}

// Layers whose shapes differ only in the number of classes are the heads, a detector's with as many of them
// an anchor. One line names them and the option.
void check_heads(const Module& net, const State& weights, const ImportOptions& o) {
  std::set<std::string> heads;
  std::int64_t theirs = 0, ours = 0;
  for (const Parameter& p : net.state()) {
    const bool excluded = std::any_of(o.exclude.begin(), o.exclude.end(), [&](const std::string& scope) {
      return p.name == scope || p.name.rfind(scope + ".", 0) == 0;
    });
    const auto found = weights.find(p.name);
    if (excluded || found == weights.end() || found->second.shape() == p.tensor.shape()) continue;
    const Shape& a = found->second.shape();
    const Shape& b = p.tensor.shape();
    if (a.dim() != b.dim() || a.dim() == 0 || o.classes == 0 || b[0] % o.classes != 0 ||
        !std::equal(a.begin() + 1, a.end(), b.begin() + 1))
      return;
    theirs = a[0] * o.classes / b[0];
    ours = o.classes;
    heads.insert(p.name.substr(0, p.name.rfind('.')));
  }
  require<UsageError, 20>(heads.empty(), "import: ", comma_separated(heads), " of ", o.in, " is for ", theirs,
                          " classes, not ", ours, "; pass --exclude-scopes ", comma_separated(heads),
                          " to keep the rest and start it anew");
}

Checkpoint checkpoint_of(const Task& task, const ImportOptions& o, const WeightFile& file) {
  Checkpoint checkpoint;
  for (const Parameter& p : task.net().state()) checkpoint.tensors["model." + p.name] = p.tensor.detach();
  task.describe(checkpoint);
  // With the same head, what was chosen on its probabilities holds.
  for (const char* fact : {"temperature", "thresholds", "apart", "untrained", "trained_on"}) {
    const auto chosen = file.metadata.find(fact);
    if (file.format == "gadolin" && o.exclude.empty() && chosen != file.metadata.end())
      checkpoint.facts[fact] = chosen->second;
  }
  checkpoint.facts["imported_from_sha256"] = weights_sha256(o.in);
  checkpoint.facts["imported_format"] = file.format;
  return checkpoint;
}

std::unique_ptr<Task> imported_classifier(Session& session, const ImportOptions& o, const WeightFile& file,
                                          const NetOptions& given) {
  const NetInfo& info = net_info(o.model);
  const NetOptions options = options_from_weights(o.model, file.tensors, given);
  const auto channels =
      static_cast<int>(number_option(options, "input_channels", static_cast<double>(info.input[0])));
  const auto count = static_cast<std::size_t>(number_option(options, "num_classes", 1000));
  const auto several = file.metadata.find("multi_label");
  const bool multi_label = several != file.metadata.end() && several->second == "1";
  const bool can_transform =
      std::find(info.options.begin(), info.options.end(), "transform_input") != info.options.end();
  if (can_transform && info.weights == "torchvision" && file.metadata.empty() &&
      !options.count("transform_input"))
    session.say("torchvision's own pretrained files of " + o.model +
                " expect --net-option transform_input=true");
  return std::make_unique<ClassificationTask>(
      o.model, options, imported_classes(o, file, count), multi_label,
      imported_pipeline(o, file, usual_pipeline(o.model, channels, file.format)));
}

std::string model_of(const ImportOptions& o, const WeightFile& file) {
  if (!o.model.empty()) return o.model;
  const auto written = file.metadata.find("model");
  if (written != file.metadata.end()) return written->second;
  require<UsageError>(looks_like_detector(file.tensors), "import: ", o.in,
                      " does not say of which net its weights are; add --model, a name of gadolin models");
  return recognised_detector(file.tensors, o.in);
}

bool names_detector(const std::string& model) {
  const auto& all = detectors();
  return std::any_of(all.begin(), all.end(), [&](const NetInfo& info) { return info.name == model; });
}

void import_weights(Session& session, ImportOptions o) {
  require<UsageError>(o.out.ends_with(checkpoint_suffix), "import: ", o.out, " must end in ",
                      checkpoint_suffix);
  check_output_file("import: OUT", o.out, checkpoint_suffix, {o.in});
  if (!o.model.empty() && !names_detector(o.model)) net_info(o.model);  // a mistake needs no file
  WeightFile file;
  if (is_checkpoint(o.in))
    file = {weights_of(load_checkpoint(o.in)), load_checkpoint_facts(o.in), "gadolin", {}};
  else
    file = read_weights(o.in);
  o.model = model_of(o, file);
  const bool detects = names_detector(o.model);
  NetOptions given = given_options(o, file);
  const bool slim = file.format == "tensorflow" && is_slim(file.tensors);
  require<UsageError>(slim || !o.averages, "import: ", o.in,
                      " is no checkpoint of TF-Slim; leave out --averages");
  if (slim && !detects) rename_slim(o.model, file, given, o.averages);
  for (const std::string& note : file.notes) session.say(o.in + ": " + note);

  manual_seed(session.common().seed);  // for what starts anew
  const auto task =
      detects ? imported_detector(session, o, file) : imported_classifier(session, o, file, given);
  if (detects) rename_old_torchvision(file.tensors);
  check_heads(task->net(), file.tensors, o);
  const LoadReport report =
      task->net().load_state(file.tensors, {.strict = false, .exclude = o.exclude}, o.in);
  names(session, "mapped", report.loaded);
  names(session, "missing", report.missing);
  names(session, "left over", report.unexpected);
  names(session, "started anew", report.excluded);
  require<CheckpointError, 3>(
      o.partial || (report.missing.empty() && report.unexpected.empty()), "import: ", o.in, " is not ",
      o.model, ": ", report.loaded.size(), " names mapped, ", report.missing.size(), " missing, ",
      report.unexpected.size(), " left over (listed above); pass --partial to take what fits");
  require<CheckpointError, 3>(!report.loaded.empty(), "import: nothing in ", o.in, " has a name of ",
                              o.model);
  const Checkpoint checkpoint = checkpoint_of(*task, o, file);
  save_checkpoint(o.out, checkpoint);
  const std::string& sum = checkpoint.facts.at("imported_from_sha256");
  session.say(cat(report.loaded.size(), " tensors of ", o.in, " (", file.format, ") in ", o.out, ", ",
                  o.model, ", ", task->classes().size(), " classes, pictures by ", task->pipeline().text(),
                  ", SHA-256 of the source ", sum));
  session.metric("model", o.model);
  session.metric("mapped", report.loaded.size());
  session.metric("missing", report.missing.size());
  session.metric("left_over", report.unexpected.size());
  session.metric("format", file.format);
  session.metric("sha256", sum);
  session.output("checkpoint", o.out);
}

}  // namespace

std::vector<std::string> imported_classes(const ImportOptions& o, const WeightFile& file, std::size_t count,
                                          const std::vector<std::string>& usual) {
  std::vector<std::string> list = o.class_names;
  const auto written = file.metadata.find("classes");
  if (list.empty() && written != file.metadata.end()) {
    const Json json = Json::parse(written->second, nullptr, false);
    const bool texts =
        json.is_array() && std::all_of(json.begin(), json.end(), [](const Json& j) { return j.is_string(); });
    if (texts && json.size() == count) list = json.get<std::vector<std::string>>();
  }
  if (list.empty() && usual.size() == count) list = usual;
  if (list.empty()) {
    for (std::size_t k = 0; k < count; ++k) list.push_back(std::to_string(k));
  }
  require<UsageError>(list.size() == count, "import: ", list.size(), " class names for ", count,
                      " classes; give one for each");
  return list;
}

Pipeline imported_pipeline(const ImportOptions& o, const WeightFile& file, const std::string& usual) {
  const auto written = file.metadata.find("pipeline");
  return Pipeline(!o.pipeline.empty()              ? o.pipeline
                  : written != file.metadata.end() ? written->second
                                                   : usual);
}

NetOptions given_options(const ImportOptions& o, const WeightFile& file) {
  NetOptions given;
  const auto model = file.metadata.find("model"), written = file.metadata.find("net_options");
  if (model != file.metadata.end() && model->second == o.model && written != file.metadata.end()) {
    const Json json = Json::parse(written->second, nullptr, false);
    const bool values = json.is_object() && std::all_of(json.begin(), json.end(), [](const Json& j) {
                          return j.is_primitive() && !j.is_null();
                        });
    if (values) given = options_from_json(json);
  }
  for (const std::string& text : o.net_options) add_net_option(given, text);
  if (o.classes > 0) given["num_classes"] = static_cast<double>(o.classes);
  if (o.channels > 0) given["input_channels"] = static_cast<double>(o.channels);
  if (o.width > 0) given["width"] = static_cast<double>(o.width);
  if (o.small_input) given["small_input"] = true;
  return given;
}

void add_import(Program& program) {
  const auto o = std::make_shared<ImportOptions>();
  CLI::App* app = program.add(
      "import", "Weights of elsewhere as a checkpoint", [o](Session& s) { import_weights(s, *o); },
      "gadolin import resnet18.pth resnet18.gdck --model resnet18");
  app->add_option("in", o->in, "Weights: .safetensors, .pth or .pt of torch.save, a TensorFlow checkpoint")
      ->required();
  app->add_option("out", o->out, "Checkpoint to write (.gdck)")->required();
  app->add_option("--model", o->model,
                  "A name of `gadolin models`; not needed for detectors and our own exports");
  app->add_option("--num-classes", o->classes, "0: as in the file")
      ->check(count_from(0))
      ->capture_default_str();
  app->add_option("--channels", o->channels, "0: as in the file")
      ->check(between(0, 65536))
      ->capture_default_str();
  app->add_option("--width", o->width, "0: as in the file")->check(between(0, 65536))->capture_default_str();
  app->add_flag("--small-input", o->small_input, "Stem for small images");
  app->add_option("--net-option", o->net_options,
                  "NAME=VALUE of the net, such as transform_input=true; may be repeated");
  app->add_option("--exclude-scopes", o->exclude, "Parts to start anew, such as fc")->delimiter(',');
  app->add_flag("--averages", o->averages, "TF-Slim: the moving averages of variables instead of them");
  app->add_flag("--partial", o->partial, "Names that are missing or left over are no error");
  app->add_option("--class-names", o->class_names, "Names of the classes; otherwise numbers")->delimiter(',');
  app->add_option("--pipeline", o->pipeline, "What is done to pictures; otherwise what is usual for the net");
}

}  // namespace gadolin
