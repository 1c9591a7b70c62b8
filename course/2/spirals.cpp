// The demonstration: a net of two layers learns two spirals, with the student's tape under it.
#include <cmath>
#include <fstream>

#include "course/2/answers.h"
#include "course/grader/tensors.h"
#include "io/graphviz.h"
#include "tensor/autograd.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace gadolin::course {
namespace {

constexpr std::int64_t points = 96, hidden = 16, steps = 200;

struct Spirals {
  Tensor x, label;  // [points, 2], [points, 1]
};
Spirals two_spirals(double turn) {
  std::vector<double> x, label;
  for (std::int64_t i = 0; i < points; ++i) {
    const double arm = static_cast<double>(i % 2), t = static_cast<double>(i / 2) / (points / 2);
    const double radius = 0.2 + 0.8 * t, angle = turn + 1.5 * 3.141592653589793 * t + arm * 3.141592653589793;
    x.push_back(radius * std::cos(angle));
    x.push_back(radius * std::sin(angle));
    label.push_back(2 * arm - 1);
  }
  return {tensor(x, {points, 2}, DType::fp64), tensor(label, {points, 1}, DType::fp64)};
}

Tensor initial(const Shape& shape, double scale, RandomStream& random) {
  std::vector<double> numbers;
  for (std::int64_t i = 0; i < shape.numel(); ++i)
    numbers.push_back(scale * (2 * static_cast<double>(random.uniform()) - 1));
  return tensor(numbers, shape, DType::fp64).requires_grad_();
}

struct Net {
  Tensor w1, b1, w2, b2;
  Tensor operator()(const Tensor& x) const { return add(matmul(tanh(add(matmul(x, w1), b1)), w2), b2); }
};

}  // namespace

Values spirals_answer(const Values& request) {
  const auto seed = static_cast<std::uint64_t>(request.contains("seed") ? integer(request, "seed") : 0);
  RandomStream random(seed, 1);
  const Spirals data = two_spirals(0.1 * static_cast<double>(seed % 10));
  Net net{initial({2, hidden}, 3, random), initial({1, hidden}, 1, random), initial({hidden, 1}, 0.5, random),
          initial({1, 1}, 0.1, random)};
  const Tensor* const weights[] = {&net.w1, &net.b1, &net.w2, &net.b2};
  std::vector<double> losses;
  Tensor loss;
  for (std::int64_t step = 0; step <= steps; ++step) {
    const Tensor off = sub(net(data.x), data.label);
    loss = mean(mul(off, off));
    if (step % 50 == 0) losses.push_back(loss.item());
    if (step == steps) break;
    for (const Tensor* w : weights) w->zero_grad();
    loss.backward();
    const NoGrad guard;
    for (const Tensor* w : weights) Tensor(*w).add_(w->grad(), -0.2);
  }
  Values out{{"losses", Array{{static_cast<std::int64_t>(losses.size())}, losses}}};
  const NoGrad guard;
  const std::vector<double> said = net(data.x).to_vector<double>();
  std::int64_t right = 0;
  for (std::size_t i = 0; i < said.size(); ++i) right += (said[i] > 0) == (i % 2 == 1);
  out["right_of_96"] = right;
  if (!request.contains("folder")) return out;
  const std::string& folder = text(request, "folder");
  std::ofstream(folder + "/tape.dot")
      << graphviz(loss, {{"w1", net.w1}, {"b1", net.b1}, {"w2", net.w2}, {"b2", net.b2}});
  constexpr std::int64_t side = 160;
  std::vector<double> grid;
  for (std::int64_t i = 0; i < side * side; ++i) {
    grid.push_back(-1.2 + 2.4 * static_cast<double>(i % side) / side);
    grid.push_back(1.2 - 2.4 * static_cast<double>(i / side) / side);
  }
  std::string picture = "P5\n160 160\n255\n";
  for (double v : net(tensor(grid, {side * side, 2}, DType::fp64)).to_vector<double>())
    picture += static_cast<char>(static_cast<unsigned char>(127.5 + 100 * std::tanh(v)));
  std::ofstream(folder + "/boundary.pgm", std::ios::binary) << picture;
  return out;
}

}  // namespace gadolin::course
