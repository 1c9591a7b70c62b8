// Tensor: a cheap handle to an n-dimensional array on one device. Copying shares, clone() copies.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "tensor/device.h"
#include "tensor/dtype.h"
#include "tensor/ref.h"
#include "tensor/shape.h"
#include "tensor/storage.h"

namespace gadolin {

struct Node;               // autograd.h
void release(Node* node);  // frees chains of any length with a loop
struct Companion;          // companion.h
class GradientHook;        // gradient_hook.h

namespace detail {
// Elements in memory.
struct Elements {
  Ref<Storage> storage;
  Shape shape;
  Strides strides;
  std::int64_t offset = 0, numel = 0;
  DType dtype = DType::fp32;
};
// What a handle points to.
struct Body : Counted, Elements {
  explicit Body(Elements elements);
  ~Body();
  bool requires_grad = false;  // of a leaf
  Ref<Node> node;              // the op that made it
  Ref<Body> grad;
  Ref<Companion> companion;
};
}  // namespace detail

// What one walk back does.
struct BackwardOptions {
  bool create_graph = false;           // record the backward pass too, for gradients of gradients
  bool keep_graph = false;             // keep saved tensors, so that backward may run again
  const GradientHook* hook = nullptr;  // called for each leaf whose gradient is final
};

// A handle; all copies of it are one tensor.
class Tensor {
 public:
  Tensor() = default;                                        // undefined: defined() is false
  bool defined() const { return static_cast<bool>(body_); }  // false: holds nothing

  // --- facts -----------------------------------------------------------------------------------------------
  const Shape& shape() const;          // sizes
  const Strides& strides() const;      // in elements
  std::int64_t size(int dim) const;    // size(-1) is the last dimension
  std::int64_t stride(int dim) const;  // in elements; stride(-1) of the last dimension
  std::int64_t numel() const;          // number of elements
  std::int64_t nbytes() const { return numel() * size_of(dtype()); }         // of the elements, without gaps
  int dim() const { return shape().dim(); }                                  // number of dimensions
  DType dtype() const;                                                       // element type
  Device device() const;                                                     // where it lies
  bool is_contiguous(MemoryFormat format = MemoryFormat::contiguous) const;  // dense in that order
  bool is_channels_last() const;  // 4-d and stored with C innermost, but not row major
  // The order to give a result computed from this tensor.
  MemoryFormat format() const;
  std::int64_t offset() const;    // first element, in elements from the start of the storage
  Storage& storage() const;       // the bytes, shared with views
  std::uint64_t version() const;  // of the storage: grows with each change in place

  // Address of the first element. Throws DTypeError unless T is the element type.
  template <class T> T* data() const {
    check_type(dtype_of<T>);
    return static_cast<T*>(raw());
  }
  void* raw() const;  // data() without its type

  // --- copies and conversions ------------------------------------------------------------------------------
  Tensor to(Device device) const;  // copies only when it must; to(cpu) waits for the device
  Tensor to(DType dtype) const;    // differentiable between floating types
  Tensor clone() const;            // dense copy, keeps the tape
  Tensor detach() const;           // same storage, off the tape
  // Itself when it is dense in that order, else a copy.
  Tensor contiguous(MemoryFormat format = MemoryFormat::contiguous) const;
  template <class T> T item() const {  // waits for the device; throws ShapeError unless numel() is 1
    return *only_element().data<T>();
  }
  double item() const;                                   // the only element of any dtype as a double
  template <class T> std::vector<T> to_vector() const {  // row-major copy on the host; converts the dtype
    const Tensor host = dense_on_host(dtype_of<T>);
    return std::vector<T>(host.data<T>(), host.data<T>() + host.numel());
  }

  // --- views: share the storage, differentiable ------------------------------------------------------------
  // Elements begin, begin + step, ... below end; negative numbers count from the end. Throws ShapeError for
  // places outside, ValueError for a step below 1.
  Tensor slice(int dim, std::int64_t begin, std::int64_t end, std::int64_t step = 1) const;
  Tensor select(int dim, std::int64_t index) const;  // slice of one with the dimension dropped
  Tensor transpose(int a, int b) const;              // two dimensions change places
  Tensor permute(const Shape& order) const;          // dimension i of the result is dimension order[i]
  Tensor expand(const Shape& shape) const;           // stride 0 along new and repeated dimensions
  Tensor operator[](std::int64_t i) const { return select(0, i); }  // -1 is the last
  Tensor reshape(Shape shape) const;  // a view when the strides allow it; one size may be -1: what is left
  Tensor flatten(int first = 0, int last = -1) const;  // dimensions first to last become one
  Tensor squeeze(int dim) const;                       // without a dimension of size 1
  Tensor unsqueeze(int dim) const;                     // with a new dimension of size 1 before place `dim`

