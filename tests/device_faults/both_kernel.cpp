// A linker that meets an inline function in two object files keeps the first: kernels must keep their own
// code of what the host has compiled as well, or nobody tells of its accesses.
#include "tests/device_faults/both.h"

#include "tests/device_faults/device.h"

namespace {

using namespace device_faults;
class DeviceSharedCode : public DeviceTest {};

void doubled(float* x) { Doubled(x).at(static_cast<int>(threadIdx.x)); }
void doubled_too_far(float* x) { Doubled(x).at(static_cast<int>(threadIdx.x) + 1); }

TEST_F(DeviceSharedCode, KernelsTellOfItsAccesses) {
  float one = 1;
  doubled_on_host(&one);
  EXPECT_EQ(one, 2.f);
  EXPECT_FOUND(said(doubled), "reads what nobody has written, at offset ");
  fill(a_, 0);
  EXPECT_EQ(said(doubled), "");
  EXPECT_FOUND(said(doubled_too_far), "behind the end of an allocation of 384 bytes");
}

}  // namespace
