// One OpSpec an op: what it computes, inputs to try, errors it must raise. The harness derives the tests.
//
//   static const bool added = add_spec({
//       .name = "silu",
//       .f = [](const Inputs& in) { return silu(in[0]); },
//       .reference = [](double x) { return x / (1 + std::exp(-x)); },
//       .cases = {{.inputs = {shaped({2, 3, 5, 7})}},
//                 {.what = "far from 0", .inputs = {values({-800, -20, 0, 20, 800})}}},
//       .errors = {{.inputs = {shaped({3}, DType::int64)},
//                   .message = "silu: int64 is not supported; convert with .to(DType::fp32)"}},
//   });
//
// Every check is a GoogleTest test of its own (silu.Values, silu.Gradients, ...), so `ctest -R silu` runs
// what concerns silu. Limits are those of tests/op_spec_compare.h. Write cases so that gradients are near 1
// and no element sits on a kink: shaped(...).between(lo, hi), .away_from(kink), .distinct(). An op with
// options has several cases with their own f and reference. An op that returns several tensors has a spec a
// result.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tensor/autograd.h"
#include "tensor/tensor.h"

namespace gadolin {

using Inputs = std::vector<Tensor>;
using Call = std::function<Tensor(const Inputs&)>;

// Recipe for an input. Without a dtype it takes the one under test, otherwise it keeps its own.
struct Input {
  enum class Kind : std::uint8_t { undefined, uniform, distinct, given, index, mask } kind = Kind::undefined;
  Shape shape = {};
  std::optional<DType> dtype = {};
  double low = -1.5, high = 1.5;
  std::vector<double> numbers = {};
  std::vector<double> kinks = {};
  double gap = 0.05;
  bool wants_gradient = true;

  Input between(double lo, double hi) const;  // uniform in [lo, hi)
  Input away_from(double kink, double distance = 0.05) const;
  Input distinct() const;  // no two elements closer than (high - low) / numel: for max, sort
  Input fixed() const;     // not differentiated
};
Input shaped(const Shape& shape, std::optional<DType> dtype = {});                  // uniform in [-1.5, 1.5)
Input values(const std::vector<double>& numbers, std::optional<DType> dtype = {});  // 1-d
Input values(const std::vector<double>& numbers, const Shape& shape, std::optional<DType> dtype = {});
Input indices(const Shape& shape, std::int64_t below);  // int64 in [0, below)
Input mask(const Shape& shape);                         // bool, about half of it true
inline Input undefined() { return {}; }                 // an optional input left out

// The fp64 reference: a function of one or two numbers, or of fp64 row-major tensors (integers and bools
// converted too) that gives an fp64 tensor, written with plain loops (tabulate and at help) and never with
// the op under test.
class Reference {
 public:
  Reference() = default;
  template <class F>
  requires(!std::is_same_v<std::decay_t<F>, Reference>) Reference(F f) {
    if constexpr (std::is_invocable_r_v<double, F, double>) {
      one_ = std::move(f);
    } else if constexpr (std::is_invocable_r_v<double, F, double, double>) {
      two_ = std::move(f);
    } else {
      many_ = std::move(f);
    }
  }
  explicit operator bool() const { return one_ || two_ || many_; }
  Tensor operator()(const Inputs& in) const;

 private:
  std::function<double(double)> one_;
  std::function<double(double, double)> two_;  // with broadcasting
  Call many_;
};
using Index = std::vector<std::int64_t>;
double at(const Tensor& t, const Index& index);  // of an fp64 tensor on the CPU
Tensor tabulate(const Shape& shape, const std::function<double(const Index&)>& f);

struct OpCase {
  std::string what = "";  // in failure texts; may be empty
  std::vector<Input> inputs = {};
  Call f = {};               // replaces the spec's, for options
  Reference reference = {};  // replaces the spec's
  int products = 0;  // multiplications summed into an element (matmul's k): widens limits as sqrt(products)
  double slack = 1;  // factor on value limits; say why where it is not 1
  bool gradients = true;    // false: this case sits on a kink
  bool may_be_nan = false;  // NaN is the right answer to some finite inputs of this case
  bool integers =
      true;  // false: what this case does makes no sense for integers; so it is with NaN and infinity
  // Which versions of the inputs make sense. Empty and batch of 1 change dimension 0 of every input whose
  // size there is the first input's.
  bool transposed = true, offset = true, expanded = true, channels_last = true, empty = true,
       batch_one = true;
};

struct ErrorCase {
  std::vector<Input> inputs = {};  // fp32 where the recipe names no dtype
  std::string message = "";        // the whole text, with hint
  std::string code = "";           // e.g. GD-SHAPE-001; empty: not looked at
  Call f = {};                     // replaces the spec's
};

struct OpSpec {
  std::string name = "";
  Call f = {};
  Reference reference = {};
  std::vector<OpCase> cases = {};
  std::vector<ErrorCase> errors = {};
  std::vector<DType> dtypes = {DType::fp64, DType::fp32, DType::bf16, DType::fp16};
  // int64 and int32 are taken: both are added to dtypes. false: both must be refused with a DTypeError.
  bool integers = false;
  bool differentiable = true;  // false: the result must not be on the tape
  bool twice = false;          // gradients of gradients exist; false: asking for them must throw Unsupported
  bool deterministic = true;   // false: equal to the last bit on the CPU only
};

enum class Check : std::uint8_t {
  values,
  gradients,
  wrong_gradients,
  second_order,
  need,
  views,
  bounds,
  repeat,
  backends,
  messages,
  integers,
  on_cuda,
  cuda_views,
  cuda_bounds
};

// Registers the tests of a spec. Always true, so that a static variable can take it.
bool add_spec(OpSpec spec, const char* file = __builtin_FILE(), int line = __builtin_LINE());
const std::vector<OpSpec>& all_specs();  // bench/ops.cpp times the same specs
Tensor make(const Input& input, DType dtype, Device device = cpu, std::uint64_t seed = 1);
Inputs make(const OpCase& c, DType dtype, Device device = cpu);

// The checks as functions: texts of what is wrong, empty when all is well. Tests of the harness call them.
bool applies(const OpSpec& spec, Check check);
std::vector<std::string> run_check(const OpSpec& spec, Check check);

}  // namespace gadolin
