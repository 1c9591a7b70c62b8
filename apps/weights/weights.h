// What import and export share: the files that weights leave in.
#pragma once

#include <string>
#include <vector>

#include "apps/program/command.h"
#include "nets/registry.h"
#include "tasks/task.h"

namespace gadolin {

void add_import(Program& program);
void add_export(Program& program);

// One format of `gadolin export`. write() leaves a whole file under `path` or none.
struct ExportOptions {
  std::string input;  // .onnx: "3x224x224"; empty: as the pipeline says
  bool fold = false;  // .onnx: batch norms into convolutions
};
struct ExportFormat {
  const char* suffix;  // ".pth"
  const char* about;   // "PyTorch's state_dict"
  void (*write)(Session& session, Task& task, const std::string& path, const ExportOptions& options);
};
const std::vector<ExportFormat>& export_formats();

// What goes along with exported weights: model, net_options, classes, pipeline; the settings of a detector.
std::map<std::string, std::string> export_facts(const Task& task);

// The net that fits these weights: input channels from the first convolution, classes from the last linear
// layer, width and switches (an auxiliary head, a small stem) so that names and shapes agree best. `given`
// wins where it has an entry.
NetOptions options_from_weights(const std::string& model, const State& weights, const NetOptions& given);

// The same for a net without its classifier (make_trunk), from the weights of one.
NetOptions trunk_options_from_weights(const std::string& model, const State& weights,
                                      const NetOptions& given);

// What stands in front of a net whose weights come from elsewhere: its usual input size, and the
// normalisation that its trainers used ([-1, 1] for TF-Slim's Inception and ResNet v2 and for timm's
// Inceptions, ImageNet's otherwise).
std::string usual_pipeline(const std::string& model, int channels, const std::string& format);

}  // namespace gadolin
