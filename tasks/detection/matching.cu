#include "tasks/detection/matching.h"

#include "tasks/detection/anchor_loss.h"
#include "tasks/detection/box_math.h"
#include "tensor/autograd.h"
#include "tensor/ops.h"
#include "tensor/ops/index_loop.h"

namespace gadolin {
namespace {

using detail::Box;
using detail::box_at;

struct MatchProblem {
  std::int64_t anchors, most;  // anchors of a picture, places for objects
  float object, background, plus;
  bool open, inside_only, encoded;
  MatchOptions::Rescue rescue;
  detail::CoderMath coder;
  const float *anchor, *box;                  // [A, 4], [N, M, 4]
  const std::int64_t *kind, *count, *size;    // [N, M], [N], [N, 2]
  float* best;                                // [N, M]
  std::int64_t *best_anchor, *label, *which;  // [N, M], [N, A], [N, A]
  float* target;                              // [N, A, 4]

  GADOLIN_HD bool counts(std::int64_t n, const Box& a) const {
    return !inside_only || (0.5F * (a.x1 + a.x2) < static_cast<float>(size[2 * n + 1]) &&
                            0.5F * (a.y1 + a.y2) < static_cast<float>(size[2 * n]));
  }
  GADOLIN_HD std::int64_t objects(std::int64_t n) const { return count[n] < most ? count[n] : most; }
  GADOLIN_HD float overlap(std::int64_t a, std::int64_t object_at) const {
    return detail::overlap_of(box_at(anchor + 4 * a), box_at(box + 4 * object_at), plus);
  }
};

// The anchor that an object overlaps most, the first of equals.
struct Best {
  float overlap;
  std::int64_t anchor;
  GADOLIN_HD bool before(const Best& other) const {
    if (other.anchor < 0 || anchor < 0) return anchor >= 0 && other.anchor < 0;
    return overlap > other.overlap || (overlap == other.overlap && anchor < other.anchor);
  }
};
// Over every step-th anchor from `first` on.
GADOLIN_HD Best best_of(const MatchProblem& p, std::int64_t at, std::int64_t first, std::int64_t step) {
  Best best{0, -1};
  const std::int64_t n = at / p.most;
  if (at % p.most >= p.objects(n)) return best;
  for (std::int64_t a = first; a < p.anchors; a += step) {
    if (!p.counts(n, box_at(p.anchor + 4 * a))) continue;
    const Best here{p.overlap(a, at), a};
    if (here.overlap > 0 && here.before(best)) best = here;
  }
  return best;
}
GADOLIN_HD void store_best(const MatchProblem& p, std::int64_t at, const Best& best) {
  p.best[at] = at % p.most < p.objects(at / p.most) ? best.overlap : -1;
  p.best_anchor[at] = best.anchor;
}

void find_best(Cpu, const MatchProblem& p, std::int64_t pictures) {
  parallel_for(pictures * p.most, 1 + detail::map_grain / (8 * p.anchors + 1),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t at = begin; at < end; ++at) store_best(p, at, best_of(p, at, 0, 1));
               });
}
#ifdef __CUDACC__
// A block an object.
__global__ void best_kernel(MatchProblem p, std::int64_t all) {
  __shared__ Best shared[128];
  const int t = static_cast<int>(threadIdx.x);
  for (std::int64_t at = blockIdx.x; at < all; at += gridDim.x) {
    shared[t] = best_of(p, at, t, 128);
    __syncthreads();
    for (int width = 64; width > 0; width /= 2) {
      if (t < width && shared[t + width].before(shared[t])) shared[t] = shared[t + width];
      __syncthreads();
    }
    if (t == 0) store_best(p, at, shared[0]);
    __syncthreads();
  }
}
void find_best(Cuda, const MatchProblem& p, std::int64_t pictures) {
  const std::int64_t all = pictures * p.most;
  if (all > 0) launch("match_anchors", grid_stride(all * 128, 128), best_kernel, p, all);
}
#endif

