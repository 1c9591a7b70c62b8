#ifdef GADOLIN_CUDA
#include "layers/cudnn_recurrent.h"

#include <array>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "layers/cudnn_graph.h"
#include "layers/recurrent_cells.h"
#include "tensor/capture_state.h"
#include "tensor/cuda/library.h"
#include "tensor/cuda/status.h"
#include "tensor/cuda/stream.h"
#include "tensor/ops.h"

namespace gadolin::detail {
namespace {

constexpr auto rnn = "recurrent";

// A descriptor of the kind that cuDNN's graphs have replaced elsewhere.
template <class T, auto create, auto destroy> struct CudnnOwned {
  T raw = nullptr;
  CudnnOwned() { check((cudnn().*create)(&raw), rnn); }
  ~CudnnOwned() { (cudnn().*destroy)(raw); }
  CudnnOwned(const CudnnOwned&) = delete;
  CudnnOwned& operator=(const CudnnOwned&) = delete;
};
using RnnDescriptor = CudnnOwned<cudnnRNNDescriptor_t, &CudnnLibrary::cudnnCreateRNNDescriptor,
                                 &CudnnLibrary::cudnnDestroyRNNDescriptor>;
using RnnDataDescriptor = CudnnOwned<cudnnRNNDataDescriptor_t, &CudnnLibrary::cudnnCreateRNNDataDescriptor,
                                     &CudnnLibrary::cudnnDestroyRNNDataDescriptor>;
using RnnTensorDescriptor = CudnnOwned<cudnnTensorDescriptor_t, &CudnnLibrary::cudnnCreateTensorDescriptor,
                                       &CudnnLibrary::cudnnDestroyTensorDescriptor>;
using NoDropout = CudnnOwned<cudnnDropoutDescriptor_t, &CudnnLibrary::cudnnCreateDropoutDescriptor,
                             &CudnnLibrary::cudnnDestroyDropoutDescriptor>;

// What a plan is made for.
struct RnnProblem {
  int device;
  DType dtype;
  Cell cell;
  bool tf32, training;
  std::int64_t n, t, features, hidden, state, sides;
  auto operator<=>(const RnnProblem&) const = default;
  Device where() const { return {Device::Kind::cuda, device}; }
};
// Tensors of a pass; undefined: zeros going in, not wanted coming out.
struct RnnTensors {
  Tensor x = {}, y = {}, h0 = {}, h = {}, c0 = {}, c = {}, weights = {}, reserve = {};
  Tensor dx = {}, dy = {}, dh0 = {}, dh = {}, dc0 = {}, dc = {}, dweights = {};
};

// One layer of cudnnRNN by one algorithm, time first: x [T, N, F], y [T, N, D P]. Throws CudaError for what
// cuDNN does not take.
class RnnPlan {
 public:
  RnnPlan(const RnnProblem& of, cudnnRNNAlgo_t algorithm) : p(of) {
    const cudnnDataType_t type = cudnn_data_type(p.dtype);
    const bool narrow = size_of(p.dtype) == 2;
    const cudnnMathType_t exact = p.tf32 ? CUDNN_DEFAULT_MATH : CUDNN_FMA_MATH;
    const auto i = [](std::int64_t number) { return static_cast<int>(number); };
    constexpr cudnnRNNMode_t cells[] = {CUDNN_LSTM, CUDNN_GRU, CUDNN_RNN_TANH, CUDNN_RNN_RELU};
    const cudnnHandle_t handle = cudnn_handle(p.where());
    check(cudnn().cudnnSetDropoutDescriptor(none_.raw, handle, 0, nullptr, 0, 0), rnn);
    check(cudnn().cudnnSetRNNDescriptor_v8(
              rnn_.raw, algorithm, cells[static_cast<int>(p.cell)], CUDNN_RNN_DOUBLE_BIAS,
              p.sides == 2 ? CUDNN_BIDIRECTIONAL : CUDNN_UNIDIRECTIONAL, CUDNN_LINEAR_INPUT, type,
              narrow ? CUDNN_DATA_FLOAT : type, narrow ? CUDNN_TENSOR_OP_MATH : exact, i(p.features),
              i(p.hidden), i(p.state), 1, none_.raw, CUDNN_RNN_PADDED_IO_ENABLED),
          rnn);
    const std::vector<int> lengths(static_cast<std::size_t>(p.n), i(p.t));
    const auto sequences = [&](const RnnDataDescriptor& d, std::int64_t columns) {
      check(cudnn().cudnnSetRNNDataDescriptor(d.raw, type, CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_UNPACKED, i(p.t),
                                              i(p.n), i(columns), lengths.data(), nullptr),
            rnn);
    };
    const auto states = [&](const RnnTensorDescriptor& d, std::int64_t columns) {
      const int sizes[] = {i(p.sides), i(p.n), i(columns)}, steps[] = {sizes[1] * sizes[2], sizes[2], 1};
      check(cudnn().cudnnSetTensorNdDescriptor(d.raw, type, 3, sizes, steps), rnn);
    };
    sequences(x_, p.features), sequences(y_, p.sides * p.state), states(h_, p.state), states(c_, p.hidden);
    check(cudnn().cudnnGetRNNTempSpaceSizes(handle, rnn_.raw, mode(), x_.raw, &work_,
                                            p.training ? &reserve_ : nullptr),
          rnn);
    check(cudnn().cudnnGetRNNWeightSpaceSize(handle, rnn_.raw, &weight_bytes_), rnn);
    weights = static_cast<std::int64_t>(weight_bytes_) / size_of(p.dtype);
    const Tensor base = scratch({weights});
    const auto place = [&](int side, int id, bool bias) {
      void* at = nullptr;
      const auto when = [&](bool wanted) { return wanted ? part_.raw : nullptr; };
      check(
          cudnn().cudnnGetRNNWeightParams(handle, rnn_.raw, side, weight_bytes_, base.raw(), id, when(!bias),
                                          bias ? nullptr : &at, when(bias), bias ? &at : nullptr),
          rnn);
      return (static_cast<char*>(at) - static_cast<char*>(base.raw())) / size_of(p.dtype);
    };
    const int gates = gates_of(p.cell);
    for (int d = 0; d < p.sides; ++d)
      places.push_back({place(d, 0, false), place(d, gates, false), place(d, 0, true), place(d, gates, true),
                        p.state < p.hidden ? place(d, 2 * gates, false) : 0});
  }
  RnnProblem p;
  // Of cuDNN's weights: how many numbers, and where ih, hh, bias_ih, bias_hh and hr of a direction begin.
  std::int64_t weights;
  std::vector<std::array<std::int64_t, 5>> places;

