// The ops of exported detectors for tests/apps/onnx_model.cpp, written as ONNX defines them, in plain loops.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin::test {

// Values of the node's outputs; empty for an op that is none of these. `integer` gives an attribute, or what
// stands for it when it is missing.
std::vector<Tensor> run_detect_op(const std::string& op, const std::vector<Tensor>& in,
                                  const std::function<std::int64_t(const char*, std::int64_t)>& integer);

}  // namespace gadolin::test
