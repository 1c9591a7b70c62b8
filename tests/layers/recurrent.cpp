// Recurrent layers against their formulas, and what padding may not do (group G of the complaints).
#include "layers/recurrent.h"

#include <cmath>
#include <functional>

#include "tensor/cpu/parallel.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/layers/random_numbers.h"
#include "tests/op_spec.h"
#include "tests/op_spec_compare.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;
using Lengths = std::vector<std::int64_t>;

// PyTorch's formulas for one layer and direction, number by number: in = x, ih, hh, bias_ih, bias_hh, h0, c0.
struct PlainLayer {
  RecurrentOptions o;
  std::function<bool(std::int64_t n, std::int64_t t)> counts = [](std::int64_t, std::int64_t) {
    return true;
  };
  Tensor operator()(const Inputs& in) const {
    const Tensor& x = in[0];
    const std::int64_t N = x.size(0), T = x.size(1), H = o.hidden;
    const auto s = [](double a) { return 1 / (1 + std::exp(-a)); };
    std::vector<double> y(static_cast<std::size_t>(N * T * H));
    for (std::int64_t n = 0; n < N; ++n) {
      std::vector<double> h, c;
      for (std::int64_t j = 0; j < H; ++j)
        h.push_back(at(in[5], {0, n, j})), c.push_back(in.size() > 6 ? at(in[6], {0, n, j}) : 0);
      for (std::int64_t t = 0; t < T; ++t) {
        if (!counts(n, t)) continue;
        const std::vector<double> before = h;
        const auto a = [&](std::int64_t gate, std::int64_t j, bool input, bool state) {
          const std::int64_t r = gate * H + j;
          double sum = (input ? at(in[3], {r}) : 0) + (state ? at(in[4], {r}) : 0);
          for (std::int64_t k = 0; input && k < x.size(2); ++k) sum += at(in[1], {r, k}) * at(x, {n, t, k});
          for (std::int64_t k = 0; state && k < H; ++k)
            sum += at(in[2], {r, k}) * before[static_cast<std::size_t>(k)];
          return sum;
        };
        for (std::int64_t j = 0; j < H; ++j) {
          double &hj = h[static_cast<std::size_t>(j)], &cj = c[static_cast<std::size_t>(j)];
          if (o.cell == Cell::lstm) {
            cj = s(a(1, j, true, true) + o.forget_bias) * cj +
                 s(a(0, j, true, true)) * std::tanh(a(2, j, true, true));
            hj = s(a(3, j, true, true)) * std::tanh(cj);
          } else if (o.cell == Cell::gru) {
            const double z = s(a(1, j, true, true));
            hj = (1 - z) * std::tanh(a(2, j, true, false) + s(a(0, j, true, true)) * a(2, j, false, true)) +
                 z * hj;
          } else {
            const double sum = a(0, j, true, true);
            hj = o.cell == Cell::tanh ? std::tanh(sum) : std::max(0.0, sum);
          }
          y[static_cast<std::size_t>((n * T + t) * H + j)] = hj;
        }
      }
    }
    return tensor(y, {N, T, H}, DType::fp64);
  }
};

OpCase recurrent_case(const std::string& what, const Shape& x, const RecurrentOptions& o,
                      const Lengths& lengths = {}) {
  const std::int64_t H = o.hidden, G = (o.cell == Cell::lstm ? 4 : o.cell == Cell::gru ? 3 : 1) * H;
  OpCase c{.what = what, .products = 64};
  c.inputs = {shaped(x).between(-1, 1),          shaped({G, x[2]}).between(-0.5, 0.5),
              shaped({G, H}).between(-0.5, 0.5), shaped({G}).between(-0.5, 0.5),
              shaped({G}).between(-0.5, 0.5),    shaped({1, x[0], H}).between(-1, 1)};
  if (o.cell == Cell::lstm) c.inputs.push_back(shaped({1, x[0], H}).between(-1, 1));
  c.f = [=](const Inputs& in) {
    return recurrent(in[0], lengths.empty() ? Steps() : Steps(lengths),
                     {in[5], in.size() > 6 ? in[6] : Tensor()}, {{in[1], in[2], in[3], in[4], {}}}, o)
        .y;
  };
  PlainLayer plain{o};
  if (!lengths.empty())
    plain.counts = [=](std::int64_t n, std::int64_t t) { return t < lengths[static_cast<std::size_t>(n)]; };
  c.reference = plain;
  c.empty = c.batch_one = c.integers = false;  // other inputs have the batch in dimension 1
  c.slack = 4;                                 // sums of earlier steps
  // The software device takes long for many launches; views are made dense in one place for all cells.
  c.transposed = c.offset = c.expanded = x.numel() == 60 && o.cell != Cell::tanh;
  return c;
}

