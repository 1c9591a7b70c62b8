// The four shuffles by width and mask, against the rules of PTX (shfl.sync), written down here a second time.
#include "tests/device_faults/device.h"

namespace {

using namespace device_faults;
class DeviceShuffles : public DeviceTest {};

enum class Way { index, up, down, exclusive_or };

struct Asked {
  Way way;
  int by, width;
  unsigned mask;
};

void shuffle(Asked a, float* x) {
  const unsigned lane = threadIdx.x % 32;
  if (!(a.mask >> lane & 1)) return;
  float v = x[threadIdx.x];
  switch (a.way) {
    case Way::index: v = __shfl_sync(a.mask, v, a.by, a.width); break;
    case Way::up: v = __shfl_up_sync(a.mask, v, static_cast<unsigned>(a.by), a.width); break;
    case Way::down: v = __shfl_down_sync(a.mask, v, static_cast<unsigned>(a.by), a.width); break;
    case Way::exclusive_or: v = __shfl_xor_sync(a.mask, v, a.by, a.width); break;
  }
  x[threadIdx.x] = v;
}

// shfl.sync with c as the compiler makes it of a width: a segment's mask, and a clamp of 0 (up) or 31.
int source(const Asked& a, int lane) {
  const int segment = ~(a.width - 1) & 31, clamp = a.way == Way::up ? 0 : 31;
  const int least = lane & segment, most = least | (clamp & ~segment);
  const int j = a.way == Way::index  ? least | (a.by & ~segment)
                : a.way == Way::up   ? lane - a.by
                : a.way == Way::down ? lane + a.by
                                     : lane ^ a.by;
  const bool allowed = a.way == Way::up ? j >= most : j <= most;
  return allowed ? j : lane;
}

TEST_F(DeviceShuffles, EveryWidthAndMask) {
  int defined = 0, undefined = 0;
  for (const Way way : {Way::index, Way::up, Way::down, Way::exclusive_or})
    for (const int width : {2, 4, 8, 16, 32})
      for (const unsigned mask :
           {0xffffffffu, 0x00ffffffu, 0x0000ff00u, 0xf0f0f0f0u, 0x55555555u, 0x80000000u})
        for (const int by : {0, 1, 2, 3, 4, 7, 8, 16, 31}) {
          const Asked a{way, by, width, mask};
          bool all_there = true;
          std::vector<float> want = rising(100);
          for (int t = 0; t < count; ++t) {
            const int lane = t % 32, from = source(a, lane);
            if (!(mask >> lane & 1)) continue;
            all_there = all_there && (mask >> from & 1);
            want[static_cast<std::size_t>(t)] = static_cast<float>(100 + t - lane + from);
          }
          fill(a_, 100);
          launch(shuffle, dim3(1), dim3(count), stream_, a, a_);
          cudaStreamSynchronize(stream_);
          const std::string report = software_cuda::take_report();
          const std::string what = "way " + std::to_string(static_cast<int>(way)) + " width " +
                                   std::to_string(width) + " by " + std::to_string(by) + " mask " +
                                   std::to_string(mask);
          if (all_there) {
            ++defined;
            EXPECT_EQ(report, "") << what;
            EXPECT_EQ(values(a_), want) << what;
          } else {
            ++undefined;
            EXPECT_NE(report.find("a shuffle reads lane"), std::string::npos) << what << ": " << report;
          }
        }
  EXPECT_GT(defined, 500);
  EXPECT_GT(undefined, 100);
}

}  // namespace
