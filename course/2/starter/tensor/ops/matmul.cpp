// matmul and linear: strided and transposed operands become flags of the matrix product, so views cost no
// copy. The product itself is cuBLASLt's, oneDNN's, or the reference loops'.
#include "course/todo.h"
#include "tensor/ops/matmul.h"

#include <optional>
#include <utility>

#include "tensor/function.h"
#include "tensor/ops/index_loop.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin {
namespace {

// Layout of a [rows, cols] matrix, if a matrix product can read it as it is.
std::optional<MatrixLayout> layout_of(std::int64_t rows, std::int64_t cols, std::int64_t row,
                                      std::int64_t col) {
  if ((cols == 1 || col == 1) && (rows == 1 || row >= cols))
    return MatrixLayout{false, rows == 1 ? cols : row, 0};
  if ((rows == 1 || row == 1) && (cols == 1 || col >= rows))
    return MatrixLayout{true, cols == 1 ? rows : col, 0};
  return std::nullopt;
}
std::optional<MatrixLayout> layout_of(const Tensor& x) {
  return layout_of(x.size(-2), x.size(-1), x.stride(-2), x.stride(-1));
}
Tensor readable(const Tensor& x) { return layout_of(x) ? x : x.contiguous(); }

char* element(const Tensor& x, std::int64_t index) {
  return static_cast<char*>(x.raw()) + index * size_of(x.dtype());
}

// A product whose batches are evenly spaced, repeated over the dimensions that could not be joined with the
// batch: `repeats` gives the beginnings of a and b.
struct MatmulPlan {
  MatrixProduct product;
  detail::Walk<2> repeats;
};

Shape without_matrix(Shape shape) {
  shape.erase(shape.dim() - 1);
  shape.erase(shape.dim() - 1);
  return shape;
}

MatmulPlan plan_matmul(const Tensor& a, const Tensor& b, const Shape& batch) {
  const auto batch_strides = [&](const Tensor& x) {
    return broadcast_strides(without_matrix(x.shape()), without_matrix(x.strides()), batch);
  };
  MatmulPlan plan{
      {.m = a.size(-2), .n = b.size(-1), .k = a.size(-1), .batch = 1, .a = *layout_of(a), .b = *layout_of(b)},
      detail::make_walk<2>(batch, {batch_strides(a), batch_strides(b)})};
  MatrixProduct& p = plan.product;
  detail::Walk<2>& repeats = plan.repeats;
  const int last = repeats.dim - 1;
  // Where both operands repeat there is no batch to speak of; oneDNN takes none that neither operand has.
  if (last < 0 || (repeats.strides[0][last] == 0 && repeats.strides[1][last] == 0)) return plan;
  p.batch = repeats.sizes[last];
  p.a.step = repeats.strides[0][last];
  p.b.step = repeats.strides[1][last];
  repeats.numel /= p.batch;
  repeats.dim = last;
  // Rows of all batches follow one another.
  if (p.b.step == 0 && !p.a.transposed && p.a.step == p.m * p.a.ld) {
    p.m *= p.batch;
    p.batch = 1;
    p.a.step = 0;
  }
  return plan;
}

// What comes after a product: bias [n], or undefined, is added to each row, then the activation.
struct Epilogue {
  Tensor bias;
  Activation activation = Activation::none;
};

// One evenly spaced product of y's type, written to c in y. What it does of the epilogue leaves it.
void multiply(Cpu, const char* op, const MatrixProduct& p, const Tensor& y, const void* a, const void* b,
              void* c, Epilogue& after) {
  const bool gelu = after.activation == Activation::gelu;
  const void* bias = after.bias.defined() ? after.bias.raw() : nullptr;
  if (backend() == Backend::best && detail::multiply_onednn(op, p, y.dtype(), a, b, c, bias, gelu)) {
    after = {Tensor(), gelu ? Activation::none : after.activation};
    return;
  }
  dispatch_floating(y.dtype(), op, [&]<class T>(Tag<T>) {
    gemm_reference(p, static_cast<const T*>(a), static_cast<const T*>(b), static_cast<T*>(c));
  });
}
#ifdef GADOLIN_CUDA
// cuBLASLt fuses the bias. Its relu is max(x, 0), which makes NaN 0; its gelu is the other form.
void multiply(Cuda, const char* op, const MatrixProduct& p, const Tensor& y, const void* a, const void* b,
              void* c, Epilogue& after) {
  const Tensor bias = gemm_takes_bias(y.dtype()) ? std::exchange(after.bias, Tensor()) : Tensor();
  gemm(op, y.device(), p, y.dtype(), detail::rounds_to_tf32(y.dtype()), a, b, c,
       bias.defined() ? bias.raw() : nullptr);
}
#endif

// a [.., m, k], b [.., k, n] -> [.., m, n]
struct MatmulFunction {
  static constexpr auto name = "matmul";
  Saved a, b;

