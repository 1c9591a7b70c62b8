// What file formats, decoders, transforms and the loader say about each mistake, word for word; DIR stands
// for the folder of the test.
#include <gtest/gtest.h>

#include <climits>
#include <cstring>

#include "data/image/resize.h"
#include "data/image/stb.h"
#include "data/image/warp.h"
#include "data/sets/ingest.h"
#include "data/sets/loader.h"
#include "data/sets/upload.h"
#include "io/atomic_file.h"
#include "io/crc32c.h"
#include "io/events.h"
#include "io/mapped_file.h"
#include "io/npy.h"
#include "io/record_file.h"
#include "io/safetensors.h"
#include "tensor/ops.h"
#include "tests/data/messages.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

TEST(FileMessages, WritingAndReading) {
  const Scratch dir;
  AtomicFile file(dir / "a");
  file.write("x");
  file.commit();
  expect_says<FileError>(
      dir, [&] { file.write("y"); }, "write: DIR/a is already committed or given up; open a new file");
  expect_says<FileError>(
      dir, [&] { file.sync(); }, "write: DIR/a is already committed or given up; open a new file");
  dir.write("large", std::string(3000, 'x'));
  expect_says<FormatError>(
      dir, [&] { read_file(dir / "large", 2048); },
      "read: DIR/large is larger than 2.0 KiB, the limit for such a file");
  expect_says<FormatError>(
      dir, [&] { read_bytes(dir / "large", 2048); }, "read: DIR/large has 2.9 KiB, at most 2.0 KiB are read");
  expect_says<FileError>(
      dir, [&] { read_bytes(dir.path(), 2048); }, "read: DIR is a folder, not a file");
  expect_says<FileError>(
      dir, [] { MappedFile mapped("/dev/null"); },
      "read: /dev/null is not a regular file; copy its contents to one");
}

std::string npy(const std::string& descr) {
  std::string header = "{'descr': " + descr + ", 'fortran_order': False, 'shape': (2,), }";
  header.resize(118, ' ');
  return std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + std::string(8, '\0');
}

TEST(FileMessages, Npy) {
  const Scratch dir;
  const auto parse = [&](const std::string& descr) { return [=] { parse_npy(npy(descr), "x.npy"); }; };
  EXPECT_EQ(parse_npy(npy("'<f4'"), "x.npy").numel(), 2);
  expect_says<FormatError>(
      dir, parse("[('a', '<f4')]"),
      "npy: x.npy: it holds records, not numbers; save each field as an array of its own");
  expect_says<FormatError>(
      dir, parse("'|O'"),
      "npy: x.npy: it holds Python objects, which only running the file could read; convert it to a numeric "
      "array");
  expect_says<FormatError>(
      dir, parse("'>f4'"),
      "npy: x.npy: it is big-endian ('>f4'); save it with x.astype(x.dtype.newbyteorder('<'))");
  expect_says<FormatError>(dir, parse("'<c8'"),
                           "npy: x.npy: type '<c8' is not one of <f8 <f4 <f2 <i8 <i4 |u1 |b1; convert it "
                           "with x.astype('float32')");
}

