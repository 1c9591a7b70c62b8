// Nets with few channels, and batch norms that do something.
#pragma once

#include <memory>
#include <string>

#include "nets/registry.h"
#include "tensor/ops.h"

namespace gadolin::test {

inline Tensor images(const Shape& shape, std::uint64_t stream) {
  return rand(shape, 31, stream).contiguous(MemoryFormat::channels_last);
}

inline bool of_75(const std::string& name) { return name.find("inception") == 0; }
inline std::int64_t least_size(const std::string& name) { return of_75(name) ? 75 : 33; }
inline std::unique_ptr<ImageNet> small_net(const std::string& name, NetOptions options = {}) {
  options["num_classes"] = 5.0;
  if (of_75(name) || name == "googlenet" || name.find("vgg") == 0) options["width_divisor"] = 16.0;
  if (name.find("resnet") == 0) options["width"] = 8.0;
  if (name == "densenet121") options["growth_rate"] = options["num_init_features"] = 8.0;
  return make_net(name, options);
}

// Statistics and weights away from 0 and 1.
inline void stir(Module& net) {
  const NoGrad guard;
  std::uint64_t stream = 0;
  for (Parameter& p : net.state()) {
    if (p.tensor.dim() != 1 || !is_floating(p.tensor.dtype())) continue;
    const bool positive = p.name.ends_with("weight") || p.name.ends_with("running_var");
    p.tensor.copy_(rand(p.tensor.shape(), 32, ++stream) * 0.4 + (positive ? 0.8 : -0.2));
  }
}

}  // namespace gadolin::test
