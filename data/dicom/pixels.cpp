// Stored values out of pixel data: the choice of a decoder, masks, signs and byte orders.
#include <algorithm>
#include <cstring>

#include "data/dicom/codec.h"
#include "data/dicom/image.h"

namespace gadolin {
namespace {
using detail::PixelModule;
using detail::RawFrame;

enum class Packing { none, raw, rle, jpeg, jpeg12, lossless, jpegls, j2k };
Packing coding_of(const std::string& uid) {
  static constexpr std::pair<std::string_view, Packing> known[] = {
      {"1.2.840.10008.1.2", Packing::raw},           {"1.2.840.10008.1.2.1", Packing::raw},
      {"1.2.840.10008.1.2.1.99", Packing::raw},      {"1.2.840.10008.1.2.2", Packing::raw},
      {"1.2.840.10008.1.2.5", Packing::rle},         {"1.2.840.10008.1.2.4.50", Packing::jpeg},
      {"1.2.840.10008.1.2.4.51", Packing::jpeg12},   {"1.2.840.10008.1.2.4.57", Packing::lossless},
      {"1.2.840.10008.1.2.4.70", Packing::lossless}, {"1.2.840.10008.1.2.4.80", Packing::jpegls},
      {"1.2.840.10008.1.2.4.81", Packing::jpegls},   {"1.2.840.10008.1.2.4.90", Packing::j2k},
      {"1.2.840.10008.1.2.4.91", Packing::j2k}};
  for (const auto& [name, coding] : known)
    if (name == uid) return coding;
  return Packing::none;
}

template <class T> T swapped(T v) {
  if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(v));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(v));
  return v;
}

// `channels` samples side by side for each pixel, to as many planes: mask to BitsStored below HighBit, extend
// the sign.
template <class T, bool Big, int Channels>
void spread(const std::uint8_t* in, std::int64_t n, const PixelModule& m, std::int32_t* out) {
  const int left = 31 - m.high_bit, right = 32 - m.stored;
  const auto value = [&](std::int64_t i) {
    T v;
    std::memcpy(&v, in + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
    return static_cast<std::uint32_t>(Big ? swapped(v) : v) << left;
  };
  const auto all = [&](auto finish) {
    for (std::int64_t i = 0; i < n; ++i) {
      for (int c = 0; c < Channels; ++c) out[c * n + i] = finish(value(i * Channels + c));
    }
  };
  if (m.is_signed)
    all([&](std::uint32_t v) { return static_cast<std::int32_t>(v) >> right; });
  else
    all([&](std::uint32_t v) { return static_cast<std::int32_t>(v >> right); });
}

// All channels of a frame, interleaved or planar, as planes.
template <class T, bool Big = false>
void planes(const std::uint8_t* in, bool planar, const PixelModule& m, std::int32_t* out) {
  if (m.channels == 3 && !planar)
    spread<T, Big, 3>(in, m.pixels(), m, out);
  else
    spread<T, Big, 1>(in, m.frame_samples(), m, out);
}

// Bits packed without gaps, the lowest first: 1 and 12 bits allocated.
void packed(std::string_view bytes, std::int64_t first, const PixelModule& m, std::int32_t* out) {
  for (std::int64_t i = 0; i < m.frame_samples(); ++i) {
    const std::int64_t bit = (first + i) * m.allocated;
    std::uint64_t v = 0;
    for (std::int64_t k = 4; k >= 0; --k) {
      const auto at = static_cast<std::size_t>(bit / 8 + k);
      v = v << 8 | (at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0u);
    }
    const auto word = static_cast<std::uint32_t>(v >> (bit % 8)) << (31 - m.high_bit);
    const int right = 32 - m.stored;
    const std::int64_t to = m.channels == 1 ? i : i % m.channels * m.pixels() + i / m.channels;
    out[to] =
        m.is_signed ? static_cast<std::int32_t>(word) >> right : static_cast<std::int32_t>(word >> right);
  }
}

// Bytes of a frame whose pixels share their colour differences two by two: Y1 Y2 Cb Cr.
std::int64_t halved_bytes(const PixelModule& m) { return (m.pixels() + 1) / 2 * 4; }

void from_422(const std::uint8_t* in, const PixelModule& m, std::int32_t* out) {
  const std::int64_t n = m.pixels();
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint8_t* pair = in + i / 2 * 4;
    out[i] = pair[i % 2];
    out[n + i] = pair[2];
    out[2 * n + i] = pair[3];
  }
}

