// Named tensors from a file of any format that Gadolin knows, under the names that nets have.
#pragma once

#include <string>
#include <vector>

#include "io/safetensors.h"

namespace gadolin {

// What a file of weights holds.
struct WeightFile {
  TensorMap tensors;   // on the CPU; may look into the mapped file, may be strided, may share storage
  TextMap metadata;    // what the file says about itself
  std::string format;  // "safetensors", "torch zip", "torch legacy", "tensorflow"
  std::vector<std::string> notes;  // what was chosen, renamed or left out, a line each, for people
};

// Reads .safetensors, PyTorch's zip and legacy files (io/torch_file.h) and TensorFlow checkpoints (a prefix,
// its .index, or a file of the first format). What the file begins with decides, not its name. Names come out
// as a net has them: without prefixes such as the `module.` of DataParallel, and with norm1 for the norm.1 of
// old DenseNet files; of weights and their averages the averages. Throws FormatError for anything else, and
// for damage with the place where it lies.
WeightFile read_weights(const std::string& path);

// SHA-256 of the bytes that read_weights(path) reads: of the file, or of a checkpoint's files in order of
// their names.
std::string weights_sha256(const std::string& path);

}  // namespace gadolin
