// Checks a net against a fixture: weights, inputs and what another implementation computed from them.
#pragma once

#include <string>
#include <vector>

#include "tensor/device.h"
#include "tensor/dtype.h"

namespace gadolin {

struct FixtureOptions {
  Device device;
  DType dtype = DType::fp32;
  double tolerance_scale = 1;  // multiplies the file's tolerances for bf16 and fp16
};
struct FixtureCheck {
  std::string name;
  double deviation = 0;  // max |got - expected| / (atol + rtol |expected|); passes at 1 or less, NaN fails
  bool passed = false;
  double relative_l2 = 0;  // |got - expected| / |expected|, Euclidean norms
};
struct FixtureReport {
  std::string file, model, mode;
  std::vector<FixtureCheck> checks;
  bool passed() const;
  const FixtureCheck& worst() const;  // of at least one check
};
// Throws FormatError for a file that is no fixture, and for tensors that the net does not know.
FixtureReport verify_fixture(const std::string& path, const FixtureOptions& options = {});

}  // namespace gadolin
