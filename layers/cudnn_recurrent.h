// Recurrent layers by cudnnRNN, where it takes them. Internal to layers/recurrent.cpp.
//
// cuDNN is told lengths as numbers of the host, so a recorded step would keep the first one's, and its
// persistent algorithms take no sequences of different lengths. So it computes every step, and sequences end
// by numbers of the device: where a step is padding, eight columns beside the input shut the input gate and
// open the forget gate (of a GRU the update gate), by which the state stays. What a state of zeros is run
// through stays zero, so that the direction backwards meets its sequence's end with zeros.
#pragma once

#include "layers/recurrent_function.h"

namespace gadolin::detail {

#ifdef GADOLIN_CUDA
// Whether cudnnRNN takes a layer of rows [N T, F], by its cell, sizes, type, and by how steps and initial
// states are given: no mask, which may have holes, and backwards over padding only from zeros. It is tried
// once a shape.
bool cudnn_takes(const RecurrentFunction& layer, const Tensor& x, const Steps& steps,
                 const RecurrentState& initial);
// The layer. bias may be undefined.
RecurrentFunction::Parts cudnn_recurrent(const RecurrentFunction& layer, const Tensor& x,
                                         const RecurrentPrepared& weights, const RecurrentState& initial);
#else
inline bool cudnn_takes(const auto&...) { return false; }
inline RecurrentFunction::Parts cudnn_recurrent(const auto&...) { return {}; }
#endif

}  // namespace gadolin::detail
