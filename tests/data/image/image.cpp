// Decoders against Pillow's pixels, encoders against decoders, conversions against arithmetic.
#include "data/image/image.h"

#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;

TEST(Jpeg, DecodesAsPillow) {
  for (const char* name :
       {"baseline_420", "baseline_422", "baseline_444", "progressive", "restart", "grey", "cmyk", "large"}) {
    SCOPED_TRACE(name);
    const Image got = read_image(fixture(cat("images/", name, ".jpg")));
    const Image want = read_image(fixture(cat("images/", name, ".png")));
    EXPECT_LE(largest_difference(got, want), 1);
  }
}

TEST(Jpeg, RegionEqualsThatPartOfTheWhole) {
  for (const char* name :
       {"baseline_420", "baseline_422", "progressive", "restart", "grey", "cmyk", "large"}) {
    SCOPED_TRACE(name);
    const std::string path = fixture(cat("images/", name, ".jpg"));
    const auto bytes = read_bytes(path);
    const Image whole = decode_image(bytes, name);
    for (const Box box : {Box{0, 0, 1, 1}, Box{40, 30, 20, 10}, Box{whole.width - 9, whole.height - 7, 9, 7},
                          Box{33, 0, 31, whole.height}, Box{0, 17, whole.width, 3}}) {
      DecodeOptions options;
      options.region = [&](int width, int height) {
        EXPECT_EQ(width, whole.width);
        EXPECT_EQ(height, whole.height);
        return Region{box, 0, 0};
      };
      const Decoded part = decode_region(bytes, name, options);
      ASSERT_EQ(part.shrink, 1);
      for (int y = 0; y < box.height; ++y) {
        const auto* got =
            part.image.row<std::uint8_t>(box.y + y - part.y) + (box.x - part.x) * whole.channels;
        const auto* want = whole.row<std::uint8_t>(box.y + y) + box.x * whole.channels;
        ASSERT_TRUE(std::equal(want, want + box.width * whole.channels, got)) << "row " << y;
      }
    }
  }
}

TEST(Jpeg, ShrinksOnlyDownToWhatIsWanted) {
  const auto bytes = read_bytes(fixture("images/large.jpg"));  // 400 x 300
  const auto shrink = [&](int width, int height) {
    DecodeOptions options;
    options.region = [=](int w, int h) { return Region{{0, 0, w, h}, width, height}; };
    const Decoded d = decode_region(bytes, "large.jpg", options);
    EXPECT_GE(d.image.width, width);
    EXPECT_GE(d.image.height, height);
    return d.shrink;
  };
  EXPECT_EQ(shrink(400, 300), 1);
  EXPECT_EQ(shrink(201, 100), 1);
  EXPECT_EQ(shrink(200, 150), 2);
  EXPECT_EQ(shrink(100, 75), 4);
  EXPECT_EQ(shrink(1, 1), 8);
}

TEST(Jpeg, GreyFromColourIsNearThePixelsLuminance) {
  const std::string path = fixture("images/baseline_444.jpg");
  DecodeOptions grey;
  grey.channels = 1;
  const Image got = read_image(path, grey), want = to_grey(read_image(path));
  double sum = 0;
  for (std::size_t i = 0; i < got.numel(); ++i) sum += std::abs(got.pixels[i] - want.pixels[i]);
  EXPECT_LT(sum / static_cast<double>(got.numel()),
            1.0);  // colours outside of RGB were clipped on one way only
}

TEST(Jpeg, EncodesWhatItDecodes) {
  const Image picture = read_image(fixture("transforms/rgb.png"));
  const Image back = decode_image(encode_jpeg(picture, 98), "memory");
  double sum = 0;
  for (std::size_t i = 0; i < back.numel(); ++i) sum += std::abs(back.pixels[i] - picture.pixels[i]);
  EXPECT_LT(sum / static_cast<double>(back.numel()), 2.0);
  EXPECT_LT(encode_jpeg(picture, 30).size(), encode_jpeg(picture, 95).size() / 2);
  EXPECT_EQ(decode_image(encode_jpeg(to_grey(picture)), "memory").channels, 1);
  EXPECT_EQ(message_of<ValueError>([] { encode_jpeg(Image(2, 2, 1, 16)); }),
            "encode_jpeg: the image has 16 bits, JPEG holds 8; convert with to_8bit()");
  EXPECT_EQ(message_of<ValueError>([] { encode_jpeg(Image(2, 2, 1), 101); }),
            "encode_jpeg: quality = 101 is not in 1..100");
  EXPECT_EQ(message_of<ValueError>([] { encode_jpeg(Image(0, 2, 1)); }),
            "encode_jpeg: 0 x 2 pixels, JPEG holds 1 to 65500 a side");
}