void raw_frame(const DicomFile& file, const DicomElement& e, const PixelModule& m, int frame,
               std::int32_t* out) {
  const std::string_view bytes = file.raw(e);
  const std::int64_t bits = m.halved ? halved_bytes(m) * 8 : m.frame_samples() * m.allocated;
  if (m.allocated % 8 != 0) return packed(bytes, frame * m.frame_samples(), m, out);
  const auto* in = reinterpret_cast<const std::uint8_t*>(bytes.data()) + frame * (bits / 8);
  std::vector<std::uint8_t> room;
  if (e.big_endian && m.allocated == 8 && e.is("OW")) {
    const auto begin = static_cast<std::size_t>(frame * (bits / 8));
    room.resize(static_cast<std::size_t>(bits / 8));
    for (std::size_t i = 0; i < room.size(); ++i) {
      const std::size_t at = (begin + i) ^ 1;
      room[i] = at < bytes.size() ? static_cast<std::uint8_t>(bytes[at]) : std::uint8_t{0};
    }
    in = room.data();
  }
  if (m.halved) return from_422(in, m, out);
  if (m.allocated == 8) return planes<std::uint8_t>(in, m.planar, m, out);
  if (m.allocated == 16)
    return e.big_endian ? planes<std::uint16_t, true>(in, m.planar, m, out)
                        : planes<std::uint16_t>(in, m.planar, m, out);
  if (m.allocated == 32)
    return e.big_endian ? planes<std::uint32_t, true>(in, m.planar, m, out)
                        : planes<std::uint32_t>(in, m.planar, m, out);
  fail<FormatError, 64>("dicom: ", printable(file.name()), ": BitsAllocated is ", m.allocated,
                        ", 1, 8, 12, 16 and 32 are read");
}

// Decodes one frame. Returns the module with what the stream says of bits and colours, which counts more.
PixelModule coded_frame(const DicomFile& file, Packing coding, detail::CodedBytes bytes, const PixelModule& m,
                        std::int32_t* out, RawFrame& raw) {
  const std::string who = printable(file.name());
  raw.precision = 0;
  raw.photometric.clear();
  raw.is_signed.reset();
  const auto compare = [&](const std::string& colour) {
    if (!colour.empty() && colour != m.photometric)
      file.warn("PhotometricInterpretation is ", printable(m.photometric), ", the stream is ", colour,
                "; the stream counts");
  };
  switch (coding) {
    case Packing::rle: detail::decode_rle_frame(bytes, m, who, raw); break;
    case Packing::j2k: detail::decode_j2k_frame(bytes, m, who, raw); break;
    case Packing::jpegls: detail::decode_jpegls_frame(bytes, m, who, raw); break;
    default: {
      // What the stream is counts, not what the header calls it.
      const detail::JpegHead head = detail::jpeg_head(bytes, m, who);
      raw.photometric = head.colour;
      compare(head.colour);  // the decoder may turn one into the other
      if (head.process == 0xc3)
        detail::decode_lossless_frame(bytes, m, who, raw);
      else if (head.process <= 0xc2 && head.precision == 8)
        detail::decode_jpeg_frame(bytes, m, who, raw);
      else if (head.process <= 0xc1)
        detail::decode_jpeg12_frame(bytes, m, who, raw);
      else
        detail::broken_frame(who, "JPEG of frame type SOF", head.process - 0xc0, " with ", head.precision,
                             " bits is not read");
    }
  }
  if (coding == Packing::jpegls || coding == Packing::j2k) compare(raw.photometric);
  if (raw.is_signed && *raw.is_signed != m.is_signed)
    file.warn("the stream is ", m.is_signed ? "unsigned" : "signed", ", PixelRepresentation is ",
              m.is_signed ? 1 : 0, "; its bits are read as PixelRepresentation says");
  PixelModule said = m;
  if (raw.precision > 0) {
    if (raw.precision != m.stored)
      file.warn("the stream has ", raw.precision, " bits a sample, BitsStored is ", m.stored,
                "; the stream counts");
    said.stored = raw.precision;
    said.high_bit = raw.precision - 1;
  }
  if (!raw.photometric.empty()) said.photometric = raw.photometric;
  if (raw.container == 8)
    planes<std::uint8_t>(raw.bytes.data(), raw.planar, said, out);
  else if (raw.container == 16)
    planes<std::uint16_t>(raw.bytes.data(), raw.planar, said, out);
  else
    planes<std::uint32_t>(raw.bytes.data(), raw.planar, said, out);
  return said;
}

const DicomElement& pixel_element(const DicomFile& file) {
  const DicomElement* e = file.find(dicom::pixel_data);
  if (e == nullptr) {
    const bool real = file.find(dicom::float_pixels) || file.find(dicom::double_pixels);
    fail<FormatError, 66>("dicom: ", printable(file.name()),
                          real ? " holds floating-point pixels, which are not read" : " has no pixel data");
  }
  return *e;
}

