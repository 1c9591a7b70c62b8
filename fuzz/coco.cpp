// Any bytes as a file of COCO: an error, or boxes inside their pictures.
#include "fuzz/boxes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count) {
  using namespace gadolin;
  const std::string_view text(reinterpret_cast<const char*>(bytes), count);
  fuzz::both_ways([&](const DatasetOptions& options, detail::RawBoxes& raw) {
    detail::parse_coco(text, "input", options, Split::none, raw);
  });
  return 0;
}
