#include "apps/weights/onnx_export.h"

#include <algorithm>

#include "apps/weights/onnx_graph.h"
#include "tasks/net_options.h"

namespace gadolin {
namespace {

std::string channel_values(const std::vector<double>& values, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    text += (i == 0 ? "" : ",") + cat(values.size() == 1 ? values[0] : values.at(i));
  }
  return text;
}

}  // namespace

OnnxModel onnx_of(Module& net, const TracedCall& call, const std::vector<std::string>& outputs,
                  const OnnxOptions& options) {
  for (const Parameter& p : net.state()) {
    require<Unsupported>(
        !is_floating(p.tensor.dtype()) || (p.tensor.dtype() == DType::fp32 && p.tensor.device() == cpu),
        "export: ", p.name, " is ", p.tensor.dtype(), " on ", p.tensor.device(),
        "; ONNX is written from fp32 on the cpu");
  }
  const Trace trace = trace_net(net, call, options.image);
  OnnxGraph graph(trace, net.state());
  for (const TracedOp& op : trace.ops) graph.add(op);
  OnnxModel model = graph.finish(outputs);
  if (options.fold) fold_batch_norms(model);
  return model;
}

OnnxModel onnx_of(Layer& net, const OnnxOptions& options) {
  const auto call = [&](const Tensor& x) {
    const Tensor y = net(x);
    require<Unsupported>(y.dim() == 2 && y.size(0) == x.size(0) && y.node() != nullptr,
                         "export: the result for ", x.size(0), " images is ", y.shape(), ", not [", x.size(0),
                         ", classes]; only classifiers and detectors can leave as ONNX");
    return std::vector<Tensor>{y};
  };
  return onnx_of(net, call, {"logits"}, options);
}

namespace {
constexpr auto disclaimer =
    "For research and teaching only; not a medical device. Nothing it computes may be used to diagnose, "
    "treat "
    "or triage a patient.";
}

TextMap onnx_metadata(const SequenceTask& c) {
  return {{"model", c.model()},
          {"net_options", options_to_json(c.options()).dump()},
          {"classes", Json(c.classes()).dump()},
          {"activation", "sigmoid"},
          {"disclaimer", disclaimer}};
}

TextMap onnx_metadata(const Task& c, const NetOptions& options, const Shape& image) {
  const Normalize& normalize = c.pipeline().normalize();
  const auto channels = static_cast<std::size_t>(image[0]);
  const auto* classifier = dynamic_cast<const ClassificationTask*>(&c);
  return {{"model", c.model()},
          {"net_options", options_to_json(options).dump()},
          {"classes", Json(c.classes()).dump()},
          {"activation", classifier == nullptr       ? "none"
                         : classifier->multi_label() ? "sigmoid"
                                                     : "softmax"},
          {"pipeline", c.pipeline().text()},
          {"input_size", cat(image[0], "x", image[1], "x", image[2])},
          {"channel_order", image[0] == 1 ? "grey" : "RGB"},
          {"value_range", "0..1 before mean and std"},
          {"mean", channel_values(normalize.mean, channels)},
          {"std", channel_values(normalize.deviation, channels)},
          {"disclaimer", disclaimer}};
}

Shape onnx_input(const Task& c, const NetOptions& options, const NetInfo& info, const std::string& given) {
  const auto option = options.find("input_channels");
  const auto channels =
      option == options.end() ? info.input[0] : static_cast<std::int64_t>(std::get<double>(option->second));
  if (!given.empty()) {
    const Shape image = parse_input(given);
    require<UsageError>(image[0] == channels, "export: --input ", given, " has ", image[0], " channels, but ",
                        c.model(), " takes ", channels);
    return image;
  }
  const auto size = c.pipeline().output_size();
  require<UsageError>(size.has_value(), "export: the pipeline ", c.pipeline().text(),
                      " does not fix the size of an image; pass --input ", channels, "x224x224 or what fits");
  return {channels, size->second, size->first};
}

}  // namespace gadolin