TEST(Png, RoundTripsEveryKindExactly) {
  for (const int channels : {1, 3}) {
    for (const int bits : {8, 16}) {
      for (const auto& [w, h] : {std::pair{1, 1}, {7, 3}, {64, 65}}) {
        const Image image = pattern(w, h, channels, bits);
        EXPECT_EQ(decode_image(encode_png(image), "memory"), image)
            << w << "x" << h << " " << channels << " " << bits;
      }
    }
  }
  EXPECT_EQ(message_of<ValueError>([] { encode_png(Image()); }), "encode_png: 0 x 0 has no pixels");
  EXPECT_EQ(message_of<ValueError>([] { encode_png(Image(1, 1, 1), 10); }),
            "encode_png: level = 10 is not in 0..9");
}

TEST(Png, ReadsInterlacedAsPlain) {
  for (const char* kind : {"0g01", "0g04", "2c08", "2c16", "3p04", "4a08", "6a16"}) {
    const Image plain = read_image(fixture(cat("images/pngsuite/basn", kind, ".png")));
    EXPECT_EQ(plain.width, 32);
    EXPECT_EQ(plain.bits, std::string(kind).ends_with("16") ? 16 : 8);
    EXPECT_EQ(plain.channels, kind[0] == '0' || kind[0] == '4' ? 1 : 3);
    EXPECT_EQ(read_image(fixture(cat("images/pngsuite/ibasn", kind, ".png"))), plain) << kind;
  }
}

TEST(Png, DropsOrBlendsTransparency) {
  const std::string path =
      fixture("images/pngsuite/basn4a08.png");  // opaque at the right, transparent at the left
  DecodeOptions black, white;
  black.alpha = Alpha::over_black;
  white.alpha = Alpha::over_white;
  const Image dropped = read_image(path), on_black = read_image(path, black),
              on_white = read_image(path, white);
  EXPECT_EQ(on_black.pixels[0], 0);
  EXPECT_EQ(on_white.pixels[0], 255);
  EXPECT_EQ(on_black.pixels[31], dropped.pixels[31]);
  EXPECT_EQ(on_white.pixels[31], dropped.pixels[31]);
}

TEST(Bmp, ReadsRowsFromBelowAndPalettes) {
  // 2 x 2, 24 bit: rows from the bottom, blue first, padded to four bytes.
  std::vector<std::uint8_t> bmp = {'B', 'M', 70, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0,  40,
                                   0,   0,   0,  2, 0, 0, 0, 2, 0, 0, 0,  1, 0, 24, 0};
  bmp.resize(54);
  for (const int v : {1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0})
    bmp.push_back(static_cast<std::uint8_t>(v));
  const Image image = decode_image(bmp, "memory");
  EXPECT_EQ(image.pixels, (std::vector<std::uint8_t>{9, 8, 7, 12, 11, 10, 3, 2, 1, 6, 5, 4}));
  bmp.pop_back();
  EXPECT_EQ(message_of<FormatError>([&] { decode_image(bmp, "a.bmp"); }),
            "decode: a.bmp is a damaged or unsupported BMP of 69 bytes: its pixels were cut short");
}

