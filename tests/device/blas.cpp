// cuBLASLt's matrix product, by the descriptors: D = epilogue(alpha op(A) op(B) + beta C), columns first,
// summed in double. What an algorithm was asked for with, it holds the caller to: alignment and workspace.
#include <algorithm>
#include <cstring>

#include "cublasLt.h"
#include "elements.h"
#include "machine.h"

using namespace software_cuda;

struct cublasLtContext {};
struct cublasLtMatrixLayoutOpaque_t {
  cudaDataType_t type;
  std::int64_t rows, cols, ld;
  std::int64_t batch = 1, step = 0;
};
struct cublasLtMatmulDescOpaque_t {
  cublasComputeType_t compute;
  cudaDataType_t scale;
  cublasOperation_t transpose_a = CUBLAS_OP_N, transpose_b = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  void* bias = nullptr;
  std::int32_t bias_type = -1;
};
struct cublasLtMatmulPreferenceOpaque_t {
  std::size_t workspace = 0;
  std::uint32_t align_a = 256, align_b = 256, align_c = 256, align_d = 256;
};

namespace {

using Layout = cublasLtMatrixLayoutOpaque_t;
using Desc = cublasLtMatmulDescOpaque_t;

template <class T> cublasStatus_t take(T& to, const void* value, std::size_t bytes) {
  if (bytes != sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&to, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

bool aligned(const void* pointer, std::uint64_t bytes) {
  return bytes == 0 || reinterpret_cast<std::uintptr_t>(pointer) % bytes == 0;
}

struct Problem {
  Desc desc;
  Layout a, b, c, d;
  double alpha = 1, beta = 0;
  const void *pa = nullptr, *pb = nullptr, *pc = nullptr;
  void* pd = nullptr;
  std::int64_t m() const { return d.rows; }
  std::int64_t n() const { return d.cols; }
  std::int64_t k() const { return desc.transpose_a == CUBLAS_OP_N ? a.cols : a.rows; }
  bool consistent() const {
    const bool ta = desc.transpose_a != CUBLAS_OP_N, tb = desc.transpose_b != CUBLAS_OP_N;
    const auto fits = [](const Layout& l) { return l.ld >= l.rows; };
    return (ta ? a.cols : a.rows) == m() && (tb ? b.rows : b.cols) == n() && (tb ? b.cols : b.rows) == k() &&
           c.rows == m() && c.cols == n() && a.batch == d.batch && b.batch == d.batch && c.batch == d.batch &&
           fits(a) && fits(b) && fits(c) && fits(d) && a.type == b.type;
  }
};

double value_of(const Problem& p, const void* base, const Layout& l, bool transposed, std::int64_t row,
                std::int64_t col, std::int64_t batch) {
  const std::int64_t i = transposed ? col : row, j = transposed ? row : col;
  const double v = get(base, l.type, batch * l.step + j * l.ld + i);
  return p.desc.compute == CUBLAS_COMPUTE_32F_FAST_TF32 ? tf32(v) : v;
}

void multiply(const Problem& p) {
  const bool ta = p.desc.transpose_a != CUBLAS_OP_N, tb = p.desc.transpose_b != CUBLAS_OP_N;
  const auto bias_type = p.desc.bias_type < 0 ? p.d.type : static_cast<cudaDataType_t>(p.desc.bias_type);
  const cublasLtEpilogue_t e = p.desc.epilogue;
  for (std::int64_t batch = 0; batch < p.d.batch; ++batch) {
    // Rows of A and columns of B as numbers, once.
    const std::int64_t m = p.m(), n = p.n(), k = p.k();
    std::vector<double> a(static_cast<std::size_t>(m * k)), b(static_cast<std::size_t>(n * k));
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t x = 0; x < k; ++x)
        a[static_cast<std::size_t>(i * k + x)] = value_of(p, p.pa, p.a, ta, i, x, batch);
    for (std::int64_t j = 0; j < n; ++j)
      for (std::int64_t x = 0; x < k; ++x)
        b[static_cast<std::size_t>(j * k + x)] = value_of(p, p.pb, p.b, tb, x, j, batch);
    for (std::int64_t j = 0; j < n; ++j) {
      for (std::int64_t i = 0; i < m; ++i) {
        double v = p.alpha * dot(a.data() + i * k, b.data() + j * k, k);
        if (p.beta != 0) v += p.beta * get(p.pc, p.c.type, batch * p.c.step + j * p.c.ld + i);
        if (e == CUBLASLT_EPILOGUE_BIAS || e == CUBLASLT_EPILOGUE_RELU_BIAS)
          v += get(p.desc.bias, bias_type, i);
        // max(v, 0): a NaN comes out as 0 on a device.
        if (e == CUBLASLT_EPILOGUE_RELU_BIAS) v = v > 0 ? v : 0;
        put(p.pd, p.d.type, batch * p.d.step + j * p.d.ld + i, v);
      }
    }
  }
}

Charge charge_of(const Problem& p) {
  const auto times = [](std::int64_t a, std::int64_t b, std::int64_t c) {
    return static_cast<double>(a) * static_cast<double>(b) * static_cast<double>(c);
  };
  const std::int64_t m = p.m(), n = p.n(), k = p.k(), batch = p.d.batch;
  // An operand without a step is the same in every product.
  const auto bytes = [&](const Layout& l, std::int64_t rows, std::int64_t cols) {
    return times(rows, cols, l.step == 0 ? 1 : batch) * static_cast<double>(element_bytes(l.type));
  };
  const char* type = p.a.type == CUDA_R_16BF                          ? "bf16"
                     : p.a.type == CUDA_R_16F                         ? "fp16"
                     : p.a.type == CUDA_R_64F                         ? "fp64"
                     : p.desc.compute == CUBLAS_COMPUTE_32F_FAST_TF32 ? "tf32"
                                                                      : "fp32";
  Charge c{.kind = "product",
           .name = std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k),
           .type = type};
  c.flops = 2 * times(m, n, k) * static_cast<double>(batch);
  c.read = bytes(p.a, m, k) + bytes(p.b, k, n) + (p.beta != 0 ? bytes(p.c, m, n) : 0);
  c.written = bytes(p.d, m, n);
  return c;
}

}  // namespace

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = new cublasLtContext;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
std::size_t cublasLtGetVersion() { return 130000; }
const char* cublasLtGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
    default: return "CUBLAS_STATUS_INTERNAL_ERROR";
  }
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType_t type,
                                          std::uint64_t rows, std::uint64_t cols, std::int64_t ld) {
  *layout = new Layout{type, static_cast<std::int64_t>(rows), static_cast<std::int64_t>(cols), ld};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete layout;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute, const void* value,
                                                std::size_t bytes) {
  if (attribute == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET) return take(layout->step, value, bytes);
  std::int32_t count = 0;
  const cublasStatus_t status = take(count, value, bytes);
  layout->batch = count;
  return status;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* desc, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  *desc = new Desc{compute, scale};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
  delete desc;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc,
                                              cublasLtMatmulDescAttributes_t attribute, const void* value,
                                              std::size_t bytes) {
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA: return take(desc->transpose_a, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB: return take(desc->transpose_b, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE: return take(desc->epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return take(desc->bias, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE: return take(desc->bias_type, value, bytes);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  *preference = new cublasLtMatmulPreferenceOpaque_t;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete preference;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* value, std::size_t bytes) {
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: return take(preference->workspace, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES: return take(preference->align_a, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES: return take(preference->align_b, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES: return take(preference->align_c, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: return take(preference->align_d, value, bytes);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

// One algorithm: what it may rely on stands in its words, in the order of the preference's members.
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t* results, int* found) {
  *found = 0;
  if (wanted < 1 || !Problem{*desc, *a, *b, *c, *d}.consistent()) return CUBLAS_STATUS_INVALID_VALUE;
  const bool wide = desc->compute == CUBLAS_COMPUTE_64F;
  if (wide != (a->type == CUDA_R_64F) || (wide && desc->epilogue != CUBLASLT_EPILOGUE_DEFAULT))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  *results = {};
  results->workspaceSize = std::min<std::size_t>(preference->workspace, 4096);
  results->algo.data[0] = preference->align_a;
  results->algo.data[1] = preference->align_b;
  results->algo.data[2] = preference->align_c;
  results->algo.data[3] = preference->align_d;
  results->algo.data[4] = results->workspaceSize;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t desc, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t a_layout, const void* b, cublasLtMatrixLayout_t b_layout,
                              const void* beta, const void* c, cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t* algo,
                              void* workspace, std::size_t workspace_bytes, cudaStream_t stream) {
  const std::lock_guard lock(machine().mutex);
  Problem p{*desc, *a_layout, *b_layout, *c_layout, *d_layout};
  if (!p.consistent()) return CUBLAS_STATUS_INVALID_VALUE;
  const auto& words = algo->data;
  if (!aligned(a, words[0]) || !aligned(b, words[1]) || !aligned(c, words[2]) || !aligned(d, words[3]) ||
      workspace_bytes < words[4] || (words[4] > 0 && !workspace))
    return CUBLAS_STATUS_INVALID_VALUE;
  p.alpha = get_host(alpha, desc->scale);
  p.beta = get_host(beta, desc->scale);
  p.pa = a, p.pb = b, p.pc = c, p.pd = d;
  // The workspace is written over: who shares it with work that still runs shows.
  const std::size_t scratch = words[4];
  const cudaError_t error = machine().push(
      stream,
      [p, workspace, scratch] {
        if (scratch > 0) std::memset(workspace, 0xff, scratch);
        multiply(p);
      },
      [&] { return charge_of(p); });
  return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}
}
