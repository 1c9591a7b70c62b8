// Event messages to and from records; the only file that sees the generated classes.
#include "io/events.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>

#include "io/proto/event.pb.h"
#include "tensor/check.h"

namespace gadolin {

namespace {

constexpr const char* file_version = "brain.Event:2";
constexpr std::int64_t record_limit = std::int64_t{64} << 20;

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// TensorBoard takes files with "tfevents" in their name, and reads those of a folder in the order of their
// names.
std::string event_path(const std::string& folder) {
  static std::atomic<int> made = 0;
  char name[96];
  std::snprintf(name, sizeof name, "/events.out.tfevents.%010lld.gadolin.%ld.%d",
                static_cast<long long>(wall_time()), static_cast<long>(::getpid()), made++);
  return folder + name;
}

tb::Summary::Value* add_value(tb::Event& event, const std::string& tag, std::int64_t step) {
  event.set_step(step);
  tb::Summary::Value* value = event.mutable_summary()->add_value();
  value->set_tag(tag);
  return value;
}

std::string serialized(tb::Event& event) {
  event.set_wall_time(wall_time());
  return event.SerializeAsString();
}

// The number in a tensor without dimensions; false when it is something else.
bool scalar_of(const tb::SummaryTensor& tensor, double& value) {
  for (const auto& dim : tensor.tensor_shape().dim()) {
    if (dim.size() != 1) return false;
  }
  const std::string& content = tensor.tensor_content();
  float single = 0;
  if (tensor.dtype() == 1 && tensor.float_val_size() == 1)
    value = tensor.float_val(0);
  else if (tensor.dtype() == 2 && tensor.double_val_size() == 1)
    value = tensor.double_val(0);
  else if (tensor.dtype() == 2 && content.size() == sizeof value)
    std::memcpy(&value, content.data(), sizeof value);
  else if (tensor.dtype() == 1 && content.size() == sizeof single) {
    std::memcpy(&single, content.data(), sizeof single);
    value = single;
  } else {
    return false;
  }
  return true;
}

}  // namespace

EventWriter::EventWriter(const std::string& folder, std::int64_t resume_step) : records_(event_path(folder)) {
  tb::Event first;
  first.set_file_version(file_version);
  records_.append(serialized(first));
  if (resume_step < 0) return;
  tb::Event start;
  start.set_step(resume_step + 1);
  start.mutable_session_log()->set_status(tb::SessionLog::START);
  records_.append(serialized(start));
}

void EventWriter::scalar(const std::string& tag, std::int64_t step, double value) {
  tb::Event event;
  add_value(event, tag, step)->set_simple_value(static_cast<float>(value));
  records_.append(serialized(event));
}

void EventWriter::histogram(const std::string& tag, std::int64_t step, std::span<const float> values) {
  constexpr int buckets = 50;
  double low = INFINITY, high = -INFINITY, count = 0, sum = 0, squares = 0;
  for (const float x : values) {
    if (!std::isfinite(x)) continue;
    low = std::min(low, double{x});
    high = std::max(high, double{x});
    count += 1;
    sum += x;
    squares += double{x} * double{x};
  }
  if (count == 0) return;
  double filled[buckets] = {};
  const double width = high > low ? (high - low) / buckets : 1;
  for (const float x : values) {
    if (std::isfinite(x)) filled[std::clamp(static_cast<int>((x - low) / width), 0, buckets - 1)] += 1;
  }
  tb::Event event;
  tb::Histogram& histogram = *add_value(event, tag, step)->mutable_histo();
  histogram.set_min(low);
  histogram.set_max(high);
  histogram.set_num(count);
  histogram.set_sum(sum);
  histogram.set_sum_squares(squares);
  const int used = high > low ? buckets : 1;
  for (int i = 0; i < used; ++i) {
    histogram.add_bucket_limit(i + 1 == used && high > low ? high : low + width * (i + 1));
    histogram.add_bucket(filled[i]);
  }
  records_.append(serialized(event));
}

void EventWriter::image(const std::string& tag, std::int64_t step, std::string_view encoded, ImageSize size) {
  require<ValueError>(size.height > 0 && size.width > 0 && (size.channels == 1 || size.channels == 3),
                      "events: image '", tag, "' of ", size.height, " x ", size.width, " with ",
                      size.channels, " channels; 1 or 3 are possible");
  tb::Event event;
  tb::Summary::Image& image = *add_value(event, tag, step)->mutable_image();
  image.set_height(size.height);
  image.set_width(size.width);
  image.set_colorspace(size.channels);
  image.set_encoded_image_string(std::string(encoded));
  records_.append(serialized(event));
}

std::vector<ScalarEvent> read_scalar_events(const std::string& path) {
  RecordReader reader(path, {.record_limit = record_limit, .growing = true});
  std::vector<ScalarEvent> scalars;
  std::string bytes;
  for (std::int64_t at = 0; reader.next(bytes); at = reader.offset()) {
    tb::Event event;
    require<FormatError>(event.ParseFromString(bytes), "events: ", path, ": the record at byte ", at,
                         " is no event; is it an event file?");
    require<FormatError>(at > 0 || event.file_version().rfind("brain.Event:", 0) == 0, "events: ", path,
                         " does not begin with the version of an event file");
    for (const tb::Summary::Value& value : event.summary().value()) {
      double number = 0;
      if (value.value_case() == tb::Summary::Value::kSimpleValue)
        number = value.simple_value();
      else if (value.value_case() != tb::Summary::Value::kTensor || !scalar_of(value.tensor(), number))
        continue;
      scalars.push_back({value.tag(), event.step(), event.wall_time(), number});
    }
  }
  return scalars;
}

}  // namespace gadolin