// 2 wide, 3 high, rows named 1, 2, 3 from the top; `height` negative: written from the top too.
std::vector<std::uint8_t> bmp_of(int depth, std::int32_t height) {
  const auto put = [](std::vector<std::uint8_t>& to, std::uint32_t v, int bytes) {
    for (int i = 0; i < bytes; ++i) to.push_back(static_cast<std::uint8_t>(v >> 8 * i));
  };
  std::vector<std::uint8_t> palette, rows, out{'B', 'M'};
  const int colours = depth <= 8 ? std::min(1 << depth, 4) : 0;
  for (int i = 0; i < colours; ++i)
    put(palette, 0x010101u * static_cast<std::uint32_t>(depth == 1 ? i : 10 * i), 4);
  for (int i = 0; i < 3; ++i) {
    const int row = height < 0 ? 1 + i : 3 - i;
    const auto grey = 0x010101u * static_cast<std::uint32_t>(10 * row);
    const std::size_t begin = rows.size();
    if (depth == 1)
      put(rows, row == 2 ? 0xc0 : 0, 1);
    else if (depth == 4)
      put(rows, static_cast<std::uint32_t>(row * 0x11), 1);
    else
      for (int x = 0; x < 2; ++x) put(rows, depth == 8 ? static_cast<std::uint32_t>(row) : grey, depth / 8);
    rows.resize(begin + (rows.size() - begin + 3) / 4 * 4);
  }
  const auto offset = static_cast<std::uint32_t>(54 + palette.size());
  put(out, offset + static_cast<std::uint32_t>(rows.size()), 4);
  put(out, 0, 4);
  put(out, offset, 4);
  put(out, 40, 4);
  put(out, 2, 4);
  put(out, static_cast<std::uint32_t>(height), 4);
  put(out, 1, 2);
  put(out, static_cast<std::uint32_t>(depth), 2);
  for (int i = 0; i < 4; ++i) put(out, 0, 4);
  put(out, static_cast<std::uint32_t>(colours), 4);
  put(out, 0, 4);
  out.insert(out.end(), palette.begin(), palette.end());
  out.insert(out.end(), rows.begin(), rows.end());
  return out;
}

TEST(Bmp, RowsFromTheTop) {
  for (const int depth : {1, 4, 8, 24, 32}) {
    const Image up = to_grey(decode_image(bmp_of(depth, 3), "memory")),
                down = to_grey(decode_image(bmp_of(depth, -3), "memory"));
    EXPECT_EQ(down, up) << depth;
    const std::vector<std::uint8_t> want = depth == 1 ? std::vector<std::uint8_t>{0, 0, 1, 1, 0, 0}
                                                      : std::vector<std::uint8_t>{10, 10, 20, 20, 30, 30};
    EXPECT_EQ(down.pixels, want) << depth;
  }
  const auto says = [](std::int32_t height) {
    return message_of<FormatError>([&] { decode_image(bmp_of(24, height), "a.bmp"); });
  };
  EXPECT_EQ(
      says(INT32_MIN),
      "decode: a.bmp is 2 x 2147483648 pixels, at most 16384 x 16384 and 268435456 in all are read; make it "
      "smaller first");
  EXPECT_EQ(says(-4), "decode: a.bmp is a damaged or unsupported BMP of 78 bytes: its pixels were cut short");
  EXPECT_EQ(says(0), "decode: a.bmp says it is 2 x 0 pixels");
}

