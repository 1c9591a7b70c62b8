#include "tasks/detection/boxes.h"

#include "tasks/detection/box_math.h"
#include "tensor/function.h"
#include "tensor/ops/index_loop.h"

namespace gadolin {
namespace {

using detail::Box;
using detail::box_at;
using detail::CoderMath;

// Rows of four numbers in fp32, on the device of `beside`.
void check_boxes(const char* op, const char* what, const Tensor& boxes, const Tensor& beside) {
  require<ShapeError>(boxes.dim() == 2 && boxes.size(1) == 4, op, ": ", what, " ", boxes.shape(),
                      " are not [A, 4]");
  require<DTypeError>(boxes.dtype() == DType::fp32, op, ": ", what, " are ", boxes.dtype(),
                      ", not fp32; convert with .to(DType::fp32)");
  require<DeviceError>(boxes.device() == beside.device(), op, ": ", what, " are on ", boxes.device(),
                       ", the others on ", beside.device(), "; move one with .to(...)");
}

struct OverlapLoop {
  std::int64_t columns;
  float plus;
  const float *a, *b;
  float* y;
  GADOLIN_HD void operator()(std::int64_t i) const {
    y[i] = detail::overlap_of(box_at(a + i / columns * 4), box_at(b + i % columns * 4), plus);
  }
};
struct EncodeLoop {
  CoderMath coder;
  const float *anchors, *boxes;
  float* y;
  GADOLIN_HD void operator()(std::int64_t i) const {
    coder.encode(box_at(anchors + 4 * i), box_at(boxes + 4 * i), y + 4 * i);
  }
};
// Boxes, or with `dy` the gradient of the numbers.
struct DecodeLoop {
  CoderMath coder;
  std::int64_t count;
  const float *anchors, *numbers, *dy;
  float* y;
  GADOLIN_HD void operator()(std::int64_t i) const {
    const Box anchor = box_at(anchors + i % count * 4);
    if (dy) return coder.gradient(anchor, numbers + 4 * i, dy + 4 * i, y + 4 * i);
    const Box box = coder.decode(anchor, numbers + 4 * i);
    float* const to = y + 4 * i;
    to[0] = box.x1;
    to[1] = box.y1;
    to[2] = box.x2;
    to[3] = box.y2;
  }
};

struct DecodeFunction {
  static constexpr auto name = "decode_boxes";
  BoxCoder coder;
  Tensor anchors;
  Saved numbers;
  Tensor allocate(const Tensor& x) const { return empty(x.shape(), DType::fp32, x.device()); }
  void save(const Tensor& x, const Tensor&) { numbers = x; }
  template <class D> void run(D device, const Tensor& x, const Tensor& dy, const Tensor& y) const {
    detail::for_each_index(
        device, name, y.numel() / 4, 8,
        DecodeLoop{CoderMath(coder), anchors.size(0), anchors.data<float>(), x.data<float>(),
                   dy.defined() ? dy.data<float>() : nullptr, y.data<float>()});
  }
  template <class D> void forward(D device, const Tensor& x, Tensor& y) const {
    run(device, x.contiguous(), {}, y);
  }
  template <class D> Grads backward(D device, const Tensor& dy, Need) const {
    const Tensor dx = empty(dy.shape(), DType::fp32, dy.device());
    run(device, numbers->contiguous(), dy.contiguous(), dx);
    return {dx};
  }
};

}  // namespace

Tensor box_overlap(const Tensor& a, const Tensor& b, bool plus_one) {
  check_boxes("box_overlap", "boxes", a, a);
  check_boxes("box_overlap", "boxes", b, a);
  const Tensor y = empty({a.size(0), b.size(0)}, DType::fp32, a.device()), first = a.contiguous(),
               second = b.contiguous();
  const OverlapLoop loop{b.size(0), plus_one ? 1.0F : 0.0F, first.data<float>(), second.data<float>(),
                         y.data<float>()};
  on_device(a.device(),
            [&](auto device) { detail::for_each_index(device, "box_overlap", y.numel(), 8, loop); });
  return y;
}

Tensor encode_boxes(const Tensor& anchors, const Tensor& boxes, const BoxCoder& coder) {
  check_boxes("encode_boxes", "anchors", anchors, anchors);
  check_boxes("encode_boxes", "boxes", boxes, anchors);
  require<ShapeError>(boxes.shape() == anchors.shape(), "encode_boxes: boxes ", boxes.shape(),
                      " are not one for each of the anchors ", anchors.shape());
  const Tensor y = empty(boxes.shape(), DType::fp32, boxes.device()), a = anchors.contiguous(),
               b = boxes.contiguous();
  const EncodeLoop loop{CoderMath(coder), a.data<float>(), b.data<float>(), y.data<float>()};
  on_device(a.device(),
            [&](auto device) { detail::for_each_index(device, "encode_boxes", a.size(0), 8, loop); });
  return y;
}

Tensor decode_boxes(const Tensor& anchors, const Tensor& numbers, const BoxCoder& coder) {
  check_boxes("decode_boxes", "anchors", anchors, numbers);
  require<ShapeError>(numbers.dim() >= 2 && numbers.size(-1) == 4 && numbers.size(-2) == anchors.size(0),
                      "decode_boxes: numbers ", numbers.shape(), " are not four for each of the anchors ",
                      anchors.shape());
  return apply(DecodeFunction{coder, anchors.contiguous(), {}}, numbers.to(DType::fp32));
}

}  // namespace gadolin
