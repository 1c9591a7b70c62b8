// A user's program outside the tree: a gradient and a small net through the umbrella header.
#include <gadolin/gadolin.h>

#include <cstdio>

int main() {
  gadolin::Tensor x = gadolin::ones({3});
  x.requires_grad_();
  gadolin::sum(x * x).backward();
  std::printf("%g\n", static_cast<double>(gadolin::sum(x.grad()).item<float>()));
}
