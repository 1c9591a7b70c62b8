// One layer of LSTM, GRU or a plain recurrent network, step by step in double. What the gradients need lies
// in the reserve, as doubles: a word that says which pass came last, then for each direction, step and
// sequence gates, the state's parts and, once there, the gradients of the gates.
#include <algorithm>
#include <cmath>

#include "cudnn_rnn.h"
#include "machine.h"

namespace software_cuda {
namespace {

using Numbers = std::vector<double>;
using Count = std::int64_t;

std::size_t index(Count i) { return static_cast<std::size_t>(i); }
double logistic(double a) { return 1 / (1 + std::exp(-a)); }

constexpr double forward_done = 1, data_done = 2, weights_done = 3;  // the word's values

class Layer {
 public:
  explicit Layer(const RnnCall& call) : c_(call), r_(call.rnn), G_(r_.gates()), H_(r_.hidden), P_(r_.state) {}

  void forward() {
    read_weights();
    const Numbers x = operand(c_.x, c_.t * c_.n * r_.features);
    Numbers y(index(c_.t * c_.n * r_.sides * P_)), h = states(c_.hx, P_), c = states(c_.cx, H_);
    if (c_.reserve) kept_.resize(index(r_.reserved(c_.t, c_.n)));
    for (Count d = 0; d < r_.sides; ++d) {
      for (Count step = 0; step < c_.t; ++step) {
        const Count t = d == 0 ? step : c_.t - 1 - step;
        for (Count n = 0; n < c_.n; ++n) {
          double* const state = &h[index((d * c_.n + n) * P_)];
          one_step(d, n, t, &x[index((t * c_.n + n) * r_.features)], state, &c[index((d * c_.n + n) * H_)]);
          std::copy(state, state + P_, &y[index((t * c_.n + n) * r_.sides * P_ + d * P_)]);
        }
      }
    }
    store(c_.y, y), store(c_.hy, h);
    if (r_.cell == CUDNN_LSTM) store(c_.cy, c);
    write_reserve(forward_done);
  }

  void data_gradient() {
    expect(forward_done, "cudnnRNNForward in training mode must come before each cudnnRNNBackwardData_v8");
    read_weights();
    const Numbers dy = load(c_.dy, r_.element(), c_.t * c_.n * r_.sides * P_),
                  y = operand(c_.y, c_.t * c_.n * r_.sides * P_), h = states(c_.hx, P_);
    Numbers dx(index(c_.t * c_.n * r_.features)), dh = states(c_.dhy, P_), dc = states(c_.dcy, H_);
    for (Count d = 0; d < r_.sides; ++d) {
      for (Count step = c_.t - 1; step >= 0; --step) {
        const Count t = d == 0 ? step : c_.t - 1 - step;
        for (Count n = 0; n < c_.n; ++n) {
          double* const of_state = &dh[index((d * c_.n + n) * P_)];
          for (Count j = 0; j < P_; ++j)
            of_state[j] += dy[index((t * c_.n + n) * r_.sides * P_ + d * P_ + j)];
          one_step_back(d, n, t, before(y, h, d, n, t), of_state, &dc[index((d * c_.n + n) * H_)],
                        &dx[index((t * c_.n + n) * r_.features)]);
        }
      }
    }
    store(c_.dx, dx), store(c_.dhx, dh);
    if (r_.cell == CUDNN_LSTM) store(c_.dcx, dc);
    write_reserve(data_done);
  }

  void weight_gradient() {
    expect(data_done, "cudnnRNNBackwardData_v8 must come before cudnnRNNBackwardWeights_v8");
    const Numbers x = operand(c_.x, c_.t * c_.n * r_.features),
                  y = operand(c_.y, c_.t * c_.n * r_.sides * P_), h = states(c_.hx, P_);
    Numbers dw = load(c_.dweights, r_.element(), r_.place(r_.sides, 0));
    for (Count d = 0; d < r_.sides; ++d) {
      const auto part = [&](int which) { return &dw[index(r_.place(d, which))]; };
      for (Count t = 0; t < c_.t; ++t) {
        for (Count n = 0; n < c_.n; ++n) {
          const double *const k = at(d, n, t), *const in = &x[index((t * c_.n + n) * r_.features)],
                              *const state = before(y, h, d, n, t);
          for (Count g = 0; g < G_ * H_; ++g) {
            add_scaled(part(r_.input) + g * r_.features, k[of_x() + g], in, r_.features);
            add_scaled(part(r_.recurrent) + g * P_, k[of_h() + g], state, P_);
            part(r_.input_bias)[g] += k[of_x() + g];
            part(r_.recurrent_bias)[g] += k[of_h() + g];
          }
          for (Count j = 0; r_.projects() && j < P_; ++j)
            add_scaled(part(r_.projection) + j * H_, k[of_p() + j], k + inner(), H_);
        }
      }
    }
    store(c_.dweights, dw);
    write_reserve(weights_done);
  }