  Tensor allocate(const Tensor& left, const Tensor& right) const {
    require_floating(name, left.dtype());
    require<ShapeError>(left.dim() >= 2 && right.dim() >= 2, "matmul: ", left.shape(), " times ",
                        right.shape(), " needs two matrices; add a dimension with unsqueeze");
    require<ShapeError>(left.size(-1) == right.size(-2), "matmul: ", left.shape(), " has ", left.size(-1),
                        " columns, but ", right.shape(), " has ", right.size(-2), " rows");
    Shape shape = broadcast(name, without_matrix(left.shape()), without_matrix(right.shape()));
    shape.push_back(left.size(-2));
    shape.push_back(right.size(-1));
    return empty(shape, left.dtype(), left.device());
  }
  void save(const Tensor& left, const Tensor& right, const Tensor&) {
    a = left;
    b = right;
  }
  template <class D> void forward(D device, const Tensor& left, const Tensor& right, Tensor& y) const {
    if (y.numel() == 0) return;
    if (left.size(-1) == 0) {
      y.zero_();
      return;
    }
    const Tensor x = readable(left), z = readable(right);
    const MatmulPlan plan = plan_matmul(x, z, without_matrix(y.shape()));
    const std::int64_t y_step = y.numel() / plan.repeats.numel;
    for (std::int64_t r = 0; r < plan.repeats.numel; ++r) {
      std::int64_t at[2];
      plan.repeats.at(r, at);
      Epilogue nothing;
      multiply(device, name, plan.product, y, element(x, at[0]), element(z, at[1]), element(y, r * y_step),
               nothing);
    }
  }
  Grads backward(const Tensor& dy, Need need) const {
    course::todo("2.4 matmul", "MatmulFunction::backward");
  }
};

// x [M, in], weight [out, in], bias [out] or undefined -> [M, out]
struct LinearFunction {
  static constexpr auto name = "linear";
  Activation activation;
  Saved x, weight, y;
  bool has_bias = false;
  Attributes attributes() const {
    return {{"relu", activation == Activation::relu}};
  }  // gelu is an op of its own on the tape

  Tensor allocate(const Tensor& in, const Tensor& w, const Tensor&) const {
    return empty({in.size(0), w.size(0)}, in.dtype(), in.device());
  }
  void save(const Tensor& in, const Tensor& w, const Tensor& bias, const Tensor& result) {
    x = in;
    weight = w;
    has_bias = bias.defined();
    if (activation == Activation::relu) y = result;
  }
  static MatrixProduct product_of(const Tensor& in, const Tensor& w) {
    MatrixProduct p{.m = in.size(0),
                    .n = w.size(0),
                    .k = in.size(1),
                    .batch = 1,
                    .a = *layout_of(in),
                    .b = *layout_of(w)};
    p.b.transposed = !p.b.transposed;  // the product wants [in, out]
    return p;
  }
  template <class D>
  void forward(D device, const Tensor& x_in, const Tensor& w_in, const Tensor& bias, Tensor& result) const {
    if (result.numel() == 0) return;
    Epilogue after{bias.defined() ? bias.contiguous() : bias, activation};
    if (x_in.size(1) > 0) {
      const Tensor in = readable(x_in), w = readable(w_in);
      multiply(device, name, product_of(in, w), result, in.raw(), w.raw(), result.raw(), after);
    } else {
      result.zero_();
    }
    if (after.bias.defined()) result.add_(after.bias.expand(result.shape()));
    if (after.activation == Activation::relu) relu_in_place(result);
    if (after.activation == Activation::gelu) result.copy_(gelu(result));
  }
  Grads backward(const Tensor& dy, Need need) const {
    // Gradient of the sum before the activation; the comparison is this way round so that NaN stays NaN.
    Tensor dz = dy;
    if (activation == Activation::relu)
      dz = where(compare(Compare::less_equal, y, 0.0), zeros({}, dy.dtype(), dy.device()), dy);
    Grads grads(3);
    if (need[0]) grads[0] = matmul(dz, weight);
    if (need[1]) grads[1] = matmul(dz.transpose(0, 1), x);
    if (need[2] && has_bias) grads[2] = sum(dz, {0});
    return grads;
  }
};

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) { return apply(MatmulFunction{}, a, b); }

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Activation activation) {
  require_floating("linear", x.dtype());
  require<ShapeError>(weight.dim() == 2, "linear: weight ", weight.shape(), " is not [out, in]");
  require<ShapeError>(x.dim() >= 1 && x.size(-1) == weight.size(1), "linear: input ", x.shape(),
                      " does not end in ", weight.size(1), ", which weight ", weight.shape(), " takes");
  require<ShapeError>(!bias.defined() || bias.shape() == Shape{weight.size(0)}, "linear: bias ",
                      bias.defined() ? bias.shape() : Shape{}, " is not [", weight.size(0),
                      "], the rows of weight ", weight.shape());
  const Tensor* inputs[] = {&x, &weight, &bias};
  // The gradient of gelu needs what gelu is given.
  if (activation == Activation::gelu && detail::wants_tape(inputs, 3)) return gelu(linear(x, weight, bias));
  Shape rows{1, x.size(-1)}, shape = x.shape();
  for (int i = 0; i < x.dim() - 1; ++i) rows[0] *= x.size(i);
  shape[-1] = weight.size(0);
  return apply(LinearFunction{activation, {}, {}, {}}, x.reshape(rows), weight, bias).reshape(shape);
}

}  // namespace gadolin
