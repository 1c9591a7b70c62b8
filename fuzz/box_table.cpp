// Any bytes as a table of boxes and as a class file: an error, or boxes inside their pictures.
#include <cstdlib>

#include "data/sets/boxes/raw_boxes.h"
#include "fuzz/boxes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count) {
  using namespace gadolin;
  const std::string_view text(reinterpret_cast<const char*>(bytes), count);
  fuzz::both_ways([&](const DatasetOptions& options, detail::RawBoxes& raw) {
    raw.root = "/films";
    detail::parse_box_table(text, "input", options, raw);
  });
  try {
    if (detail::parse_class_file(text, "input").empty()) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
