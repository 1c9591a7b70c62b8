// Recurrent layers: LSTM (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000), GRU
// (Cho et al. 2014, in cuDNN's form) and the plain recurrent network (Elman 1990). One mechanism with other
// gates. Names and order of weights are those of torch.nn.LSTM, GRU and RNN, so their checkpoints load.
#pragma once

#include <vector>

#include "layers/module.h"

namespace gadolin {

// Which steps of a batch of sequences count. The others are padding: they are never read, neither their
// values nor their gradients, so they may hold NaN.
//
//   Steps()                          all of them
//   Steps(std::vector{5, 3})         the first 5 of sequence 0, the first 3 of sequence 1; 0 is allowed
//   Steps(lengths)                   the same as a tensor, int32 or int64 [N], on any device
//   Steps(mask)                      [N, T], of any type: those that are not 0; any pattern
//
// On CUDA nothing is read back to the host, so a step with lengths can be recorded. Lengths outside [0, T]
// throw ValueError where they are on the CPU; on CUDA they are taken to the nearer limit.
class Steps {
 public:
  Steps() = default;
  Steps(const std::vector<std::int64_t>& lengths);  // of each sequence
  // Int32 or int64 [N]: lengths; [N, T]: a mask.
  Steps(Tensor lengths_or_mask) : given_(std::move(lengths_or_mask)) {}
  bool all() const { return !given_.defined(); }                // whether none is padding
  bool lengths() const { return !all() && given_.dim() == 1; }  // whether padding lies behind sequences alone
  // Bool [n, t] on `device`; undefined for all. Throws ShapeError, DTypeError and ValueError.
  Tensor mask(std::int64_t n, std::int64_t t, Device device) const;

 private:
  Tensor given_;
};

// Gates and states; formulas at Recurrent.
enum class Cell : std::uint8_t { lstm, gru, tanh, relu };

// Sizes and conventions.
struct RecurrentOptions {
  Cell cell = Cell::lstm;      // which kind
  int hidden = 256;            // H
  int layers = 1;              // the output of one is the input of the next
  bool bidirectional = false;  // D is 2: a second set of weights reads backwards, outputs lie side by side
  int projection = 0;          // P of an LSTM's output and state h (Sak et al. 2014); 0: none, P is H
  // Bias vectors of a layer and direction: 2 as PyTorch and cuDNN (bias_ih, bias_hh), 1 as TensorFlow
  // (bias_ih; of a GRU the hidden part of n has none), 0 for none.
  int biases = 2;
  double forget_bias = 0;  // added to an LSTM's forget gate at every step, as TensorFlow does
  bool glorot = false;     // first weights as TensorFlow's; see Recurrent
  // Of the outputs of each layer but the last, with `drop_last` of the last too (TensorFlow's
  // output_keep_prob). In training only; states stay whole. Numbers are counter-based and those of a step do
  // not depend on padding.
  double dropout = 0;
  bool drop_last = false;  // dropout of the last layer's outputs too
};

namespace detail {
// The weights of a layer, all directions one behind the other, as its steps read them. Without a tape on the
// CPU they are kept until a weight changes.
struct RecurrentPrepared {
  Tensor ih, bias, hh, bias_hh, hr;
  Tensor hh_panels = {}, hr_panels = {};
  std::vector<std::uint64_t> made_of = {};  // the type and the weights' versions
};
}  // namespace detail

// Of a layer and direction; those that are not there are undefined.
struct RecurrentWeights {
  Tensor ih, hh, bias_ih, bias_hh, hr;  // shapes at Recurrent
};
// What is carried from step to step.
struct RecurrentState {
  Tensor h;  // [layers * D, N, P]; layer 0 forwards, layer 0 backwards, layer 1 forwards, ...
  Tensor c;  // [layers * D, N, H]; of an LSTM only
};
// What a pass gives.
struct RecurrentOutput {
  Tensor y;  // [N, T, D * P]; 0 at padding
  // After the last step that counts (backwards: the first); the initial one if none does.
  RecurrentState last;
  std::vector<Tensor> tensors() const;  // y, h and c as far as they are there
};

// y, last = rnn(x, steps, initial)
//   x        [N, T, F], fp32, fp64, or 16 bits; T of the result is T of x, whatever the longest sequence is
//   steps    which of them count. A step that does not keeps the state and gives output 0, wherever it lies:
//            behind a sequence, in front of it or within. A sequence of length 0 gives zeros.
//   initial  h and c, either may be undefined: zeros
// Formulas, at each step, with a = W_ih x + b_ih + W_hh h + b_hh:
//   lstm  i = s(a_i), f = s(a_f + forget_bias), g = tanh(a_g), o = s(a_o); c = f c + i g; h = W_hr (o tanh c)
//   gru   r = s(a_r), z = s(a_z), n = tanh(W_in x + b_in + r (W_hn h + b_hn)); h = (1 - z) n + z h
//   tanh, relu  h = tanh(a), h = relu(a)
// Weights, of layer k, backwards with "_reverse" behind: weight_ih_lk [G H, F or D P], weight_hh_lk [G H, P],
// bias_ih_lk and bias_hh_lk [G H], weight_hr_lk [P, H]; G is 4 (i, f, g, o), 3 (r, z, n) or 1. They start as
// PyTorch's, uniform in +-1 / sqrt(H), or with `glorot` as TensorFlow's, whose cells have one matrix for x
// and h: uniform in +-sqrt(6 / (F + P + G H)), weight_hr in +-sqrt(6 / (H + P)) (Glorot and Bengio 2010),
// biases 0.
//
// On the CPU padding takes no time: steps that count are computed side by side, so results, values and
// gradients, are the same bits for any amount and content of padding, and for any number of threads. On CUDA
// every step is computed; content of padding changes no bit there. cudnnRNN computes a layer where it can:
// not with a mask, nor backwards over padding from given initial states or in a plain cell, which kernels of
// ours do, as they do with Backend::reference. Sums are kept in fp32, or fp64. Throws ShapeError, DTypeError,
// DeviceError and ValueError.
class Recurrent : public Module {
 public:
  // Throws ValueError for options that do not go together.
  Recurrent(int in_features, const RecurrentOptions& options = {});
  // Runs all steps; shapes above.
  RecurrentOutput operator()(const Tensor& x, const Steps& steps = {}, const RecurrentState& initial = {});
  const char* kind() const override;  // "LSTM", "GRU" or "RNN"
  std::int64_t macs(std::span<const Tensor> in, std::span<const Tensor> out) const override;
  const RecurrentOptions& options() const { return options_; }  // as made
  int in_features() const { return in_; }                       // F
  int out_features() const;                                     // D * P

 private:
  int in_;
  RecurrentOptions options_;
  std::vector<RecurrentWeights> weights_;  // as the states
  std::vector<detail::RecurrentPrepared> prepared_{static_cast<std::size_t>(options_.layers)};
};

// The same as a function. weights: of each layer and direction, as the states. What the options say of sizes
// counts only as far as it says which weights there are; dropout when `training`.
RecurrentOutput recurrent(const Tensor& x, const Steps& steps, const RecurrentState& initial,
                          const std::vector<RecurrentWeights>& weights, const RecurrentOptions& options,
                          bool training = false, std::vector<detail::RecurrentPrepared>* prepared = nullptr);

}  // namespace gadolin