 private:
  // Places within what is kept of a step: gates after their functions, of a GRU the state's part of n, c
  // before and after, the output before the projection, gradients of W x, of W h and of the output.
  Count more() const { return G_ * H_; }
  Count inner() const { return more() + 2 * H_; }
  Count of_x() const { return inner() + H_; }
  Count of_h() const { return of_x() + G_ * H_; }
  Count of_p() const { return of_h() + G_ * H_; }
  double* at(Count d, Count n, Count t) {
    const Count each = of_p() + P_;
    if (kept_.empty()) return (spare_.resize(index(each)), spare_.data());
    return &kept_[index(1 + ((d * c_.t + t) * c_.n + n) * each)];
  }

  Numbers load(const void* from, cudaDataType_t type, Count count) const {
    Numbers all(index(count));
    if (from) library_reads(from, index(count * element_bytes(type)));
    for (Count i = 0; from && i < count; ++i) all[index(i)] = get_host(from, type, i);
    return all;
  }
  Numbers operand(const void* from, Count count) const {  // of a product
    Numbers all = load(from, r_.element(), count);
    if (r_.tf32)
      for (double& v : all) v = tf32(v);
    return all;
  }
  Numbers states(const void* from, Count columns) const {
    return load(from, r_.element(), r_.sides * c_.n * columns);
  }
  void store(void* to, const Numbers& all) const {
    if (!to) return;
    library_writes(to, all.size() * index(element_bytes(r_.element())));
    for (std::size_t i = 0; i < all.size(); ++i) put_host(to, r_.element(), static_cast<Count>(i), all[i]);
  }
  void read_weights() { w_ = operand(c_.weights, r_.place(r_.sides, 0)); }
  const double* weight(Count d, int part) const { return &w_[index(r_.place(d, part))]; }
  void expect(double stage, const char* what) {
    kept_ = load(c_.reserve, CUDA_R_64F, r_.reserved(c_.t, c_.n));
    if (kept_[0] != stage) report(std::string("cuDNN: ") + what);
  }
  void write_reserve(double stage) {
    if (kept_.empty()) return;
    kept_[0] = stage;
    library_writes(c_.reserve, kept_.size() * sizeof(double));
    std::copy(kept_.begin(), kept_.end(), static_cast<double*>(c_.reserve));
  }
  // The state before step t.
  const double* before(const Numbers& y, const Numbers& h, Count d, Count n, Count t) const {
    const Count from = d == 0 ? t - 1 : t + 1;
    if (from < 0 || from == c_.t) return &h[index((d * c_.n + n) * P_)];
    return &y[index((from * c_.n + n) * r_.sides * P_ + d * P_)];
  }

  void one_step(Count d, Count n, Count t, const double* x, double* h, double* c) {
    double* const k = at(d, n, t);
    const auto of_input = [&](Count g) {
      return weight(d, r_.input_bias)[g] + dot(weight(d, r_.input) + g * r_.features, x, r_.features);
    };
    const auto of_state = [&](Count g) {
      return weight(d, r_.recurrent_bias)[g] + dot(weight(d, r_.recurrent) + g * P_, h, P_);
    };
    for (Count j = 0; j < H_; ++j) {
      const auto sum = [&](Count gate) { return of_input(gate * H_ + j) + of_state(gate * H_ + j); };
      double out = 0;
      if (r_.cell == CUDNN_LSTM) {
        const double i = logistic(sum(0)), f = logistic(sum(1)), g = std::tanh(sum(2)), o = logistic(sum(3));
        k[j] = i, k[H_ + j] = f, k[2 * H_ + j] = g, k[3 * H_ + j] = o;
        k[more() + j] = c[j];
        k[more() + H_ + j] = c[j] = f * c[j] + i * g;
        out = o * std::tanh(c[j]);
      } else if (r_.cell == CUDNN_GRU) {
        const double r = logistic(sum(0)), z = logistic(sum(1)), s = of_state(2 * H_ + j),
                     v = std::tanh(of_input(2 * H_ + j) + r * s);
        k[j] = r, k[H_ + j] = z, k[2 * H_ + j] = v, k[more() + j] = s;
        out = (1 - z) * v + z * h[j];
      } else {
        out = r_.cell == CUDNN_RNN_TANH ? std::tanh(sum(0)) : std::max(0.0, sum(0));
        k[j] = out;
      }
      k[inner() + j] = out;
    }
    for (Count j = 0; j < P_; ++j)
      h[j] = r_.projects() ? dot(weight(d, r_.projection) + j * H_, k + inner(), H_) : k[inner() + j];
  }

