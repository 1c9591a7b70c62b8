// Shared by the checks of tests/op_spec*.cpp: one run of an op forward and backward, and the versions of its
// inputs.
#pragma once

#include <string>
#include <vector>

#include "tests/op_spec.h"
#include "tests/op_spec_compare.h"

namespace gadolin {

using Failures = std::vector<std::string>;
using Wanted = std::vector<bool>;

struct Result {
  Tensor y;
  std::vector<Tensor> dx;  // undefined where none is wanted
  Tensor dy;               // the cotangent, undefined when nothing wants a gradient
  Inputs leaves;
};

// What a check knows about the case at hand.
struct CaseRun {
  const OpSpec& spec;
  const OpCase& c;
  Call f;
  Reference reference;
  CaseRun(const OpSpec& s, const OpCase& a_case);
  std::string label(const std::string& version = "") const;  // "silu, far from 0, transposed view: "
  Wanted wanted(const Inputs& in) const;                     // all floating inputs that are not fixed
  bool has_gradients(const Inputs& in) const;
  std::vector<DType> dtypes() const;  // those of the spec that this case makes sense for
};

// Seeds the generator, runs f on leaves that share the inputs' memory and, if any is wanted, its backward
// from a cotangent that depends on the shape of y only. keep: the graph can be walked again.
Result run(const Call& f, const Inputs& in, const Wanted& wanted, BackwardOptions options = {});
Tensor forward(const Call& f, const Inputs& in);  // without the tape, same seed
Tensor cotangent(const Tensor& like);             // random in [-1, 1], row major, dtype and device of `like`

Inputs to_fp64(const Inputs& in);            // every defined input as a row-major fp64 copy on the CPU
Inputs widened(const Inputs& in);            // floating inputs as fp64 copies, the others as they are
Inputs on(const Inputs& in, Device device);  // keeps strides of views by making them again on the device

// The same numbers in other memory, or fewer of them.
struct Version {
  std::string what;
  Inputs inputs;
};
std::vector<Version> views_of(const OpCase& c,
                              const Inputs& in);  // transposed, offset, expanded, channels-last
std::vector<Version> smaller_of(const OpCase& c, const Inputs& in);  // empty, batch of 1

void check_values(const CaseRun& run, Failures& failures);
void check_gradients(const CaseRun& run, Failures& failures);
void check_second_order(const CaseRun& run, Failures& failures);
void check_need(const CaseRun& run, Failures& failures);
void check_views(const CaseRun& run, Failures& failures);
void check_bounds(const CaseRun& run, Device device, Failures& failures);
void check_repeat(const CaseRun& run, Device device, Failures& failures);
void check_backends(const CaseRun& run, Failures& failures);
void check_cuda(const CaseRun& run, Failures& failures);
void check_integers(const CaseRun& run, Failures& failures);
void check_cuda_views(const CaseRun& run, Failures& failures);
// Seeded wrong gradients that the comparison does not notice. `strong`: some gradient was large enough to
// tell.
void check_wrong_gradients(const CaseRun& run, bool& strong, Failures& failures);
// The version's gradients by central differences, with one random cotangent; full adds the whole Jacobian
// when small.
void central_differences(const CaseRun& run, const std::string& version, const Inputs& in, bool full,
                         Failures& failures);

}  // namespace gadolin
