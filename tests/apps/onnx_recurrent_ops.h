// ONNX's LSTM, GRU (linear_before_reset) and RNN (tanh) for tests/apps/onnx_model.cpp, written as ONNX
// defines them, in plain loops.
#pragma once

#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin::test {

// in: X [T, N, F], W, R, B, sequence_lens. Gives Y [T, D, N, H], 0 behind the end of a sequence.
Tensor run_recurrent_op(const std::string& op, const std::vector<Tensor>& in, std::int64_t hidden, bool both);

}  // namespace gadolin::test
