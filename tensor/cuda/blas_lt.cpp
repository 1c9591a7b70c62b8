// cuBLASLt behind gemm(): descriptors and algorithms are made once a problem and kept by each thread.
#ifdef GADOLIN_CUDA
#include "tensor/cuda/blas_lt.h"

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <memory>
#include <mutex>

#include "tensor/check.h"
#include "tensor/cuda/library.h"
#include "tensor/cuda/status.h"
#include "tensor/cuda/stream.h"

namespace gadolin {
namespace {

constexpr std::size_t workspace_limit = std::size_t{32} << 20;

cudaDataType_t data_type(DType dtype) {
  switch (dtype) {
    case DType::fp32: return CUDA_R_32F;
    case DType::fp64: return CUDA_R_64F;
    case DType::bf16: return CUDA_R_16BF;
    case DType::fp16: return CUDA_R_16F;
    default:
      fail<DTypeError, 2>("matmul: ", dtype, " is not supported on cuda; convert with .to(DType::fp32)");
  }
}
// One handle a device, made with it current; handles are safe to share between threads.
cublasLtHandle_t handle_of(Device device) {
  static std::array<std::once_flag, 16> made;
  static std::array<cublasLtHandle_t, 16> handles{};
  const std::size_t i = static_cast<std::size_t>(device.index);
  require<DeviceError, 4>(i < handles.size(), "matmul: ", device,
                          " is beyond the 16 devices that are supported");
  std::call_once(made[i], [&] { check(cublaslt().cublasLtCreate(&handles[i]), "matmul"); });
  return handles[i];
}

// What cuBLASLt makes by create(&made, arguments...) and what is said of it by an attribute.
template <class T> using Owned = std::unique_ptr<T, cublasStatus_t (*)(T*)>;
template <class T, class... Create>
Owned<T> make(cublasStatus_t (*create)(T**, Create...), cublasStatus_t (*destroy)(T*),
              std::type_identity_t<Create>... arguments) {
  T* made = nullptr;
  check(create(&made, arguments...), "matmul");
  return {made, destroy};
}
template <class T, class Attribute, class Value>
void set(cublasStatus_t (*function)(T*, Attribute, const void*, std::size_t), const Owned<T>& object,
         Attribute attribute, const Value& value) {
  check(function(object.get(), attribute, &value, sizeof value), "matmul");
}

using Layout = Owned<cublasLtMatrixLayoutOpaque_t>;
Layout make_layout(DType dtype, std::int64_t rows, std::int64_t cols, std::int64_t ld, std::int64_t batch,
                   std::int64_t stride) {
  const CublasLtLibrary& lt = cublaslt();
  Layout layout = make(lt.cublasLtMatrixLayoutCreate, lt.cublasLtMatrixLayoutDestroy, data_type(dtype),
                       static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(cols), ld);
  if (batch == 1) return layout;
  const auto set_layout = lt.cublasLtMatrixLayoutSetAttribute;
  set(set_layout, layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, static_cast<std::int32_t>(batch));
  set(set_layout, layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, stride);
  return layout;
}

cublasComputeType_t compute_type(DType dtype, bool tf32) {
  if (dtype == DType::fp64) return CUBLAS_COMPUTE_64F;
  return tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

// cuBLASLt thinks in columns: row-major c = a b is its C' = B' A', so b goes first and m and n change places.
struct Plan {
  Owned<cublasLtMatmulDescOpaque_t> operation;
  Layout first, second, result;
  cublasLtMatmulAlgo_t algo{};
  std::size_t workspace = 0;

  Plan(const MatrixProduct& p, DType dtype, bool tf32, const void* bias)
      : operation(make(cublaslt().cublasLtMatmulDescCreate, cublaslt().cublasLtMatmulDescDestroy,
                       compute_type(dtype, tf32), dtype == DType::fp64 ? CUDA_R_64F : CUDA_R_32F)),
        first(make_layout(dtype, p.b.transposed ? p.k : p.n, p.b.transposed ? p.n : p.k, p.b.ld, p.batch,
                          p.b.step)),
        second(make_layout(dtype, p.a.transposed ? p.m : p.k, p.a.transposed ? p.k : p.m, p.a.ld, p.batch,
                           p.a.step)),
        result(make_layout(dtype, p.n, p.m, p.n, p.batch, p.m * p.n)) {
    set(CUBLASLT_MATMUL_DESC_TRANSA, p.b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, p.a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (!bias) return;
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, static_cast<std::int32_t>(data_type(dtype)));
    set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  }
  template <class T> void set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
    gadolin::set(cublaslt().cublasLtMatmulDescSetAttribute, operation, attribute, value);
  }
};

std::uint32_t alignment(const void* pointer) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  return static_cast<std::uint32_t>(std::min<std::uintptr_t>(address & (~address + 1), 256));
}

// Everything an algorithm depends on.
struct GemmKey {
  int device;
  DType dtype;
  bool tf32, has_bias;
  std::uint32_t align_a, align_b, align_c;
  MatrixProduct product;
  auto operator<=>(const GemmKey&) const = default;
};
void choose_algorithm(const char* op, Device device, const GemmKey& key, Plan& plan) {
  const CublasLtLibrary& lt = cublaslt();
  const auto preference = make(lt.cublasLtMatmulPreferenceCreate, lt.cublasLtMatmulPreferenceDestroy);
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
    set(lt.cublasLtMatmulPreferenceSetAttribute, preference, attribute, value);
  };
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace_limit);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, key.align_b);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, key.align_a);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, key.align_c);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, key.align_c);
  cublasLtMatmulHeuristicResult_t found{};
  int count = 0;
  const cublasStatus_t status = lt.cublasLtMatmulAlgoGetHeuristic(
      handle_of(device), plan.operation.get(), plan.first.get(), plan.second.get(), plan.result.get(),
      plan.result.get(), preference.get(), 1, &found, &count);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED || (status == CUBLAS_STATUS_SUCCESS && count == 0)) {
    const MatrixProduct& p = key.product;
    fail<Unsupported, 2>(op, ": cuBLASLt has no algorithm for [", p.m, ", ", p.k, "] times [", p.k, ", ", p.n,
                         "] in ", key.dtype, " with row strides ", p.a.ld, ", ", p.b.ld,
                         "; make the operands contiguous or use fp32");
  }
  check(status, op);
  check(found.state, op);
  plan.algo = found.algo;
  plan.workspace = found.workspaceSize;
}

}  // namespace

