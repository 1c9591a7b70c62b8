// gadolin import, gadolin export: weights that come and go.
#include <memory>

#include "apps/commands.h"
#include "apps/run/classifier.h"
#include "data/atomic_file.h"
#include "data/safetensors.h"
#include "data/sha256.h"

namespace gadolin {
namespace {

struct Options {
  std::string in, out, model;
  int classes = 0, channels = 0, width = 0;
  bool small_input = false;
  std::vector<std::string> exclude;
};

void names(Session& session, const std::string& what, const std::vector<std::string>& list) {
  if (list.empty()) return;
  std::string text;
  for (const std::string& name : list) text += (text.empty() ? "" : ", ") + name;
  session.say(what + " (" + std::to_string(list.size()) + "): " + text);
  session.event({{"event", what}, {"names", list}});
}

// Sizes that the weights themselves tell, unless an option says otherwise.
NetOptions options_of(const Options& o, const State& weights) {
  NetOptions net;
  const auto size = [&](const char* name, int dim) {
    const auto found = weights.find(name);
    return found == weights.end() || found->second.dim() <= dim ? 0.0 : static_cast<double>(found->second.size(dim));
  };
  const double classes = o.classes > 0 ? o.classes : size("fc.weight", 0), channels = o.channels > 0 ? o.channels : size("conv1.weight", 1);
  const double width = o.width > 0 ? o.width : size("conv1.weight", 0);
  if (classes > 0) net["num_classes"] = classes;
  if (channels > 0) net["input_channels"] = channels;
  if (width > 0 && width != 64) net["width"] = width;
  if (o.small_input || size("conv1.weight", 2) == 3) net["small_input"] = true;
  return net;
}

void import_weights(Session& session, const Options& o) {
  require<Unsupported>(!o.in.ends_with(".pth") && !o.in.ends_with(".pt"), "import: ", o.in,
                       " is a PyTorch pickle, which this version does not read; save it as .safetensors");
  require<UsageError>(o.out.ends_with(checkpoint_suffix), "import: ", o.out, " must end in ", checkpoint_suffix);
  const State weights = load_weights(o.in);
  Classifier c;
  c.model = o.model;
  c.options = options_of(o, weights);
  c.net = make_net(c.model, c.options);
  const LoadReport report = c.net->load_state(weights, {.exclude = o.exclude}, o.in);
  names(session, "mapped", report.loaded);
  names(session, "missing", report.missing);
  names(session, "left over", report.unexpected);
  names(session, "left as they start", report.excluded);
  const int classes = c.options.count("num_classes") ? static_cast<int>(std::get<double>(c.options.at("num_classes"))) : 1000;
  for (int k = 0; k < classes; ++k) c.classes.push_back(std::to_string(k));
  const bool grey = c.options.count("input_channels") && std::get<double>(c.options.at("input_channels")) == 1;
  c.pipeline = Pipeline(grey ? "grey,resize:256,center-crop:224,normalize:0.5:0.25"
                             : "rgb,resize:256,center-crop:224,normalize:0.485/0.456/0.406:0.229/0.224/0.225");
  Checkpoint checkpoint;
  for (const Parameter& p : c.net->state()) checkpoint.tensors["model." + p.name] = p.tensor.detach();
  c.describe(checkpoint);
  checkpoint.facts["imported_from_sha256"] = sha256_hex(read_file(o.in, std::int64_t{8} << 30));
  save_checkpoint(o.out, checkpoint);
  session.say(cat(report.loaded.size(), " tensors of ", o.in, " in ", o.out, ", SHA-256 of the source ",
                  checkpoint.facts["imported_from_sha256"]));
  session.metric("mapped", report.loaded.size());
  session.metric("sha256", checkpoint.facts["imported_from_sha256"]);
  session.output("checkpoint", o.out);
}

void export_weights(Session& session, const Options& o) {
  require<UsageError>(o.out.ends_with(".safetensors"), "export: ", o.out, " must end in .safetensors");
  const Classifier c = load_classifier(o.in, cpu);
  TensorMap tensors;
  for (const Parameter& p : c.net->state()) tensors[p.name] = p.tensor.detach();
  save_safetensors(o.out, tensors, {{"model", c.model}, {"net_options", options_to_json(c.options).dump()},
                                    {"classes", Json(c.classes).dump()}, {"pipeline", c.pipeline.text()}});
  session.say(cat(tensors.size(), " tensors of ", c.model, " in ", o.out));
  session.metric("tensors", tensors.size());
  session.output("weights", o.out);
}

}  // namespace

void add_weights(Program& program) {
  const auto in = std::make_shared<Options>(), out = std::make_shared<Options>();
  CLI::App* app = program.add("import", "Weights of elsewhere as a checkpoint", [in](Session& s) { import_weights(s, *in); },
                              "gadolin import resnet18.safetensors resnet18.gdck --model resnet18");
  app->add_option("in", in->in, "Weights (.safetensors, .gdck)")->required();
  app->add_option("out", in->out, "Checkpoint to write (.gdck)")->required();
  app->add_option("--model", in->model, "A name of `gadolin models`")->required();
  app->add_option("--num-classes", in->classes, "0: as in the file")->capture_default_str();
  app->add_option("--channels", in->channels, "0: as in the file")->capture_default_str();
  app->add_option("--width", in->width, "0: as in the file")->capture_default_str();
  app->add_flag("--small-input", in->small_input, "Stem for small images");
  app->add_option("--exclude-scopes", in->exclude, "Parts to leave as they start, such as fc")->delimiter(',');
  app = program.add("export", "Weights of a checkpoint under torchvision's names", [out](Session& s) { export_weights(s, *out); },
                    "gadolin export runs/view/checkpoints/best.gdck view.safetensors");
  app->add_option("checkpoint", out->in)->required();
  app->add_option("out", out->out, "File to write (.safetensors)")->required();
}

}  // namespace gadolin
