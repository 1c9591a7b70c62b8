// Linear regression with tensors and the tape alone: find w and b of y = 3 x - 2 from noisy points.
#include <gadolin/gadolin.h>

#include <cmath>
#include <cstdio>
#include <string>

using namespace gadolin;

int main() {
  manual_seed(0);
  const Tensor x = rand({200, 1}) * 2 - 1;
  const Tensor y = x * 3 - 2 + randn({200, 1}) * 0.1;  // what was "measured"

  Tensor w = zeros({1, 1}).requires_grad_(), b = zeros({1}).requires_grad_();  // leaves: gradients end here
  for (int step = 0; step < 200; ++step) {
    const Tensor error = matmul(x, w) + b - y;
    const Tensor loss = mean(error * error);
    loss.backward();  // fills w.grad() and b.grad()
    {
      const NoGrad guard;  // changes in place are for outside the tape
      w.add_(w.grad(), -0.2);
      b.add_(b.grad(), -0.2);
    }
    w.zero_grad();
    b.zero_grad();
    if (step % 50 == 0) std::printf("step %3d  loss %.4f\n", step, loss.item());
  }
  std::printf("y = %.3f x %+.3f\n", w.item(), b.item());
  const std::string tape = graphviz(mean(matmul(x, w) + b - y), {{"w", w}, {"b", b}});
  std::printf("the tape of one loss, for Graphviz:\n%s", tape.c_str());
  return std::fabs(w.item() - 3) < 0.1 && std::fabs(b.item() + 2) < 0.1 ? 0 : 1;
}
