// The ingest kernel: one formula for both devices.
#include "data/ingest.h"

#include "tensor/cpu/parallel.h"
#include "tensor/cuda/launch.h"
#include "tensor/dtype.h"

namespace gadolin {
namespace {

// A subtraction and a product cannot be fused, so the host, the device and normalize_into() round alike.
struct NormalizeSample {
  NormalizeFactors factors;
  GADOLIN_HD float operator()(std::uint8_t v, int channel) const {
    return (static_cast<float>(v) - factors.offset[channel]) * factors.factor[channel];
  }
};

template <class T> void ingest_cpu(NormalizeSample f, const std::uint8_t* in, T* out, std::int64_t n, int channels) {
  parallel_for(n, 65536, [=](std::int64_t begin, std::int64_t end) {
    int c = static_cast<int>(begin % channels);
    for (std::int64_t i = begin; i < end; ++i) {
      out[i] = convert<T>(f(in[i], c));
      c = c + 1 == channels ? 0 : c + 1;
    }
  });
}

#ifdef __CUDACC__
// A thread owns four samples, read as one word; the last n % 4 fall to the first threads of the grid.
template <class T>
__global__ void ingest_kernel(NormalizeSample f, const std::uint8_t* __restrict__ in, T* __restrict__ out, std::int64_t n,
                              int channels) {
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x, words = n / 4;
  for (std::int64_t i = first; i < words; i += step) {
    const uchar4 v = reinterpret_cast<const uchar4*>(in)[i];
    const std::uint8_t samples[4] = {v.x, v.y, v.z, v.w};
    int c = static_cast<int>(i * 4 % channels);
    for (int k = 0; k < 4; ++k) {
      out[i * 4 + k] = convert<T>(f(samples[k], c));
      c = c + 1 == channels ? 0 : c + 1;
    }
  }
  for (std::int64_t i = words * 4 + first; i < n; i += step) {
    out[i] = convert<T>(f(in[i], static_cast<int>(i % channels)));
  }
}
#endif

template <class T> void run(NormalizeSample f, const Tensor& in, const Tensor& out) {
  const int channels = static_cast<int>(in.size(1));
  const std::uint8_t* from = in.data<std::uint8_t>();
  T* to = out.data<T>();
  if (in.device().is_cpu()) return ingest_cpu(f, from, to, in.numel(), channels);
#ifdef __CUDACC__
  const DeviceGuard guard(in.device());
  launch("ingest", grid_stride((in.numel() + 3) / 4), ingest_kernel<T>, f, from, to, in.numel(), channels);
#endif
}

}  // namespace

Tensor ingest(const Tensor& images, const NormalizeFactors& factors, DType dtype) {
  require<ShapeError>(images.dim() == 4 && (images.size(1) == 1 || images.size(1) == 3), "ingest: images ", images.shape(),
                      " are not [N, C, H, W] with C = 1 or 3");
  require<DTypeError>(images.dtype() == DType::uint8, "ingest: images are ", images.dtype(), ", not uint8");
  require<ShapeError>(images.is_contiguous(MemoryFormat::channels_last), "ingest: images ", images.shape(),
                      " do not have channels innermost in memory; use contiguous(MemoryFormat::channels_last)");
  const Tensor out = empty(images.shape(), dtype, images.device(), MemoryFormat::channels_last);
  if (images.numel() == 0) return out;
  const NormalizeSample f{factors};
  switch (dtype) {
    case DType::fp32: run<float>(f, images, out); break;
    case DType::bf16: run<bfloat16>(f, images, out); break;
    case DType::fp16: run<float16>(f, images, out); break;
    default: fail<DTypeError>("ingest: to ", dtype, ", known are fp32, bf16 and fp16");
  }
  return out;
}

}  // namespace gadolin
