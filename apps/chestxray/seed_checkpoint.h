// Checkpoints of the original program, models/stage1_1e-05_50.pth: a dict with the whole pickled net under
// "model" and the losses beside it (apps-spec 5.4). Read without running anything of them.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "apps/program/command.h"
#include "tasks/classification.h"
#include "tensor/tensor.h"

namespace gadolin::chestxray {

// Of epoch 1 of stage 1 at rate 1e-5 "stage1_1e-05_01.pth"; of rate 0.0003 "stage1_0003_01.pth": what Python
// writes of the rate, behind its last point.
std::string original_name(int stage, double lr, std::int64_t epoch);

// "resnet50": which of the original's nets these weights are of, by their names. Throws CheckpointError.
std::string net_of_weights(const std::map<std::string, Tensor>& weights, const std::string& path);

// A classifier of NIH's 15 labels with the weights of a file of torch or of safetensors; pictures as the
// original saw them, the shorter side at 224. Throws FileError, FormatError; CheckpointError for weights of
// another net or of another number of outputs.
std::unique_ptr<ClassificationTask> read_original(const std::string& path, const Session& session);

// What --ckpt names, as a checkpoint of ours: a .gdck, the folder of a run, or a file as above, which is
// converted into a temporary folder that lives as long as this.
class OpenedCheckpoint {
 public:
  OpenedCheckpoint(const std::string& given, const Session& session);
  ~OpenedCheckpoint();
  OpenedCheckpoint(const OpenedCheckpoint&) = delete;
  OpenedCheckpoint& operator=(const OpenedCheckpoint&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_, folder_;
};

}  // namespace gadolin::chestxray
