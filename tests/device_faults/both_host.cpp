// The host's use of what kernels use too. Nothing tells of accesses in this file (tests/CMakeLists.txt).
#define DEVICE_FAULTS_ON_HOST
#include "tests/device_faults/both.h"

namespace device_faults {

void doubled_on_host(float* x) { Doubled(x).at(0); }

}  // namespace device_faults