struct AssignLoop {
  MatchProblem p;
  GADOLIN_HD void operator()(std::int64_t i) const {
    const std::int64_t n = i / p.anchors, a = i - n * p.anchors, first = n * p.most;
    const Box anchor = box_at(p.anchor + 4 * a);
    float* const to = p.target + 4 * i;
    for (int c = 0; c < 4; ++c) to[c] = 0;
    p.which[i] = -1;
    if (!p.counts(n, anchor)) {
      p.label[i] = anchor_ignored;
      return;
    }
    float most = 0, wanted_most = 0;
    std::int64_t object = -1, wanted_by = -1;
    bool tie = false;
    for (std::int64_t m = first; m < first + p.objects(n); ++m) {
      const float overlap = p.overlap(a, m);
      if (overlap > most) {
        most = overlap;
        object = m;
      }
      if (p.best_anchor[m] == a && overlap > wanted_most) {
        wanted_most = overlap;
        wanted_by = m;
      }
      tie = tie || (overlap > 0 && overlap == p.best[m]);
    }
    bool holds = object >= 0 && most >= p.object;
    if (p.rescue == MatchOptions::Rescue::best && wanted_by >= 0 && !(holds && object != wanted_by)) {
      object = wanted_by;
      holds = true;
    }
    if (p.rescue == MatchOptions::Rescue::ties && tie) holds = true;
    if (!holds) {
      const bool between = p.open ? most >= p.background : most > p.background;
      p.label[i] = object >= 0 && between ? anchor_ignored : anchor_background;
      return;
    }
    p.label[i] = p.kind[object] < 0 ? anchor_ignored : p.kind[object];
    if (p.kind[object] < 0) return;
    p.which[i] = object - first;
    const Box truth = box_at(p.box + 4 * object);
    if (p.encoded) return p.coder.encode(anchor, truth, to);
    to[0] = truth.x1;
    to[1] = truth.y1;
    to[2] = truth.x2;
    to[3] = truth.y2;
  }
};

void check_batch(const Tensor& anchors, const Tensor& boxes, const Tensor& label, const Tensor& count,
                 const Tensor& size) {
  const char* const op = "match_anchors";
  require<ShapeError>(anchors.dim() == 2 && anchors.size(1) == 4, op, ": anchors ", anchors.shape(),
                      " are not [A, 4]");
  require<ShapeError>(boxes.dim() == 3 && boxes.size(2) == 4 &&
                          label.shape() == Shape{boxes.size(0), boxes.size(1)} &&
                          count.shape() == Shape{boxes.size(0)} && size.shape() == Shape{boxes.size(0), 2},
                      op, ": boxes ", boxes.shape(), ", label ", label.shape(), ", count ", count.shape(),
                      " and size ", size.shape(), " are not [N, M, 4], [N, M], [N] and [N, 2]");
  for (const Tensor* t : {&anchors, &boxes})
    require<DTypeError>(t->dtype() == DType::fp32, op, ": anchors and boxes must be fp32, not ", t->dtype());
  for (const Tensor* t : {&label, &count, &size})
    require<DTypeError>(t->dtype() == DType::int64, op, ": label, count and size must be int64, not ",
                        t->dtype());
  for (const Tensor* t : {&boxes, &label, &count, &size})
    require<DeviceError>(t->device() == anchors.device(), op, ": anchors are on ", anchors.device(),
                         ", the batch on ", t->device(), "; move one with .to(...)");
}

}  // namespace

void check_match(const MatchOptions& o) {
  require<UsageError>(o.background >= 0 && o.object > 0 && o.background <= o.object && o.object <= 1,
                      "matching: overlaps of ", o.background, " for background and ", o.object,
                      " for objects; 0 <= background <= object <= 1 is needed, object above 0");
}

AnchorTargets match_anchors(const Tensor& anchors_any, const Tensor& boxes_any, const Tensor& label_any,
                            const Tensor& count_any, const Tensor& size_any, const MatchOptions& o) {
  check_match(o);
  check_batch(anchors_any, boxes_any, label_any, count_any, size_any);
  const Tensor anchors = anchors_any.contiguous(), boxes = boxes_any.contiguous(),
               label = label_any.contiguous(), count = count_any.contiguous(), size = size_any.contiguous();
  const std::int64_t pictures = boxes.size(0), most = boxes.size(1), all = anchors.size(0);
  const Device where = anchors.device();
  AnchorTargets y{empty({pictures, all}, DType::int64, where),
                  empty({pictures, all, 4}, DType::fp32, where),
                  empty({pictures, all}, DType::int64, where),
                  empty({pictures, most}, DType::fp32, where),
                  {}};
  const Tensor best_anchor = empty({pictures, most}, DType::int64, where);
  const MatchProblem p{all,
                       most,
                       static_cast<float>(o.object),
                       static_cast<float>(o.background),
                       o.plus_one ? 1.0F : 0.0F,
                       o.background_open,
                       o.ignore_padding,
                       o.encoded,
                       o.rescue,
                       detail::CoderMath(o.coder),
                       anchors.data<float>(),
                       boxes.data<float>(),
                       label.data<std::int64_t>(),
                       count.data<std::int64_t>(),
                       size.data<std::int64_t>(),
                       y.best.data<float>(),
                       best_anchor.data<std::int64_t>(),
                       y.label.data<std::int64_t>(),
                       y.object.data<std::int64_t>(),
                       y.box.data<float>()};
  const NoGrad guard;
  on_device(where, [&](auto device) {
    find_best(device, p, pictures);
    detail::for_each_index(device, "match_anchors", pictures * all, 8 * (most + 1), AssignLoop{p});
  });
  y.positives = sum(y.label >= 0.0, {1});
  return y;
}

}  // namespace gadolin
