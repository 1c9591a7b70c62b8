// bench op: what every family builds with, and elementwise functions, copies, reductions, softmax and
// dropout.
#include "apps/bench/op.h"
#include "tensor/autograd.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace gadolin {

double bytes_of(const Shape& shape, DType dtype) {
  return static_cast<double>(shape.numel()) * static_cast<double>(size_of(dtype));
}

Tensor random_tensor(const OpSizes& sizes, const Shape& shape, DType dtype) {
  const NoGrad guard;
  const Tensor x = add(mul(rand(shape, DType::fp32, sizes.device), 2), -1).to(dtype);
  return shape.dim() == 4 ? x.contiguous(MemoryFormat::channels_last) : x;
}

DType parameter_type(DType dtype) { return dtype == DType::fp64 ? DType::fp64 : DType::fp32; }

std::function<void()> backward_of(const Tensor& result, const std::vector<Tensor>& leaves) {
  const NoGrad guard;
  Tensor seed = empty_like(result.detach());
  seed.copy_(add(mul(rand(result.shape(), DType::fp32, result.device()), 2), -1));
  return [=] {
    for (const Tensor& leaf : leaves) leaf.zero_grad();
    result.backward(seed, {.keep_graph = true});
  };
}

std::function<void()> both_ways(std::function<Tensor()> forward, const std::vector<Tensor>& leaves) {
  return [forward = std::move(forward), leaves] {
    for (const Tensor& leaf : leaves) leaf.zero_grad();
    forward().backward();
  };
}

void add_elementwise_cases(const OpSizes& sizes, OpCases& into) {
  const Shape images{sizes.batch, 256, 56, 56}, rows{sizes.batch * 512, 1000};
  const double size = bytes_of(images, sizes.dtype), matrix = bytes_of(rows, sizes.dtype);
  const auto unary = [&](const char* name, double passes, Tensor (*f)(const Tensor&)) {
    into.push_back({"elementwise", name, passes * size, 0,
                    [=] { return [=, x = random_tensor(sizes, images)] { f(x); }; }});
  };
  into.push_back({"elementwise", "add", 3 * size, 0, [=] {
                    return
                        [a = random_tensor(sizes, images), b = random_tensor(sizes, images)] { add(a, b); };
                  }});
  into.push_back({"elementwise", "add in place", 3 * size, 0, [=] {
                    return [a = random_tensor(sizes, images), b = random_tensor(sizes, images)]() mutable {
                      a.add_(b, 1e-6);
                    };
                  }});
  unary("relu", 2, [](const Tensor& x) { return relu(x); });
  unary("exp", 2, [](const Tensor& x) { return exp(x); });
  unary("gelu", 2, [](const Tensor& x) { return gelu(x); });
  unary("copy of NHWC", 2, [](const Tensor& x) { return x.clone(); });
  unary("copy NHWC to NCHW", 2, [](const Tensor& x) { return x.contiguous(); });
  into.push_back({"elementwise", "copy NCHW to NHWC", 2 * size, 0, [=] {
                    return [x = random_tensor(sizes, images).contiguous()] {
                      x.contiguous(MemoryFormat::channels_last);
                    };
                  }});
  const double wide = bytes_of(images, DType::fp32);
  if (sizes.dtype != DType::fp32) {
    into.push_back({"elementwise", "cast from fp32", wide + size, 0, [=] {
                      return [x = random_tensor(sizes, images, DType::fp32), to = sizes.dtype] { x.to(to); };
                    }});
  }
  unary("sum over N, H, W", 1, [](const Tensor& x) { return sum(x, {0, 2, 3}); });
  unary("sum of all", 1, [](const Tensor& x) { return sum(x); });
  into.push_back({"softmax", "softmax forward", 2 * matrix, 0,
                  [=] { return [x = random_tensor(sizes, rows)] { softmax(x, 1); }; }});
  into.push_back({"softmax", "softmax backward", 3 * matrix, 0, [=] {
                    const Tensor x = random_tensor(sizes, rows).requires_grad_();
                    return backward_of(softmax(x, 1), {x});
                  }});
  into.push_back({"dropout", "dropout forward", 2 * size, 0,
                  [=] { return [x = random_tensor(sizes, images)] { dropout(x, 0.5); }; }});
  into.push_back({"dropout", "dropout backward", 2 * size, 0, [=] {
                    const Tensor x = random_tensor(sizes, images).requires_grad_();
                    return backward_of(dropout(x, 0.5), {x});
                  }});
}

}  // namespace gadolin
