// Gradient checks: central differences in fp64, seeded wrong gradients, gradients of gradients, and who gets
// one.
#include "course/todo.h"
#include <algorithm>
#include <cmath>

#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/op_spec_run.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin {
namespace {

constexpr double step_size = 1e-6;
constexpr std::int64_t jacobian_limit = 10000;

// Row-major copies of the inputs with element i of input k replaced.
Inputs with_element(const Inputs& dense, std::size_t k, std::int64_t i, double x) {
  Inputs changed = dense;
  changed[k] = dense[k].clone();
  changed[k].data<double>()[i] = x;
  return changed;
}

// (f(x + h) - f(x - h)) / 2h for element i of input k, with the h that fp64 really made.
std::vector<double> difference(const std::function<std::vector<double>(const Inputs&)>& f,
                               const Inputs& dense, std::size_t k, std::int64_t i) {
  course::todo("2.5", "difference");
}

// d y / d input k: a row an element of the input, a column an element of the result.
std::vector<std::vector<double>> jacobian(const Call& f, const Inputs& dense, std::size_t k) {
  std::vector<std::vector<double>> rows;
  for (std::int64_t i = 0; i < dense[k].numel(); ++i) {
    rows.push_back(
        difference([&](const Inputs& in) { return forward(f, in).to_vector<double>(); }, dense, k, i));
  }
  return rows;
}

std::vector<double> project(const std::vector<std::vector<double>>& rows, const std::vector<double>& dy) {
  course::todo("2.5", "project");
}

Inputs dense_of(const Inputs& in) {
  Inputs dense = widened(in);
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i].defined() && in[i].dtype() != DType::fp64) dense[i] = in[i];
  }
  return dense;
}

std::string input_name(const Inputs& in, std::size_t k) {
  return in.size() == 1 ? "dx" : cat("of input ", k, " ");
}

std::string gradient_mismatch(const Inputs& dense, std::size_t k, const std::vector<double>& got,
                              const std::vector<double>& want) {
  std::int64_t worst = 0;
  const std::string text =
      mismatch(got, want, dense[k].shape(),
               {"gradient " + input_name(dense, k), "central difference", numeric_gradient_limit}, &worst);
  if (text.empty() || got.size() != want.size()) return text;
  return text + "; x there is " + number_text(dense[k].data<double>()[worst]);
}

}  // namespace

void central_differences(const CaseRun& run, const std::string& version, const Inputs& in, bool full,
                         Failures& failures) {
  const Inputs dense = dense_of(in);
  const Wanted wanted = run.wanted(in);
  const Result r = gadolin::run(run.f, in, wanted, {.keep_graph = true});
  const std::vector<double> dy = r.dy.to_vector<double>();
  std::vector<std::vector<std::vector<double>>> rows(in.size());
  for (std::size_t k = 0; k < in.size(); ++k) {
    if (!wanted[k]) continue;
    if (!r.dx[k].defined()) {
      failures.push_back(run.label(version) + "gradient " + input_name(in, k) + " is missing");
      continue;
    }
    rows[k] = jacobian(run.f, dense, k);
    const std::string text = gradient_mismatch(dense, k, r.dx[k].to_vector<double>(), project(rows[k], dy));
    if (!text.empty()) failures.push_back(run.label(version) + text);
  }
  if (!full) return;
  // Column by column: a random cotangent could hide two errors that cancel.
  for (std::size_t j = 0; j < dy.size(); ++j) {
    std::vector<double> one(dy.size());
    one[j] = 1;
    for (const Tensor& leaf : r.leaves) {
      if (leaf.defined()) leaf.zero_grad();
    }
    const bool small = std::all_of(in.begin(), in.end(), [&](const Tensor& t) {
      return !t.defined() || t.numel() * static_cast<std::int64_t>(dy.size()) <= jacobian_limit;
    });
    if (!small) return;
    r.y.backward(tensor(one, r.y.shape(), DType::fp64), {.keep_graph = true});
    for (std::size_t k = 0; k < in.size(); ++k) {
      if (!wanted[k] || rows[k].empty()) continue;
      const std::string text =
          gradient_mismatch(dense, k, r.leaves[k].grad().to_vector<double>(), project(rows[k], one));
      if (text.empty()) continue;
      failures.push_back(run.label(version) + "of y's element " + std::to_string(j) + ": " + text);
      return;
    }
  }
}

void check_gradients(const CaseRun& run, Failures& failures) {
  const Inputs in = make(run.c, DType::fp64);
  if (run.has_gradients(in)) central_differences(run, "", in, true, failures);
}

// The test of the test: what a wrong backward would give must not pass as right.
void check_wrong_gradients(const CaseRun& run, bool& strong, Failures& failures) {
  const Inputs in = make(run.c, DType::fp64);
  if (!run.has_gradients(in)) return;
  const Result r = gadolin::run(run.f, in, run.wanted(in));
  for (std::size_t k = 0; k < in.size(); ++k) {
    if (!r.dx[k].defined() || in[k].numel() == 0) continue;
    const std::vector<double> right = r.dx[k].to_vector<double>();
    const std::vector<double> numeric = project(jacobian(run.f, in, k), r.dy.to_vector<double>());
    const auto largest = std::max_element(right.begin(), right.end(),
                                          [](double a, double b) { return std::abs(a) < std::abs(b); });
    if (std::abs(*largest) < 1e-3) continue;
    strong = true;
    const auto must_fail = [&](const char* what, const std::vector<double>& wrong) {
      if (gradient_mismatch(in, k, wrong, numeric).empty()) {
        failures.push_back(run.label() + "gradient " + input_name(in, k) + " " + what + " passes as right");
      }
    };
    std::vector<double> scaled = right, flipped = right, dropped = right, invalid = right;
    for (double& v : scaled) v *= 1.01;
    for (double& v : flipped) v = -v;
    const auto at = static_cast<std::size_t>(largest - right.begin());
    dropped[at] = 0;
    invalid[at] = std::nan("");
    must_fail("scaled by 1.01", scaled);
    must_fail("with its sign flipped", flipped);
    must_fail("with one element dropped", dropped);
    must_fail("with one NaN", invalid);
  }
}