std::string safetensors(const std::string& header, const std::string& bytes) {
  std::string text(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(text.data(), &length, 8);
  return text + header + bytes;
}
std::string entry(const std::string& dtype, const std::string& shape, int begin, int end,
                  const std::string& name = "a") {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

TEST(FileMessages, Safetensors) {
  const Scratch dir;
  struct Case {
    std::string bytes, want;
  };
  const std::string eight(8, '\1');
  const Case headers[] = {
      {"abc", "safetensors: DIR/f: 3 bytes are too few for a header"},
      {std::string(8, '\x7f') + "{}",
       "safetensors: DIR/f: a header of 9187201950435737471 bytes, the limit is 100000000; is it a "
       ".safetensors file?"},
      {safetensors("{}", "").substr(0, 9), "safetensors: DIR/f: it ends inside its header; the file was cut"},
      {safetensors("[]", ""), "safetensors: DIR/f: the header does not begin with '{'"},
      {safetensors("{]", ""), "safetensors: DIR/f: the header is not JSON at byte 2"},
      {safetensors("{" + entry("F31", "[2]", 0, 8) + "}", eight),
       "safetensors: DIR/f: 'a' has the unknown dtype 'F31'"},
      {safetensors("{" + entry("F32", "[4611686018427387904,4]", 0, 8) + "}", eight),
       "safetensors: DIR/f: the shape of 'a' overflows"},
      {safetensors("{" + entry("F32", "[1]", 4, 8) + "}", eight),
       "safetensors: DIR/f: 'a' begins at byte 4 where 0 is due; tensors must follow one another without "
       "holes or overlaps"},
      {safetensors("{" + entry("F32", "[2]", 0, 4) + "}", eight),
       "safetensors: DIR/f: 'a' spans bytes 0 to 4, but its shape takes 8"},
      {safetensors("{" + entry("F32", "[2]", 0, 8) + "}", eight + "x"),
       "safetensors: DIR/f: 9 bytes of data, the tensors take 8; the file was cut or something was added"},
  };
  for (const Case& c : headers) {
    dir.write("f", c.bytes);
    expect_says<FormatError>(
        dir, [&] { SafetensorsFile file(dir / "f"); }, c.want);
  }
  const Case tensors[] = {
      {safetensors("{" + entry("F32", "[2]", 0, 8, "b") + "}", eight), "safetensors: DIR/f: no tensor 'a'"},
      {safetensors("{" + entry("F8_E4M3", "[8]", 0, 8) + "}", eight),
       "safetensors: DIR/f: 'a' is of type F8_E4M3, which Gadolin does not have; convert it to F32 first"},
      {safetensors("{" + entry("F32", "[1,1,1,1,1,1,1,1,1,1,1,1,2]", 0, 8) + "}", eight),
       cat("safetensors: DIR/f: 'a' has 13 dimensions, at most ", Shape::max_dim, " are possible")},
      {safetensors("{" + entry("BOOL", "[8]", 0, 8) + "}", std::string(8, '\2')),
       "safetensors: DIR/f: 'a' is BOOL but holds bytes other than 0 and 1"},
  };
  EXPECT_EQ(tensors[2].want.find("safetensors: DIR/f: 'a' has 13 dimensions, at most 8 are possible"),
            Shape::max_dim == 8 ? 0u : std::string::npos);
  for (const Case& c : tensors) {
    dir.write("f", c.bytes);
    expect_says<FormatError>(
        dir, [&] { SafetensorsFile(dir / "f").tensor("a"); }, c.want);
  }
  expect_says<ValueError>(
      dir,
      [&] {
        save_safetensors(dir / "g", {{"__metadata__", ones({1})}});
      },
      "save_safetensors: '__metadata__' cannot name a tensor");
  expect_says<ValueError>(
      dir,
      [&] {
        save_safetensors(dir / "g", {{"a", Tensor()}});
      },
      "save_safetensors: 'a' is undefined");
}

TEST(FileMessages, RecordsAndEvents) {
  const Scratch dir;
  const auto read = [&](const std::string& bytes) {
    dir.write("r", bytes);
    return [&dir] {
      RecordReader reader(dir / "r", {.record_limit = 4});
      std::string record;
      while (reader.next(record)) {
      }
    };
  };
  const std::string one = framed_record("abcd");
  std::string length = one, content = one;
  length[0] ^= 1;
  content[13] ^= 1;
  expect_says<FileError>(
      dir, [] { RecordReader reader("/dev/null"); },
      "records: /dev/null is not a regular file; copy its contents to one");
  expect_says<FormatError>(
      dir, read(one.substr(0, 10)),
      "records: DIR/r: it ends inside the frame of the record at byte 0; the file was cut");
  expect_says<FormatError>(dir, read(std::string("\x1f\x8b") + one),
                           "records: DIR/r is packed with gzip; unpack it with gunzip");
  expect_says<FormatError>(dir, read(length),
                           "records: DIR/r: the length of the record at byte 0 does not match its checksum; "
                           "the file is damaged or "
                           "no TFRecord");
  expect_says<FormatError>(dir, read(framed_record("abcde")),
                           "records: DIR/r: the record at byte 0 has 5 bytes, the limit is 4");
  expect_says<FormatError>(
      dir, read(content),
      "records: DIR/r: the record at byte 0 does not match its checksum; the file is damaged");
  const auto events = [&](const std::string& bytes) {
    dir.write("e", bytes);
    return [&dir] { read_scalar_events(dir / "e"); };
  };
  expect_says<FormatError>(dir, events(framed_record("\xff\xff")),
                           "events: DIR/e: the record at byte 0 is no event; is it an event file?");
  expect_says<FormatError>(dir, events(framed_record("")),
                           "events: DIR/e does not begin with the version of an event file");
}

// --- pictures ----------------------------------------------------------------------------------------------

TEST(FileMessages, Pictures) {
  const Scratch dir;
  const std::vector<std::uint8_t> png = encode_png(pattern(4, 4, 1));
  expect_says<ValueError>(
      dir,
      [&] {
        DecodeOptions part;
        part.region = [](int w, int h) { return Region{{0, 0, w, h}, 0, 0}; };
        decode_image(png, "a.png", part);
      },
      "decode_image: reads whole pictures; use decode_region for a part of one");
  // The size is refused before a byte is looked at.
  const detail::Bytes huge{png.data(), static_cast<std::size_t>(INT_MAX) + 1};
  expect_says<FormatError>(
      dir, [&] { detail::decode_stb(huge, "a.png", 8, Alpha::drop); }, "decode: a.png is larger than 2 GiB");

  // A JPEG that says it has two components: only its frame header is looked at.
  auto jpeg = read_bytes(fixture("images/grey.jpg"), 1 << 20);
  std::size_t frame = 0;
  for (std::size_t i = 0; i + 1 < jpeg.size() && frame == 0; ++i)
    if (jpeg[i] == 0xff && (jpeg[i + 1] == 0xc0 || jpeg[i + 1] == 0xc2)) frame = i;
  ASSERT_GT(frame, 0u);
  auto two = jpeg;
  two[frame + 3] = 14;
  two[frame + 9] = 2;
  const std::uint8_t component[] = {2, 0x11, 0};
  two.insert(two.begin() + static_cast<std::ptrdiff_t>(frame) + 13, std::begin(component),
             std::end(component));
  expect_says<FormatError>(
      dir, [&] { decode_image(two, "a.jpg"); },
      "decode: a.jpg is a JPEG with 2 components, known are grey, RGB, YCbCr, CMYK and YCCK; convert it "
      "first");
  // A part of a picture whose end is missing: what lies behind the part cannot be checked by decoding it.
  jpeg.resize(jpeg.size() - 2);
  DecodeOptions part;
  part.region = [](int w, int h) { return Region{{0, 0, w / 4, h / 4}, 0, 0}; };
  expect_says<FormatError>(
      dir, [&] { decode_region(jpeg, "a.jpg", part); },
      "decode: a.jpg is a damaged or unsupported JPEG, at byte 1607 of 1607: no end marker, the file was cut "
      "short");
}

TEST(FileMessages, Transforms) {
  const Scratch dir;
  const Image image = pattern(4, 4, 1), none;
  expect_says<ValueError>(
      dir,
      [&] {
        crop(image, {0, 0, 0, 4});
      },
      "crop: to 0 x 4, sides are 1 to 65536");
  expect_says<ValueError>(
      dir, [] { affine_map(4, 4, {.scale = 0}); }, "affine: scale = 0 is not above 0");
  expect_says<ShapeError>(
      dir, [&] { rotate(none, 10); }, "warp: the image has no pixels");
  expect_says<ShapeError>(
      dir, [&] { resize(none, 2, 2); }, "resize: the image has no pixels");
  expect_says<ShapeError>(
      dir,
      [] {
        normalize_factors({{0.5}, {1, 1, 1}}, 1, 8);
      },
      "normalize: deviation of 3 channels on an image of 1; add the step rgb, or give one value");
  const Tensor bytes = zeros({2, 3, 4, 4}, DType::uint8);
  const NormalizeFactors f = normalize_factors({}, 3, 8);
  expect_says<ShapeError>(
      dir, [&] { ingest(bytes, f); },
      "ingest: images [2, 3, 4, 4] do not have channels innermost in memory; use "
      "contiguous(MemoryFormat::channels_last)");
  expect_says<DTypeError>(
      dir, [&] { ingest(bytes.contiguous(MemoryFormat::channels_last), f, DType::fp64); },
      "ingest: to fp64, known are fp32, bf16 and fp16");
}

TEST(FileMessages, Loader) {
  const Scratch dir;
  const std::vector<std::uint8_t> deep = encode_png(pattern(4, 4, 1, 16));
  dir.write("a.png", deep);
  const auto set = open_dataset(dir.write("m.csv", "path,labels\na.png,x\n"));
  expect_says<UsageError>(
      dir,
      [&] { DataLoader loader(*set, Pipeline(), {.batch_size = 1, .workers = 0, .dtype = DType::uint8}); },
      "loader: samples have 16 bits, dtype uint8 would lose them; use fp32");
}

#ifndef GADOLIN_CUDA
TEST(FileMessages, UploadWithoutCuda) {
  const Scratch dir;
  expect_says<DeviceError>(
      dir,
      [&] {
        Uploader uploader(cuda);
        uploader.push({ones({1})});
      },
      "upload: cuda:0 is not available; this build has no CUDA");
}
#endif

}  // namespace
