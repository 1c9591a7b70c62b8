// Damaged and malicious image files: refused with a reason, never a crash, never half a picture.
#include <zlib.h>

#include "data/image/image.h"
#include "tensor/random.h"
#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

const std::vector<std::string>& files() {
  static const std::vector<std::string> names = {"images/baseline_420.jpg",
                                                 "images/progressive.jpg",
                                                 "images/restart.jpg",
                                                 "images/grey.jpg",
                                                 "images/cmyk.jpg",
                                                 "images/pngsuite/basn2c16.png",
                                                 "images/pngsuite/ibasn6a16.png",
                                                 "images/pngsuite/basn3p04.png",
                                                 "images/pngsuite/ftbgn3p08.png"};
  return names;
}

// True when it decoded. Anything but an Error of the data family, or an image that is not what it says, fails
// the test.
bool decodes(const std::vector<std::uint8_t>& bytes, const DecodeOptions& options = {}) {
  try {
    const Image image = decode_region(bytes, "memory", options).image;
    EXPECT_EQ(image.pixels.size(), image.numel() * static_cast<std::size_t>(image.bits / 8));
    return true;
  } catch (const FormatError&) {
    return false;
  }
}

DecodeOptions corner() {
  DecodeOptions options;
  options.region = [](int w, int h) { return Region{{0, 0, std::max(1, w / 8), std::max(1, h / 8)}, 0, 0}; };
  return options;
}

void put32(std::vector<std::uint8_t>& out, std::uint32_t v) {
  for (int s = 24; s >= 0; s -= 8) out.push_back(static_cast<std::uint8_t>(v >> s));
}
void put_chunk(std::vector<std::uint8_t>& out, const char* kind, const std::vector<std::uint8_t>& body) {
  put32(out, static_cast<std::uint32_t>(body.size()));
  const std::size_t begin = out.size();
  out.insert(out.end(), kind, kind + 4);
  out.insert(out.end(), body.begin(), body.end());
  put32(out, static_cast<std::uint32_t>(crc32(0, out.data() + begin, static_cast<uInt>(out.size() - begin))));
}
std::vector<std::uint8_t> png_of(std::uint32_t width, std::uint32_t height,
                                 const std::vector<std::uint8_t>& pixels) {
  std::vector<std::uint8_t> png = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}, header;
  put32(header, width);
  put32(header, height);
  for (const int v : {8, 0, 0, 0, 0}) header.push_back(static_cast<std::uint8_t>(v));
  put_chunk(png, "IHDR", header);
  put_chunk(png, "IDAT", pixels);
  put_chunk(png, "IEND", {});
  return png;
}

}  // namespace

TEST(HostileImages, CutAnywhereIsRefused) {
  for (const std::string& name : files()) {
    const auto whole = read_bytes(fixture(name));
    ASSERT_TRUE(decodes(whole)) << name;
    const std::size_t step = whole.size() > 1000 ? 13 : 1;
    for (std::size_t length = 0; length < whole.size(); length += step) {
      const std::vector<std::uint8_t> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
      // The last two bytes of a JPEG only say that it ends.
      EXPECT_FALSE(decodes(cut)) << name << " cut to " << length << " of " << whole.size();
      EXPECT_FALSE(decodes(cut, corner())) << name << ", corner only, cut to " << length;
    }
  }
}

TEST(HostileImages, FlippedBitsNeverCrash) {
  for (const std::string& name : files()) {
    const auto whole = read_bytes(fixture(name));
    RandomStream random(1, stream_id(7, whole.size()));
    int refused = 0;
    for (int round = 0; round < 300; ++round) {
      auto bytes = whole;
      for (int k = 0; k < 1 + round % 3; ++k)
        bytes[random.below(bytes.size())] ^= static_cast<std::uint8_t>(1u << random.below(8));
      refused += !decodes(bytes);
      decodes(bytes, corner());
    }
    // Sums protect every byte of a PNG behind the first eight.
    if (name.ends_with(".png")) {
      EXPECT_GT(refused, 290) << name;
    }
  }
}