TEST(Pnm, ScalesByTheLargestValue) {
  const auto decode = [](std::string_view text) {
    return decode_image({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, "memory");
  };
  EXPECT_EQ(decode("P2 # a comment\n3 1\n15\n0 7 15\n").pixels, (std::vector<std::uint8_t>{0, 119, 255}));
  EXPECT_EQ(decode(std::string_view("P5 2 1 255\n\x05\xff", 13)).pixels, (std::vector<std::uint8_t>{5, 255}));
  EXPECT_EQ(decode("P3 1 1 255 1 2 3").channels, 3);
  const Image wide = decode(std::string_view("P5 2 1 4095\n\x0f\xff\x00\x01", 16));
  ASSERT_EQ(wide.bits, 16);
  EXPECT_EQ(wide.data<std::uint16_t>()[0], 65535);
  EXPECT_EQ(wide.data<std::uint16_t>()[1], 16);
  EXPECT_EQ(message_of<FormatError>([&] { decode("P5 2 1 255\n\x05"); }),
            "decode: memory is a damaged PNM, at byte 12 of 12: the file was cut short");
  EXPECT_EQ(message_of<FormatError>([&] { decode("P2 2 1 9\n1 10"); }),
            "decode: memory is a damaged PNM, at byte 13 of 13: a sample is above the largest value");
}

TEST(Pnm, BitmapsAreBlackWhereABitIsSet) {
  const auto decode = [](std::string_view text) {
    return decode_image({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, "memory");
  };
  const std::vector<std::uint8_t> want{0,   255, 0,   255, 255, 255, 255, 255, 255, 0,
                                       255, 0,   255, 255, 255, 255, 0,   0,   0,   255};
  const Image text = decode("P1 # ten wide\n10 2\n1010000001\n0 1 000 0111 0");
  EXPECT_EQ(text.width, 10);
  EXPECT_EQ(text.channels, 1);
  EXPECT_EQ(text.pixels, want);
  // Rows are padded to whole bytes; what the padding holds does not matter.
  EXPECT_EQ(decode(std::string_view("P4\n10 2\n\xa0\x7f\x43\xbf", 12)).pixels, want);
  EXPECT_EQ(message_of<FormatError>([&] { decode(std::string_view("P4\n10 2\n\xa0\x7f\x43", 11)); }),
            "decode: memory is a damaged PNM, at byte 11 of 11: the file was cut short");
  EXPECT_EQ(message_of<FormatError>([&] { decode("P1 2 2 1 2 1 0"); }),
            "decode: memory is a damaged PNM, at byte 9 of 14: a 0 or 1 was expected");
  EXPECT_EQ(message_of<FormatError>([&] { decode("P1 2 2 1 1 1 "); }),
            "decode: memory is a damaged PNM, at byte 13 of 13: the file was cut short");
  EXPECT_EQ(message_of<FormatError>([&] { decode("P4 99 99 x"); }),
            "decode: memory is a damaged PNM, at byte 8 of 10: the file was cut short");
  EXPECT_EQ(message_of<FormatError>([&] { decode("P7\nWIDTH 1\n"); }),
            "decode: memory is not a JPEG, PNG, BMP, PNM or DICOM file; convert it first");
}

TEST(Image, ConvertsChannelsAndDepth) {
  Image rgb(1, 1, 3);
  rgb.pixels = {200, 100, 50};
  EXPECT_EQ(to_grey(rgb).pixels[0], 124);  // (200 19595 + 100 38470 + 50 7471 + 32768) >> 16
  EXPECT_EQ(to_rgb(to_grey(rgb)).pixels, (std::vector<std::uint8_t>{124, 124, 124}));
  Image deep(4, 1, 1, 16);
  for (int i = 0; i < 4; ++i)
    deep.data<std::uint16_t>()[i] =
        static_cast<std::uint16_t>(std::array{0, 128, 129, 65535}[static_cast<std::size_t>(i)]);
  EXPECT_EQ(to_8bit(deep).pixels, (std::vector<std::uint8_t>{0, 0, 1, 255}));
  EXPECT_EQ(message_of<ValueError>([] { Image(2, 2, 4); }),
            "image: 2 x 2 with 4 channels of 8 bits cannot be made; channels are 1 or 3, bits 8 or 16");
}

TEST(Image, FilesAreWrittenWholeOrNotAtAll) {
  const Scratch folder;
  const Image image = pattern(9, 5, 3);
  write_png(folder / "a.png", image);
  EXPECT_EQ(read_image(folder / "a.png"), image);
  EXPECT_THROW(write_png(folder / "missing/a.png", image), FileError);
  EXPECT_EQ(message_of<FileError>([&] { read_image("/nowhere/x.png"); }),
            "read: /nowhere/x.png cannot be opened: No such file or directory");
  EXPECT_EQ(message_of<FileError>([&] { read_image(folder.path()); }),
            cat("read: ", folder.path(), " is a folder, not a file"));
}

TEST(Image, PrintableHidesControlCharactersAndBrokenUtf8) {
  EXPECT_EQ(printable("lunge_ä.png"), "lunge_ä.png");
  EXPECT_EQ(printable("a\x1b[2Jb\n"), "a\\x1b[2Jb\\x0a");
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");  // a control character of two bytes
}
