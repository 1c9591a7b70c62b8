// cuBLASLt behind gemm(): descriptors and algorithms are made once a problem and kept by each thread.
#ifdef GADOLIN_CUDA
#include "tensor/cuda/blas_lt.h"

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <mutex>
#include <unordered_map>

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
cublasComputeType_t compute_type(const GemmProblem& p) {
  if (p.dtype == DType::fp64) return CUBLAS_COMPUTE_64F;
  return p.dtype == DType::fp32 && p.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}
cublasLtEpilogue_t epilogue_of(GemmEpilogue epilogue) {
  switch (epilogue) {
    case GemmEpilogue::none: return CUBLASLT_EPILOGUE_DEFAULT;
    case GemmEpilogue::bias: return CUBLASLT_EPILOGUE_BIAS;
  }
  return CUBLASLT_EPILOGUE_DEFAULT;
}
bool uses_bias(GemmEpilogue e) { return e != GemmEpilogue::none; }

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
  explicit Operation(const GemmProblem& p) {
    const cudaDataType_t scale = p.dtype == DType::fp64 ? CUDA_R_64F : CUDA_R_32F;
    check(cublaslt().cublasLtMatmulDescCreate(&desc, compute_type(p), scale), "matmul");
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

  explicit Plan(const GemmProblem& p)
      : operation(p),
        first(p.dtype, p.transpose_b ? p.k : p.n, p.transpose_b ? p.n : p.k, p.ldb, p.batch, p.stride_b),
        second(p.dtype, p.transpose_a ? p.m : p.k, p.transpose_a ? p.k : p.m, p.lda, p.batch, p.stride_a),
        result(p.out, p.n, p.m, p.ldc, p.batch, p.stride_c) {
    operation.set(CUBLASLT_MATMUL_DESC_TRANSA, p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    operation.set(CUBLASLT_MATMUL_DESC_TRANSB, p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (!uses_bias(p.epilogue)) return;
    operation.set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue_of(p.epilogue));
    operation.set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, static_cast<std::int32_t>(data_type(p.out)));
  }
  void point(GemmEpilogue epilogue, const void* bias) {
    if (uses_bias(epilogue)) operation.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  }
};

std::uint32_t alignment(const void* pointer) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  return static_cast<std::uint32_t>(std::min<std::uintptr_t>(address & (~address + 1), 256));
}

// Everything an algorithm depends on.
using GemmKey = std::array<std::int64_t, 15>;
constexpr std::size_t align_a = 12, align_b = 13, align_c = 14;  // places in the key
struct GemmKeyHash {
  std::size_t operator()(const GemmKey& key) const {
    std::uint64_t hash = 14695981039346656037u;
    for (std::int64_t word : key)
      hash = (hash ^ static_cast<std::uint64_t>(word)) * 1099511628211u + (hash >> 29);
    return static_cast<std::size_t>(hash);
  }
};
GemmKey key_of(Device device, const GemmProblem& p, const void* a, const void* b, const void* c) {
  const std::int64_t flags = p.transpose_a | p.transpose_b << 1 | p.tf32 << 2 | (p.beta != 0) << 3 |
                             static_cast<int>(p.epilogue) << 8 | static_cast<int>(p.dtype) << 16 |
                             static_cast<int>(p.out) << 20;
  return {device.index, p.m,        p.n,        p.k,   p.batch,      p.lda,        p.ldb,       p.ldc,
          p.stride_a,   p.stride_b, p.stride_c, flags, alignment(a), alignment(b), alignment(c)};
}

void choose_algorithm(const char* op, Device device, const GemmProblem& p, Plan& plan, const GemmKey& key) {
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
                         "] in ", p.dtype, " to ", p.out, " with row strides ", p.lda, ", ", p.ldb, ", ",
                         p.ldc, "; make the operands contiguous or use fp32");
  }
  check(status, op);
  check(found.state, op);
  plan.algo = found.algo;
  plan.workspace = found.workspaceSize;
}

// A thread's own: the bias pointer is written into the descriptor before each call.
Plan& plan_for(const char* op, Device device, const GemmProblem& p, const GemmKey& key, const void* bias) {
  thread_local std::unordered_map<GemmKey, std::unique_ptr<Plan>, GemmKeyHash> plans;
  std::unique_ptr<Plan>& slot = plans[key];
  if (slot) {
    slot->point(p.epilogue, bias);
    return *slot;
  }
  auto made = std::make_unique<Plan>(p);
  made->point(p.epilogue, bias);
  choose_algorithm(op, device, p, *made, key);
  slot = std::move(made);
  return *slot;
}

GemmProblem completed(GemmProblem p) {
  if (p.lda == 0) p.lda = p.transpose_a ? p.m : p.k;
  if (p.ldb == 0) p.ldb = p.transpose_b ? p.k : p.n;
  if (p.ldc == 0) p.ldc = p.n;
  if (p.stride_c == 0) p.stride_c = p.m * p.ldc;
  return p;
}

}  // namespace

bool gemm_has_epilogues(DType dtype) { return dtype != DType::fp64; }

void gemm(const char* op, Device device, const GemmProblem& problem, const void* a, const void* b, void* c,
          const void* bias) {
  if (problem.m == 0 || problem.n == 0 || problem.batch == 0) return;
  require<ValueError>(problem.k > 0, op, ": the inner size is 0; fill the result with zeros instead");
  require<ValueError>(!uses_bias(problem.epilogue) || bias, op, ": this epilogue needs a bias vector");
  const GemmProblem p = completed(problem);
  const DeviceGuard guard(device);
  const CudaStream stream = current_stream(device);
  const GemmKey key = key_of(device, p, a, b, c);
  const Plan& plan = plan_for(op, device, p, key, bias);
  const float alpha = static_cast<float>(p.alpha), beta = static_cast<float>(p.beta);
  const bool wide = p.dtype == DType::fp64;
  check(cublaslt().cublasLtMatmul(handle_of(device), plan.operation.desc,
                                  wide ? static_cast<const void*>(&p.alpha) : &alpha, b, plan.first.layout, a,
                                  plan.second.layout, wide ? static_cast<const void*>(&p.beta) : &beta, c,
                                  plan.result.layout, c, plan.result.layout, &plan.algo,
                                  stream_workspace(device, stream, plan.workspace), plan.workspace, stream),
        op);
  check_launch(op);
}

}  // namespace gadolin
#endif