TEST(HostileImages, FlippedBitsUnderRightSumsNeverCrash) {
  // The decoder behind the sums sees the damage.
  RandomStream random(2, 3);
  std::vector<std::uint8_t> raw(33 * 32), packed(4096);
  for (auto& v : raw) v = static_cast<std::uint8_t>(random.below(5));
  uLongf size = packed.size();
  ASSERT_EQ(compress(packed.data(), &size, raw.data(), raw.size()), Z_OK);
  packed.resize(size);
  ASSERT_TRUE(decodes(png_of(32, 32, packed)));
  for (int round = 0; round < 3000; ++round) {
    auto bytes = packed;
    for (int k = 0; k < 1 + round % 4; ++k)
      bytes[random.below(bytes.size())] ^= static_cast<std::uint8_t>(1u << random.below(8));
    if (round % 5 == 0) bytes.resize(random.below(bytes.size()));
    decodes(png_of(32, 32, bytes));
    decodes(png_of(1 + static_cast<std::uint32_t>(random.below(200)),
                   1 + static_cast<std::uint32_t>(random.below(200)), bytes));
  }
}

TEST(HostileImages, SizesAreCheckedBeforeAllocation) {
  EXPECT_EQ(message_of<FormatError>([] { decode_image(png_of(20000, 10, {0}), "a.png"); }),
            "decode: a.png is 20000 x 10 pixels, at most 16384 x 16384 and 268435456 in all are read; make "
            "it smaller first");
  EXPECT_EQ(message_of<FormatError>([] { decode_image(png_of(0, 10, {0}), "a.png"); }),
            "decode: a.png says it is 0 x 10 pixels");
  EXPECT_EQ(message_of<FormatError>([] { decode_image(png_of(16384, 16384, {0}), "a.png"); }),
            "decode: a.png would unpack 58 B to 256.0 MiB, more than 2000 times its size");
  EXPECT_EQ(message_of<FormatError>([] {
              DecodeOptions small;
              small.limits.file_bytes = 10;
              decode_image(std::vector<std::uint8_t>(2048), "a.png", small);
            }),
            "decode: a.png has 2.0 KiB, at most 10 B are read");
  const std::string_view pnm = "P5 16384 16384 255\nabc";
  EXPECT_THROW(decode_image({reinterpret_cast<const std::uint8_t*>(pnm.data()), pnm.size()}, "a.pgm"),
               FormatError);
}

TEST(HostileImages, MessagesNameFileByteAndReason) {
  auto png = read_bytes(fixture("images/pngsuite/basn0g08.png"));
  auto wrong = png;
  wrong[wrong.size() - 20] ^= 1;
  const std::string text = message_of<FormatError>([&] { decode_image(wrong, "x.png"); });
  EXPECT_NE(text.find("decode: x.png is a damaged PNG, at byte "), std::string::npos) << text;
  EXPECT_NE(text.find("the check sum of a chunk is wrong"), std::string::npos) << text;
  png.resize(60);
  EXPECT_EQ(message_of<FormatError>([&] { decode_image(png, "x.png"); }),
            "decode: x.png is a damaged PNG, at byte 60 of 60: the file was cut short");
  auto jpeg = read_bytes(fixture("images/grey.jpg"));
  jpeg.resize(1000);
  EXPECT_EQ(
      message_of<FormatError>([&] { decode_image(jpeg, "x.jpg"); }),
      "decode: x.jpg is a damaged or unsupported JPEG, at byte 986 of 1000: premature end of input file");
  EXPECT_EQ(
      message_of<FormatError>([&] { decode_image(jpeg, "x.jpg", {.channels = 0}); }),
      "decode: x.jpg is a damaged or unsupported JPEG, at byte 986 of 1000: premature end of input file");
  EXPECT_EQ(message_of<FormatError>([&] { decode_image({}, "x.jpg"); }), "decode: x.jpg is empty (0 bytes)");
  EXPECT_EQ(message_of<FormatError>([&] { decode_image(std::vector<std::uint8_t>(100), "x\n.jpg"); }),
            "decode: x\\x0a.jpg is not a JPEG, PNG, BMP, PNM or DICOM file; convert it first");
  EXPECT_EQ(message_of<ValueError>([&] { decode_image(jpeg, "x.jpg", {.channels = 2}); }),
            "decode: channels = 2 is not 0 (as in the file), 1 or 3");
}