  Tensor scratch(const Shape& shape) const { return empty(shape, p.dtype, p.where()); }
  Tensor reserve() const { return empty({static_cast<std::int64_t>(reserve_)}, DType::uint8, p.where()); }
  void forward(const RnnTensors& t) const {
    check(cudnn().cudnnRNNForward(handle(), rnn_.raw, mode(), nullptr, x_.raw, at(t.x), y_.raw, at(t.y),
                                  h_.raw, at(t.h0), at(t.h), c_.raw, at(t.c0), at(t.c), weight_bytes_,
                                  at(t.weights), work_, workspace(), reserve_, at(t.reserve)),
          rnn);
  }
  void backward(const RnnTensors& t) const {  // adds to dweights
    constexpr auto op = "recurrent backward";
    check(cudnn().cudnnRNNBackwardData_v8(handle(), rnn_.raw, nullptr, y_.raw, at(t.y), at(t.dy), x_.raw,
                                          at(t.dx), h_.raw, at(t.h0), at(t.dh), at(t.dh0), c_.raw, at(t.c0),
                                          at(t.dc), at(t.dc0), weight_bytes_, at(t.weights), work_,
                                          workspace(), reserve_, at(t.reserve)),
          op);
    check(cudnn().cudnnRNNBackwardWeights_v8(handle(), rnn_.raw, CUDNN_WGRAD_MODE_ADD, nullptr, x_.raw,
                                             at(t.x), h_.raw, at(t.h0), y_.raw, at(t.y), weight_bytes_,
                                             at(t.dweights), work_, workspace(), reserve_, at(t.reserve)),
          op);
  }
  void try_passes() const {
    RnnTensors t{.x = scratch({p.t, p.n, p.features}).zero_(),
                 .y = scratch({p.t, p.n, p.sides * p.state}),
                 .weights = scratch({weights}).zero_(),
                 .reserve = reserve()};
    forward(t);
    t.dx = scratch(t.x.shape()), t.dy = t.y.clone(), t.dweights = t.weights.clone();
    if (p.training) backward(t);
  }

 private:
  cudnnForwardMode_t mode() const { return p.training ? CUDNN_FWD_MODE_TRAINING : CUDNN_FWD_MODE_INFERENCE; }
  static void* at(const Tensor& t) { return t.defined() && t.numel() > 0 ? t.raw() : nullptr; }
  cudnnHandle_t handle() const { return cudnn_handle(p.where()); }  // of the stream of now
  void* workspace() const { return stream_workspace(p.where(), current_stream(p.where()), work_); }

