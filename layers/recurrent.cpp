#include "layers/recurrent.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "layers/init.h"
#include "layers/recurrent_function.h"
#include "tensor/ops.h"

namespace gadolin {

Steps::Steps(const std::vector<std::int64_t>& lengths)
    : given_(from_vector(lengths, {static_cast<std::int64_t>(lengths.size())})) {}

Tensor Steps::mask(std::int64_t n, std::int64_t t, Device device) const {
  if (all()) return {};
  if (given_.dim() == 2) {
    require<ShapeError>(given_.shape() == Shape{n, t}, "Steps: mask ", given_.shape(),
                        " does not fit the input's ", n, " sequences of ", t, " steps");
    return given_.detach().to(device).to(DType::boolean);
  }
  require<ShapeError>(given_.shape() == Shape{n}, "Steps: ", given_.shape(), " is neither [", n,
                      "], a length for each sequence, nor [", n, ", ", t, "], a mask");
  require<DTypeError>(given_.dtype() == DType::int64 || given_.dtype() == DType::int32, "Steps: lengths are ",
                      given_.dtype(), "; they must be int32 or int64");
  if (given_.device().is_cpu()) {
    const std::vector<std::int64_t> lengths = given_.to_vector<std::int64_t>();
    for (std::size_t i = 0; i < lengths.size(); ++i)
      require<ValueError>(lengths[i] >= 0 && lengths[i] <= t, "Steps: length ", lengths[i], " of sequence ",
                          i, " is not within the input's ", t, " steps");
  }
  return arange(t, DType::int64, device).reshape({1, t}) < given_.to(device).to(DType::int64).reshape({n, 1});
}

std::vector<Tensor> RecurrentOutput::tensors() const {
  std::vector<Tensor> all{y, last.h};
  if (last.c.defined()) all.push_back(last.c);
  return all;
}

namespace {

using detail::RecurrentLayer;
using detail::SequenceRows;

SequenceRows rows_of(const Tensor& mask, const Tensor& x) {
  SequenceRows r{.n = x.size(0), .t = x.size(1), .rows = x.size(0) * x.size(1)};
  r.packed = x.device().is_cpu() && backend() == Backend::best;
  if (!r.packed) {
    r.mask = mask;
    return r;
  }
  std::vector<std::int64_t> index;
  const Tensor dense = mask.defined() ? mask.contiguous() : mask;
  for (std::int64_t s = 0; s < r.n; ++s) {
    r.start.push_back(static_cast<std::int64_t>(index.size()));
    for (std::int64_t i = s * r.t; i < (s + 1) * r.t; ++i)
      if (!dense.defined() || dense.data<bool>()[i]) index.push_back(i);
    r.count.push_back(static_cast<std::int64_t>(index.size()) - r.start.back());
    r.order.push_back(s);
  }
  std::stable_sort(r.order.begin(), r.order.end(), [&](std::int64_t a, std::int64_t b) {
    return r.count[static_cast<std::size_t>(a)] > r.count[static_cast<std::size_t>(b)];
  });
  const auto rows = static_cast<std::int64_t>(index.size());
  if (rows < r.rows) r.index = from_vector(index, {rows});
  r.rows = rows;
  return r;
}

// Rows `index` of a matrix, or a matrix of `grid` rows with them there and zeros elsewhere; the gradient of
// either is the other.
struct RecurrentRows {
  static constexpr auto name = "recurrent_rows";
  Tensor index;
  std::int64_t grid;
  bool places;
  Shape shape(const Tensor& x) const { return {places ? grid : index.numel(), x.size(1)}; }
  void forward(Cpu, const Tensor& x, Tensor& y) const {
    const Tensor from = x.contiguous();
    if (places) y.zero_();
    const auto bytes = static_cast<std::size_t>(x.size(1) * size_of(x.dtype()));
    const auto row = [&](const Tensor& t, std::int64_t i) {
      return static_cast<char*>(t.raw()) + static_cast<std::size_t>(i) * bytes;
    };
    if (bytes == 0) return;
    parallel_for(index.numel(), 64, [&, at = index.data<std::int64_t>()](std::int64_t i, std::int64_t end) {
      for (; i < end; ++i) std::memcpy(row(y, places ? at[i] : i), row(from, places ? i : at[i]), bytes);
    });
  }
  Grads backward(const Tensor& dy, Need) const { return {apply(RecurrentRows{index, grid, !places}, dy)}; }
};

// x, hh, bias, hr of both directions, h0, c0 -> RecurrentLayer::out
struct RecurrentFunction {
  static constexpr auto name = "recurrent";
  mutable RecurrentLayer layer;
  Saved hh[2] = {}, hr[2] = {}, h0 = {}, c0 = {};
  bool biased = false;