const bool recurrent_added = add_spec({
    .name = "recurrent",
    .cases = {recurrent_case("lstm", {3, 4, 5}, {.hidden = 3}),
              recurrent_case("lstm, forget bias, lengths", {4, 3, 2}, {.hidden = 4, .forget_bias = 1},
                             {2, 3, 0, 1}),
              recurrent_case("lstm of 37 units", {2, 2, 3}, {.hidden = 37}),
              recurrent_case("gru, lengths", {3, 4, 5}, {.cell = Cell::gru, .hidden = 3}, {4, 1, 3}),
              recurrent_case("tanh, lengths", {2, 5, 3}, {.cell = Cell::tanh, .hidden = 6}, {3, 5}),
              recurrent_case("35 sequences", {35, 2, 2}, {.cell = Cell::gru, .hidden = 2})},
    .errors = {{.inputs = {shaped({3, 4})},
                .message = "recurrent: input [3, 4] is not [N, T, features]",
                .f = [](const Inputs& in) { return recurrent(in[0], {}, {}, {{}}, {.hidden = 2}).y; }}},
});

class Padding : public testing::TestWithParam<Cell> {
 protected:
  static RecurrentOptions options() {
    return {.cell = GetParam(),
            .hidden = 20,
            .layers = 2,
            .bidirectional = true,
            .dropout = 0.5,
            .drop_last = true};
  }
  struct Result {
    std::vector<Tensor> all;  // y at steps that count, states, gradients
  };
  // `steps` of x count, picked by `rows` of [N * T].
  static std::vector<Tensor> learn(Recurrent& net, const Tensor& values, const Steps& steps,
                                   const Tensor& rows) {
    manual_seed(7);
    const Tensor x = values.clone().requires_grad_();
    const RecurrentOutput out = net(x, steps);
    EXPECT_EQ(out.y.shape(), Shape({x.size(0), x.size(1), 40}));
    const Tensor y = index_select(out.y.reshape({-1, 40}), 0, rows);
    Tensor total = sum(y * numbers(y.shape(), 3, DType::fp32));
    std::vector<Tensor> all{y.detach()};
    for (std::size_t i = 1; i < out.tensors().size(); ++i) {
      total = total + sum(out.tensors()[i] * numbers(out.tensors()[i].shape(), 4 + i, DType::fp32));
      all.push_back(out.tensors()[i].detach());
    }
    total.backward();
    all.push_back(index_select(x.grad().reshape({-1, x.size(2)}), 0, rows));
    const auto beside = [&](const Tensor& t) {  // the largest number at padding
      Tensor rest = t.detach().reshape({-1, t.size(2)}).clone();
      for (const std::int64_t row : rows.to_vector<std::int64_t>()) rest.select(0, row).zero_();
      return max(abs(rest)).item();
    };
    EXPECT_EQ(beside(x.grad()), 0);
    EXPECT_EQ(beside(out.y), 0);
    for (const Parameter& p : net.parameters()) {
      all.push_back(p.tensor.grad());
      p.tensor.zero_grad();
    }
    return all;
  }
  static void expect_same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(bit_difference(a[i], b[i], cat("tensor ", i)), "");
  }
};

// Steps of sequences of 3, 0 and 5 steps, from places `first` on of T steps; padding holds NaN.
struct Padded {
  Tensor x, mask, rows;
  Padded(std::int64_t t, const std::vector<Lengths>& places) {
    x = full({3, t, 6}, NAN);
    mask = zeros({3, t}, DType::boolean);
    Lengths at;
    std::int64_t step = 0;
    for (std::int64_t n = 0; n < 3; ++n)
      for (const std::int64_t place : places[static_cast<std::size_t>(n)]) {
        x.select(0, n).select(0, place).copy_(
            numbers({6}, 50 + static_cast<std::uint64_t>(step++), DType::fp32));
        mask.select(0, n).select(0, place).fill_(1);
        at.push_back(n * t + place);
      }
    rows = from_vector(at, {static_cast<std::int64_t>(at.size())});
  }
};

