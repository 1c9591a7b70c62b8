// An op of your own with its gradient: the swish of a slope, y = x s(a x), and a check of the gradient by
// central differences. Backward is written with ops, so it could be differentiated again.
#include <gadolin/gadolin.h>

#include <cmath>
#include <cstdio>

using namespace gadolin;

namespace {

// A Function: options, shape rule, what is kept, forward, backward.
struct SwishFunction {
  static constexpr auto name = "swish";
  double slope;
  Saved x;  // all that backward needs

  Shape shape(const Tensor& in) const { return in.shape(); }
  void save(const Tensor& in, const Tensor& /*y*/) { x = in; }
  void forward(Cpu, const Tensor& in, Tensor& y) const {
    const Tensor dense = in.to(DType::fp64).contiguous();  // plain and slow: an example
    Tensor result = empty(in.shape(), DType::fp64);
    for (std::int64_t i = 0; i < in.numel(); ++i) {
      const double v = dense.data<double>()[i];
      result.data<double>()[i] = v / (1 + std::exp(-slope * v));
    }
    y.copy_(result);
  }
  // dy/dx = s + a x s (1 - s), with s = s(a x)
  Grads backward(const Tensor& dy, Need) const {
    const Tensor s = sigmoid(x.get() * slope);
    return {dy * (s + x.get() * slope * s * (1.0 + s * -1.0))};
  }
};

Tensor swish(const Tensor& x, double slope) { return apply(SwishFunction{slope, {}}, x); }

}  // namespace

int main() {
  const Tensor x = (rand({3, 4}, 1, 2, DType::fp64) * 4 - 2).detach().requires_grad_();
  // A random cotangent: with ones, errors that cancel in the sum would not show.
  const Tensor cotangent = rand({3, 4}, 1, 3, DType::fp64);
  sum(swish(x, 1.7) * cotangent).backward();
  const std::vector<double> gradient = x.grad().to_vector<double>();

  double worst = 0;
  const double eps = 1e-6;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    double difference = 0;
    for (const double sign : {1.0, -1.0}) {
      const NoGrad guard;
      Tensor moved = x.detach().clone();
      moved.data<double>()[i] += sign * eps;
      difference += sign * sum(swish(moved, 1.7) * cotangent).item() / (2 * eps);
    }
    worst = std::fmax(worst, std::fabs(gradient[static_cast<std::size_t>(i)] - difference));
  }
  std::printf("swish of\n%s\nis\n%s\n", x.detach().str().c_str(), swish(x, 1.7).detach().str().c_str());
  std::printf("largest difference between the gradient and central differences: %.2g\n", worst);
  return worst < 1e-8 ? 0 : 1;
}