  // --- changes in place: under NoGrad or on tensors without a tape; they raise the version -----------------
  Tensor& copy_(const Tensor& source);  // broadcasts, converts dtype and device
  Tensor& fill_(double value);          // throws ValueError for what an integer type cannot hold
  Tensor& add_(const Tensor& other, double scale = 1);  // this += scale * other, same shape
  Tensor& mul_(double factor);                          // this *= factor
  Tensor& zero_() { return fill_(0); }                  // all elements 0
  // As the operators of tensor/ops.h, with the result written here: other handles and what this is a view of
  // see it, as in t[0] += 1. Throws DTypeError where the result is of a higher kind (bool, integer,
  // floating), such as a fraction for an integer tensor, and AutogradError where it would be recorded: write
  // t = t + x there.
  template <class X> Tensor& operator+=(const X& x) { return become("+=", *this + x); }
  // As operator+=:
  template <class X> Tensor& operator-=(const X& x) { return become("-=", *this - x); }
  template <class X> Tensor& operator*=(const X& x) { return become("*=", *this * x); }
  template <class X> Tensor& operator/=(const X& x) { return become("/=", *this / x); }

  // --- tape ------------------------------------------------------------------------------------------------
  Tensor& requires_grad_(bool on = true);  // leaves only; throws DTypeError for integers
  bool requires_grad() const;              // whether it is on the tape, or a leaf that wants a gradient
  Tensor grad() const;                     // undefined until backward() reaches this leaf
  void set_grad(Tensor grad) const;        // of a leaf; undefined takes it away
  void zero_grad() const { set_grad(Tensor()); }  // as if backward had never come here
  // From this scalar, or with `seed` of this shape from any tensor, to every leaf that wants a gradient:
  void backward(BackwardOptions options = {}) const;
  void backward(const Tensor& seed, BackwardOptions options = {}) const;
  bool is_leaf() const;  // not made by an op that was recorded
  Node* node() const;    // nullptr for leaves

  // --- machinery -------------------------------------------------------------------------------------------
  // A tensor over given memory; used by views and factories.
  static Tensor over(Ref<Storage> storage, Shape shape, Strides strides, std::int64_t offset, DType dtype);
  Ref<Storage> shared_storage() const;                                   // shared with whoever asks
  Tensor view(Shape shape, Strides strides, std::int64_t offset) const;  // same storage, off the tape
  void set_node(Ref<Node> node);                                         // used by attach
  // This handle and all its copies take over `other`'s storage, dtype and strides; for modules that move. If
  // the storage is another one, the companion is dropped.
  void set_data(const Tensor& other);
  // What is derived from this tensor and goes with it; nullptr when there is nothing.
  Companion* companion() const;
  void set_companion(Ref<Companion> companion) const;  // see companion()
  bool sole_owner() const;                             // nobody else holds the handle or the storage
  // The same handle, not equal numbers.
  bool same_as(const Tensor& other) const { return body_ == other.body_; }
  const void* id() const { return body_.get(); }  // the same for all copies of the handle
  std::string str(int edge_items = 3) const;      // what printing shows; waits for the device

 private:
  explicit Tensor(Ref<detail::Body> body) : body_(std::move(body)) {}
  void check_type(DType wanted) const;
  Tensor& become(const char* op, const Tensor& result);
  Tensor only_element() const;  // on the host
  Tensor dense_on_host(DType type) const;
  Ref<detail::Body> body_;
};

// --- factories ---------------------------------------------------------------------------------------------
// Uninitialised.
Tensor empty(const Shape& shape, DType dtype = DType::fp32, Device device = cpu,
             MemoryFormat format = MemoryFormat::contiguous);
Tensor empty_pinned(const Shape& shape, DType dtype);  // page-locked when CUDA is there
Tensor empty_like(const Tensor& x);                    // dense, same order of elements as x
Tensor empty_like(const Tensor& x, DType dtype);       // of another type
Tensor zeros(const Shape& shape, DType dtype = DType::fp32, Device device = cpu);               // all 0
Tensor ones(const Shape& shape, DType dtype = DType::fp32, Device device = cpu);                // all 1
Tensor full(const Shape& shape, double value, DType dtype = DType::fp32, Device device = cpu);  // all `value`
Tensor arange(std::int64_t n, DType dtype = DType::int64, Device device = cpu);  // 0, 1, ..., n - 1
Tensor eye(std::int64_t n, DType dtype = DType::fp32, Device device = cpu);  // [n, n], 1 where row is column
// `count` numbers in equal steps, the first and the last exact, computed in fp64. Floating types only.
Tensor linspace(double first, double last, std::int64_t count, DType dtype = DType::fp32,
                Device device = cpu);
// Values in row-major order, converted to `dtype`. Throws ShapeError when their number is not shape.numel().
Tensor tensor(const std::vector<double>& values, const Shape& shape, DType dtype = DType::fp32,
              Device device = cpu);
// Values in row-major order, of T's element type. Throws ShapeError when their number is not shape.numel().
template <class T> Tensor from_vector(const std::vector<T>& values, const Shape& shape, Device device = cpu);
// Philox numbers of the default generator, equal on both devices.
Tensor rand(const Shape& shape, DType dtype = DType::fp32, Device device = cpu);   // uniform in [0, 1)
Tensor randn(const Shape& shape, DType dtype = DType::fp32, Device device = cpu);  // normal(0, 1)
// The same from a stream of its own: for initialisers and tests.
Tensor rand(const Shape& shape, std::uint64_t seed, std::uint64_t stream, DType dtype = DType::fp32,
            Device device = cpu);

std::ostream& operator<<(std::ostream& out, const Tensor& t);  // str()

}  // namespace gadolin