namespace {

// s = sum over inputs of <dx, v>, a number whose gradient needs the backward's own derivative.
Tensor first_order(const Call& f, const Inputs& leaves, const Wanted& wanted) {
  manual_seed(20);
  for (const Tensor& leaf : leaves) {
    if (leaf.defined()) leaf.zero_grad();
  }
  const Tensor y = f(leaves);
  y.backward(cotangent(y), {.create_graph = true});
  Tensor s;
  for (std::size_t k = 0; k < leaves.size(); ++k) {
    if (!wanted[k]) continue;
    const Tensor part = sum(mul(leaves[k].grad(), cotangent(leaves[k])));
    s = s.defined() ? add(s, part) : part;
  }
  return s;
}

Inputs leaves_of(const Inputs& in, const Wanted& wanted) {
  Inputs leaves;
  for (std::size_t k = 0; k < in.size(); ++k) {
    leaves.push_back(in[k].defined() ? in[k].detach() : in[k]);
    if (wanted[k]) leaves.back().requires_grad_();
  }
  return leaves;
}

}  // namespace

void check_second_order(const CaseRun& run, Failures& failures) {
  const Inputs in = make(run.c, DType::fp64);
  if (!run.has_gradients(in)) return;
  const Wanted wanted = run.wanted(in);
  const Inputs leaves = leaves_of(in, wanted);
  Tensor s;
  try {
    s = first_order(run.f, leaves, wanted);
  } catch (const Unsupported& error) {
    const std::string text = error.what();
    if (run.spec.twice) failures.push_back(run.label() + "the spec says twice, but " + text);
    if (text.find(": cannot be differentiated twice; ") == std::string::npos)
      failures.push_back(run.label() + text);
    return;
  }
  for (const Tensor& leaf : leaves) {
    if (leaf.defined()) leaf.zero_grad();  // a gradient with history refers back to its leaf
  }
  if (!run.spec.twice) {
    failures.push_back(run.label() + "can be differentiated twice; the spec must say .twice = true");
    return;
  }
  std::vector<Tensor> dx(in.size());
  if (s.requires_grad()) s.backward();
  const auto value = [&](const Inputs& at) {
    const Inputs copies = leaves_of(at, wanted);
    const double result = first_order(run.f, copies, wanted).item();
    for (const Tensor& leaf : copies) {
      if (leaf.defined()) leaf.zero_grad();
    }
    return std::vector<double>{result};
  };
  for (std::size_t k = 0; k < in.size(); ++k) {
    if (!wanted[k]) continue;
    std::vector<double> numeric;
    for (std::int64_t i = 0; i < in[k].numel(); ++i) numeric.push_back(difference(value, in, k, i)[0]);
    const Tensor g = leaves[k].grad();  // none: the gradient is constant
    const std::vector<double> analytic =
        g.defined() ? g.to_vector<double>() : std::vector<double>(numeric.size(), 0);
    const std::string text = gradient_mismatch(in, k, analytic, numeric);
    if (!text.empty()) failures.push_back(run.label("second order") + text);
  }
}

// Each input alone wants a gradient: it gets the one it gets among others, and backward leaves the other
// slots undefined.
void check_need(const CaseRun& run, Failures& failures) {
  const Inputs in = make(run.c, DType::fp64);
  if (!run.has_gradients(in)) return;
  const Wanted all = run.wanted(in);
  const Result together = gadolin::run(run.f, in, all, {.keep_graph = true});
  for (std::size_t k = 0; k < in.size(); ++k) {
    if (!all[k]) continue;
    Wanted only(in.size(), false);
    only[k] = true;
    const Result alone = gadolin::run(run.f, in, only);
    const Comparison how{"gradient " + input_name(in, k) + "alone", "together with others",
                         gradient_limit(DType::fp64, run.c.products)};
    const std::string text = mismatch(alone.dx[k], together.dx[k], how);
    if (!text.empty()) failures.push_back(run.label() + text);
    for (std::size_t other = 0; other < in.size(); ++other) {
      if (other != k && alone.dx[other].defined()) {
        failures.push_back(run.label() +
                           cat("input ", other, " got a gradient that only input ", k, " wanted"));
      }
    }
  }
  Node* node = together.y.node();
  if (!node) return;
  const NoGrad off;
  for (std::size_t slot = 0; slot < node->inputs.size(); ++slot) {
    if (!node->inputs[slot].node && !node->inputs[slot].leaf.defined()) continue;
    const Grads grads = node->backward(together.dy, Need{1u << slot});
    for (std::size_t other = 0; other < grads.size(); ++other) {
      if (other != slot && grads[other].defined()) {
        failures.push_back(run.label() + cat("backward computed the gradient of slot ", other,
                                             " although only slot ", slot, " was needed"));
      }
    }
    if (slot >= grads.size() || !grads[slot].defined()) {
      failures.push_back(run.label() + cat("backward left slot ", slot, " undefined although it was needed"));
    }
  }
}

}  // namespace gadolin
