#include "tensor/tensor.h"

#include <algorithm>

#include "tensor/autograd.h"
#include "tensor/capture_state.h"
#include "tensor/companion.h"
#include "tensor/ops.h"

namespace gadolin {

detail::Body::Body(Elements elements) : Elements(std::move(elements)) {}
detail::Body::~Body() = default;

namespace {
const detail::Body& body_of(const Ref<detail::Body>& body) {
  require<ValueError>(static_cast<bool>(body), "tensor: it is undefined; assign a value first");
  return *body;
}
}  // namespace

const Shape& Tensor::shape() const { return body_of(body_).shape; }
const Strides& Tensor::strides() const { return body_of(body_).strides; }
std::int64_t Tensor::size(int d) const { return shape()[checked_dim("size", d, dim())]; }
std::int64_t Tensor::stride(int d) const { return strides()[checked_dim("stride", d, dim())]; }
std::int64_t Tensor::numel() const { return body_of(body_).numel; }
DType Tensor::dtype() const { return body_of(body_).dtype; }
Device Tensor::device() const { return body_of(body_).storage->device(); }
std::int64_t Tensor::offset() const { return body_of(body_).offset; }
Storage& Tensor::storage() const { return *body_of(body_).storage; }
Ref<Storage> Tensor::shared_storage() const { return body_of(body_).storage; }
std::uint64_t Tensor::version() const { return storage().version(); }
bool Tensor::is_contiguous(MemoryFormat format) const {
  return gadolin::is_contiguous(shape(), strides(), format);
}
bool Tensor::is_channels_last() const {
  return dim() == 4 && is_contiguous(MemoryFormat::channels_last) && !is_contiguous();
}
// By strides, not by density, so that a slice of a channels-last image gives channels-last results.
MemoryFormat Tensor::format() const {
  if (dim() != 4 || is_contiguous()) return MemoryFormat::contiguous;
  const Strides& s = strides();
  const bool channels_inside =
      s[1] == 1 && (size(3) == 1 || s[3] >= size(1)) && (size(2) == 1 || s[2] >= s[3]);
  return channels_inside ? MemoryFormat::channels_last : MemoryFormat::contiguous;
}
void* Tensor::raw() const {
  const detail::Body& b = body_of(body_);
  return static_cast<char*>(b.storage->data()) + b.offset * size_of(b.dtype);
}
void Tensor::check_type(DType wanted) const {
  require<DTypeError>(dtype() == wanted, "data: the tensor holds ", dtype(), ", not ", wanted,
                      "; convert with .to(DType::", wanted, ")");
}

Tensor Tensor::over(Ref<Storage> storage, Shape shape, Strides strides, std::int64_t offset, DType dtype) {
  return Tensor(Ref<detail::Body>(
      new detail::Body({std::move(storage), shape, strides, offset, shape.numel(), dtype})));
}
Tensor Tensor::view(Shape shape, Strides strides, std::int64_t offset) const {
  return over(shared_storage(), shape, strides, offset, dtype());
}
Tensor Tensor::detach() const { return view(shape(), strides(), offset()); }
bool Tensor::sole_owner() const { return body_.count() == 1 && body_->storage.count() == 1; }

// --- conversions -------------------------------------------------------------------------------------------

Tensor Tensor::only_element() const {
  require<ShapeError>(numel() == 1, "item: tensor has shape ", shape(),
                      "; item() takes one element, reduce it first");
  if (device().is_cuda()) refuse_while_capturing("item");
  return detach().to(cpu);
}
double Tensor::item() const { return *only_element().to(DType::fp64).data<double>(); }
Tensor Tensor::dense_on_host(DType type) const {
  if (device().is_cuda()) refuse_while_capturing("to_vector");
  return detach().to(cpu).to(type).contiguous();
}

// --- tape --------------------------------------------------------------------------------------------------

Tensor& Tensor::requires_grad_(bool on) {
  require<DTypeError>(!on || is_floating(dtype()), "requires_grad: ", dtype(),
                      " has no gradient; use a floating type");
  require<AutogradError>(is_leaf(), "requires_grad: only leaves can be switched; this is the result of ",
                         node() ? node()->name() : "", "; detach() it first");
  body_->requires_grad = on;
  return *this;
}
bool Tensor::requires_grad() const { return defined() && (body_->requires_grad || body_->node); }
Tensor Tensor::grad() const { return Tensor(body_of(body_).grad); }
void Tensor::set_grad(Tensor grad) const {
  body_of(body_);
  body_->grad = grad.body_;
}
bool Tensor::is_leaf() const { return !body_of(body_).node; }
Node* Tensor::node() const { return body_of(body_).node.get(); }
void Tensor::set_data(const Tensor& other) {
  require<AutogradError>(is_leaf(), "set_data: the tensor is the result of ", node() ? node()->name() : "",
                         ", not a leaf");
  const detail::Body& from = body_of(other.body_);
  if (!(body_->storage == from.storage)) body_->companion = {};
  static_cast<detail::Elements&>(*body_) = from;
  body_->grad = {};
}
void Tensor::set_node(Ref<Node> node) { body_->node = std::move(node); }
Companion* Tensor::companion() const { return body_of(body_).companion.get(); }
void Tensor::set_companion(Ref<Companion> companion) const {
  body_of(body_);
  body_->companion = std::move(companion);
}

// --- factories ---------------------------------------------------------------------------------------------

Tensor empty(const Shape& shape, DType dtype, Device device, MemoryFormat format) {
  for (std::int64_t size : shape)
    require<ShapeError>(size >= 0, "empty: shape ", shape, " has a negative size");
  Ref<Storage> storage(new Storage(shape.numel() * size_of(dtype), device));
  return Tensor::over(std::move(storage), shape, strides_for(shape, format), 0, dtype);
}
// Refused in a recording even where a buffer is at hand: every replay would use it, whoever has it by then.
Tensor empty_pinned(const Shape& shape, DType dtype) {
  refuse_while_capturing("pinned memory", "make the buffer before the step");
  Ref<Storage> storage(new Storage(shape.numel() * size_of(dtype), cpu, HostMemory::pinned));
  return Tensor::over(std::move(storage), shape, strides_for(shape), 0, dtype);
}
Tensor empty_like(const Tensor& x) { return empty_like(x, x.dtype()); }
Tensor empty_like(const Tensor& x, DType dtype) {
  if (is_dense(x.shape(), x.strides())) {
    Ref<Storage> storage(new Storage(x.numel() * size_of(dtype), x.device()));
    return Tensor::over(std::move(storage), x.shape(), x.strides(), 0, dtype);
  }
  return empty(x.shape(), dtype, x.device(), x.format());
}
Tensor full(const Shape& shape, double value, DType dtype, Device device) {
  Tensor t = empty(shape, dtype, device);
  t.fill_(value);
  return t;
}
Tensor zeros(const Shape& shape, DType dtype, Device device) { return full(shape, 0, dtype, device); }
Tensor ones(const Shape& shape, DType dtype, Device device) { return full(shape, 1, dtype, device); }

Tensor eye(std::int64_t n, DType dtype, Device device) {
  const Tensor i = arange(n, DType::int64, device);
  return eq(i.unsqueeze(1), i).to(dtype);
}
Tensor linspace(double first, double last, std::int64_t count, DType dtype, Device device) {
  require_floating("linspace", dtype);
  require<ValueError>(count >= 0, "linspace: a count of ", count, " is negative");
  std::vector<double> values;
  for (std::int64_t i = 0; i < count; ++i) {
    // The quotient comes last: whole steps are then exact, also where a sum of products is fused.
    const double way = i == 0 ? 0 : static_cast<double>(i) * (last - first) / static_cast<double>(count - 1);
    values.push_back(i > 0 && i == count - 1 ? last : first + way);
  }
  return tensor(values, {count}, dtype, device);
}

template <class T> Tensor from_vector(const std::vector<T>& values, const Shape& shape, Device device) {
  require<ShapeError>(static_cast<std::int64_t>(values.size()) == shape.numel(),
                      "from_vector: ", values.size(), " values do not fill shape ", shape);
  Tensor t = empty(shape, dtype_of<T>);
  std::copy(values.begin(), values.end(), t.data<T>());
  return t.to(device);
}
template Tensor from_vector(const std::vector<float>&, const Shape&, Device);
template Tensor from_vector(const std::vector<double>&, const Shape&, Device);
template Tensor from_vector(const std::vector<std::int64_t>&, const Shape&, Device);
template Tensor from_vector(const std::vector<std::int32_t>&, const Shape&, Device);
template Tensor from_vector(const std::vector<std::uint8_t>&, const Shape&, Device);

Tensor tensor(const std::vector<double>& values, const Shape& shape, DType dtype, Device device) {
  return from_vector(values, shape).to(dtype).to(device);
}

}  // namespace gadolin
