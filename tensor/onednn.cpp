#include "tensor/onednn.h"

#ifdef GADOLIN_ONEDNN

namespace gadolin::onednn {

const dnnl::engine& engine() {
  static const dnnl::engine& engine = *new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return engine;
}
dnnl::stream& stream() {
  thread_local dnnl::stream stream(engine());
  return stream;
}

// Without AVX512_BF16 oneDNN emulates bf16, slower than fp32.
bool supports(DType dtype) {
  if (dtype == DType::fp32) return true;
  static const bool bf16 =
      __builtin_cpu_supports("avx512f") && dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core_bf16;
  return dtype == DType::bf16 && bf16;
}

dnnl::memory::data_type type_of(DType dtype) {
  require<DTypeError>(dtype == DType::fp32 || dtype == DType::bf16, "onednn: ", dtype,
                      " has no kernels here");
  return dtype == DType::fp32 ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
}

dnnl::memory::desc describe(const Tensor& t) {
  return dnnl::memory::desc(t.shape().vec(), type_of(t.dtype()), t.strides().vec());
}
dnnl::memory wrap(const Tensor& t) { return wrap(t, describe(t)); }
dnnl::memory wrap(const Tensor& t, const dnnl::memory::desc& desc) {
  return dnnl::memory(desc, engine(), t.raw());
}

void rethrow(const char* op, const dnnl::error& error) {
  if (error.status == dnnl_out_of_memory)
    fail<OutOfMemory>(op, ": oneDNN is out of memory; use a smaller batch");
  fail<Unsupported>(op, ": oneDNN refused (", error.what(), "); try --backend reference");
}

void append(Key& key, const Tensor& t) {
  key.push_back(static_cast<std::int64_t>(t.dtype()));
  key.push_back(t.dim());
  key.insert(key.end(), t.shape().begin(), t.shape().end());
  key.insert(key.end(), t.strides().begin(), t.strides().end());
}

}  // namespace gadolin::onednn
#endif
