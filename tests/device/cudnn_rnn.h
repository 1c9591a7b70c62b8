// cudnnRNN's descriptors as this device keeps them, and its passes over one layer.
#pragma once

#include <vector>

#include "cudnn_adv.h"
#include "elements.h"

struct cudnnTensorStruct {
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  std::vector<int> sizes = {};
};
struct cudnnDropoutStruct {
  bool set = false;
};
struct cudnnRNNDataStruct {
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  int steps = 0, sequences = 0, columns = 0;
};
struct cudnnRNNStruct {
  cudnnRNNAlgo_t algorithm = CUDNN_RNN_ALGO_STANDARD;
  cudnnRNNMode_t cell = CUDNN_LSTM;
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  bool tf32 = false;
  std::int64_t sides = 1, features = 0, hidden = 0, state = 0;

  std::int64_t gates() const { return cell == CUDNN_LSTM ? 4 : cell == CUDNN_GRU ? 3 : 1; }
  bool projects() const { return state < hidden; }
  cudaDataType_t element() const {
    return type == CUDNN_DATA_DOUBLE  ? CUDA_R_64F
           : type == CUDNN_DATA_HALF  ? CUDA_R_16F
           : type == CUDNN_DATA_FLOAT ? CUDA_R_32F
                                      : CUDA_R_16BF;
  }
  // Of one direction: matrices of input, of state and of the projection; two biases.
  enum Part { input, recurrent, projection, input_bias, recurrent_bias, parts };
  std::int64_t size(int part) const;
  // Where it begins among all weights, which have gaps between them; side `sides`, part 0: their number.
  std::int64_t place(std::int64_t side, int part) const;
  // Numbers of the reserve for T steps of N sequences, in doubles.
  std::int64_t reserved(std::int64_t t, std::int64_t n) const;
};

namespace software_cuda {

// Pointers of a pass as cuDNN's calls have them; nullptr: zeros, or not wanted.
struct RnnCall {
  cudnnRNNStruct rnn;
  std::int64_t t = 0, n = 0;
  const void *x = nullptr, *hx = nullptr, *cx = nullptr, *weights = nullptr, *dy = nullptr, *dhy = nullptr,
             *dcy = nullptr;
  void *y = nullptr, *hy = nullptr, *cy = nullptr, *reserve = nullptr, *dx = nullptr, *dhx = nullptr,
       *dcx = nullptr, *dweights = nullptr;
};
void rnn_forward(const RnnCall& call);
void rnn_data_gradient(const RnnCall& call);
void rnn_weight_gradient(const RnnCall& call);

}  // namespace software_cuda
