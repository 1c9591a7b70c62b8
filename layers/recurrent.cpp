#include "layers/recurrent.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "layers/cudnn_recurrent.h"
#include "layers/init.h"
#include "layers/recurrent_cells.h"
#include "layers/recurrent_function.h"
#include "tensor/capture_state.h"
#include "tensor/cpu/parallel.h"
#include "tensor/ops.h"

namespace gadolin {

Steps::Steps(const std::vector<std::int64_t>& lengths)
    : given_(from_vector(lengths, {static_cast<std::int64_t>(lengths.size())})) {}

Tensor Steps::mask(std::int64_t n, std::int64_t t, Device device) const {
  if (all()) return {};
  require<CaptureError>(!capturing() || given_.device() == device, "Steps: on ", given_.device(),
                        ", so a captured step would read them only once; give it a tensor on ", device);
  require<ShapeError>(given_.shape() == Shape{n} || given_.shape() == Shape{n, t}, "Steps: ", given_.shape(),
                      " is neither [", n, "], a length for each sequence, nor [", n, ", ", t, "], a mask");
  if (given_.dim() == 2) return given_.detach().to(device).to(DType::boolean);
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

using detail::RecurrentFunction;
using detail::RecurrentPrepared;
using detail::SequenceRows;

SequenceRows rows_of(const Tensor& mask, const Tensor& x) {
  SequenceRows r{.n = x.size(0), .t = x.size(1), .rows = x.size(0) * x.size(1)};
  r.packed = x.device().is_cpu() && backend() == Backend::best;
  r.mask = r.packed ? Tensor() : mask;
  if (!r.packed || !mask.defined()) return r;
  const Tensor counts = sum(mask, {1}), start = cumsum(counts, 0) - counts;
  const Sorted longest = sort(counts, 0, true);
  r.order = longest.indices, r.back = sort(r.order).indices;
  r.count = longest.values.to_vector<std::int64_t>();
  r.start = index_select(start, 0, r.order).to_vector<std::int64_t>();
  r.index = nonzero(mask.flatten()).flatten();
  r.rows = r.index.numel();
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

// The numbers of a step do not depend on padding, nor on the device: they are drawn for packed rows.
Tensor dropout_of_steps(const Tensor& y, const SequenceRows& rows, double p) {
  if (!rows.mask.defined()) return dropout(y, p);
  const Tensor counts = rows.mask.flatten().to(DType::int64), before = cumsum(counts, 0) - counts;
  return y * index_select(dropout(ones(y.shape(), y.dtype(), y.device()), p), 0, before);
}

void require_shape(const char* what, const Tensor& t, const Shape& wanted) {
  require<ShapeError>(!t.defined() || t.shape() == wanted, "recurrent: ", what, " ",
                      t.defined() ? t.shape() : Shape{}, " is not ", wanted);
}

// The weights of one layer.
RecurrentPrepared prepare(const RecurrentWeights* of, const RecurrentOptions& o, std::int64_t features,
                          std::int64_t state) {
  const std::int64_t rows = std::int64_t{detail::gates_of(o.cell)} * o.hidden;
  const auto by_side = [&](Tensor RecurrentWeights::*part, const char* what, const Shape& each) {
    std::vector<Tensor> sides;
    for (int d = 0; d < (o.bidirectional ? 2 : 1); ++d) {
      require_shape(what, of[d].*part, each);
      if ((of[d].*part).defined()) sides.push_back(compute_copy(of[d].*part));
    }
    return sides.empty() ? Tensor() : sides.size() == 1 ? sides[0].unsqueeze(0) : stack(sides);
  };
  RecurrentPrepared p{by_side(&RecurrentWeights::ih, "weight_ih", {rows, features}).flatten(0, 1),
                      by_side(&RecurrentWeights::bias_ih, "bias_ih", {rows}),
                      by_side(&RecurrentWeights::hh, "weight_hh", {rows, state}),
                      by_side(&RecurrentWeights::bias_hh, "bias_hh", {rows}),
                      by_side(&RecurrentWeights::hr, "weight_hr", {state, o.hidden})};
  if (o.cell != Cell::gru && p.bias_hh.defined()) p.bias = p.bias + std::exchange(p.bias_hh, {});
  if (p.bias.defined()) p.bias = p.bias.flatten();
  return p;
}
// The same without a tape on the CPU: with panels, and once for all calls until a weight changes.
const RecurrentPrepared& prepare_once(RecurrentPrepared& kept, const RecurrentWeights* of,
                                      const RecurrentOptions& o, const Tensor& x, std::int64_t state) {
  std::vector<std::uint64_t> made_of{static_cast<std::uint64_t>(x.dtype()), replays()};
  for (int d = 0; d < (o.bidirectional ? 2 : 1); ++d)
    for (const Tensor& t : {of[d].ih, of[d].hh, of[d].bias_ih, of[d].bias_hh, of[d].hr})
      if (t.defined()) made_of.insert(made_of.end(), {t.storage().id(), t.version()});
  if (kept.made_of == made_of) return kept;
  kept = prepare(of, o, x.size(1), state);
  kept.hh_panels = detail::pack_panels(kept.hh.transpose(1, 2));
  if (kept.hr.defined()) kept.hr_panels = detail::pack_panels(kept.hr.transpose(1, 2));
  kept.made_of = std::move(made_of);
  return kept;
}

}  // namespace

RecurrentFunction::Parts RecurrentFunction::parts(const Tensor& all) const {
  const std::int64_t ys = rows.rows * sides * state, hs = ys + sides * rows.n * state;
  return {all.slice(0, 0, ys).reshape({rows.rows, sides * state}),
          all.slice(0, ys, hs).reshape({sides, rows.n, state}),
          cell == Cell::lstm ? all.slice(0, hs, all.numel()).reshape({sides, rows.n, hidden}) : Tensor()};
}

RecurrentOutput recurrent(const Tensor& x_in, const Steps& steps, const RecurrentState& initial,
                          const std::vector<RecurrentWeights>& weights, const RecurrentOptions& o,
                          bool training, std::vector<RecurrentPrepared>* kept) {
  require<ShapeError>(x_in.dim() == 3, "recurrent: input ", x_in.shape(), " is not [N, T, features]");
  const Tensor x = for_compute(x_in);
  const std::int64_t n = x.size(0), t = x.size(1);
  const int sides = o.bidirectional ? 2 : 1;
  RecurrentFunction layer{.rows = rows_of(steps.mask(n, t, x.device()), x),
                          .cell = o.cell,
                          .forget_bias = o.forget_bias,
                          .hidden = o.hidden,
                          .state = o.projection > 0 ? o.projection : o.hidden,
                          .sides = sides};
  const SequenceRows& rows = layer.rows;
  require_shape("initial h", initial.h, {o.layers * sides, n, layer.state});
  require_shape("initial c", initial.c, {o.layers * sides, n, layer.hidden});
  const auto in_order = [](const Tensor& states, const Tensor& order) {
    return states.defined() && order.defined() ? index_select(states, 1, order) : states;
  };
  const Tensor h = in_order(for_compute(initial.h), rows.order),
               c = in_order(for_compute(initial.c), rows.order);
  Tensor y = x.reshape({n * t, x.size(2)});
  if (rows.index.defined()) {
    y = apply(RecurrentRows{rows.index, n * t, false}, y);
  } else if (rows.mask.defined()) {
    y = where(rows.mask.reshape({n * t, 1}), y, zeros({}, y.dtype(), y.device()));
  }
  std::vector<Tensor> last_h, last_c;
  for (int k = 0; k < o.layers; ++k) {
    const RecurrentWeights* const of = weights.data() + k * sides;
    const RecurrentPrepared w =
        kept && rows.packed && !grad_enabled()
            ? prepare_once((*kept)[static_cast<std::size_t>(k)], of, o, y, layer.state)
            : prepare(of, o, y.size(1), layer.state);
    layer.hh_panels = w.hh_panels, layer.hr_panels = w.hr_panels;
    const auto of_layer = [&](const Tensor& all) {
      return all.defined() ? all.slice(0, k * sides, (k + 1) * sides) : all;
    };
    const Tensor h0 = of_layer(h), c0 = of_layer(c);
    const Tensor* given[] = {&y, &w.ih, &w.bias, &w.hh, &w.bias_hh, &w.hr, &h0, &c0};
    layer.keeps = detail::wants_tape(given, 8);
    const auto parts =
        detail::cudnn_takes(layer, y, steps, initial)
            ? detail::cudnn_recurrent(layer, y, w, RecurrentState{h0, c0})
            : layer.parts(apply(layer, linear(y, w.ih, w.bias), w.hh, w.bias_hh, w.hr, h0, c0));
    y = parts.y;
    last_h.push_back(parts.h), last_c.push_back(parts.c);
    if (training && o.dropout > 0 && (o.drop_last || k + 1 < o.layers))
      y = dropout_of_steps(y, rows, o.dropout);
  }
  if (rows.index.defined()) y = apply(RecurrentRows{rows.index, n * t, true}, y);
  return {y.reshape({n, t, sides * layer.state}),
          {in_order(concat(last_h, 0), rows.back),
           o.cell == Cell::lstm ? in_order(concat(last_c, 0), rows.back) : Tensor()}};
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
  const auto made = [&](const std::string& name, bool there, const Shape& shape, std::int64_t fans) {
    if (!there) return Tensor();
    const double glorot = fans > 0 ? std::sqrt(6 / static_cast<double>(fans)) : 0;
    const double bound = o.glorot ? glorot : 1 / std::sqrt(o.hidden);
    Tensor t = empty(shape);
    uniform_(t, -bound, bound);
    return parameter(name, t);
  };
  for (int k = 0; k < o.layers; ++k) {
    for (const char* side : {"", "_reverse"}) {
      if (*side && !o.bidirectional) continue;
      const std::string of = cat("_l", k, side);
      const std::int64_t in = k == 0 ? in_ : out_features(), fans = in + state + rows;
      weights_.push_back(
          {made("weight_ih" + of, true, {rows, in}, fans), made("weight_hh" + of, true, {rows, state}, fans),
           made("bias_ih" + of, o.biases > 0, {rows}, 0), made("bias_hh" + of, o.biases > 1, {rows}, 0),
           made("weight_hr" + of, o.projection > 0, {state, o.hidden}, o.hidden + state)});
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
  std::int64_t each = 0;  // every number of a matrix is used at every step
  for (const Parameter& p : parameters()) each += p.tensor.dim() == 2 ? p.tensor.numel() : 0;
  return in[0].size(0) * in[0].size(1) * each;
}

RecurrentOutput Recurrent::operator()(const Tensor& x, const Steps& steps, const RecurrentState& initial) {
  return called(x, [&] {
    require<ShapeError>(x.dim() == 3 && x.size(2) == in_, kind(), ": input ", x.shape(), " is not [N, T, ",
                        in_, "]");
    return recurrent(x, steps, initial, weights_, options_, training(), &prepared_);
  });
}

}  // namespace gadolin