  NoDropout none_;
  RnnDescriptor rnn_;
  RnnDataDescriptor x_, y_;
  RnnTensorDescriptor h_, c_, part_;
  std::size_t work_ = 0, reserve_ = 0, weight_bytes_ = 0;
};

// By the first algorithm that takes the problem; nullptr: none does. Persistent ones keep W_hh on the chip.
// During a recording nothing is tried.
std::shared_ptr<const RnnPlan> rnn_plan(const RnnProblem& p) {
  thread_local std::map<RnnProblem, std::shared_ptr<const RnnPlan>> plans;
  const auto [found, first] = plans.try_emplace(p);
  if (!first) return found->second;
  std::vector<cudnnRNNAlgo_t> algorithms{CUDNN_RNN_ALGO_STANDARD};
  const bool persists = p.state == p.hidden && !capturing();
  if (persists && size_of(p.dtype) == 2) algorithms.insert(algorithms.begin(), CUDNN_RNN_ALGO_PERSIST_STATIC);
  if (persists && p.dtype != DType::fp64 && p.hidden <= (gates_of(p.cell) > 1 ? 128 : 256))
    algorithms.insert(algorithms.begin(), CUDNN_RNN_ALGO_PERSIST_STATIC_SMALL_H);
  for (const cudnnRNNAlgo_t algorithm : algorithms) {
    try {
      const auto plan = std::make_shared<RnnPlan>(p, algorithm);
      if (!capturing()) plan->try_passes();
      return found->second = plan;
    } catch (const CudaError&) {
    }
  }
  return {};
}

// x [T, N, F], cuDNN's weights, h0, c0, which may be undefined -> y, h and c.
struct CudnnRecurrent {
  static constexpr auto name = rnn;
  std::shared_ptr<const RnnPlan> plan;
  Saved x = {}, weights = {}, h0 = {}, c0 = {}, out = {};
  mutable Tensor reserve = {};

