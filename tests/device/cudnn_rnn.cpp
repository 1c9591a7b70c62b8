// cudnnRNN's calls: descriptors, sizes and passes of one layer with DOUBLE_BIAS, time first, all sequences of
// full length. Two persistent algorithms refuse what the real ones may, each at another place, so that who
// tries them is seen to go on: SMALL_H, for units in packs of four, when it runs; STATIC two directions, when
// they go back.
#include "cudnn_rnn.h"

#include <algorithm>
#include <cstring>

#include "cudnn.h"
#include "machine.h"

using namespace software_cuda;

namespace {

constexpr std::size_t rnn_workspace = 1024;

// Says whether the pass can run, and puts it on the stream.
cudnnStatus_t run_pass(cudnnHandle_t handle, const RnnCall& call, cudnnRNNDataDescriptor_t x,
                       cudnnRNNDataDescriptor_t y, std::size_t weight_bytes, std::size_t work_bytes,
                       void* work, std::size_t reserve_bytes, void (*pass)(const RnnCall&)) {
  const std::lock_guard lock(machine().mutex);
  const cudnnRNNStruct& r = call.rnn;
  const auto bytes = [](std::int64_t count, cudaDataType_t type) {
    return static_cast<std::size_t>(count * element_bytes(type));
  };
  if (x->type != r.type || y->type != r.type || x->columns != r.features || y->columns != r.sides * r.state ||
      x->steps != y->steps || x->sequences != y->sequences)
    return CUDNN_STATUS_BAD_PARAM;
  if (weight_bytes < bytes(r.place(r.sides, 0), r.element()) || work_bytes < rnn_workspace || !work)
    return CUDNN_STATUS_BAD_PARAM;
  if (call.reserve && reserve_bytes < bytes(r.reserved(call.t, call.n), CUDA_R_64F))
    return CUDNN_STATUS_BAD_PARAM;
  for (const void* pointer :
       {call.x, call.weights, static_cast<const void*>(call.y), static_cast<const void*>(call.hy),
        static_cast<const void*>(call.cy), static_cast<const void*>(call.dx)})
    if (reinterpret_cast<std::uintptr_t>(pointer) % 16 != 0) return CUDNN_STATUS_BAD_PARAM;
  if (r.algorithm == CUDNN_RNN_ALGO_PERSIST_STATIC_SMALL_H && r.hidden % 4 != 0)
    return CUDNN_STATUS_NOT_SUPPORTED;
  const cudaError_t error = machine().push(
      handle->stream,
      [call, work, pass] {
        std::memset(work, 0xff, rnn_workspace);
        pass(call);
      },
      [&] {
        const double rows = static_cast<double>(call.t * call.n * r.sides);
        Charge c{.kind = "product",
                 .name = "recurrent layer",
                 .type = r.type == CUDNN_DATA_BFLOAT16 ? "bf16"
                         : r.type == CUDNN_DATA_HALF   ? "fp16"
                         : r.type == CUDNN_DATA_DOUBLE ? "fp64"
                         : r.tf32                      ? "tf32"
                                                       : "fp32"};
        const std::int64_t matrices = r.size(r.input) + r.size(r.recurrent) + r.size(r.projection);
        c.flops = 2 * rows * static_cast<double>(matrices);
        c.read = static_cast<double>(bytes(call.t * call.n * r.features + r.place(r.sides, 0), r.element()));
        c.written = static_cast<double>(bytes(call.t * call.n * r.sides * r.state, r.element()));
        return c;
      });
  return error == cudaSuccess ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_EXECUTION_FAILED;
}

template <class T> cudnnStatus_t made(T** to) {
  *to = new T;
  return CUDNN_STATUS_SUCCESS;
}
template <class T> cudnnStatus_t destroyed(T* it) {
  delete it;
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace

extern "C" {

cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t* to) { return made(to); }
cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t it) { return destroyed(it); }
cudnnStatus_t cudnnSetTensorNdDescriptor(cudnnTensorDescriptor_t tensor, cudnnDataType_t type, int count,
                                         const int sizes[], const int strides[]) {
  int step = 1;
  for (int i = count - 1; i >= 0; step *= sizes[i--])
    if (sizes[i] < 1 || strides[i] != step) return CUDNN_STATUS_BAD_PARAM;
  *tensor = {type, {sizes, sizes + count}};
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnCreateDropoutDescriptor(cudnnDropoutDescriptor_t* to) { return made(to); }
cudnnStatus_t cudnnDestroyDropoutDescriptor(cudnnDropoutDescriptor_t it) { return destroyed(it); }
cudnnStatus_t cudnnSetDropoutDescriptor(cudnnDropoutDescriptor_t dropout, cudnnHandle_t, float p, void*,
                                        std::size_t, unsigned long long) {
  if (p != 0) return CUDNN_STATUS_NOT_SUPPORTED;
  dropout->set = true;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnCreateRNNDescriptor(cudnnRNNDescriptor_t* to) { return made(to); }
cudnnStatus_t cudnnDestroyRNNDescriptor(cudnnRNNDescriptor_t it) { return destroyed(it); }
cudnnStatus_t cudnnCreateRNNDataDescriptor(cudnnRNNDataDescriptor_t* to) { return made(to); }
cudnnStatus_t cudnnDestroyRNNDataDescriptor(cudnnRNNDataDescriptor_t it) { return destroyed(it); }

cudnnStatus_t cudnnSetRNNDescriptor_v8(cudnnRNNDescriptor_t rnn, cudnnRNNAlgo_t algorithm,
                                       cudnnRNNMode_t cell, cudnnRNNBiasMode_t bias,
                                       cudnnDirectionMode_t direction, cudnnRNNInputMode_t input,
                                       cudnnDataType_t type, cudnnDataType_t sums, cudnnMathType_t math,
                                       std::int32_t features, std::int32_t hidden, std::int32_t projection,
                                       std::int32_t layers, cudnnDropoutDescriptor_t dropout,
                                       std::uint32_t flags) {
  const bool narrow = type == CUDNN_DATA_HALF || type == CUDNN_DATA_BFLOAT16,
             persists = algorithm != CUDNN_RNN_ALGO_STANDARD, projects = projection < hidden;
  if (features < 1 || hidden < 1 || projection < 1 || projection > hidden || !dropout || !dropout->set ||
      sums != (narrow ? CUDNN_DATA_FLOAT : type) || flags != CUDNN_RNN_PADDED_IO_ENABLED)
    return CUDNN_STATUS_BAD_PARAM;
  if (layers != 1 || bias != CUDNN_RNN_DOUBLE_BIAS || input != CUDNN_LINEAR_INPUT ||
      (projects && cell != CUDNN_LSTM) || (persists && (type == CUDNN_DATA_DOUBLE || projects)))
    return CUDNN_STATUS_NOT_SUPPORTED;
  rnn->algorithm = algorithm, rnn->cell = cell, rnn->type = type;
  rnn->tf32 = type == CUDNN_DATA_FLOAT && math != CUDNN_FMA_MATH;
  rnn->sides = direction == CUDNN_BIDIRECTIONAL ? 2 : 1;
  rnn->features = features, rnn->hidden = hidden, rnn->state = projection;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetRNNDataDescriptor(cudnnRNNDataDescriptor_t data, cudnnDataType_t type,
                                        cudnnRNNDataLayout_t, int steps, int sequences, int columns,
                                        const int lengths[], void*) {
  if (steps < 1 || sequences < 1 || columns < 1) return CUDNN_STATUS_BAD_PARAM;
  if (!std::all_of(lengths, lengths + sequences, [&](int n) { return n == steps; }))
    return CUDNN_STATUS_NOT_SUPPORTED;
  *data = {type, steps, sequences, columns};
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnGetRNNTempSpaceSizes(cudnnHandle_t, cudnnRNNDescriptor_t rnn, cudnnForwardMode_t mode,
                                        cudnnRNNDataDescriptor_t x, std::size_t* workspace,
                                        std::size_t* reserve) {
  *workspace = rnn_workspace;
  if (reserve)
    *reserve = mode == CUDNN_FWD_MODE_TRAINING
                   ? static_cast<std::size_t>(rnn->reserved(x->steps, x->sequences)) * sizeof(double)
                   : 0;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnGetRNNWeightSpaceSize(cudnnHandle_t, cudnnRNNDescriptor_t rnn, std::size_t* bytes) {
  *bytes = static_cast<std::size_t>(rnn->place(rnn->sides, 0) * element_bytes(rnn->element()));
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnGetRNNWeightParams(cudnnHandle_t, cudnnRNNDescriptor_t rnn, std::int32_t side,
                                      std::size_t bytes, const void* weights, std::int32_t id,
                                      cudnnTensorDescriptor_t matrix, void** matrix_at,
                                      cudnnTensorDescriptor_t bias, void** bias_at) {
  const std::int64_t gates = rnn->gates();
  if (!matrix != !matrix_at || !bias != !bias_at) return CUDNN_STATUS_BAD_PARAM;
  if (side < 0 || side >= rnn->sides || id < 0 || id > 2 * gates || (id == 2 * gates && !rnn->projects()) ||
      bytes < static_cast<std::size_t>(rnn->place(rnn->sides, 0) * element_bytes(rnn->element())))
    return CUDNN_STATUS_BAD_PARAM;
  const auto address = [&](int part, std::int64_t gate) {
    const std::int64_t at = rnn->place(side, part) + gate * (rnn->size(part) / gates);
    return static_cast<char*>(const_cast<void*>(weights)) + at * element_bytes(rnn->element());
  };
  const bool of_state = id >= gates;
  if (matrix_at)
    *matrix_at = id == 2 * gates ? address(rnn->projection, 0)
                                 : address(of_state ? rnn->recurrent : rnn->input, id % gates);
  if (bias_at)
    *bias_at =
        id == 2 * gates ? nullptr : address(of_state ? rnn->recurrent_bias : rnn->input_bias, id % gates);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnRNNForward(cudnnHandle_t handle, cudnnRNNDescriptor_t rnn, cudnnForwardMode_t mode,
                              const std::int32_t[], cudnnRNNDataDescriptor_t x_data, const void* x,
                              cudnnRNNDataDescriptor_t y_data, void* y, cudnnTensorDescriptor_t,
                              const void* hx, void* hy, cudnnTensorDescriptor_t, const void* cx, void* cy,
                              std::size_t weight_bytes, const void* weights, std::size_t work_bytes,
                              void* work, std::size_t reserve_bytes, void* reserve) {
  RnnCall call{.rnn = *rnn, .t = x_data->steps, .n = x_data->sequences};
  call.x = x, call.hx = hx, call.cx = cx, call.weights = weights;
  call.y = y, call.hy = hy, call.cy = cy;
  if (mode == CUDNN_FWD_MODE_TRAINING) {
    if (!reserve) return CUDNN_STATUS_BAD_PARAM;
    call.reserve = reserve;
  }
  return run_pass(handle, call, x_data, y_data, weight_bytes, work_bytes, work, reserve_bytes, rnn_forward);
}
cudnnStatus_t cudnnRNNBackwardData_v8(cudnnHandle_t handle, cudnnRNNDescriptor_t rnn, const std::int32_t[],
                                      cudnnRNNDataDescriptor_t y_data, const void* y, const void* dy,
                                      cudnnRNNDataDescriptor_t x_data, void* dx, cudnnTensorDescriptor_t,
                                      const void* hx, const void* dhy, void* dhx, cudnnTensorDescriptor_t,
                                      const void* cx, const void* dcy, void* dcx, std::size_t weight_bytes,
                                      const void* weights, std::size_t work_bytes, void* work,
                                      std::size_t reserve_bytes, void* reserve) {
  if (rnn->algorithm == CUDNN_RNN_ALGO_PERSIST_STATIC && rnn->sides == 2) return CUDNN_STATUS_NOT_SUPPORTED;
  if (!reserve || !y || !dy || !dx) return CUDNN_STATUS_BAD_PARAM;
  RnnCall call{.rnn = *rnn, .t = x_data->steps, .n = x_data->sequences};
  call.hx = hx, call.cx = cx, call.weights = weights, call.dy = dy, call.dhy = dhy, call.dcy = dcy;
  call.y = const_cast<void*>(y), call.dx = dx, call.dhx = dhx, call.dcx = dcx, call.reserve = reserve;
  return run_pass(handle, call, x_data, y_data, weight_bytes, work_bytes, work, reserve_bytes,
                  rnn_data_gradient);
}
cudnnStatus_t cudnnRNNBackwardWeights_v8(cudnnHandle_t handle, cudnnRNNDescriptor_t rnn, cudnnWgradMode_t,
                                         const std::int32_t[], cudnnRNNDataDescriptor_t x_data, const void* x,
                                         cudnnTensorDescriptor_t, const void* hx,
                                         cudnnRNNDataDescriptor_t y_data, const void* y,
                                         std::size_t weight_bytes, void* dweights, std::size_t work_bytes,
                                         void* work, std::size_t reserve_bytes, void* reserve) {
  if (!reserve || !x || !y || !dweights) return CUDNN_STATUS_BAD_PARAM;
  RnnCall call{.rnn = *rnn, .t = x_data->steps, .n = x_data->sequences};
  call.x = x, call.hx = hx, call.y = const_cast<void*>(y), call.dweights = dweights, call.reserve = reserve;
  return run_pass(handle, call, x_data, y_data, weight_bytes, work_bytes, work, reserve_bytes,
                  rnn_weight_gradient);
}
}
