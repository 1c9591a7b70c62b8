// ONNX files: a graph of named values, written for other runtimes (opset 17, IR version 8).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "io/safetensors.h"

namespace gadolin {

// A double is stored as fp32.
using OnnxAttribute = std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>>;

struct OnnxNode {
  std::string op, name;                      // "Conv", "layer1.0.conv1/conv2d"
  std::vector<std::string> inputs, outputs;  // names of values; "" for an optional input that is not given
  std::map<std::string, OnnxAttribute> attributes;
};

constexpr std::int64_t onnx_batch = -1, onnx_steps = -2;  // sizes of any number

struct OnnxValue {
  std::string name;
  std::vector<std::int64_t> sizes;
  DType type = DType::fp32;  // or int64
};

struct OnnxModel {
  std::string name;
  std::vector<OnnxNode> nodes;  // a value is made before it is used
  TensorMap initializers;
  std::vector<OnnxValue> inputs, outputs;
  TextMap metadata;
};

// Atomic. Initialisers are fp32, fp64 or int64, on the CPU, in any order in memory. Throws Unsupported when
// the file would be larger than the 2 GiB that the format allows, DTypeError for other types.
void save_onnx(const std::string& path, const OnnxModel& model);

}  // namespace gadolin