  // Views of what forward gives, or of its gradient: one behind the other, from multiples of 16 bytes on.
  RecurrentFunction::Parts parts(const Tensor& all, std::int64_t* count = nullptr) const {
    const RnnProblem& p = plan->p;
    std::int64_t begin = 0;
    const auto next = [&](const Shape& shape) {
      const std::int64_t from = std::exchange(begin, begin + (shape.numel() + 7) / 8 * 8);
      return all.defined() ? all.slice(0, from, from + shape.numel()).reshape(shape) : Tensor();
    };
    RecurrentFunction::Parts found{next({p.t, p.n, p.sides * p.state}), next({p.sides, p.n, p.state}), {}};
    if (p.cell == Cell::lstm) found.c = next({p.sides, p.n, p.hidden});
    if (count) *count = begin;
    return found;
  }
  Tensor allocate(const Tensor&, const auto&...) const {
    std::int64_t count = 0;
    parts({}, &count);
    return plan->scratch({count}).zero_();
  }
  void save(const Tensor& in, const Tensor& w, const Tensor& h, const Tensor& c, const Tensor& all) {
    x = in, weights = w, h0 = h, c0 = c, out = all;
  }
  void forward(Cuda, const Tensor& in, const Tensor& w, const Tensor& h, const Tensor& c, Tensor& all) const {
    if (plan->p.training) reserve = plan->reserve();
    const auto [y, last_h, last_c] = parts(all);
    plan->forward(
        {.x = in, .y = y, .h0 = h, .h = last_h, .c0 = c, .c = last_c, .weights = w, .reserve = reserve});
  }
  Grads backward(Cuda, const Tensor& dout, Need need) const {
    const NoGrad off;
    const auto [dy, dh, dc] = parts(dout.contiguous());
    const auto like = [&](const Tensor& t, bool needed) {
      return needed ? plan->scratch(t.shape()) : Tensor();
    };
    // The reserve is written to, and a tape may be walked again.
    RnnTensors t{x, parts(out).y, h0, {}, c0, {}, weights, reserve.clone()};
    t.dx = like(x, true), t.dh0 = like(h0, need[2]), t.dc0 = like(c0, need[3]);
    t.dy = dy, t.dh = dh, t.dc = dc, t.dweights = like(weights, true).zero_();
    plan->backward(t);
    return {t.dx, t.dweights, t.dh0, t.dc0};
  }
};

// Numbers of the rows of W_ih: of the input gate, the forget or update gate, and 0 of others.
Tensor of_gates(const RecurrentFunction& f, const Tensor& ih, double input, double forget) {
  const auto gate = [&](double v) { return full({f.hidden}, v, ih.dtype(), ih.device()); };
  const Tensor one = f.cell == Cell::lstm ? concat({gate(input), gate(forget), gate(0), gate(0)}, 0)
                                          : concat({gate(0), gate(forget), gate(0)}, 0);
  return one.expand({f.sides, one.numel()}).flatten();
}

// Columns beside the input by which a state stays. exp(-2048) is 0 in every type, and a sum of activations
// does not come near it.
constexpr std::int64_t keeping_columns = 8;
constexpr double keeping_weight = 2048.0 / keeping_columns;
bool keeps_states(const RecurrentFunction& f) { return f.rows.mask.defined() && gates_of(f.cell) > 1; }

RnnProblem rnn_problem(const RecurrentFunction& f, const Tensor& x) {
  return {x.device().index, x.dtype(), f.cell,   x.dtype() == DType::fp32 && tf32_allowed(),
          f.keeps,          f.rows.n,  f.rows.t, x.size(1) + (keeps_states(f) ? keeping_columns : 0),
          f.hidden,         f.state,   f.sides};
}

// The parts in cuDNN's order, with zeros where it has others.
Tensor packed_weights(const RnnPlan& plan, const RecurrentFunction& f, const RecurrentPrepared& w) {
  Tensor bias = w.bias, ih = w.ih;
  if (f.forget_bias != 0) {
    const Tensor more = of_gates(f, ih, 0, f.forget_bias);
    bias = bias.defined() ? bias + more : more;
  }
  if (keeps_states(f)) {
    const Tensor columns = of_gates(f, ih, -keeping_weight, keeping_weight).unsqueeze(1);
    ih = concat({ih, columns.expand({ih.size(0), keeping_columns})}, 1);
  }
  const Tensor* const given[] = {&ih, &w.hh, &bias, &w.bias_hh, &w.hr};
  std::map<std::int64_t, Tensor> by_place;
  for (std::int64_t d = 0; d < f.sides; ++d)
    for (std::size_t i = 0; i < 5; ++i)
      if (given[i]->defined())
        by_place[plan.places[static_cast<std::size_t>(d)][i]] = given[i]->reshape({f.sides, -1}).select(0, d);
  std::vector<Tensor> row;
  std::int64_t end = 0;
  const auto fill = [&](std::int64_t until) {
    if (until > end) row.push_back(zeros({until - end}, ih.dtype(), ih.device()));
  };
  for (const auto& [begin, part] : by_place) {
    fill(begin);
    row.push_back(part);
    end = begin + part.numel();
  }
  fill(plan.weights);
  return concat(row, 0);
}

}  // namespace

bool cudnn_takes(const RecurrentFunction& f, const Tensor& x, const Steps& steps,
                 const RecurrentState& initial) {
  if (!x.device().is_cuda() || backend() != Backend::best || x.numel() == 0) return false;
  const bool from_zeros = gates_of(f.cell) > 1 && !initial.h.defined() && !initial.c.defined();
  if (!steps.all() && (!steps.lengths() || (f.sides == 2 && !from_zeros))) return false;
  return rnn_plan(rnn_problem(f, x)) != nullptr;
}

RecurrentFunction::Parts cudnn_recurrent(const RecurrentFunction& f, const Tensor& x,
                                         const RecurrentPrepared& w, const RecurrentState& initial) {
  const std::int64_t n = f.rows.n, t = f.rows.t;
  const CudnnRecurrent function{rnn_plan(rnn_problem(f, x))};
  const Tensor mask = f.rows.mask;
  Tensor in = x;
  if (keeps_states(f))
    in = concat({x, (1 - mask.to(x.dtype())).reshape({n * t, 1}).expand({n * t, keeping_columns})}, 1);
  in = in.reshape({n, t, in.size(1)}).transpose(0, 1).contiguous();
  const auto dense = [](const Tensor& s) { return s.defined() ? s.contiguous() : s; };
  const Tensor h0 = dense(initial.h);
  RecurrentFunction::Parts found =
      function.parts(apply(function, in, packed_weights(*function.plan, f, w), h0, dense(initial.c)));
  found.y = found.y.transpose(0, 1).reshape({n * t, f.sides * f.state});
  if (!mask.defined()) return found;
  // After its last step a sequence's c stays and its h does not: h is the output there, or what it was.
  const Tensor zero = zeros({}, x.dtype(), x.device());
  found.y = where(mask.reshape({n * t, 1}), found.y, zero);
  const Tensor count = sum(mask.to(DType::int64), {1}),
               first = arange(n * t, DType::int64, x.device()).reshape({n, t}).select(1, 0);
  const Tensor last = index_select(found.y.slice(1, 0, f.state), 0, maximum(first + count - 1, first));
  const Tensor forwards = where(count.reshape({n, 1}) > 0, last, h0.defined() ? h0[0] : zero);
  found.h = f.sides == 1 ? forwards.unsqueeze(0) : stack({forwards, found.h[1]});
  return found;
}

}  // namespace gadolin::detail
#endif
