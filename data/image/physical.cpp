// Measured values of a file, by the decoder of its format.
#include "data/image/physical.h"

#include "data/image/codec.h"

namespace gadolin {

std::optional<PhysicalImage> decode_physical(std::span<const std::uint8_t> bytes, std::string_view name,
                                             const DecodeOptions& options) {
  const detail::Decoder& decoder = detail::decoder_of(bytes, name, options);
  if (decoder.physical == nullptr) return {};
  return decoder.physical(bytes, name, options);
}

PhysicalImage samples_as_values(const Image& grey) {
  require<ShapeError>(grey.channels == 1, "values: of a picture in colour; make it grey first");
  PhysicalImage out;
  out.width = grey.width;
  out.height = grey.height;
  if (grey.bits == 8)
    out.values.assign(grey.data<std::uint8_t>(), grey.data<std::uint8_t>() + grey.numel());
  else
    out.values.assign(grey.data<std::uint16_t>(), grey.data<std::uint16_t>() + grey.numel());
  return out;
}

}  // namespace gadolin
