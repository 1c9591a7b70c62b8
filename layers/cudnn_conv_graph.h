// The operation graph of a convolution problem. Internal to layers/cudnn_*.cpp: it shows cuDNN's types.
#pragma once

#ifdef GADOLIN_CUDA
#include "layers/cudnn_graph.h"
#include "layers/cudnn_plans.h"

namespace gadolin {

// Names of the tensors in a variant pack.
enum TensorId : std::int64_t { id_x = 1, id_w, id_y, id_bias, id_z, id_first_virtual };
// handle: nullptr when planning without a device.
CudnnDescriptor convolution_graph(const ConvProblem& problem, cudnnHandle_t handle);

}  // namespace gadolin
#endif