  // dh: of the output, becomes that of the state before; dc as well.
  void one_step_back(Count d, Count n, Count t, const double* state, double* dh, double* dc, double* dx) {
    double* const k = at(d, n, t);
    Numbers dm(index(H_)), straight(index(P_));
    std::copy(dh, dh + P_, k + of_p());
    for (Count j = 0; j < P_; ++j) {
      if (r_.projects())
        add_scaled(dm.data(), dh[j], weight(d, r_.projection) + j * H_, H_);
      else
        dm[index(j)] = dh[j];
    }
    for (Count j = 0; j < H_; ++j) {
      const double m = dm[index(j)];
      const auto put = [&](Count gate, double x, double h) {
        k[of_x() + gate * H_ + j] = x, k[of_h() + gate * H_ + j] = h;
      };
      if (r_.cell == CUDNN_LSTM) {
        const double i = k[j], f = k[H_ + j], g = k[2 * H_ + j], o = k[3 * H_ + j],
                     after = std::tanh(k[more() + H_ + j]), inside = dc[j] + m * o * (1 - after * after);
        const double all[] = {inside * g * i * (1 - i), inside * k[more() + j] * f * (1 - f),
                              inside * i * (1 - g * g), m * after * o * (1 - o)};
        for (Count gate = 0; gate < 4; ++gate) put(gate, all[gate], all[gate]);
        dc[j] = inside * f;
      } else if (r_.cell == CUDNN_GRU) {
        const double r = k[j], z = k[H_ + j], v = k[2 * H_ + j], s = k[more() + j],
                     dv = m * (1 - z) * (1 - v * v), dr = dv * s * r * (1 - r),
                     dz = m * (state[j] - v) * z * (1 - z);
        put(0, dr, dr), put(1, dz, dz), put(2, dv, dv * r);
        straight[index(j)] = m * z;
      } else {
        const double v = k[j], a = r_.cell == CUDNN_RNN_TANH ? m * (1 - v * v) : v > 0 ? m : 0;
        put(0, a, a);
      }
    }
    std::copy(straight.begin(), straight.end(), dh);
    for (Count g = 0; g < G_ * H_; ++g) {
      add_scaled(dx, k[of_x() + g], weight(d, r_.input) + g * r_.features, r_.features);
      add_scaled(dh, k[of_h() + g], weight(d, r_.recurrent) + g * P_, P_);
    }
  }

  const RnnCall& c_;
  const cudnnRNNStruct& r_;
  const Count G_, H_, P_;  // as in layers/recurrent.h
  Numbers w_, kept_, spare_;
};

}  // namespace

void rnn_forward(const RnnCall& call) { Layer(call).forward(); }
void rnn_data_gradient(const RnnCall& call) { Layer(call).data_gradient(); }
void rnn_weight_gradient(const RnnCall& call) { Layer(call).weight_gradient(); }

}  // namespace software_cuda

std::int64_t cudnnRNNStruct::size(int part) const {
  switch (part) {
    case input: return gates() * hidden * features;
    case recurrent: return gates() * hidden * state;
    case projection: return projects() ? state * hidden : 0;
    default: return gates() * hidden;
  }
}
// All matrices, then all biases, each from a multiple of 32 on.
std::int64_t cudnnRNNStruct::place(std::int64_t side, int part) const {
  std::int64_t begin = 32;
  for (const bool biases : {false, true}) {
    for (std::int64_t d = 0; d < sides; ++d) {
      for (int p = biases ? input_bias : input; p < (biases ? parts : input_bias); ++p) {
        if (d == side && p == part) return begin;
        begin += (size(p) + 31) / 32 * 32;
      }
    }
  }
  return begin;
}
std::int64_t cudnnRNNStruct::reserved(std::int64_t t, std::int64_t n) const {
  return 1 + sides * t * n * (3 * gates() * hidden + 3 * hidden + state);
}
