// The checks that compare results: values, views, guarded memory, repeats, backends and devices.
#include <algorithm>

#include "tensor/allocator.h"
#include "tests/op_spec_run.h"

namespace gadolin {
namespace {

Limit scaled(Limit limit, double factor) {
  return {limit.relative * factor, limit.absolute * factor, limit.floor};
}

bool special(const CaseRun& run, const Inputs& in) {
  return run.c.may_be_nan || !std::all_of(in.begin(), in.end(), all_finite);
}

void note(Failures& failures, const std::string& label, const std::string& text) {
  if (!text.empty()) failures.push_back(label + text);
}

// Result and gradients of `got` against those of `want`.
void compare(const std::string& label, const Result& got, const Result& want, const std::string& want_name,
             Limit values, Limit gradients, bool nan_allowed, Failures& failures) {
  note(failures, label, mismatch(got.y, want.y, {"y", want_name, values, nan_allowed}));
  for (std::size_t i = 0; i < got.dx.size(); ++i) {
    const std::string name = got.dx.size() == 1 ? "gradient dx" : cat("gradient of input ", i, " ");
    note(failures, label, mismatch(got.dx[i], want.dx[i], {name, want_name, gradients, nan_allowed}));
  }
}

void same_bits(const std::string& label, const Result& a, const Result& b, Failures& failures) {
  note(failures, label, bit_difference(a.y, b.y, "y"));
  for (std::size_t i = 0; i < a.dx.size(); ++i)
    note(failures, label, bit_difference(a.dx[i], b.dx[i], cat("gradient of input ", i, " ")));
}

Wanted wanted_if_smooth(const CaseRun& run, const Inputs& in) {
  return run.has_gradients(in) ? run.wanted(in) : Wanted(in.size(), false);
}

// The reference's numbers rounded to the result's type, so that overflow to infinity is right where it is.
Tensor rounded(const Tensor& reference, DType dtype) { return reference.to(dtype).to(DType::fp64); }

void against_reference(const CaseRun& run, const std::string& label, const Inputs& in, Failures& failures) {
  const Tensor y = forward(run.f, in);
  if (!run.reference) return;
  const Tensor want = run.reference(to_fp64(in));
  const DType dtype = y.dtype();
  note(failures, label,
       mismatch(y, dtype == DType::fp64 ? want : rounded(want, dtype),
                {"y", "the reference", scaled(value_limit(dtype, run.c.products), run.c.slack),
                 special(run, in)}));
}

struct BackendScope {
  Backend before = backend();
  explicit BackendScope(Backend wanted) { set_backend(wanted); }
  ~BackendScope() { set_backend(before); }
};

struct GuardScope {
  CachingAllocator& memory;
  explicit GuardScope(Device device) : memory(allocator(device)) { memory.guard(true); }
  ~GuardScope() { memory.guard(false); }
};

// What the numbers of a result may differ by between two ways to compute it.
Limit between_ways(const CaseRun& run, DType dtype, const Result& got) {
  return scaled(device_limit(is_floating(dtype) ? dtype : got.y.dtype(), run.c.products, false), run.c.slack);
}

}  // namespace

void check_values(const CaseRun& run, Failures& failures) {
  for (DType dtype : run.dtypes()) {
    const std::string label = run.label(name_of(dtype));
    const Inputs in = make(run.c, dtype);
    against_reference(run, label, in, failures);
    if (!is_floating(dtype)) continue;
    if (!run.has_gradients(in)) continue;
    // Gradients in this type against those in fp64 of the same, already rounded, inputs.
    const Result narrow = gadolin::run(run.f, in, run.wanted(in));
    const Inputs wide = widened(in);
    const Result exact = gadolin::run(run.f, wide, run.wanted(wide));
    compare(label, narrow, exact, "fp64", scaled(value_limit(narrow.y.dtype(), run.c.products), run.c.slack),
            scaled(gradient_limit(dtype, run.c.products), run.c.slack), false, failures);
    if (run.spec.differentiable && !narrow.y.requires_grad())
      failures.push_back(label + "the result is not on the tape");
  }
  const Inputs in = make(run.c, run.spec.dtypes.front());
  for (const Version& version : smaller_of(run.c, in))
    against_reference(run, run.label(version.what), version.inputs, failures);
}

namespace {
void check_views_in(DType dtype, const CaseRun& run, Failures& failures) {
  const Inputs in = make(run.c, dtype);
  bool first =
      true;  // the others' gradients are those of the row-major input, which check_gradients differences
  for (const Version& version : views_of(run.c, in)) {
    const std::string label = run.label(version.what + (is_floating(dtype) ? "" : cat(", ", dtype)));
    against_reference(run, label, version.inputs, failures);
    Inputs dense;
    for (const Tensor& t : version.inputs) {
      dense.push_back(t.defined() ? tensor(t.to_vector<double>(), t.shape(), DType::fp64).to(t.dtype()) : t);
    }
    const Wanted wanted = wanted_if_smooth(run, dense);
    const Result got = gadolin::run(run.f, version.inputs, wanted);
    const Limit limit =
        scaled(device_limit(is_floating(dtype) ? dtype : got.y.dtype(), std::max(run.c.products, 1), false),
               run.c.slack);
    compare(label, got, gadolin::run(run.f, dense, wanted), "the row-major input", limit, limit,
            special(run, dense), failures);
    if (first && run.has_gradients(dense) && dense[0].dtype() == DType::fp64) {
      central_differences(run, version.what, version.inputs, false, failures);
    }
    first = false;
  }
  for (const Version& version : smaller_of(run.c, in)) {
    const Result r = gadolin::run(run.f, version.inputs, wanted_if_smooth(run, version.inputs));
    for (std::size_t i = 0; i < r.dx.size(); ++i) {
      if (r.dx[i].defined() && r.dx[i].shape() != version.inputs[i].shape()) {
        failures.push_back(
            cat(run.label(version.what), "gradient of input ", i, " has shape ", r.dx[i].shape()));
      }
    }
  }
}
}  // namespace

void check_views(const CaseRun& run, Failures& failures) {
  for (DType dtype : run.dtypes()) {
    const bool usual =
        dtype == DType::fp32 || dtype == DType::bf16 || dtype == DType::int64 || dtype == DType::int32;
    if (dtype == run.spec.dtypes.front() || usual) check_views_in(dtype, run, failures);
  }
}

// An op that cannot compute with integers says so, and never gives fractions of them cut.
void check_integers(const CaseRun& run, Failures& failures) {
  const auto takes_type = [](const Input& i) { return !i.dtype && i.kind != Input::Kind::undefined; };
  if (std::none_of(run.c.inputs.begin(), run.c.inputs.end(), takes_type)) return;
  for (DType dtype : {DType::int64, DType::int32}) {
    try {
      forward(run.f, make(run.c, dtype));
      failures.push_back(run.label() + cat("takes ", dtype, "; the spec must say .integers = true"));
    } catch (const DTypeError&) {
    }
  }
}

// Memory that is handed out holds NaN, and zones around it are watched: a missed element or a write beside
// the result shows. Runs on the views too, where indices are hardest to get right.
void check_bounds(const CaseRun& run, Device device, Failures& failures) {
  for (DType dtype : run.dtypes()) {
    const Inputs plain = make(run.c, dtype, device);
    const Wanted wanted = wanted_if_smooth(run, plain);
    const Result open = gadolin::run(run.f, plain, wanted);
    const GuardScope guard(device);
    const Inputs in = make(run.c, dtype, device);
    const Result guarded = gadolin::run(run.f, in, wanted);
    guard.memory.check_guards();
    if (device.is_cpu() || run.spec.deterministic) {
      same_bits(run.label(cat("guarded memory, ", name_of(dtype))), guarded, open, failures);
    } else {
      compare(run.label(cat("guarded memory, ", name_of(dtype))), guarded, open, "without guards",
              between_ways(run, dtype, open), device_limit(dtype, run.c.products, true), special(run, in),
              failures);
    }
    if (dtype != run.spec.dtypes.front() && dtype != DType::fp32) continue;  // fp32 has ways of its own
    for (const Version& version : views_of(run.c, in)) {
      gadolin::run(run.f, version.inputs, wanted);
      guard.memory.check_guards();
    }
    for (const Version& version : smaller_of(run.c, in)) {
      gadolin::run(run.f, version.inputs, wanted);
      guard.memory.check_guards();
    }
  }
}

void check_repeat(const CaseRun& run, Device device, Failures& failures) {
  if (device.is_cuda() && !run.spec.deterministic) return;
  for (DType dtype : run.dtypes()) {
    const Inputs in = make(run.c, dtype, device);
    const Wanted wanted = wanted_if_smooth(run, in);
    same_bits(run.label(cat("run twice, ", name_of(dtype))), gadolin::run(run.f, in, wanted),
              gadolin::run(run.f, in, wanted), failures);
  }
}

void check_backends(const CaseRun& run, Failures& failures) {
  for (DType dtype : run.dtypes()) {
    const Inputs in = make(run.c, dtype);
    const Wanted wanted = wanted_if_smooth(run, in);
    const Result best = gadolin::run(run.f, in, wanted);
    const BackendScope reference(Backend::reference);
    compare(run.label(name_of(dtype)), best, gadolin::run(run.f, in, wanted), "the reference backend",
            scaled(value_limit(best.y.dtype(), run.c.products), run.c.slack),
            scaled(gradient_limit(dtype, run.c.products), run.c.slack), special(run, in), failures);
  }
}

void check_cuda(const CaseRun& run, Failures& failures) {
  for (DType dtype : run.dtypes()) {
    const Inputs in = make(run.c, dtype);
    const Wanted wanted = wanted_if_smooth(run, in);
    const Result want = gadolin::run(run.f, in, wanted);
    compare(run.label(cat("cuda, ", name_of(dtype))), gadolin::run(run.f, on(in, cuda), wanted), want,
            "the cpu", between_ways(run, dtype, want),
            scaled(device_limit(dtype, run.c.products, true), run.c.slack), special(run, in), failures);
  }
}

// Views are made on the device, so that their strides are what the kernels see.
void check_cuda_views(const CaseRun& run, Failures& failures) {
  for (DType dtype : run.dtypes()) {
    const Inputs in = make(run.c, dtype), moved = on(in, cuda);
    std::vector<Version> here = views_of(run.c, in), there = views_of(run.c, moved);
    for (Version& version : smaller_of(run.c, in)) here.push_back(version);
    for (Version& version : smaller_of(run.c, moved)) there.push_back(version);
    for (std::size_t v = 0; v < here.size(); ++v) {
      const Wanted wanted = wanted_if_smooth(run, here[v].inputs);
      const Result want = gadolin::run(run.f, here[v].inputs, wanted);
      compare(run.label(cat("cuda, ", here[v].what, ", ", name_of(dtype))),
              gadolin::run(run.f, there[v].inputs, wanted), want, "the cpu", between_ways(run, dtype, want),
              scaled(device_limit(dtype, run.c.products, true), run.c.slack), special(run, in), failures);
    }
  }
}

}  // namespace gadolin
