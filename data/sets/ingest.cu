// The ingest kernel: one formula for both devices.
#include "data/sets/ingest.h"

#include "tensor/cpu/parallel.h"
#include "tensor/cuda/launch.h"
#include "tensor/cuda/store.h"
#include "tensor/dtype.h"

namespace gadolin {
namespace {

// 16 bytes of results. A subtraction and a product cannot be fused, so the host, the device and
// normalize_into() round alike.
template <class T> struct Ingest {
  static constexpr int items = static_cast<int>(16 / sizeof(T));
  struct alignas(16) Pack {
    T v[items];
  };
  struct alignas(items) Bytes {
    std::uint8_t v[items];
  };

  NormalizeFactors factors;
  const std::uint8_t* in;
  T* out;
  std::int64_t numel;       // of the results
  int channels, of_result;  // a pixel's, in and out
  bool packed;              // both begin where packs may

  GADOLIN_HD T value(std::uint8_t v, int channel) const {
    const auto of = [channel](const float(&three)[3]) {
      return channel == 0 ? three[0] : channel == 1 ? three[1] : three[2];
    };
    return convert<T>((static_cast<float>(v) - of(factors.offset)) * of(factors.factor));
  }
  // Results items * g and on.
  GADOLIN_HD void group(std::int64_t g) const {
    const std::int64_t first = g * items;
    int channel = static_cast<int>(first % of_result);
    if (!packed || first + items > numel) {
      for (std::int64_t i = first; i < first + items && i < numel; ++i) {
        channel = static_cast<int>(i % of_result);
        out[i] =
            channel < channels ? value(in[i / of_result * channels + channel], channel) : convert<T>(0.0f);
      }
      return;
    }
    Pack pack;
    if (channels == of_result) {
      const Bytes bytes = reinterpret_cast<const Bytes*>(in)[g];
      for (int j = 0; j < items; ++j) {
        pack.v[j] = value(bytes.v[j], channel);
        channel = channel + 1 == channels ? 0 : channel + 1;
      }
    } else {
      const std::uint8_t* pixel = in + first / of_result * channels;
      for (int j = 0; j < items; ++j) {
        pack.v[j] = channel < channels ? value(pixel[channel], channel) : convert<T>(0.0f);
        if (++channel < of_result) continue;
        channel = 0;
        pixel += channels;
      }
    }
    store_pack(out + first, pack);
  }
};

#ifdef __CUDACC__
template <class T>
__global__ void ingest_kernel(const __grid_constant__ Ingest<T> ingest, std::int64_t groups) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t g = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; g < groups;
       g += step)
    ingest.group(g);
}
#endif

template <class T> void run(const NormalizeFactors& factors, const Tensor& in, const Tensor& out) {
  Ingest<T> ingest{factors,     in.data<std::uint8_t>(),      out.data<T>(),
                   out.numel(), static_cast<int>(in.size(1)), static_cast<int>(out.size(1)),
                   false};
  const auto begins = [](const void* p, std::size_t bytes) {
    return reinterpret_cast<std::uintptr_t>(p) % bytes == 0;
  };
  ingest.packed = begins(ingest.in, alignof(typename Ingest<T>::Bytes)) && begins(ingest.out, 16);
  const std::int64_t groups = (ingest.numel + Ingest<T>::items - 1) / Ingest<T>::items;
  if (in.device().is_cpu()) {
    parallel_for(groups, 8192, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t g = begin; g < end; ++g) ingest.group(g);
    });
    return;
  }
#ifdef __CUDACC__
  const DeviceGuard guard(in.device());
  launch("ingest", grid_stride(groups), ingest_kernel<T>, ingest, groups);
#endif
}

}  // namespace

Tensor ingest(const Tensor& images, const NormalizeFactors& factors, DType dtype, std::int64_t channels) {
  require<ShapeError>(images.dim() == 4 && (images.size(1) == 1 || images.size(1) == 3), "ingest: images ",
                      images.shape(), " are not [N, C, H, W] with C = 1 or 3");
  require<ShapeError>(channels == 0 || (channels >= images.size(1) && channels <= 8), "ingest: images ",
                      images.shape(), " cannot be padded to ", channels, " channels, only to ",
                      images.size(1), " to 8");
  require<DTypeError>(images.dtype() == DType::uint8, "ingest: images are ", images.dtype(), ", not uint8");
  require<ShapeError>(
      images.is_contiguous(MemoryFormat::channels_last), "ingest: images ", images.shape(),
      " do not have channels innermost in memory; use contiguous(MemoryFormat::channels_last)");
  const Shape shape{images.size(0), channels == 0 ? images.size(1) : channels, images.size(2),
                    images.size(3)};
  const Tensor out = empty(shape, dtype, images.device(), MemoryFormat::channels_last);
  if (images.numel() == 0) return out;
  switch (dtype) {
    case DType::fp32: run<float>(factors, images, out); break;
    case DType::bf16: run<bfloat16>(factors, images, out); break;
    case DType::fp16: run<float16>(factors, images, out); break;
    default: fail<DTypeError>("ingest: to ", dtype, ", known are fp32, bf16 and fp16");
  }
  return out;
}

}  // namespace gadolin
