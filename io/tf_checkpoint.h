// TensorFlow's checkpoints without TensorFlow: version 1 (one table of tensor slices) and version 2 (an index
// and data files beside it).
#pragma once

#include <string>
#include <vector>

#include "io/safetensors.h"

namespace gadolin {

struct TfCheckpoint {
  int version = 0;                 // 1 or 2
  TensorMap tensors;               // under TensorFlow's names, in TensorFlow's order of dimensions
  std::vector<std::string> notes;  // what was left out, and why
};

// path: the prefix that Saver.save returned, the .index file, or a version 1 file.
bool is_tf_checkpoint(const std::string& path);

// fp32, fp64, bf16, fp16, int64, int32, uint8 and bool; other types are left out with a note. Parts of
// partitioned variables are joined. Every tensor is checked against its CRC-32C (version 2) and its size.
// Memory is bounded by the sizes of the files. Throws FormatError or FileError naming the file.
TfCheckpoint read_tf_checkpoint(const std::string& path);

}  // namespace gadolin
