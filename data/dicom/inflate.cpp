// Deflated data sets (PS3.5 A.5), unpacked as a whole.
#include <zlib.h>

#include <array>

#include "data/dicom/codec.h"
#include "data/image/image.h"

namespace gadolin::detail {

std::shared_ptr<const std::string> inflated_data_set(std::string_view bytes, std::size_t at,
                                                     const DicomLimits& limits, const std::string& who) {
  auto whole = std::make_shared<std::string>(bytes.substr(0, at));
  z_stream z{};
  require<OutOfMemory>(inflateInit2(&z, -15) == Z_OK, "dicom: zlib could not start");
  struct Ender {
    z_stream& z;
    ~Ender() { inflateEnd(&z); }
  } ender{z};
  const std::string_view packed = bytes.substr(at);
  std::array<char, 65536> piece;
  std::size_t taken = 0;
  for (int state = Z_OK; state != Z_STREAM_END;) {
    const std::size_t some = std::min<std::size_t>(packed.size() - taken, 1u << 30);
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + taken));
    z.avail_in = static_cast<uInt>(some);
    z.next_out = reinterpret_cast<Bytef*>(piece.data());
    z.avail_out = piece.size();
    state = inflate(&z, Z_NO_FLUSH);
    taken += some - z.avail_in;
    const std::size_t made = piece.size() - z.avail_out;
    if ((state != Z_OK && state != Z_STREAM_END) || (state == Z_OK && made == 0)) {
      fail<FormatError, 61>("dicom: ", who, " is damaged at byte ", at + taken,
                            ": the deflated data set cannot be unpacked");
    }
    require<FormatError, 62>(whole->size() - at + made <= limits.inflated_bytes, "dicom: ", who,
                             " unpacks to more than ",
                             human_bytes(static_cast<std::int64_t>(limits.inflated_bytes)));
    whole->append(piece.data(), made);
  }
  return whole;
}

}  // namespace gadolin::detail
