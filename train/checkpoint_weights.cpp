// The weights of a net in a checkpoint, or in any other file of weights.
#include <filesystem>

#include "io/mapped_file.h"
#include "io/weights.h"
#include "tensor/check.h"
#include "train/checkpoint.h"

namespace gadolin {

bool is_checkpoint(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error) && MappedFile(path).text().substr(0, 8) == "GADOLIN\n";
}

std::map<std::string, Tensor> load_weights(const std::string& path, bool* averaged) {
  if (averaged != nullptr) *averaged = false;
  if (!is_checkpoint(path)) return read_weights(path).tensors;
  const Checkpoint checkpoint = load_checkpoint(path);
  if (averaged != nullptr) *averaged = has_average(checkpoint);
  std::map<std::string, Tensor> weights = weights_of(checkpoint);
  require<CheckpointError, 31>(!weights.empty(), "weights: ", path, " holds no model");
  return weights;
}

bool has_average(const Checkpoint& checkpoint) { return checkpoint.tensors.contains("ema.updates"); }

std::map<std::string, Tensor> weights_of(const Checkpoint& checkpoint) {
  std::map<std::string, Tensor> weights;
  const bool averaged = has_average(checkpoint);
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (!name.starts_with("model.")) continue;
    const std::string own = name.substr(6);
    const auto average = checkpoint.tensors.find("ema." + own);
    weights[own] = averaged && average != checkpoint.tensors.end() ? average->second : tensor;
  }
  return weights;
}

}  // namespace gadolin
