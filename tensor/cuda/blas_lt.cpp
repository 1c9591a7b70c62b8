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
#include "tensor/cuda/workspace.h"

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

struct Layout {
  cublasLtMatrixLayout_t layout = nullptr;
  Layout(DType dtype, std::int64_t rows, std::int64_t cols, std::int64_t ld, std::int64_t batch,
         std::int64_t stride) {
    const CublasLtLibrary& lt = cublaslt();
    check(lt.cublasLtMatrixLayoutCreate(&layout, data_type(dtype), static_cast<std::uint64_t>(rows),
                                        static_cast<std::uint64_t>(cols), ld),
          "matmul");
    if (batch == 1) return;
    const std::int32_t count = static_cast<std::int32_t>(batch);
    check(
        lt.cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count),
        "matmul");
    check(lt.cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride,
                                              sizeof stride),
          "matmul");
  }
  ~Layout() { cublaslt().cublasLtMatrixLayoutDestroy(layout); }
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;
};

struct Operation {
  cublasLtMatmulDesc_t desc = nullptr;
  Operation(DType dtype, bool tf32) {
    const bool wide = dtype == DType::fp64;
    check(cublaslt().cublasLtMatmulDescCreate(&desc,
                                              wide   ? CUBLAS_COMPUTE_64F
                                              : tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                     : CUBLAS_COMPUTE_32F,
                                              wide ? CUDA_R_64F : CUDA_R_32F),
          "matmul");
  }
  ~Operation() { cublaslt().cublasLtMatmulDescDestroy(desc); }
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  template <class T> void set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
    check(cublaslt().cublasLtMatmulDescSetAttribute(desc, attribute, &value, sizeof value), "matmul");
  }
};

// cuBLASLt thinks in columns: row-major c = a b is its C' = B' A', so b goes first and m and n change places.
struct Plan {
  Operation operation;
  Layout first, second, result;
  cublasLtMatmulAlgo_t algo{};
  std::size_t workspace = 0;

  Plan(const MatrixProduct& p, DType dtype, bool tf32, const void* bias)
      : operation(dtype, tf32),
        first(dtype, p.b.transposed ? p.k : p.n, p.b.transposed ? p.n : p.k, p.b.ld, p.batch, p.b.step),
        second(dtype, p.a.transposed ? p.m : p.k, p.a.transposed ? p.k : p.m, p.a.ld, p.batch, p.a.step),
        result(dtype, p.n, p.m, p.n, p.batch, p.m * p.n) {
    operation.set(CUBLASLT_MATMUL_DESC_TRANSA, p.b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    operation.set(CUBLASLT_MATMUL_DESC_TRANSB, p.a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (!bias) return;
    operation.set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    operation.set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, static_cast<std::int32_t>(data_type(dtype)));
    operation.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  }
};

std::uint32_t alignment(const void* pointer) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  return static_cast<std::uint32_t>(std::min<std::uintptr_t>(address & (~address + 1), 256));
}

// Everything an algorithm depends on.
using GemmKey = std::array<std::int64_t, 13>;
constexpr std::size_t align_a = 10, align_b = 11, align_c = 12;  // places in the key
void choose_algorithm(const char* op, Device device, const MatrixProduct& p, DType dtype, const GemmKey& key,
                      Plan& plan) {
  const CublasLtLibrary& lt = cublaslt();
  cublasLtMatmulPreference_t preference = nullptr;
  check(lt.cublasLtMatmulPreferenceCreate(&preference), op);
  const std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, cublasStatus_t (*)(cublasLtMatmulPreference_t)>
      owner(preference, lt.cublasLtMatmulPreferenceDestroy);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
    check(lt.cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value), op);
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace_limit);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<std::uint32_t>(key[align_b]));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<std::uint32_t>(key[align_a]));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<std::uint32_t>(key[align_c]));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<std::uint32_t>(key[align_c]));
  cublasLtMatmulHeuristicResult_t found{};
  int count = 0;
  const cublasStatus_t status = lt.cublasLtMatmulAlgoGetHeuristic(
      handle_of(device), plan.operation.desc, plan.first.layout, plan.second.layout, plan.result.layout,
      plan.result.layout, preference, 1, &found, &count);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED || (status == CUBLAS_STATUS_SUCCESS && count == 0)) {
    fail<Unsupported, 2>(op, ": cuBLASLt has no algorithm for [", p.m, ", ", p.k, "] times [", p.k, ", ", p.n,
                         "] in ", dtype, " with row strides ", p.a.ld, ", ", p.b.ld,
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
  const std::int64_t flags = p.a.transposed | p.b.transposed << 1 | tf32 << 2 | (bias != nullptr) << 3 |
                             static_cast<int>(dtype) << 4;
  const GemmKey key{device.index, p.m,      p.n,   p.k,          p.batch,      p.a.ld,      p.b.ld,
                    p.a.step,     p.b.step, flags, alignment(a), alignment(b), alignment(c)};
  // A thread's own: the bias pointer is written into the descriptor before each call.
  thread_local std::map<GemmKey, std::unique_ptr<Plan>> plans;
  std::unique_ptr<Plan>& plan = plans[key];
  if (!plan) {
    auto made = std::make_unique<Plan>(p, dtype, tf32, bias);
    choose_algorithm(op, device, p, dtype, key, *made);
    plan = std::move(made);
  } else if (bias) {
    plan->operation.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  }
  const float alpha = 1, beta = 0;
  const double wide_alpha = 1, wide_beta = 0;
  const bool wide = dtype == DType::fp64;
  check(cublaslt().cublasLtMatmul(
            handle_of(device), plan->operation.desc, wide ? static_cast<const void*>(&wide_alpha) : &alpha, b,
            plan->first.layout, a, plan->second.layout, wide ? static_cast<const void*>(&wide_beta) : &beta,
            c, plan->result.layout, c, plan->result.layout, &plan->algo,
            stream_workspace(device, stream, plan->workspace), plan->workspace, stream),
        op);
  check_launch(op);
}

}  // namespace gadolin
#endif
