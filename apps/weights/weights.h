// What import and export share: the files that weights leave in.
#pragma once

#include <string>
#include <vector>

#include "apps/program/command.h"
#include "apps/run/weight_options.h"  // IWYU pragma: export
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

}  // namespace gadolin
