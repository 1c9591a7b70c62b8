// Six ops, some of them with a wrong gradient: which does the gradient check of the op tests name?
#include <functional>

#include "course/2/answers.h"
#include "tensor/function.h"
#include "tensor/ops.h"
#include "tests/op_spec_run.h"

namespace gadolin::course {
namespace {

// y = f(x), with f's own gradient made wrong in one of several ways.
struct FaultyFunction {
  static constexpr auto name = "faulty";
  Call f;
  std::int64_t fault = 0;
  Saved x = {};
  Tensor allocate(const Tensor& in) const {
    const NoGrad guard;
    return empty_like(f({in}).contiguous());
  }
  void save(const Tensor& in, const Tensor&) { x = in; }
  template <class D> void forward(D, const Tensor& in, Tensor& y) const { y.copy_(f({in})); }
  template <class D> Grads backward(D, const Tensor& dy, Need) const {
    const EnableGrad on;
    const Tensor leaf = Tensor(x->detach()).requires_grad_();
    f({leaf}).backward(dy);
    const NoGrad off;
    Tensor g = leaf.grad().clone();
    if (fault == 1) g = mul(g, 1.01);
    if (fault == 2) g = neg(g);
    if (fault == 3) g.slice(0, 0, 1).zero_();
    return {g};
  }
};

struct CheckedOp {
  const char* name;
  Call f;
};
const std::vector<CheckedOp>& checked_ops() {
  static const std::vector<CheckedOp> ops = {
      {"softmax", [](const Inputs& in) { return softmax(in[0], -1); }},
      {"exp of 5 x", [](const Inputs& in) { return exp(mul(in[0], 5.0)); }},
      {"product with its transpose", [](const Inputs& in) { return matmul(in[0], in[0].transpose(0, 1)); }},
      {"tanh", [](const Inputs& in) { return tanh(in[0]); }},
      {"sum of squares", [](const Inputs& in) { return sum(mul(in[0], in[0]), {1}); }},
      {"mean", [](const Inputs& in) { return mean(in[0], {0}); }},
  };
  return ops;
}

}  // namespace

Values check_answer(const Values& request) {
  const std::vector<std::int64_t>& faults = integers(request, "faults");
  std::vector<std::int64_t> named;
  for (std::size_t i = 0; i < checked_ops().size(); ++i) {
    const CheckedOp& op = checked_ops()[i];
    OpSpec spec;
    spec.name = op.name;
    spec.f = [&](const Inputs& in) { return apply(FaultyFunction{op.f, faults.at(i)}, in[0]); };
    OpCase one;
    one.inputs = {shaped({3, 4}).between(0.2, 1.2)};
    const CaseRun run(spec, one);
    Failures failures;
    central_differences(
        run, "",
        {make(one.inputs[0], DType::fp64, cpu, static_cast<std::uint64_t>(integer(request, "seed")))}, false,
        failures);
    named.push_back(failures.empty() ? 0 : 1);
  }
  return {{"named", named}};
}

}  // namespace gadolin::course
