// Runs an ONNX file with our ops: the reader of the tests, so that exports can be checked without another
// runtime.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin::test {

struct OnnxFile {
  std::map<std::string, std::string> metadata;
  std::vector<std::string> inputs, outputs;                // of the graph, without initialisers
  std::map<std::string, std::vector<std::int64_t>> sizes;  // of inputs and outputs; -1 where a name stands
  std::vector<std::string> ops;                            // of the nodes, in order
  std::int64_t ir_version = 0, opset = 0;
};
OnnxFile describe_onnx(const std::string& path);

// Values of the outputs, by name. Throws Unsupported naming the op for one that our ops do not cover.
std::map<std::string, Tensor> run_onnx(const std::string& path, std::map<std::string, Tensor> inputs);

// A serialised TensorProto.
Tensor read_onnx_tensor(const std::string& path);

}  // namespace gadolin::test