TEST_P(Padding, ChangesNoBit) {
  manual_seed(3);
  Recurrent net(6, options());
  const Padded tight(5, {{0, 1, 2}, {}, {0, 1, 2, 3, 4}}), wide(9, {{0, 1, 2}, {}, {0, 1, 2, 3, 4}}),
      front(7, {{4, 5, 6}, {}, {2, 3, 4, 5, 6}}), holes(9, {{0, 2, 7}, {}, {1, 2, 4, 6, 8}});
  const auto want = learn(net, tight.x, Lengths{3, 0, 5}, tight.rows);
  for (const Tensor& t : want) EXPECT_TRUE(all_finite(t));
  expect_same(learn(net, wide.x, Lengths{3, 0, 5}, wide.rows), want);
  expect_same(learn(net, wide.x, tensor({3, 0, 5}, {3}, DType::int32), wide.rows), want);
  expect_same(learn(net, front.x, front.mask, front.rows), want);
  expect_same(learn(net, holes.x, holes.mask.to(DType::fp32), holes.rows), want);
  set_num_threads(1);
  expect_same(learn(net, holes.x, holes.mask, holes.rows), want);
  set_num_threads(0);
  set_backend(Backend::reference);
  net.eval();
  const auto plain = learn(net, front.x, front.mask, front.rows);
  set_backend(Backend::best);
  const auto fast = learn(net, holes.x, holes.mask, holes.rows);
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_LT(worst(fast[i], plain[i]), 1e-5) << i;
}

TEST_P(Padding, ASequenceOfLengthZeroGivesZerosAndItsInitialState) {
  Recurrent net(6, options());
  net.eval();
  const Tensor h = numbers({4, 3, 20}, 1, DType::fp32);
  for (const Backend each : {Backend::best, Backend::reference}) {
    set_backend(each);
    const RecurrentOutput out = net(randn({3, 4, 6}), Lengths{4, 0, 2}, {h, {}});
    EXPECT_EQ(sum(abs(out.y.select(0, 1))).item(), 0);
    EXPECT_EQ(bit_difference(out.last.h.select(1, 1).contiguous(), h.select(1, 1).contiguous(), "h"), "");
    EXPECT_EQ(net(randn({2, 0, 6})).y.shape(), Shape({2, 0, 40}));
    EXPECT_EQ(net(randn({0, 3, 6})).last.h.shape(), Shape({4, 0, 20}));
    EXPECT_EQ(sum(abs(net(randn({2, 3, 6}), Lengths{0, 0}).y)).item(), 0);
  }
  set_backend(Backend::best);
}

TEST_P(Padding, DropoutRepeatsAndIsOffInEvaluation) {
  Recurrent net(6, options());
  const Tensor x = randn({4, 5, 6});
  const auto run = [&](std::uint64_t seed) {
    manual_seed(seed);
    return net(x).y.detach();
  };
  EXPECT_EQ(bit_difference(run(1), run(1), "y"), "");
  EXPECT_NE(bit_difference(run(1), run(2), "y"), "");
  const std::vector<double> dropped = run(1).to_vector<double>();  // a relu has zeros of its own
  const auto zero = static_cast<double>(std::count(dropped.begin(), dropped.end(), 0.0));
  if (GetParam() != Cell::relu) {
    EXPECT_NEAR(zero / static_cast<double>(dropped.size()), 0.5, 0.08);
  }
  net.eval();
  EXPECT_EQ(bit_difference(run(1), run(2), "y"), "");
}

const char* cell_name(const testing::TestParamInfo<Cell>& of) {
  static const char* const names[] = {"lstm", "gru", "tanh", "relu"};
  return names[static_cast<int>(of.param)];
}
INSTANTIATE_TEST_SUITE_P(Cells, Padding, testing::Values(Cell::lstm, Cell::gru, Cell::tanh, Cell::relu),
                         cell_name);

TEST(Recurrent, NamesAreTorchs) {
  Recurrent net(5, {.hidden = 4, .layers = 2, .bidirectional = true, .projection = 3});
  std::string names;
  for (const Parameter& p : net.parameters()) names += p.name + " ";
  EXPECT_EQ(names,
            "weight_ih_l0 weight_hh_l0 bias_ih_l0 bias_hh_l0 weight_hr_l0 weight_ih_l0_reverse "
            "weight_hh_l0_reverse "
            "bias_ih_l0_reverse bias_hh_l0_reverse weight_hr_l0_reverse weight_ih_l1 weight_hh_l1 bias_ih_l1 "
            "bias_hh_l1 "
            "weight_hr_l1 weight_ih_l1_reverse weight_hh_l1_reverse bias_ih_l1_reverse bias_hh_l1_reverse "
            "weight_hr_l1_reverse ");
  EXPECT_EQ(std::string(net.kind()), "LSTM");
  EXPECT_EQ(std::string(Recurrent(2, {.cell = Cell::gru}).kind()), "GRU");
  EXPECT_EQ(std::string(Recurrent(2, {.cell = Cell::relu}).kind()), "RNN");
  EXPECT_EQ(Recurrent(5, {.hidden = 4, .biases = 1}).parameters().size(), 3u);
}

