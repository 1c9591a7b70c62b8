// gadolin export: a checkpoint's weights in the formats of elsewhere.
#include <memory>

#include "apps/commands.h"
#include "apps/program/output.h"
#include "apps/weights/onnx_export.h"
#include "apps/weights/weights.h"
#include "io/torch_file.h"
#include "nets/retinanet.h"
#include "tasks/feature_classifier.h"
#include "tasks/sequences/sequences.h"

namespace gadolin {
namespace {

void write_safetensors(Session& session, Task& c, const std::string& path, const ExportOptions&) {
  TensorMap tensors;
  for (const Parameter& p : c.net().state()) tensors[p.name] = p.tensor.detach();
  save_safetensors(path, tensors, export_facts(c));
  session.metric("tensors", tensors.size());
}

void write_torch(Session& session, Task& c, const std::string& path, const ExportOptions&) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const Parameter& p : c.net().state()) tensors.emplace_back(p.name, p.tensor.detach());
  save_torch(path, tensors);
  session.metric("tensors", tensors.size());
}

// What a classifier reads; of one of features, what the net before it does.
NetInfo pictures_of(const ClassificationTask& c) {
  if (c.model() != feature_classifier_name) return net_info(c.model());
  const auto extractor = extractor_from_options(c.options());
  require<UsageError>(
      extractor.has_value(),
      "export: this checkpoint learnt on features and has no net that makes them of pictures; "
      "export film.gdck of its run");
  NetInfo info = net_info(extractor->model);
  if (const auto own = extractor->net.find("input_channels"); own != extractor->net.end())
    info.input[0] = static_cast<std::int64_t>(std::get<double>(own->second));
  return info;
}

void write_onnx(Session& session, Task& c, const std::string& path, const ExportOptions& options) {
  const auto written = [&](auto& task, const NetInfo& info, auto& exported) {
    const Shape image = onnx_input(task, task.options(), info, options.input);
    OnnxModel model = onnx_of(exported, {image, options.fold});
    model.name = task.model();
    model.metadata = onnx_metadata(task, task.options(), image);
    return model;
  };
  OnnxModel model;
  if (auto* detector = dynamic_cast<DetectionTask*>(&c)) {
    model = written(*detector, detector_info(c.model()), *detector);
    model.metadata["detector"] = settings_to_json(detector->settings()).dump();
  } else if (auto* sequences = dynamic_cast<SequenceTask*>(&c)) {
    require<UsageError>(
        options.input.empty() && !options.fold,
        "export: a net of sequences takes sequences of any length and has no batch norm; leave "
        "out --input and --fold");
    model = onnx_of(sequences->net());
    model.metadata = onnx_metadata(*sequences);
  } else {
    auto& classifier = dynamic_cast<ClassificationTask&>(c);  // there is no fourth kind
    model = written(classifier, pictures_of(classifier), classifier.net());
  }
  save_onnx(path, model);
  session.metric("nodes", model.nodes.size());
  session.metric("tensors", model.initializers.size());
}

void export_weights(Session& session, const std::string& in, const std::string& out,
                    const ExportOptions& options) {
  std::string known;
  for (const ExportFormat& format : export_formats()) {
    if (!out.ends_with(format.suffix)) {
      known += (known.empty() ? "" : ", ") + std::string(format.suffix);
      continue;
    }
    require<UsageError>(out.ends_with(".onnx") || (options.input.empty() && !options.fold),
                        "export: ", format.suffix, " takes neither --input nor --fold; they belong to .onnx");
    check_output_file("export: OUT", out, format.suffix, {in});
    const auto task = load_task(in, cpu);
    if (dynamic_cast<const DetectionTask*>(task.get()) == nullptr &&
        dynamic_cast<const SequenceTask*>(task.get()) == nullptr)
      as_classifier(*task, in);
    const Task& c = *task;
    format.write(session, *task, out, options);
    session.say(cat(c.model(), " of ", in, " in ", out, " (", format.about, ")"));
    session.output("weights", out);
    return;
  }
  fail<UsageError>("export: ", out, " must end in one of ", known);
}

}  // namespace

const std::vector<ExportFormat>& export_formats() {
  static const std::vector<ExportFormat> formats{
      {".safetensors", "tensors with what belongs to them as text", write_safetensors},
      {".pth", "a state_dict for torch.load(weights_only=True)", write_torch},
      {".onnx", "a graph for other runtimes, opset 17", write_onnx},
      {".pt", "a state_dict for torch.load(weights_only=True)", write_torch},
  };
  return formats;
}

std::map<std::string, std::string> export_facts(const Task& task) {
  Checkpoint whole;
  task.describe(whole);
  std::map<std::string, std::string> facts;
  for (const char* name : {"model", "net_options", "classes", "pipeline", "detector"})
    if (whole.has(name)) facts[name] = whole.fact(name);
  return facts;
}

void add_export(Program& program) {
  struct Options {
    std::string in, out;
    ExportOptions more;
  };
  const auto o = std::make_shared<Options>();
  std::string suffixes;
  for (const ExportFormat& format : export_formats())
    suffixes += (suffixes.empty() ? "" : ", ") + std::string(format.suffix);
  CLI::App* app = program.add(
      "export", "Weights of a checkpoint for other programs",
      [o](Session& s) { export_weights(s, o->in, o->out, o->more); },
      "gadolin export runs/view/checkpoints/best.gdck view.safetensors");
  app->add_option("checkpoint", o->in, "Checkpoint (.gdck)")->required();
  app->add_option("out", o->out, "File to write (" + suffixes + ")")->required();
  app->add_option("--input", o->more.input,
                  ".onnx: channels x height x width; otherwise as the pipeline says");
  app->add_flag("--fold", o->more.fold, ".onnx: batch norms into the convolutions before them");
}

}  // namespace gadolin
