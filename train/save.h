// A net's weights into a file and back, in one call each.
//
//   save(net, "digits.safetensors");
//   load(other, "digits.safetensors");
#pragma once

#include <string>

#include "layers/module.h"

namespace gadolin {

// All parameters and buffers by their names. The ending says how: .safetensors, .pth or .pt for PyTorch's
// `state_dict`, anything else a checkpoint (.gdck). All or nothing. Throws FileError.
void save(const Module& net, const std::string& path);

// The same back, or the weights of a training run or of another library: the format is recognised
// (load_weights). Names and shapes must be the net's, unless the options say otherwise. Throws FileError,
// FormatError and CheckpointError, with the first names that do not fit.
LoadReport load(Module& net, const std::string& path, const LoadOptions& options = {});

}  // namespace gadolin