void gemm(const char* op, Device device, const MatrixProduct& p, DType dtype, bool tf32, const void* a,
          const void* b, void* c, const void* bias) {
  if (p.m == 0 || p.n == 0 || p.batch == 0) return;
  require<ValueError>(p.k > 0, op, ": the inner size is 0; fill the result with zeros instead");
  const DeviceGuard guard(device);
  const CudaStream stream = current_stream(device);
  const GemmKey key{device.index, dtype, tf32, bias != nullptr, alignment(a), alignment(b), alignment(c), p};
  // A thread's own: the bias pointer is written into the descriptor before each call.
  thread_local std::map<GemmKey, std::unique_ptr<Plan>> plans;
  std::unique_ptr<Plan>& plan = plans[key];
  if (!plan) {
    auto made = std::make_unique<Plan>(p, dtype, tf32, bias);
    choose_algorithm(op, device, key, *made);
    plan = std::move(made);
  } else if (bias) {
    plan->set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  }
  const float alpha = 1, beta = 0;
  const double wide_alpha = 1, wide_beta = 0;
  const bool wide = dtype == DType::fp64;
  check(cublaslt().cublasLtMatmul(handle_of(device), plan->operation.get(),
                                  wide ? static_cast<const void*>(&wide_alpha) : &alpha, b, plan->first.get(),
                                  a, plan->second.get(), wide ? static_cast<const void*>(&wide_beta) : &beta,
                                  c, plan->result.get(), c, plan->result.get(), &plan->algo,
                                  stream_workspace(device, stream, plan->workspace), plan->workspace, stream),
        op);
  check_launch(op);
}

}  // namespace gadolin
#endif
