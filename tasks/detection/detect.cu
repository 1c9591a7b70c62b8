#include "tasks/detection/detect.h"

#include <cmath>
#include <limits>

#include "tasks/detection/box_math.h"
#include "tasks/detection/candidate_key.h"
#include "tasks/detection/candidates.h"
#include "tasks/detection/nms.h"
#include "tensor/autograd.h"
#include "tensor/ops/index_loop.h"

namespace gadolin {
namespace {

struct CandidateLoop {
  std::int64_t places, classes, anchors;
  detail::CoderMath coder;
  const std::uint64_t* key;  // [N, places]
  const float *delta, *anchor;
  const std::int64_t *size, *valid;
  float* box;          // [N, places, 4]
  std::int64_t* kind;  // [N, places]

  GADOLIN_HD void operator()(std::int64_t i) const {
    const std::int64_t n = i / places;
    if (i - n * places >= valid[n]) return;
    const std::int64_t place = detail::place_of(key[i]), a = place / classes;
    const detail::Box found = coder.decode(detail::box_at(anchor + 4 * a), delta + 4 * (n * anchors + a));
    const auto height = static_cast<float>(size[2 * n]), width = static_cast<float>(size[2 * n + 1]);
    float* const to = box + 4 * i;
    to[0] = inside(found.x1, width);
    to[1] = inside(found.y1, height);
    to[2] = inside(found.x2, width);
    to[3] = inside(found.y2, height);
    kind[i] = place - a * classes;
  }
  GADOLIN_HD static float inside(float x, float end) { return x < 0 ? 0 : x > end ? end : x; }
};

struct DetectionLoop {
  std::int64_t places, most;
  const std::int64_t *keep, *kind;
  const std::uint64_t* key;
  const float* box;
  float *to_box, *score;  // [N, most, 4], [N, most]
  std::int64_t* label;    // [N, most]
  GADOLIN_HD void operator()(std::int64_t i) const {
    using std::exp;
    const std::int64_t from = keep[i] < 0 ? -1 : i / most * places + keep[i];
    for (int c = 0; c < 4; ++c) to_box[4 * i + c] = from < 0 ? -1 : box[4 * from + c];
    label[i] = from < 0 ? -1 : kind[from];
    score[i] = from < 0 ? -1 : 1 / (1 + static_cast<float>(exp(-detail::logit_of(key[from]))));
  }
};

void check_detect(const Tensor& logits, const Tensor& deltas, const Tensor& anchors,
                  const std::vector<std::int64_t>& levels, const Tensor& size, const DetectOptions& o) {
  const char* const op = "detect";
  std::int64_t all = 0;
  for (const std::int64_t level : levels) all += level;
  require<ShapeError>(logits.dim() == 3 && deltas.shape() == Shape{logits.size(0), logits.size(1), 4} &&
                          anchors.shape() == Shape{logits.size(1), 4} &&
                          size.shape() == Shape{logits.size(0), 2} && all == logits.size(1),
                      op, ": logits ", logits.shape(), ", deltas ", deltas.shape(), ", anchors ",
                      anchors.shape(), ", size ", size.shape(), " and ", all,
                      " anchors of levels are not [N, A, K], [N, A, 4], [A, 4], [N, 2] and A");
  require<DTypeError>(is_floating(logits.dtype()) && is_floating(deltas.dtype()) &&
                          anchors.dtype() == DType::fp32 && size.dtype() == DType::int64,
                      op, ": logits are ", logits.dtype(), ", deltas ", deltas.dtype(), ", anchors ",
                      anchors.dtype(), ", size ", size.dtype(),
                      "; floating, floating, fp32 and int64 are needed");
  for (const Tensor* t : {&deltas, &anchors, &size})
    require<DeviceError>(t->device() == logits.device(), op, ": logits are on ", logits.device(),
                         ", another input on ", t->device(), "; move one with .to(...)");
  require<ValueError>(o.score >= 0 && o.score < 1 && o.overlap >= 0 && o.overlap <= 1, op, ": score ",
                      o.score, " is not from 0 to below 1, or overlap ", o.overlap, " not from 0 to 1");
  require<ValueError>(o.candidates > 0 && o.most > 0, op, ": candidates ", o.candidates, " and most ", o.most,
                      " must be positive");
  require<ValueError>(levels.size() <= detail::most_levels, op, ": ", levels.size(), " levels, at most ",
                      detail::most_levels, " are possible");
  require<ValueError>(logits.size(1) * logits.size(2) < (std::int64_t{1} << 32), op, ": ", logits.size(1),
                      " anchors of ", logits.size(2), " classes are too many for one picture; use tiles");
}

}  // namespace

Detections detect(const Tensor& logits_any, const Tensor& deltas_any, const Tensor& anchors_any,
                  const std::vector<std::int64_t>& levels, const Tensor& size_any, const DetectOptions& o) {
  check_detect(logits_any, deltas_any, anchors_any, levels, size_any, o);
  const NoGrad guard;
  const Tensor logits = logits_any.contiguous(), deltas = deltas_any.to(DType::fp32).contiguous(),
               anchors = anchors_any.contiguous(), size = size_any.contiguous();
  const std::int64_t pictures = logits.size(0), classes = logits.size(2);
  const Device where = logits.device();
  detail::Selection s{};
  s.pictures = pictures;
  s.levels = static_cast<std::int64_t>(levels.size());
  s.all = logits.size(1) * classes;
  s.classes = classes;
  s.best_class = o.best_class;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    s.begin[i + 1] = s.begin[i] + levels[i] * classes;
    s.places[i + 1] = s.places[i] + std::min(o.candidates, levels[i] * classes);
  }
  // sigmoid(x) > p is x > log(p / (1 - p))
  s.least = o.score > 0 ? static_cast<float>(std::log(o.score / (1 - o.score)))
                        : -std::numeric_limits<float>::infinity();
  const std::int64_t places = s.most(), most = o.most;
  require<ValueError>(where.is_cpu() || places <= detail::most_nms_boxes, "detect: ", places,
                      " candidates a picture on CUDA, at most ", detail::most_nms_boxes,
                      " are possible; ask for fewer candidates");
  const Tensor keys = empty({pictures, places}, DType::int64, where),
               valid = empty({pictures}, DType::int64, where),
               boxes = empty({pictures, places, 4}, DType::fp32, where),
               kinds = empty({pictures, places}, DType::int64, where),
               keep = empty({pictures, most}, DType::int64, where);
  Detections y{empty({pictures, most, 4}, DType::fp32, where), empty({pictures, most}, DType::fp32, where),
               empty({pictures, most}, DType::int64, where), empty({pictures}, DType::int64, where)};
  s.key = static_cast<std::uint64_t*>(keys.raw());
  s.valid = valid.data<std::int64_t>();
  detail::select(logits, s);
  const CandidateLoop decode{places,
                             classes,
                             logits.size(1),
                             detail::CoderMath(o.coder),
                             s.key,
                             deltas.data<float>(),
                             anchors.data<float>(),
                             size.data<std::int64_t>(),
                             s.valid,
                             boxes.data<float>(),
                             kinds.data<std::int64_t>()};
  const DetectionLoop gather{places,
                             most,
                             keep.data<std::int64_t>(),
                             decode.kind,
                             s.key,
                             decode.box,
                             y.boxes.data<float>(),
                             y.score.data<float>(),
                             y.label.data<std::int64_t>()};
  on_device(where, [&](auto device) {
    detail::for_each_index(device, "detect", pictures * places, 16, decode);
    detail::suppress(where, {pictures, places, most, o.overlap, o.by_class, decode.box, decode.kind, s.valid,
                             keep.data<std::int64_t>(), y.count.data<std::int64_t>()});
    detail::for_each_index(device, "detect", pictures * most, 8, gather);
  });
  return y;
}

}  // namespace gadolin
