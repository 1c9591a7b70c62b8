// One run of an op, and its inputs again as views.
#include "tests/op_spec_run.h"

#include <algorithm>
#include <cmath>

#include "tensor/random.h"

namespace gadolin {

CaseRun::CaseRun(const OpSpec& s, const OpCase& a_case)
    : spec(s), c(a_case), f(a_case.f ? a_case.f : s.f),
      reference(a_case.reference ? a_case.reference : s.reference) {}

std::string CaseRun::label(const std::string& version) const {
  std::string text = spec.name;
  if (!c.what.empty()) text += ", " + c.what;
  if (!version.empty()) text += ", " + version;
  return text + ": ";
}

Wanted CaseRun::wanted(const Inputs& in) const {
  Wanted wanted;
  for (std::size_t i = 0; i < in.size(); ++i) {
    wanted.push_back(spec.differentiable && c.inputs[i].wants_gradient && in[i].defined() &&
                     is_floating(in[i].dtype()));
  }
  return wanted;
}

bool CaseRun::has_gradients(const Inputs& in) const {
  const Wanted flags = wanted(in);
  return c.gradients && std::find(flags.begin(), flags.end(), true) != flags.end() &&
         std::all_of(in.begin(), in.end(), all_finite);
}

std::vector<DType> CaseRun::dtypes() const {
  const auto takes_type = [](const Input& i) { return !i.dtype; };
  const auto finite = [](const Input& i) {
    return i.dtype ||
           std::all_of(i.numbers.begin(), i.numbers.end(), [](double v) { return std::isfinite(v); });
  };
  const bool whole = c.integers && std::any_of(c.inputs.begin(), c.inputs.end(), takes_type) &&
                     std::all_of(c.inputs.begin(), c.inputs.end(), finite);
  std::vector<DType> chosen;
  for (DType t : spec.dtypes) {
    if (is_floating(t) || t == DType::boolean || whole) chosen.push_back(t);
  }
  return chosen;
}

Tensor cotangent(const Tensor& like) {
  RandomStream random(77, 0);
  std::vector<double> v(static_cast<std::size_t>(like.numel()));
  for (double& x : v) x = 2 * static_cast<double>(random.uniform()) - 1;
  return tensor(v, like.shape(), like.dtype(), like.device());
}

Result run(const Call& f, const Inputs& in, const Wanted& wanted, BackwardOptions options) {
  manual_seed(20);
  Result r;
  for (std::size_t i = 0; i < in.size(); ++i) {
    r.leaves.push_back(in[i].defined() ? in[i].detach() : Tensor());
    if (wanted[i]) r.leaves.back().requires_grad_();
  }
  r.y = f(r.leaves);
  r.dx.resize(in.size());
  if (std::find(wanted.begin(), wanted.end(), true) == wanted.end()) return r;
  r.dy = cotangent(r.y);
  r.y.backward(r.dy, options);
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i].defined()) r.dx[i] = r.leaves[i].grad();
  }
  return r;
}

Tensor forward(const Call& f, const Inputs& in) {
  manual_seed(20);
  const NoGrad off;
  return f(in);
}

Inputs to_fp64(const Inputs& in) {
  Inputs wide;
  for (const Tensor& t : in)
    wide.push_back(t.defined() ? tensor(t.to_vector<double>(), t.shape(), DType::fp64) : t);
  return wide;
}

Inputs widened(const Inputs& in) {
  Inputs wide = to_fp64(in);
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i].defined() && !is_floating(in[i].dtype())) wide[i] = in[i];
  }
  return wide;
}

Inputs on(const Inputs& in, Device device) {
  Inputs moved;
  for (const Tensor& t : in) moved.push_back(t.defined() ? t.to(device) : t);
  return moved;
}

// --- versions ----------------------------------------------------------------------------------------------

namespace {

Tensor transposed(const Tensor& t) {
  Shape order = t.shape();
  for (int d = 0; d < t.dim(); ++d) order[d] = t.shape()[t.dim() - 1 - d];
  Shape back = order;
  for (int d = 0; d < t.dim(); ++d) back[d] = t.dim() - 1 - d;
  Tensor view = empty(order, t.dtype(), t.device()).permute(back);
  view.copy_(t);
  return view;
}

// Every second element of a larger tensor, one element in: other offset, no unit stride.
Tensor strided(const Tensor& t) {
  if (t.dim() == 0) {
    Tensor view = empty({3}, t.dtype(), t.device()).select(0, 1);
    view.copy_(t);
    return view;
  }
  Shape larger = t.shape();
  larger[-1] = 2 * larger[-1] + 2;
  Tensor view = empty(larger, t.dtype(), t.device()).slice(-1, 1, 1 + 2 * t.size(-1), 2);
  view.copy_(t);
  return view;
}

// Unit stride, but rows with a gap and an odd start: what vector loads must not assume away.
Tensor shifted(const Tensor& t) {
  if (t.dim() == 0) return strided(t);
  Shape larger = t.shape();
  larger[-1] += 3;
  Tensor view = empty(larger, t.dtype(), t.device()).slice(-1, 1, 1 + t.size(-1));
  view.copy_(t);
  return view;
}

Tensor expanded(const Tensor& t) {
  for (int d = 0; d < t.dim(); ++d) {
    if (t.size(d) > 1) return t.slice(d, 0, 1).expand(t.shape());
  }
  return t;
}

Tensor channels_last(const Tensor& t) { return t.dim() == 4 ? t.contiguous(MemoryFormat::channels_last) : t; }

// Changes each input alone, then all of them.
void add_view(std::vector<Version>& versions, const std::string& what, const Inputs& in,
              Tensor (*change)(const Tensor&)) {
  Inputs all = in;
  int changed = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (!in[i].defined()) continue;
    const Tensor t = change(in[i]);
    if (t.strides() == in[i].strides() && t.offset() == in[i].offset()) continue;
    Inputs one = in;
    one[i] = all[i] = t;
    versions.push_back({in.size() == 1 ? what : cat(what, " as input ", i), one});
    ++changed;
  }
  if (changed > 1) versions.push_back({what + "s as all inputs", all});
}

Inputs shortened(const Inputs& in, std::int64_t length) {
  Inputs out = in;
  const std::int64_t batch = in[0].defined() && in[0].dim() > 0 ? in[0].size(0) : -1;
  for (Tensor& t : out) {
    if (t.defined() && t.dim() > 0 && t.size(0) == batch) t = t.slice(0, 0, length).clone();
  }
  return out;
}

}  // namespace

std::vector<Version> views_of(const OpCase& c, const Inputs& in) {
  std::vector<Version> versions;
  if (c.transposed) add_view(versions, "transposed view", in, transposed);
  if (c.offset) add_view(versions, "strided slice", in, strided);
  if (c.offset) add_view(versions, "offset view", in, shifted);
  if (c.expanded) add_view(versions, "expanded view", in, expanded);
  if (c.channels_last) add_view(versions, "channels-last view", in, channels_last);
  return versions;
}

std::vector<Version> smaller_of(const OpCase& c, const Inputs& in) {
  std::vector<Version> versions;
  if (in.empty() || !in[0].defined() || in[0].dim() == 0) return versions;
  if (c.batch_one && in[0].size(0) > 1) versions.push_back({"batch of 1", shortened(in, 1)});
  if (c.empty && in[0].size(0) > 0) versions.push_back({"empty batch", shortened(in, 0)});
  return versions;
}

}  // namespace gadolin
