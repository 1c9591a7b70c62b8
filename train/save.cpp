#include "train/save.h"

#include "io/safetensors.h"
#include "io/text.h"
#include "io/torch_file.h"
#include "train/checkpoint.h"

namespace gadolin {

void save(const Module& net, const std::string& path) {
  std::vector<std::pair<std::string, Tensor>> in_order;
  for (const Parameter& p : net.state()) in_order.emplace_back(p.name, p.tensor.detach());
  if (has_ending(path, ".pth") || has_ending(path, ".pt")) return save_torch(path, in_order);
  if (has_ending(path, ".safetensors")) return save_safetensors(path, {in_order.begin(), in_order.end()});
  Checkpoint checkpoint;
  for (const auto& [name, tensor] : in_order) checkpoint.tensors["model." + name] = tensor;
  save_checkpoint(path, checkpoint);
}

LoadReport load(Module& net, const std::string& path, const LoadOptions& options) {
  return net.load_state(load_weights(path), options, path);
}

}  // namespace gadolin
