// Joining, splitting, padding and reversing. Everything here is copies between views, so that it works on
// every device, dtype and order in memory, and the gradients are slices.
#include <algorithm>
#include <cstdlib>

#include "tensor/function.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

struct ConcatFunction {
  static constexpr auto name = "concat";
  int dim;
  std::vector<std::int64_t> ends;  // of the parts in the result
  Attributes attributes() const { return {{"dim", dim}}; }

  Grads backward(const Tensor& dy, Need need) const {
    Grads grads(ends.size());
    for (std::size_t i = 0; i < ends.size(); ++i) {
      if (need[static_cast<int>(i)]) grads[i] = dy.slice(dim, i == 0 ? 0 : ends[i - 1], ends[i]);
    }
    return grads;
  }
};

// Adds the dimensions of `parts` up along `dim`.
Shape concat_shape(const std::vector<Tensor>& parts, int dim) {
  Shape shape = parts[0].shape();
  for (std::size_t i = 1; i < parts.size(); ++i) {
    Shape other = parts[i].shape();
    bool fits = other.dim() == shape.dim();
    for (int d = 0; d < shape.dim() && fits; ++d) fits = d == dim || other[d] == shape[d];
    require<ShapeError>(fits, "concat: part ", i, " is ", other, ", part 0 is ", parts[0].shape(),
                        "; they may differ in dimension ", dim, " only");
    shape[dim] += other[dim];
  }
  return shape;
}

// A tensor with one dimension walked backwards; nothing differentiable, only for copies.
Tensor backwards(const Tensor& x, const Dims& dims) {
  Strides strides = x.strides();
  std::int64_t offset = x.offset();
  for (int d : dims) {
    offset += (x.size(d) - 1) * strides[d];
    strides[d] = -strides[d];
  }
  return x.view(x.shape(), strides, offset);
}

struct FlipFunction {
  static constexpr auto name = "flip";
  Dims dims;
  Tensor allocate(const Tensor& x) const { return empty_like(x); }
  template <class D> void forward(D, const Tensor& x, Tensor& y) const {
    if (x.numel() > 0) y.copy_(backwards(x, dims));
  }
  Grads backward(const Tensor& dy, Need) const { return {flip(dy, dims)}; }
};

// Sizes to add (or to crop where negative) before and after each dimension.
struct Margins {
  Shape before, after;
};

// The result around a copy of x is `value`.
struct ConstantPadFunction {
  static constexpr auto name = "pad";
  Margins margins;
  double value;
  Attributes attributes() const {
    return {{"before", margins.before.vec()}, {"after", margins.after.vec()}, {"value", value}};
  }

  Shape shape(const Tensor& x) const {
    Shape shape = x.shape();
    for (int d = 0; d < x.dim(); ++d) shape[d] += margins.before[d] + margins.after[d];
    return shape;
  }
  template <class D> void forward(D, const Tensor& x, Tensor& y) const {
    y.fill_(value);
    if (x.numel() == 0 || y.numel() == 0) return;
    Tensor from = x, to = y;
    for (int d = 0; d < x.dim(); ++d) {
      const std::int64_t before = margins.before[d], after = margins.after[d];
      from = from.slice(d, std::max<std::int64_t>(0, -before), x.size(d) - std::max<std::int64_t>(0, -after));
      to = to.slice(d, std::max<std::int64_t>(0, before), y.size(d) - std::max<std::int64_t>(0, after));
    }
    to.copy_(from);
  }
  Grads backward(const Tensor& dy, Need) const {  // what was added is cropped, what was cropped gets zeros
    Margins inverse = margins;
    for (int d = 0; d < dy.dim(); ++d) {
      inverse.before[d] = -margins.before[d];
      inverse.after[d] = -margins.after[d];
    }
    return {apply(ConstantPadFunction{inverse, 0}, dy)};
  }
};

// Adds or crops along d; what lies outside x is one of its own elements.
Tensor pad_with_own(const Tensor& x, int d, std::int64_t before, std::int64_t after, PadMode mode) {
  const std::int64_t n = x.size(d);
  require<ShapeError>(mode != PadMode::reflect || std::max(before, after) < n, "pad: reflecting ",
                      std::max(before, after), " elements needs more than ", n, " in dimension ", d, " of ",
                      x.shape());
  require<ShapeError>(n > 0, "pad: dimension ", d, " of ", x.shape(),
                      " is empty; there is nothing to replicate");
  const auto own = [&](std::int64_t i) {  // the element that stands at place i
    if (mode == PadMode::replicate) return std::clamp<std::int64_t>(i, 0, n - 1);
    return n - 1 - std::abs(n - 1 - std::abs(i));
  };
  std::vector<Tensor> parts;
  for (std::int64_t i = -before; i < 0; ++i) parts.push_back(x.slice(d, own(i), own(i) + 1));
  parts.push_back(x.slice(d, std::max<std::int64_t>(0, -before), n - std::max<std::int64_t>(0, -after)));
  for (std::int64_t i = n; i < n + after; ++i) parts.push_back(x.slice(d, own(i), own(i) + 1));
  return concat(parts, d);
}

}  // namespace

