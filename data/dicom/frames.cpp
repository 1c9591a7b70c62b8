// Encapsulated pixel data: which fragments make which frame (PS3.5 A.4).
#include <algorithm>

#include "data/dicom/codec.h"
#include "data/image/image.h"

namespace gadolin::detail {
namespace {

std::uint32_t le32(std::string_view b, std::size_t at) {
  std::uint32_t v = 0;
  for (std::size_t i = 4; i-- > 0;) v = v << 8 | static_cast<unsigned char>(b[at + i]);
  return v;
}

struct Fragment {
  std::size_t offset;
  CodedBytes bytes;
};

// A fragment that begins a JPEG, JPEG-LS or JPEG 2000 stream begins a frame.
bool begins_stream(CodedBytes b) {
  if (b.size() >= 3 && b[0] == 0xff && b[1] == 0xd8 && b[2] == 0xff) return true;
  if (b.size() >= 4 && b[0] == 0xff && b[1] == 0x4f && b[2] == 0xff && b[3] == 0x51) return true;
  return b.size() >= 8 && b[4] == 'j' && b[5] == 'P';
}

}  // namespace

CodedBytes Frames::frame(int i, std::vector<std::uint8_t>& room) const {
  const auto& pieces = parts[static_cast<std::size_t>(i)];
  if (pieces.size() == 1) return pieces[0];
  room.clear();
  for (const auto& p : pieces) room.insert(room.end(), p.begin(), p.end());
  return room;
}

FragmentRun fragment_run(std::string_view bytes, std::size_t at, std::size_t end) {
  while (end - at >= 8) {
    const DicomTag tag = (le32(bytes, at) & 0xffff) << 16 | le32(bytes, at) >> 16;
    const std::uint32_t length = le32(bytes, at + 4);
    if (tag == dicom::sequence_end) return {at, at + 8, false, true};
    // A missing delimiter: what follows is another element, or nothing.
    if (tag != dicom::item) return {at, at, false, false};
    if (length > end - at - 8) return {end, end, true, false};
    at += 8 + std::size_t{length};
  }
  // Complete fragments without a closing delimiter are no damage; the decoder knows whether a frame is whole.
  return {end, end, at != end, false};
}

Frames encapsulated_frames(const DicomFile& file, const DicomElement& pixels, int frames) {
  const std::string who = printable(file.name());
  const std::string_view all = file.raw(pixels);
  std::vector<Fragment> fragments;
  std::vector<std::uint32_t> table;
  bool first = true;
  std::size_t base = 0;
  for (std::size_t at = 0; at + 8 <= all.size();) {
    const std::uint32_t length = le32(all, at + 4);
    if (length > all.size() - at - 8)
      broken_frame(who, "the file ends inside a fragment at byte ", pixels.begin + at);
    const std::string_view bytes = all.substr(at + 8, length);
    if (first) {
      for (std::size_t k = 0; k + 4 <= bytes.size(); k += 4) table.push_back(le32(bytes, k));
      base = at + 8 + length;
    } else if (length > 0) {
      fragments.push_back(
          {at - base, CodedBytes(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size())});
    }
    first = false;
    at += 8 + std::size_t{length};
  }
  const auto n = static_cast<std::size_t>(frames);
  Frames out;
  if (fragments.size() < n) {
    broken_frame(who, frames, " frames are declared, the pixel data has ", fragments.size(), " fragments");
  }
  const auto group = [&](auto&& begins) {
    out.parts.clear();
    for (std::size_t i = 0; i < fragments.size(); ++i) {
      if (i == 0 || begins(i)) out.parts.emplace_back();
      out.parts.back().push_back(fragments[i].bytes);
    }
    return out.parts.size() == n;
  };
  if (n == 1 && group([](std::size_t) { return false; })) return out;
  if (fragments.size() == n && group([](std::size_t) { return true; })) return out;
  if (table.size() == n && group([&](std::size_t i) {
        return std::find(table.begin(), table.end(), fragments[i].offset) != table.end();
      }))
    return out;
  if (group([&](std::size_t i) { return begins_stream(fragments[i].bytes); })) return out;
  broken_frame(who, "its ", fragments.size(), " fragments cannot be divided into ", frames, " frames");
}

namespace {

// The colours of a stream: names of components come first, then JFIF, which is YCbCr by definition, then
// Adobe's marker (ITU-T T.871, T.872). Halved components are differences of colour.
std::string colour_of(CodedBytes components, bool jfif, int adobe, const std::string& said) {
  const auto id = [&](std::size_t c) { return components[3 * c] & 0xdf; };  // in capitals
  if (id(0) == 'R' && id(1) == 'G' && id(2) == 'B') return "RGB";
  if (jfif || adobe == 1) return "YBR_FULL";
  if (adobe == 0) return "RGB";
  const bool halved = components[1] != components[4] || components[1] != components[7];
  return halved && said != "YBR_PARTIAL_422" ? "YBR_FULL" : "";
}

bool begins_with(CodedBytes body, std::string_view name) {
  return body.size() >= name.size() && std::equal(name.begin(), name.end(), body.begin());
}

}  // namespace

JpegHead jpeg_head(CodedBytes b, const PixelModule& m, const std::string& who) {
  if (b.size() < 4 || b[0] != 0xff || b[1] != 0xd8)
    broken_frame(who, "the stream does not begin as JPEG does");
  bool jfif = false;
  int adobe = -1;
  for (std::size_t at = 2; at + 4 <= b.size();) {
    if (b[at] != 0xff) broken_frame(who, "a JPEG marker is missing at byte ", at, " of the frame");
    const int marker = b[at + 1];
    if (marker == 0xff) {
      ++at;
      continue;
    }
    if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2;
      continue;
    }
    const std::size_t length = static_cast<std::size_t>(b[at + 2] << 8 | b[at + 3]);
    if (length < 2 || length + 2 > b.size() - at) broken_frame(who, "the frame ends inside a JPEG header");
    const bool frame =
        (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) ||
        marker == 0xf7;
    if (marker == 0xda || marker == 0xd9) break;
    const CodedBytes body = b.subspan(at + 4, length - 2);
    if (marker == 0xe0 && begins_with(body, "JFIF")) jfif = true;
    if (marker == 0xee && body.size() >= 12 && begins_with(body, "Adobe")) adobe = body[11];
    if (frame) {
      if (length < 8) broken_frame(who, "its JPEG frame header is too short");
      JpegHead h{marker, body[0], body[1] << 8 | body[2], body[3] << 8 | body[4], body[5], ""};
      if (h.channels == 3 && body.size() >= 15)
        h.colour = colour_of(body.subspan(6), jfif, adobe, m.photometric);
      if (h.rows != m.rows || h.columns != m.columns || h.channels != m.channels) {
        broken_frame(who, "the JPEG stream has ", h.channels, " x ", h.rows, " x ", h.columns,
                     " samples, the header says ", m.channels, " x ", m.rows, " x ", m.columns);
      }
      if (h.precision < 2 || h.precision > 16 || h.precision > m.allocated) {
        broken_frame(who, "the JPEG stream has ", h.precision, " bits, BitsAllocated is ", m.allocated);
      }
      return h;
    }
    at += 2 + length;
  }
  broken_frame(who, "the JPEG stream has no frame header");
}

}  // namespace gadolin::detail