  Tensor allocate(const Tensor& x, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                  const Tensor&, const Tensor&, const Tensor&, const Tensor&) const {
    return empty({layer.rows.rows * layer.sides * layer.state + layer.states() + layer.cells()}, x.dtype(),
                 x.device());
  }
  void save(const Tensor&, const Tensor&, const Tensor& hh0, const Tensor& hh1, const Tensor& b0,
            const Tensor&, const Tensor& hr0, const Tensor& hr1, const Tensor& h, const Tensor& c,
            const Tensor&) {
    hh[0] = hh0, hh[1] = hh1, hr[0] = hr0, hr[1] = hr1, h0 = h, c0 = c;
    biased = b0.defined();
  }
  template <class D>
  void forward(D device, const Tensor& x0, const Tensor& x1, const Tensor& hh0, const Tensor& hh1,
               const Tensor& b0, const Tensor& b1, const Tensor& hr0, const Tensor& hr1, const Tensor& h,
               const Tensor& c, Tensor& out) const {
    RecurrentLayer l = layer;
    const Tensor of[2][4] = {{x0, hh0, b0, hr0}, {x1, hh1, b1, hr1}};
    const auto dense = [](const Tensor& t) { return t.defined() ? t.contiguous() : t; };
    const DType sums = x0.dtype() == DType::fp64 ? DType::fp64 : DType::fp32;
    for (int d = 0; d < l.sides; ++d) {
      detail::RecurrentSide& s = l.side[d];
      s.x = of[d][0].contiguous(), s.hh = of[d][1].contiguous(), s.bias = dense(of[d][2]),
      s.hr = dense(of[d][3]);
      const auto rows = [&](std::int64_t columns, DType dtype) {
        return empty({l.rows.rows, columns}, dtype, x0.device());
      };
      if (l.keeps || !l.rows.packed) s.before = rows(l.state, x0.dtype());
      if (l.keeps || !l.rows.packed)
        s.kept = rows(l.hidden * (l.cell == Cell::gru ? 4 : detail::gates_of(l.cell)), x0.dtype());
      if ((l.keeps || !l.rows.packed) && l.cell == Cell::lstm) s.cells = rows(l.hidden, sums);
    }
    l.h0 = dense(h), l.c0 = dense(c), l.out = out;
    if constexpr (std::is_same_v<D, Cpu>) {
      l.rows.packed ? detail::packed_forward(l) : detail::grid_forward(device, l);
    } else {
      detail::grid_forward(device, l);
    }
    for (int d = 0; d < l.sides && l.keeps; ++d) {
      layer.side[d].kept = l.side[d].kept, layer.side[d].cells = l.side[d].cells,
      layer.side[d].before = l.side[d].before;
    }
  }
  template <class D> Grads backward(D device, const Tensor& dout, Need need) const {
    const NoGrad off;
    RecurrentLayer l = layer;
    const auto dense = [](const Saved& t) { return t.defined() ? t->contiguous() : Tensor(); };
    l.h0 = dense(h0), l.c0 = dense(c0), l.dout = dout.contiguous();
    l.dh0 = empty({l.sides, l.rows.n, l.state}, dout.dtype(), dout.device());
    l.dc0 = empty({l.sides, l.rows.n, l.hidden}, dout.dtype(), dout.device());
    for (int d = 0; d < l.sides; ++d) {
      detail::RecurrentSide& s = l.side[d];
      s.hh = dense(hh[d]), s.hr = dense(hr[d]);
      const auto rows = [&](std::int64_t columns) {
        return empty({l.rows.rows, columns}, dout.dtype(), dout.device());
      };
      s.dx = rows(s.hh.size(0));
      s.dz = l.cell == Cell::gru ? rows(s.hh.size(0)) : s.dx;
      if (s.hr.defined()) s.dh = rows(l.state), s.m = rows(l.hidden);
    }
    if constexpr (std::is_same_v<D, Cpu>) {
      l.rows.packed ? detail::packed_backward(l) : detail::grid_backward(device, l);
    } else {
      detail::grid_backward(device, l);
    }
    Grads grads(10);
    for (int d = 0; d < l.sides; ++d) {
      const detail::RecurrentSide& s = l.side[d];
      grads[d] = s.dx;
      if (need[2 + d]) grads[2 + d] = matmul(s.dz.transpose(0, 1), s.before);
      if (need[4 + d] && biased) grads[4 + d] = sum(s.dz, {0});
      if (need[6 + d] && s.hr.defined()) grads[6 + d] = matmul(s.dh.transpose(0, 1), s.m);
    }
    if (need[8]) grads[8] = l.dh0;
    if (need[9]) grads[9] = l.dc0;
    return grads;
  }
};

void require_shape(const char* what, const Tensor& t, const Shape& wanted) {
  require<ShapeError>(!t.defined() || t.shape() == wanted, "recurrent: ", what, " ",
                      t.defined() ? t.shape() : Shape{}, " is not ", wanted);
}

}  // namespace

RecurrentOutput recurrent(const Tensor& x_in, const Steps& steps, const RecurrentState& initial,
                          const std::vector<RecurrentWeights>& weights, const RecurrentOptions& o,
                          bool training) {
  require<ShapeError>(x_in.dim() == 3, "recurrent: input ", x_in.shape(), " is not [N, T, features]");
  const Tensor x = for_compute(x_in);
  const std::int64_t n = x.size(0), t = x.size(1), gates = detail::gates_of(o.cell);
  const int sides = o.bidirectional ? 2 : 1;
  RecurrentLayer layer{.rows = rows_of(steps.mask(n, t, x.device()), x),
                       .cell = o.cell,
                       .forget_bias = o.forget_bias,
                       .hidden = o.hidden,
                       .state = o.projection > 0 ? o.projection : o.hidden,
                       .sides = sides};
  const std::int64_t rows = layer.rows.rows, states = o.layers * sides;
  require_shape("initial h", initial.h, {states, n, layer.state});
  require_shape("initial c", initial.c, {states, n, layer.hidden});
  Tensor y = x.reshape({n * t, x.size(2)});
  if (layer.rows.index.defined()) {
    y = apply(RecurrentRows{layer.rows.index, n * t, false}, y);
  } else if (layer.rows.mask.defined()) {
    y = where(layer.rows.mask.reshape({n * t, 1}), y, zeros({}, y.dtype(), y.device()));
  }
  std::vector<Tensor> h, c;
  for (int k = 0; k < o.layers; ++k) {
    Tensor in[2], hh[2], bias[2], hr[2];
    for (int d = 0; d < sides; ++d) {
      const RecurrentWeights& w = weights[static_cast<std::size_t>(k * sides + d)];
      require_shape("weight_hh", w.hh, {gates * o.hidden, layer.state});
      require_shape("weight_ih", w.ih, {gates * o.hidden, y.size(1)});
      Tensor b = compute_copy(w.bias_ih);
      bias[d] = compute_copy(w.bias_hh);
      if (o.cell != Cell::gru && bias[d].defined()) b = b + bias[d], bias[d] = Tensor();
      in[d] = linear(y, compute_copy(w.ih), b);
      hh[d] = compute_copy(w.hh), hr[d] = compute_copy(w.hr);
    }
    const auto of_layer = [&](const Tensor& all) {
      return all.defined() ? for_compute(all).slice(0, k * sides, (k + 1) * sides) : all;
    };
    const Tensor h0 = of_layer(initial.h), c0 = of_layer(initial.c);
    const Tensor* given[] = {&in[0], &in[1], &hh[0], &hh[1], &bias[0], &bias[1], &hr[0], &hr[1], &h0, &c0};
    layer.keeps = detail::wants_tape(given, 10);
    const Tensor all =
        apply(RecurrentFunction{layer}, in[0], in[1], hh[0], hh[1], bias[0], bias[1], hr[0], hr[1], h0, c0);
    const std::int64_t ys = rows * sides * layer.state, hs = ys + layer.states(), cs = hs + layer.cells();
    y = all.slice(0, 0, ys).reshape({rows, sides * layer.state});
    h.push_back(all.slice(0, ys, hs).reshape({sides, n, layer.state}));
    if (o.cell == Cell::lstm) c.push_back(all.slice(0, hs, cs).reshape({sides, n, layer.hidden}));
    if (training && o.dropout > 0 && (o.drop_last || k + 1 < o.layers)) y = dropout(y, o.dropout);
  }
  if (layer.rows.index.defined()) y = apply(RecurrentRows{layer.rows.index, n * t, true}, y);
  return {y.reshape({n, t, sides * layer.state}),
          {concat(h, 0), o.cell == Cell::lstm ? concat(c, 0) : Tensor()}};
}

Recurrent::Recurrent(int in_features, const RecurrentOptions& options) : in_(in_features), options_(options) {
  const RecurrentOptions& o = options_;
  require<ValueError>(in_ > 0 && o.hidden > 0 && o.layers > 0, kind(), ": ", in_, " features, hidden ",
                      o.hidden, " and ", o.layers, " layers must be positive");
  require<ValueError>(
      o.projection >= 0 && o.projection < o.hidden && (o.projection == 0 || o.cell == Cell::lstm), kind(),
      ": projection ", o.projection, " must be 0, or in an LSTM below its hidden ", o.hidden);
  require<ValueError>(o.biases >= 0 && o.biases <= 2, kind(), ": biases ", o.biases, " must be 0, 1 or 2");
  require<ValueError>(o.forget_bias == 0 || o.cell == Cell::lstm, kind(), ": forget_bias ", o.forget_bias,
                      " needs an LSTM");
  require<ValueError>(o.dropout >= 0 && o.dropout < 1, kind(), ": dropout ", o.dropout, " is outside [0, 1)");
  const std::int64_t rows = std::int64_t{detail::gates_of(o.cell)} * o.hidden;
  const std::int64_t state = o.projection > 0 ? o.projection : o.hidden;
  const double bound = 1 / std::sqrt(o.hidden);
  for (int k = 0; k < o.layers; ++k) {
    for (const char* end : {"", "_reverse"}) {
      if (*end && !o.bidirectional) continue;
      const auto made = [&](const char* what, const Shape& shape) {
        Tensor t = empty(shape);
        uniform_(t, -bound, bound);
        return parameter(cat(what, "_l", k, end), t);
      };
      RecurrentWeights w{made("weight_ih", {rows, k == 0 ? in_ : out_features()}),
                         made("weight_hh", {rows, state}),
                         {},
                         {},
                         {}};
      if (o.biases > 0) w.bias_ih = made("bias_ih", {rows});
      if (o.biases > 1) w.bias_hh = made("bias_hh", {rows});
      if (o.projection > 0) w.hr = made("weight_hr", {state, o.hidden});
      weights_.push_back(std::move(w));
    }
  }
}

const char* Recurrent::kind() const {
  return options_.cell == Cell::lstm ? "LSTM" : options_.cell == Cell::gru ? "GRU" : "RNN";
}
int Recurrent::out_features() const {
  return (options_.bidirectional ? 2 : 1) * (options_.projection > 0 ? options_.projection : options_.hidden);
}
std::int64_t Recurrent::macs(std::span<const Tensor> in, std::span<const Tensor>) const {
  std::int64_t each = 0;
  for (const RecurrentWeights& w : weights_)
    each += w.ih.numel() + w.hh.numel() + (w.hr.defined() ? w.hr.numel() : 0);
  return in[0].size(0) * in[0].size(1) * each;
}

RecurrentOutput Recurrent::operator()(const Tensor& x, const Steps& steps, const RecurrentState& initial) {
  return called(x, [&] {
    require<ShapeError>(x.dim() == 3 && x.size(2) == in_, kind(), ": input ", x.shape(), " is not [N, T, ",
                        in_, "]");
    return recurrent(x, steps, initial, weights_, options_, training());
  });
}

}  // namespace gadolin
