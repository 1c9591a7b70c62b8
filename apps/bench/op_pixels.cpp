// bench op: pooling, resizing inside a net, and bytes of pictures on their way into it.
#include "apps/bench/op.h"
#include "data/sets/ingest.h"
#include "layers/pool.h"
#include "layers/upsample.h"
#include "tensor/autograd.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

using Op = std::function<Tensor(const Tensor&)>;

}  // namespace

void add_pixel_cases(const OpSizes& sizes, OpCases& into) {
  // Forward reads `in` and writes `out`; backward the reverse; a maximum's place takes a byte.
  const auto both = [&](const std::string& family, const std::string& name, const Shape& in, const Shape& out,
                        bool places, const Op& f) {
    const double kept = places ? static_cast<double>(out.numel()) : 0;
    const double bytes = bytes_of(in, sizes.dtype) + bytes_of(out, sizes.dtype) + kept;
    into.push_back({family, name + " forward", bytes, 0,
                    [=] { return [=, x = random_tensor(sizes, in).requires_grad_()] { f(x); }; }});
    into.push_back({family, name + " backward", bytes, 0, [=] {
                      const Tensor x = random_tensor(sizes, in).requires_grad_();
                      return backward_of(f(x), {x});
                    }});
  };
  const std::int64_t n = sizes.batch;
  const Shape large{n, 64, 112, 112}, middle{n, 64, 56, 56}, deep{n, 2048, 7, 7};
  both("pool", "max pool 3x3/2", large, middle, true, [](const Tensor& x) {
    return max_pool2d(x, {3, 2, 1});
  });
  both("pool", "max pool 2x2/2", large, middle, true, [](const Tensor& x) { return max_pool2d(x, {2, 2}); });
  both("pool", "average pool 2x2/2", large, middle, false, [](const Tensor& x) {
    return avg_pool2d(x, {2, 2});
  });
  both("pool", "average pool 3x3/1", {n, 256, 35, 35}, {n, 256, 35, 35}, false, [](const Tensor& x) {
    return avg_pool2d(x, {3, 1, 1});
  });
  both("pool", "global average pool", deep, {n, 2048, 1, 1}, false,
       [](const Tensor& x) { return global_avg_pool2d(x); });
  both("resize", "resize nearest x2", middle, large, false, [](const Tensor& x) { return upsample(x, 112); });
  both("resize", "resize bilinear x2", middle, large, false,
       [](const Tensor& x) { return upsample(x, 112, {.mode = Interpolation::bilinear}); });
  if (sizes.dtype != DType::fp64) {
    const Shape pictures{n, 3, 224, 224};
    into.push_back({"ingest", "ingest of bytes",
                    bytes_of(pictures, DType::uint8) + bytes_of(pictures, sizes.dtype), 0, [=] {
                      const NoGrad guard;
                      const Tensor bytes = mul(rand(pictures, DType::fp32, sizes.device), 255)
                                               .to(DType::uint8)
                                               .contiguous(MemoryFormat::channels_last);
                      const NormalizeFactors factors{{124, 116, 104}, {0.0171f, 0.0175f, 0.0174f}};
                      return [=] { ingest(bytes, factors, sizes.dtype); };
                    }});
  }
}

}  // namespace gadolin