TEST(Recurrent, WeightsAreUsedWhereTheyLie) {  // G2: nothing of their size is made anew by the tape's ops
  Recurrent net(4, {.hidden = 3, .layers = 2, .bidirectional = true});
  const Tensor x = randn({2, 3, 4});
  std::vector<const void*> places;
  for (const Parameter& p : net.parameters()) places.push_back(p.tensor.raw());
  State state;
  for (const Parameter& p : net.state()) state[p.name] = p.tensor.detach() * 0.5;
  for (int step = 0; step < 10; ++step) {
    if (step == 5) net.load_state(state);
    sum(net(x).y).backward();
    const NoGrad off;
    std::size_t i = 0;
    for (const Parameter& p : net.parameters()) {
      Tensor t = p.tensor;
      t.add_(p.tensor.grad(), -0.1);
      p.tensor.zero_grad();
      EXPECT_EQ(t.raw(), places[i++]) << p.name;
      EXPECT_TRUE(t.is_contiguous());
    }
  }
}

TEST(Recurrent, SixteenBitsComputeFromFp32Weights) {
  Recurrent net(24, {.hidden = 40, .layers = 2, .bidirectional = true});
  const Tensor x = numbers({5, 7, 24}, 1, DType::fp32), exact = net(x, Lengths{7, 3, 0, 5, 1}).y;
  const ComputeScope scope(DType::bf16);
  const Tensor y = net(x, Lengths{7, 3, 0, 5, 1}).y;
  EXPECT_EQ(y.dtype(), DType::bf16);
  EXPECT_LT(worst(y.to(DType::fp32), exact), 0.02);
  sum(y).backward();
  EXPECT_EQ(net.parameters()[0].tensor.grad().dtype(), DType::fp32);
}

TEST(Recurrent, Refusals) {
  Recurrent net(4, {.hidden = 3});
  const Tensor x = randn({2, 5, 4});
  const auto says = [&](const Steps& steps) { return message_of<Error>([&] { steps.mask(2, 5, cpu); }); };
  EXPECT_EQ(says(Lengths{5, 7}), "Steps: length 7 of sequence 1 is not within the input's 5 steps");
  EXPECT_EQ(says(Lengths{-1, 2}), "Steps: length -1 of sequence 0 is not within the input's 5 steps");
  EXPECT_EQ(says(Lengths{5, 2, 1}),
            "Steps: [3] is neither [2], a length for each sequence, nor [2, 5], a mask");
  EXPECT_EQ(says(ones({2, 4})),
            "Steps: [2, 4] is neither [2], a length for each sequence, nor [2, 5], a mask");
  EXPECT_EQ(says(ones({2})), "Steps: lengths are fp32; they must be int32 or int64");
  EXPECT_EQ(message_of<Error>([&] { net(randn({2, 5, 3})); }), "LSTM: input [2, 5, 3] is not [N, T, 4]");
  EXPECT_EQ(message_of<Error>([&] {
              net(x, {}, {randn({1, 2, 4}), {}});
            }),
            "recurrent: initial h [1, 2, 4] is not [1, 2, 3]");
  EXPECT_EQ(message_of<Error>([&] {
              net(x, {}, {{}, randn({2, 2, 3})});
            }),
            "recurrent: initial c [2, 2, 3] is not [1, 2, 3]");
  const auto weights = [&](const Tensor& ih, const Tensor& hh) {
    return message_of<Error>([&] { recurrent(x, {}, {}, {{ih, hh, {}, {}, {}}}, {.hidden = 3}); });
  };
  EXPECT_EQ(weights(randn({12, 4}), randn({12, 4})), "recurrent: weight_hh [12, 4] is not [12, 3]");
  EXPECT_EQ(weights(randn({12, 5}), randn({12, 3})), "recurrent: weight_ih [12, 5] is not [12, 4]");
  const auto made = [](int in, const RecurrentOptions& o) {
    return message_of<ValueError>([&] { Recurrent(in, o); });
  };
  EXPECT_EQ(made(0, {.hidden = 3}), "LSTM: 0 features, hidden 3 and 1 layers must be positive");
  EXPECT_EQ(made(2, {.hidden = 3, .projection = 3}),
            "LSTM: projection 3 must be 0, or in an LSTM below its hidden 3");
  EXPECT_EQ(made(2, {.cell = Cell::gru, .hidden = 3, .projection = 2}),
            "GRU: projection 2 must be 0, or in an LSTM below its hidden 3");
  EXPECT_EQ(made(2, {.biases = 3}), "LSTM: biases 3 must be 0, 1 or 2");
  EXPECT_EQ(made(2, {.cell = Cell::tanh, .forget_bias = 1}), "RNN: forget_bias 1 needs an LSTM");
  EXPECT_EQ(made(2, {.dropout = 1}), "LSTM: dropout 1 is outside [0, 1)");
}

}  // namespace
}  // namespace gadolin
