// TensorBoard event files: scalars, histograms and images that the stock viewer shows; scalars read back.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/record_file.h"

namespace gadolin {

// Appends to a new file in `folder` (which must exist); every event is written at once, so that a running
// viewer follows.
class EventWriter {
 public:
  // With resume_step >= 0 the viewer is told to forget what earlier files say about later steps.
  explicit EventWriter(const std::string& folder, std::int64_t resume_step = -1);
  void scalar(const std::string& tag, std::int64_t step, double value);
  // 50 equal buckets from the smallest to the largest; NaN and infinities are left out. Nothing for no finite
  // value.
  void histogram(const std::string& tag, std::int64_t step, std::span<const float> values);
  // A PNG or JPEG file of the given size; channels 1 or 3.
  struct ImageSize {
    int height, width, channels;
  };
  void image(const std::string& tag, std::int64_t step, std::string_view encoded, ImageSize size);
  const std::string& path() const { return records_.path(); }

 private:
  RecordAppender records_;
};

struct ScalarEvent {
  std::string tag;
  std::int64_t step;
  double wall_time, value;  // seconds since 1970
};
// All scalars of one file, in its order: plain ones and the tensors that TensorFlow 2 writes. A record that
// is not yet whole is the end. Throws FormatError for damage, for anything that is no event file, and for
// records over 64 MB.
std::vector<ScalarEvent> read_scalar_events(const std::string& path);

}  // namespace gadolin
