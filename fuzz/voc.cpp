// Any bytes as an annotation of Pascal VOC: an error, or boxes inside their picture.
#include "fuzz/boxes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count) {
  using namespace gadolin;
  const std::string_view text(reinterpret_cast<const char*>(bytes), count);
  fuzz::both_ways([&](const DatasetOptions& options, detail::RawBoxes& raw) {
    detail::RawPicture picture;
    picture.name = "input.png";
    picture.origin = {0, 1, -1};
    raw.pictures.push_back(picture);
    detail::parse_voc(text, "input", options, 0, raw);
  });
  return 0;
}
