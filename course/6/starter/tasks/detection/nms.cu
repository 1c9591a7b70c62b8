#include "course/todo.h"
#include "tasks/detection/nms.h"

#include <algorithm>

#include "tasks/detection/box_math.h"
#include "tensor/autograd.h"
#include "tensor/ops.h"
#include "tensor/ops/index_loop.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin {
namespace detail {
namespace {

// Whether the box at place a takes the place of that at b, which comes after it.
GADOLIN_HD bool suppresses(const Suppression& s, std::int64_t n, std::int64_t a, std::int64_t b) {
  course::todo("6A.5", "suppresses");
}

void suppress_on(Cpu, Device, const Suppression& s) {
  course::todo("6A.5", "suppress_on");
}

#ifdef __CUDACC__
using Word = unsigned long long;  // a bit a box
constexpr int word_bits = 64;

// A block 64 boxes against 64 others that come after them: bit j of a box's word says that it suppresses
// the j-th of those.
__global__ void pairs_kernel(Suppression s, std::int64_t words, Word* pairs) {
  const std::int64_t n = blockIdx.z, row = blockIdx.y, column = blockIdx.x;
  const std::int64_t i = row * word_bits + threadIdx.x, last = s.valid[n];
  if (column < row || column * word_bits >= last || i >= last) return;
  Word bits = 0;
  for (int j = 0; j < word_bits; ++j) {
    const std::int64_t other = column * word_bits + j;
    if (other > i && other < last && suppresses(s, n, i, other)) bits |= Word{1} << j;
  }
  pairs[(n * s.boxes + i) * words + column] = bits;
}

// A block a picture: 64 boxes at a time, first among themselves, then what the kept ones suppress later on.
__global__ void keep_kernel(Suppression s, std::int64_t words, const Word* pairs) {
  __shared__ Word gone[most_nms_boxes / word_bits];
  __shared__ Word here[word_bits];
  __shared__ Word stays;
  __shared__ std::int64_t kept;
  const std::int64_t n = blockIdx.x, last = s.valid[n];
  const std::int64_t t = threadIdx.x, chunks = (last + word_bits - 1) / word_bits;
  std::int64_t* const keep = s.keep + n * s.most;
  for (std::int64_t w = t; w < chunks; w += blockDim.x) gone[w] = 0;
  if (t == 0) kept = 0;
  __syncthreads();
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    const std::int64_t first = chunk * word_bits;
    const Word* const rows = pairs + (n * s.boxes + first) * words;
    if (t < word_bits && first + t < last) here[t] = rows[t * words + chunk];
    __syncthreads();
    if (t == 0) {
      Word out = gone[chunk], in = 0;
      std::int64_t count = kept;
      for (int j = 0; j < word_bits && first + j < last && count < s.most; ++j) {
        if (out >> j & 1) continue;
        in |= Word{1} << j;
        out |= here[j];
        keep[count++] = first + j;
      }
      stays = in;
      kept = count;
    }
    __syncthreads();
    for (std::int64_t w = chunk + 1 + t; w < chunks; w += blockDim.x) {
      Word out = gone[w];
      for (int j = 0; j < word_bits; ++j)
        if (stays >> j & 1) out |= rows[j * words + w];
      gone[w] = out;
    }
    const bool full = kept >= s.most;
    __syncthreads();
    if (full) break;
  }
  for (std::int64_t i = kept + t; i < s.most; i += blockDim.x) keep[i] = -1;
  if (t == 0) s.kept[n] = kept;
}

void suppress_on(Cuda, Device where, const Suppression& s) {
  const std::int64_t words = (s.boxes + word_bits - 1) / word_bits;
  const Tensor pairs = empty({s.pictures * s.boxes * words}, DType::int64, where);
  Word* const bits = static_cast<Word*>(pairs.raw());
  const auto side = static_cast<unsigned>(words), all = static_cast<unsigned>(s.pictures);
  if (words > 0) launch("nms", {dim3(side, side, all), dim3(word_bits)}, pairs_kernel, s, words, bits);
  launch("nms", {dim3(all), dim3(256)}, keep_kernel, s, words, bits);
}
#endif

}  // namespace

void suppress(Device device, const Suppression& s) {
  if (s.pictures == 0) return;
  on_device(device, [&](auto tag) { suppress_on(tag, device, s); });
}

}  // namespace detail

Tensor nms(const Tensor& boxes, const Tensor& score, const Tensor& kind, double overlap, std::int64_t most) {
  const char* const op = "nms";
  require<ShapeError>(boxes.dim() == 2 && boxes.size(1) == 4 && score.shape() == Shape{boxes.size(0)} &&
                          (!kind.defined() || kind.shape() == score.shape()),
                      op, ": boxes ", boxes.shape(), ", score ", score.shape(), " and kind ",
                      kind.defined() ? kind.shape() : Shape{}, " are not [n, 4], [n] and [n] or nothing");
  require<DTypeError>(boxes.dtype() == DType::fp32 && (!kind.defined() || kind.dtype() == DType::int64), op,
                      ": boxes must be fp32 and kind int64; convert with .to(...)");
  require<DeviceError>(
      score.device() == boxes.device() && (!kind.defined() || kind.device() == boxes.device()), op,
      ": boxes are on ", boxes.device(), ", score or kind elsewhere; move with .to(...)");
  require<ValueError>(overlap >= 0 && overlap <= 1, op, ": overlap ", overlap, " is outside [0, 1]");
  const std::int64_t count = boxes.size(0);
  require<ValueError>(boxes.device().is_cpu() || count <= detail::most_nms_boxes, op, ": ", count,
                      " boxes on CUDA, at most ", detail::most_nms_boxes,
                      " are possible; take the best of them by topk(), or use .to(cpu)");
  const NoGrad guard;
  if (most < 0 || most > count) most = count;
  const Device where = boxes.device();
  const Tensor order = sort(score, 0, true).indices, sorted = index_select(boxes, 0, order).contiguous(),
               kinds = kind.defined() ? gather(kind, 0, order).contiguous() : order,
               valid = full({1}, static_cast<double>(count), DType::int64, where),
               keep = empty({most}, DType::int64, where), kept = empty({1}, DType::int64, where);
  detail::suppress(where,
                   {1, count, most, overlap, kind.defined(), sorted.data<float>(), kinds.data<std::int64_t>(),
                    valid.data<std::int64_t>(), keep.data<std::int64_t>(), kept.data<std::int64_t>()});
  return gather(order, 0, keep.slice(0, 0, kept.item<std::int64_t>()).contiguous());
}

}  // namespace gadolin
