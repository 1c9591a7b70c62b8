// gadolin models, gadolin summary: which nets there are, and what each consists of.
#include <cstdio>
#include <memory>

#include "apps/commands.h"
#include "apps/program/ranges.h"
#include "layers/init.h"
#include "layers/loss.h"
#include "nets/lstm.h"
#include "nets/retinanet.h"
#include "tasks/detection/settings.h"
#include "tasks/net_options.h"
#include "tasks/net_sizes.h"
#include "tasks/summary.h"
#include "train/memory.h"

namespace gadolin {
namespace {

std::string grouped(std::int64_t n) {
  std::string text = std::to_string(n);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

void models(Session& session) {
  std::vector<std::vector<std::string>> rows{
      {"model", "parameters", "multiply-adds", "input", "weights", "about"}};
  std::vector<NetInfo> all = nets();
  all.insert(all.end(), detectors().begin(), detectors().end());
  all.push_back(sequence_net_info());
  for (const NetInfo& info : all) {
    const NetSize& size = net_size(info.name);
    rows.push_back({info.name, grouped(size.parameters),
                    fixed(static_cast<double>(size.macs) / 1e9, 3) + " G", to_string(info.input),
                    info.weights, info.about});
    session.event({{"event", "model"},
                   {"name", info.name},
                   {"parameters", size.parameters},
                   {"macs", size.macs},
                   {"input", info.input.vec()},
                   {"weights", info.weights}});
  }
  session.say(format_table(rows));
  session.metric("models", all.size());
}

struct ModelsOptions {
  std::string model, input, optimizer = "momentum";
  std::int64_t batch = 1;
  int classes = 0, depth = 99;  // classes: 0: as the net's public weights
  std::vector<std::string> net_options;
  bool no_memory = false;
};

// What a step takes in memory, on the device and in the type asked for.
void training(Session& session, const ModelsOptions& o, ImageNet& net, const Shape& input) {
  const OptimizerOptions rule = optimizer_options(o.optimizer);
  net.to(session.device()).train();
  const TrainingLoss loss = [&](const Tensor& images, const Tensor& labels) {
    return loss_with_auxiliary(net.logits(images),
                               [&](const Tensor& logits) { return cross_entropy(logits, labels); });
  };
  try {
    const TrainingMemory m = training_memory(net, loss, input, rule, session.compute());
    session.say(cat("training memory   ", human_bytes(m.peak), " at the peak of a step with ", o.optimizer,
                    ", batch ", o.batch, ", ", session.common().dtype, " on ", session.device(), ": weights ",
                    human_bytes(m.weights), ", gradients ", human_bytes(m.gradients), ", moments ",
                    human_bytes(m.optimizer), ", kept by the forward pass ", human_bytes(m.kept),
                    " (from steps with batches up to ", m.measured_batch, ")"));
    session.metric("training_bytes", m.peak);
    session.metric("weight_bytes", m.weights);
    session.metric("gradient_bytes", m.gradients);
    session.metric("optimizer_bytes", m.optimizer);
    session.metric("kept_bytes", m.kept);
  } catch (const Error& error) {  // some nets cannot learn from a batch of one, or from small pictures
    session.say(cat("training memory   unknown: ", error.what()));
    session.metric("training_bytes", nullptr);
  }
}

void show(Session& session, const NetSummary& s, int depth) {
  session.say(to_text(s, depth));
  for (const LayerRow& row : s.rows) {
    session.event({{"event", "layer"},
                   {"name", row.path},
                   {"kind", row.kind},
                   {"output", row.output.vec()},
                   {"parameters", row.parameters},
                   {"macs", row.macs},
                   {"output_bytes", row.output_bytes}});
  }
  session.metric("parameters", s.parameters);
  session.metric("macs", s.macs);
  session.metric("activation_bytes", s.activation_bytes);
}

// Of a sequence net, whose input is steps x features.
void sequence_summary(Session& session, const ModelsOptions& o) {
  const NetInfo& info = sequence_net_info();
  int steps = static_cast<int>(info.input[0]), features = static_cast<int>(info.input[1]);
  char rest = 0;
  require<UsageError>(
      o.input.empty() || (std::sscanf(o.input.c_str(), "%dx%d%c", &steps, &features, &rest) == 2 &&
                          steps > 0 && features > 0),
      "--input ", o.input, ": ", info.name, " takes steps and features, like 60x1536");
  NetOptions options;
  for (const std::string& text : o.net_options) add_net_option(options, text);
  options["input_size"] = static_cast<double>(features);
  if (o.classes > 0) options["num_classes"] = static_cast<double>(o.classes);
  const SkipInitialValues zeros;
  const auto net = make_sequence_net(options);
  show(session, summarise(*net, {o.batch, steps, features}, [&](const Tensor& x) { (*net)(x); }), o.depth);
}

void summary(Session& session, const ModelsOptions& o) {
  if (o.model == sequence_net_info().name) return sequence_summary(session, o);
  const Shape input = parse_input(o.input.empty() ? "3x224x224" : o.input);
  const SkipInitialValues zeros;
  const bool detects = o.model.starts_with("retinanet");
  const int classes = o.classes > 0 ? o.classes : detects ? 91 : 1000;
  NetOptions options;
  for (const std::string& text : o.net_options) add_net_option(options, text);
  options["input_channels"] = static_cast<double>(input[0]);
  options["num_classes"] = static_cast<double>(classes);
  if (detects) options["anchors"] = static_cast<double>(Anchors(take_settings(options).anchors).per_place());
  const Shape batch{o.batch, input[0], input[1], input[2]};
  std::unique_ptr<ImageNet> net;
  NetSummary s;
  if (detects) {
    const auto detector = make_detector(o.model, options);
    s = summarise(*detector, batch, [&](const Tensor& x) { (*detector)(x); });
  } else {
    net = make_net(o.model, options);
    require_size(*net, o.model, input[1], input[2], false);
    s = summarise(*net, batch);
  }
  show(session, s, o.depth);
  if (net && !o.no_memory) training(session, o, *net, batch);
}

}  // namespace

void add_models(Program& program) {
  program.add("models", "Every architecture: parameters, multiply-adds, default input, weights it accepts",
              models);
  const auto o = std::make_shared<ModelsOptions>();
  CLI::App* app = program.add(
      "summary", "Layer table of a net: output shapes, parameters, multiply-adds, memory",
      [o](Session& s) { summary(s, *o); }, "gadolin summary resnet50 --input 3x224x224 --batch 32");
  app->add_option("model", o->model, "A name of `gadolin models`")->required();
  app->add_option(
      "--input", o->input,
      "Channels x height x width, otherwise 3x224x224; of lstm steps x features, otherwise 60x1536");
  app->add_option("--batch", o->batch, "Samples of a batch")->check(count_from(1))->capture_default_str();
  app->add_option("--num-classes", o->classes,
                  "Of the last layer; 0: 1000 as of ImageNet, 91 of detectors as of COCO")
      ->check(count_from(0))
      ->capture_default_str();
  app->add_option("--net-option", o->net_options,
                  "NAME=VALUE, as for train: width, small_input, of detectors also anchor_scales ...");
  app->add_option("--depth", o->depth, "Hide what lies deeper")->check(count_from(0))->capture_default_str();
  app->add_option("--optimizer", o->optimizer, "For the training memory")->capture_default_str();
  app->add_flag("--no-memory", o->no_memory,
                "Leave out the training memory, which takes a few steps with small batches");
}

}  // namespace gadolin
