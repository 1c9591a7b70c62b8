// A user's program outside the tree: a gradient and a small net through the umbrella header, beside a header
// of its own whose name Gadolin's tree has too.
#include <gadolin/gadolin.h>
#include <gadolin/io/safetensors.h>

#include <cstdio>

#include "data/dataset.h"

int main() {
  gadolin::Tensor x = gadolin::ones({3});
  x.requires_grad_();
  gadolin::sum(x * x).backward();
  const double sum = static_cast<double>(gadolin::sum(x.grad()).item<float>());
  std::printf("%g\n", sum == users_own ? sum : -1.0);
}