Tensor concat(const std::vector<Tensor>& parts, int dim) {
  require<ValueError>(!parts.empty(), "concat: no parts were given");
  dim = checked_dim("concat", dim, parts[0].dim());
  std::vector<const Tensor*> inputs;
  for (const Tensor& part : parts) inputs.push_back(&part);
  const int count = static_cast<int>(inputs.size());
  detail::check_same("concat", inputs.data(), count);
  const Shape shape = concat_shape(parts, dim);
  if (count == 1) return parts[0].clone();

  const bool taped = detail::wants_tape(inputs.data(), count);
  constexpr std::size_t most = 32;  // inputs a node can have: Need is a word of bits
  if (taped && parts.size() > most) {
    std::vector<Tensor> joined;
    for (std::size_t i = 0; i < parts.size(); i += most) {
      const auto begin = parts.begin() + static_cast<std::ptrdiff_t>(i);
      const auto end = parts.begin() + static_cast<std::ptrdiff_t>(std::min(i + most, parts.size()));
      joined.push_back(concat(std::vector<Tensor>(begin, end), dim));
    }
    return concat(joined, dim);
  }

  Tensor y = empty(shape, parts[0].dtype(), parts[0].device(), parts[0].format());
  {
    const NoGrad guard;
    std::int64_t at = 0;
    for (const Tensor& part : parts) {
      if (part.numel() > 0) y.slice(dim, at, at + part.size(dim)).copy_(part);
      at += part.size(dim);
    }
  }
  detail::record_concat(y, parts, dim);
  return y;
}

void detail::record_concat(Tensor& y, const std::vector<Tensor>& parts, int dim) {
  std::vector<const Tensor*> inputs;
  ConcatFunction f{dim, {}};
  for (const Tensor& part : parts) {
    inputs.push_back(&part);
    f.ends.push_back((f.ends.empty() ? 0 : f.ends.back()) + part.size(dim));
  }
  const int count = static_cast<int>(parts.size());
  if (!wants_tape(inputs.data(), count)) return;
  attach(y, Ref<Node>(new FunctionNode<ConcatFunction>(std::move(f))), inputs.data(), count);
}

Tensor stack(const std::vector<Tensor>& parts, int dim) {
  require<ValueError>(!parts.empty(), "stack: no parts were given");
  dim = checked_dim("stack", dim, parts[0].dim() + 1);
  std::vector<Tensor> deeper;
  for (const Tensor& part : parts) {
    require<ShapeError>(part.shape() == parts[0].shape(), "stack: part ", deeper.size(), " is ", part.shape(),
                        ", part 0 is ", parts[0].shape(), "; all must have the same shape");
    deeper.push_back(part.unsqueeze(dim));
  }
  return concat(deeper, dim);
}

std::vector<Tensor> split(const Tensor& x, std::int64_t size, int dim) {
  dim = checked_dim("split", dim, x.dim());
  require<ValueError>(size > 0, "split: size ", size, " must be positive");
  std::vector<Tensor> parts;
  const std::int64_t n = x.size(dim);
  for (std::int64_t at = 0; at < n; at += size) parts.push_back(x.slice(dim, at, std::min(at + size, n)));
  return parts;
}

Tensor pad(const Tensor& x, const std::vector<std::int64_t>& amounts, PadMode mode, double value) {
  const int padded = static_cast<int>(amounts.size() / 2);
  require<ShapeError>(amounts.size() % 2 == 0 && padded <= x.dim(), "pad: ", amounts.size(), " amounts for ",
                      x.shape(), "; give two a dimension, from the last one on");
  Margins margins{Shape::filled(x.dim(), 0), Shape::filled(x.dim(), 0)};
  for (int i = 0; i < padded; ++i) {
    const int d = x.dim() - 1 - i;
    margins.before[d] = amounts[static_cast<std::size_t>(2 * i)];
    margins.after[d] = amounts[static_cast<std::size_t>(2 * i + 1)];
    require<ShapeError>(x.size(d) + std::min<std::int64_t>(margins.before[d], 0) +
                                std::min<std::int64_t>(margins.after[d], 0) >=
                            0,
                        "pad: ", margins.before[d], " and ", margins.after[d], " crop more than the ",
                        x.size(d), " elements of dimension ", d, " of ", x.shape());
  }
  if (mode == PadMode::constant) return apply(ConstantPadFunction{margins, value}, x);
  Tensor y = x;
  for (int d = x.dim() - 1; d >= 0; --d) {
    const std::int64_t before = margins.before[d], after = margins.after[d];
    if (before != 0 || after != 0) y = pad_with_own(y, d, before, after, mode);
  }
  return y.same_as(x) ? x.clone() : y;
}

Tensor roll(const Tensor& x, const std::vector<std::int64_t>& shifts, const Dims& dims) {
  require<ShapeError>(shifts.size() == dims.size(), "roll: ", shifts.size(), " shifts for ", dims.size(),
                      " dimensions; give one each");
  Tensor y = x;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const int d = checked_dim("roll", dims[i], x.dim());
    const std::int64_t n = x.size(d), shift = n == 0 ? 0 : (shifts[i] % n + n) % n;
    if (shift != 0) y = concat({y.slice(d, n - shift, n), y.slice(d, 0, n - shift)}, d);
  }
  return y.same_as(x) ? x.clone() : y;
}

Tensor flip(const Tensor& x, const Dims& dims) {
  Dims wrapped;
  for (int d : dims) {
    const int at = checked_dim("flip", d, x.dim());
    require<ShapeError>(std::find(wrapped.begin(), wrapped.end(), at) == wrapped.end(), "flip: dimension ",
                        at, " is named twice");
    wrapped.push_back(at);
  }
  return apply(FlipFunction{wrapped}, x);
}

}  // namespace gadolin
