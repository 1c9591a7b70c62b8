// Any bytes as a tf.Example, as a TFRecord file, as the only record of one, and as a data set: an error, or
// an example that is the same after writing and reading.
#include "io/tfrecord.h"

#include <cstdlib>

#include "data/sets/tfrecord_dataset.h"
#include "fuzz/memory_file.h"
#include "io/record_file.h"
#include "tensor/check.h"

namespace {

void there_and_back(std::string_view bytes) {
  const gadolin::Example example = gadolin::parse_example(bytes, "input");
  const std::string written = gadolin::serialized_example(example);
  // By bytes: a NaN equals nothing.
  if (gadolin::serialized_example(gadolin::parse_example(written, "written")) != written) std::abort();
}

template <class F> void may_refuse(F&& f) {
  try {
    f();
  } catch (const gadolin::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count) {
  static gadolin::fuzz::MemoryFile file;
  const std::string_view input(reinterpret_cast<const char*>(bytes), count);
  may_refuse([&] { there_and_back(input); });
  may_refuse([&] {
    const gadolin::TfRecordFile records(file.holding(bytes, count), {.unpacked_limit = 1 << 24});
    for (std::int64_t i = 0; i < records.size(); ++i) may_refuse([&] { there_and_back(records.record(i)); });
  });
  const std::string framed = gadolin::framed_record(input);
  const std::string& path = file.holding(reinterpret_cast<const std::uint8_t*>(framed.data()), framed.size());
  may_refuse([&] {
    const auto set = gadolin::open_tfrecords(path);
    for (std::int64_t i = 0; i < set->size(); ++i) set->read(i);
  });
  return 0;
}
