// Matrix products of the CPU through oneDNN, with bias and gelu fused.
#include "tensor/ops/matmul.h"

#ifdef GADOLIN_ONEDNN
#include "tensor/cpu/parallel.h"
#include "tensor/onednn.h"

namespace gadolin::detail {
namespace {

using dnnl::memory;

// [batch, rows, cols]; a matrix that is repeated has a batch of 1, which oneDNN broadcasts.
memory::desc describe(const MatrixLayout& x, DType dtype, std::int64_t batch, std::int64_t rows,
                      std::int64_t cols) {
  const memory::dim matrices = x.step == 0 ? 1 : batch;
  const memory::dim step = matrices == 1 ? rows * cols : x.step;
  if (batch == 1) return memory::desc({rows, cols}, onednn::type_of(dtype), memory::dims{x.row(), x.col()});
  return memory::desc({matrices, rows, cols}, onednn::type_of(dtype), memory::dims{step, x.row(), x.col()});
}

struct Plan {
  dnnl::matmul::primitive_desc desc;
  dnnl::matmul primitive;
};

Plan make_plan(const MatrixProduct& p, DType dtype, bool has_bias, bool gelu) {
  const memory::desc a = describe(p.a, dtype, p.batch, p.m, p.k), b = describe(p.b, dtype, p.batch, p.k, p.n);
  const memory::desc c = describe({false, p.n, p.m * p.n}, dtype, p.batch, p.m, p.n);
  dnnl::primitive_attr attributes;
  dnnl::post_ops after;
  if (gelu) after.append_eltwise(1, dnnl::algorithm::eltwise_gelu_erf, 0, 0);
  attributes.set_post_ops(after);
  // A matrix of one row for all of them; a descriptor of nothing stands for no bias.
  const memory::desc bias = has_bias ? describe({false, p.n, 0}, dtype, p.batch, 1, p.n) : memory::desc();
  const dnnl::matmul::primitive_desc desc({a, b, bias, c}, attributes, onednn::engine());
  return {desc, dnnl::matmul(desc)};
}

}  // namespace

bool multiply_onednn(const char* op, const MatrixProduct& p, DType dtype, const void* a, const void* b,
                     void* c, const void* bias, bool gelu) {
  if (!onednn::supports(dtype)) return false;
  const auto writable = [](const void* data) { return const_cast<void*>(data); };  // inputs are only read
  try {
    thread_local onednn::Cache<Plan> cache;
    onednn::Key key{static_cast<int>(dtype), p.m, p.n, p.k, p.batch, bias != nullptr, gelu, num_threads()};
    for (const MatrixLayout& x : {p.a, p.b}) key.insert(key.end(), {x.transposed, x.ld, x.step});
    const Plan& plan = cache.get(key, [&] { return make_plan(p, dtype, bias != nullptr, gelu); });
    std::unordered_map<int, memory> arguments{
        {DNNL_ARG_SRC, memory(plan.desc.src_desc(), onednn::engine(), writable(a))},
        {DNNL_ARG_WEIGHTS, memory(plan.desc.weights_desc(), onednn::engine(), writable(b))},
        {DNNL_ARG_DST, memory(plan.desc.dst_desc(), onednn::engine(), c)}};
    if (bias)
      arguments.emplace(DNNL_ARG_BIAS, memory(plan.desc.bias_desc(), onednn::engine(), writable(bias)));
    plan.primitive.execute(onednn::stream(), arguments);
    onednn::stream().wait();
  } catch (const dnnl::error& error) {
    onednn::rethrow(op, error);
  }
  return true;
}

}  // namespace gadolin::detail
#else
namespace gadolin::detail {

bool multiply_onednn(const char*, const MatrixProduct&, DType, const void*, const void*, void*, const void*,
                     bool) {
  return false;
}

}  // namespace gadolin::detail
#endif