// Whether what is stored can be what the header promises, before anything is allocated for it.
void check_amount(const DicomFile& file, const DicomElement& e, const PixelModule& m, Packing coding) {
  const std::string who = printable(file.name());
  const bool raw = coding == Packing::raw;
  require<FormatError, 64>(
      e.encapsulated != raw, "dicom: ", who, ": transfer syntax ",
      transfer_syntax_name(file.transfer_syntax()),
      raw ? " has no fragments, but the pixel data has" : " has fragments, but the pixel data has none");
  const auto have = static_cast<std::int64_t>(e.length);
  if (raw) {
    const std::int64_t need = m.halved ? halved_bytes(m) * m.frames : (m.samples() * m.allocated + 7) / 8;
    require<FormatError, 67>(have >= need, "dicom: ", who, ": pixels cannot be decoded, ", need,
                             " bytes are needed, ", have, e.cut ? " are left of the file" : " are there");
  } else {
    const std::int64_t unpacked = m.samples() * 4;
    require<FormatError, 62>(unpacked <= file.limits().free_bytes || unpacked / file.limits().ratio <= have,
                             "dicom: ", who, " would unpack ", human_bytes(have), " to ",
                             human_bytes(unpacked), ", more than ", file.limits().ratio, " times its size");
    require<FormatError, 67>(!e.cut, "dicom: ", who, ": pixels cannot be decoded, the file ends inside them");
  }
}

}  // namespace

bool dicom_syntax_is_read(const std::string& uid) { return coding_of(uid) != Packing::none; }

DicomImage read_dicom_image(const DicomFile& file, int frame) {
  const DicomElement& e = pixel_element(file);
  const Packing coding = coding_of(file.transfer_syntax());
  require<FormatError, 65>(coding != Packing::none, "dicom: ", printable(file.name()),
                           " is in transfer syntax ", printable(transfer_syntax_name(file.transfer_syntax())),
                           ", which is not read; convert it to Explicit VR Little Endian");
  PixelModule m = detail::read_pixel_module(file);
  if (coding == Packing::raw && m.photometric.ends_with("_422") && m.allocated == 8) {
    m.halved = static_cast<std::int64_t>(e.length) < m.samples();
    if (!m.halved)
      file.warn("PhotometricInterpretation is ", m.photometric, ", but the pixel data is not subsampled");
  }
  check_amount(file, e, m, coding);
  require<ValueError>(frame >= -1 && frame < m.frames, "dicom: frame ", frame, " of ", printable(file.name()),
                      ", it has ", m.frames, ", counted from 0");
  DicomImage image;
  image.rows = m.rows;
  image.columns = m.columns;
  image.channels = m.channels;
  image.bits_stored = m.stored;
  image.is_signed = m.is_signed;
  image.frames = frame < 0 ? m.frames : 1;
  if (m.photometric == "YBR_FULL_422") m.photometric = "YBR_FULL";
  if (m.photometric == "YBR_PARTIAL_420") m.photometric = "YBR_PARTIAL_422";  // once the samples are there
  if (coding == Packing::j2k && (m.photometric == "YBR_RCT" || m.photometric == "YBR_ICT"))
    m.photometric = "RGB";  // what the transform of the stream is undone to
  image.photometric = m.photometric;
  detail::Frames parts;
  if (coding != Packing::raw) parts = detail::encapsulated_frames(file, e, m.frames);

  Shape shape{image.frames, m.rows, m.columns};
  if (m.channels == 3) shape = Shape{image.frames, 3, m.rows, m.columns};
  image.samples = empty(shape, DType::int32);
  auto* out = image.samples.data<std::int32_t>();
  std::vector<std::uint8_t> room;
  RawFrame raw;
  for (int i = 0; i < image.frames; ++i, out += m.frame_samples()) {
    const int from = frame < 0 ? i : frame;
    if (coding == Packing::raw) {
      raw_frame(file, e, m, from, out);
      continue;
    }
    const PixelModule said = coded_frame(file, coding, parts.frame(from, room), m, out, raw);
    if (i > 0 && said.photometric != image.photometric)
      detail::broken_frame(printable(file.name()), "frame ", from, " is ", said.photometric,
                           ", those before it are ", printable(image.photometric));
    image.photometric = said.photometric;
    image.bits_stored = i == 0 ? said.stored : std::max(image.bits_stored, said.stored);
  }
  if (m.channels == 3 && image.photometric != "RGB" && !detail::ybr_range(image.photometric, 8))
    detail::refuse_photometric(file, image.photometric, "RGB");
  detail::read_display_facts(file, image, std::max(frame, 0));
  return image;
}

}  // namespace gadolin
