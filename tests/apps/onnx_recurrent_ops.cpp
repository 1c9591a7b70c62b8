#include "tests/apps/onnx_recurrent_ops.h"

#include <cmath>

#include "tensor/ops.h"

namespace gadolin::test {

Tensor run_recurrent_op(const std::string& op, const std::vector<Tensor>& in, std::int64_t hidden,
                        bool both) {
  const std::int64_t gates = op == "LSTM" ? 4 : op == "GRU" ? 3 : 1, H = hidden;
  const std::int64_t T = in[0].size(0), N = in[0].size(1), F = in[0].size(2), D = both ? 2 : 1;
  const auto x = in[0].to_vector<double>(), w = in[1].to_vector<double>(), r = in[2].to_vector<double>(),
             b = in[3].to_vector<double>();
  const auto lengths = in[4].to_vector<std::int64_t>();
  const auto place = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  const auto s = [](double a) { return 1 / (1 + std::exp(-a)); };
  std::vector<double> y(place(T * D * N * H));
  for (std::int64_t d = 0; d < D; ++d)
    for (std::int64_t n = 0; n < N; ++n) {
      std::vector<double> h(place(H)), c(place(H));
      for (std::int64_t step = 0; step < lengths[place(n)]; ++step) {
        const std::int64_t t = d == 0 ? step : lengths[place(n)] - 1 - step;
        const std::vector<double> before = h;
        const auto of_x = [&](std::int64_t gate, std::int64_t j) {
          double sum = b[place(d * 2 * gates * H + gate * H + j)];
          for (std::int64_t k = 0; k < F; ++k)
            sum += w[place((d * gates * H + gate * H + j) * F + k)] * x[place((t * N + n) * F + k)];
          return sum;
        };
        const auto of_h = [&](std::int64_t gate, std::int64_t j) {
          double sum = b[place((d * 2 + 1) * gates * H + gate * H + j)];
          for (std::int64_t k = 0; k < H; ++k)
            sum += r[place((d * gates * H + gate * H + j) * H + k)] * before[place(k)];
          return sum;
        };
        for (std::int64_t j = 0; j < H; ++j) {
          const auto a = [&](std::int64_t gate) { return of_x(gate, j) + of_h(gate, j); };
          double &hj = h[place(j)], &cj = c[place(j)];
          if (op == "LSTM") {  // i o f c
            cj = s(a(2)) * cj + s(a(0)) * std::tanh(a(3));
            hj = s(a(1)) * std::tanh(cj);
          } else if (op == "GRU") {  // z r h, linear_before_reset
            const double z = s(a(0));
            hj = (1 - z) * std::tanh(of_x(2, j) + s(a(1)) * of_h(2, j)) + z * hj;
          } else {
            hj = std::tanh(a(0));
          }
          y[place(((t * D + d) * N + n) * H + j)] = hj;
        }
      }
    }
  return tensor(y, {T, D, N, H}, DType::fp32);
}

}  // namespace gadolin::test
