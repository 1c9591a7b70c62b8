// How benchmarks take times; see timing.h.
#include "apps/bench/timing.h"

#include <algorithm>
#include <cmath>

#include "apps/program/command.h"
#ifdef GADOLIN_CUDA
#include "tensor/cuda/stream.h"
#endif

namespace gadolin {

Timing summarize_times(std::vector<double> milliseconds) {
  std::sort(milliseconds.begin(), milliseconds.end());
  return {milliseconds[milliseconds.size() / 2], milliseconds.front(), milliseconds.back()};
}

double percentile(std::vector<double> values, double share) {
  const double rank = std::ceil(share * static_cast<double>(values.size()));
  const std::size_t at =
      static_cast<std::size_t>(std::clamp(rank, 1.0, static_cast<double>(values.size()))) - 1;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

double time_once(Device device, const Body& body) {
  synchronize(device);
  return time_each(device, 1, body).front();
}

std::vector<double> time_each(Device device, int count, const Body& body) {
  std::vector<double> times;
#ifdef GADOLIN_CUDA
  if (device.is_cuda()) {
    const DeviceGuard guard(device);
    std::vector<Event> marks;
    for (int i = 0; i <= count; ++i) marks.emplace_back(true);
    marks[0].record(current_stream(device));
    for (std::size_t i = 1; i < marks.size(); ++i) {
      body();
      marks[i].record(current_stream(device));
    }
    for (std::size_t i = 1; i < marks.size(); ++i) times.push_back(marks[i].milliseconds_since(marks[i - 1]));
    return times;
  }
#endif
  for (int i = 0; i < count; ++i) {
    const double start = seconds_now();
    body();
    synchronize(device);
    times.push_back((seconds_now() - start) * 1e3);
  }
  return times;
}

std::vector<double> time_blocks(Device device, int blocks, int least_calls, double milliseconds,
                                const Body& body) {
  const double once = std::max(time_once(device, body), 1e-4);
  const int calls =
      static_cast<int>(std::clamp(std::ceil(milliseconds / once), static_cast<double>(least_calls), 1e6));
  std::vector<double> times;
  for (int b = 0; b < blocks; ++b) {
    times.push_back(time_once(device,
                              [&] {
                                for (int i = 0; i < calls; ++i) body();
                              }) /
                    calls);
  }
  return times;
}

}  // namespace gadolin
