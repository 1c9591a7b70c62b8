// How benchmarks take times: with events of the GPU's stream, or with the clock on the CPU.
#pragma once

#include <functional>
#include <vector>

#include "tensor/device.h"

namespace gadolin {

struct Timing {
  double median, least, most;
};  // milliseconds
Timing summarize_times(std::vector<double> milliseconds);
// The value below which a share of them lie: 0.5 is the median. Of the nearest rank.
double percentile(std::vector<double> values, double share);

using Body = std::function<void()>;
// Milliseconds that `body` takes on the device, from an idle device to an idle one.
double time_once(Device device, const Body& body);
// Milliseconds of each of `count` calls queued one after another; on a GPU without waiting in between.
std::vector<double> time_each(Device device, int count, const Body& body);
// Mean milliseconds a call, of each of `blocks` blocks. A block has as many calls as fill `milliseconds`, but
// at least `least_calls`; one is made first for that and is not counted.
std::vector<double> time_blocks(Device device, int blocks, int least_calls, double milliseconds,
                                const Body& body);

}  // namespace gadolin
