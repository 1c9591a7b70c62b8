// .npy: NumPy's own files (tools/fixtures/interop.py) in every type, files written here, and hostile ones.
#include "io/npy.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <numeric>

#include "io/atomic_file.h"
#include "tests/data/hostile.h"
#include "tests/scratch.h"

using namespace gadolin;
namespace fs = std::filesystem;

namespace {

std::string interop_file(const std::string& name) {
  return std::string(GADOLIN_TEST_DATA) + "/interop/" + name;
}

// A file of format 1.0 with this header and data.
std::string npy(std::string header, const std::string& data = "", const char* version = "\x01") {
  header += '\n';
  std::string bytes = std::string("\x93NUMPY") + version[0] + '\0';
  bytes += static_cast<char>(header.size() & 255);
  bytes += static_cast<char>(header.size() >> 8);
  return bytes + header + data;
}

std::string npy_error(const std::string& bytes) {
  try {
    parse_npy(bytes, "x");
    return "";
  } catch (const FormatError& e) {
    return e.what();
  }
}

TEST(Npy, ReadsEveryTypeThatNumpyWrites) {
  const struct {
    const char* name;
    DType dtype;
    double scale, shift;
  } cases[] = {{"f8", DType::fp64, 0.25, -1},        {"f4", DType::fp32, 0.5, -3},
               {"f2", DType::fp16, 0.125, 0},        {"i8", DType::int64, 1, -7},
               {"i4", DType::int32, 1000, -5},       {"u1", DType::uint8, 10, 0},
               {"f4_fortran", DType::fp32, 0.5, -3}, {"version2", DType::fp32, 0.5, -3}};
  for (const auto& c : cases) {
    const Tensor x = load_npy(interop_file(std::string(c.name) + ".npy"));
    EXPECT_EQ(x.dtype(), c.dtype) << c.name;
    EXPECT_EQ(x.shape(), (Shape{2, 3, 4})) << c.name;
    EXPECT_TRUE(x.is_contiguous()) << c.name;
    const std::vector<double> values = x.to_vector<double>();
    for (int i = 0; i < 24; ++i)
      EXPECT_EQ(values[static_cast<std::size_t>(i)], i * c.scale + c.shift) << c.name << " " << i;
  }
  const Tensor b = load_npy(interop_file("b1.npy"));
  EXPECT_EQ(b.dtype(), DType::boolean);
  for (int i = 0; i < 24; ++i) EXPECT_EQ(b.data<bool>()[i], i % 3 == 0);
  EXPECT_EQ(load_npy(interop_file("scalar.npy")).item<double>(), 2.5);
  EXPECT_EQ(load_npy(interop_file("empty.npy")).shape(), (Shape{3, 0}));
  EXPECT_EQ(load_npy(interop_file("vector.npy")).to_vector<std::int32_t>(),
            (std::vector<std::int32_t>{0, 1, 2, 3, 4}));
}

TEST(Npy, WritesTheBytesThatNumpyWrites) {
  const test::Scratch scratch;
  for (const char* name : {"f8", "f4", "f2", "i8", "i4", "u1", "b1", "scalar", "empty", "vector"}) {
    const std::string path = interop_file(std::string(name) + ".npy"), copy = scratch / "copy.npy";
    save_npy(copy, load_npy(path));
    EXPECT_EQ(read_file(copy, 1 << 20), read_file(path, 1 << 20)) << name;
  }
}

TEST(Npy, ViewsAreWrittenInTheirOwnOrder) {
  const test::Scratch scratch;
  const Tensor x = load_npy(interop_file("f4.npy"));
  const std::string path = scratch / "view.npy";
  save_npy(path, x.transpose(0, 2));
  const Tensor y = load_npy(path);
  EXPECT_EQ(y.shape(), (Shape{4, 3, 2}));
  EXPECT_EQ(y.to_vector<float>(), x.transpose(0, 2).contiguous().to_vector<float>());
}

TEST(Npy, WhatIsRefusedIsNamed) {
  EXPECT_THROW(load_npy(interop_file("none.npy")), FileError);
  EXPECT_THROW(load_npy(GADOLIN_TEST_DATA), FileError);
  const struct {
    const char* name;
    const char* text;
  } files[] = {{"objects", "it holds Python objects, which only running the file could read"},
               {"records", "it holds records, not numbers; save each field as an array of its own"},
               {"big_endian", "it is big-endian ('>f4')"},
               {"int16", "type '<i2' is not one of <f8 <f4 <f2 <i8 <i4 |u1 |b1"}};
  for (const auto& f : files) {
    try {
      load_npy(interop_file(std::string(f.name) + ".npy"));
      ADD_FAILURE() << f.name;
    } catch (const FormatError& e) {
      EXPECT_NE(std::string(e.what()).find(f.text), std::string::npos) << e.what();
      EXPECT_EQ(e.exit_code(), Exit::data);
    }
  }
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  EXPECT_EQ(npy_error(npy(good, "12345678")), "");
  const struct {
    std::string bytes;
    const char* message;
  } cases[] = {{"", "npy: x: it does not begin as a .npy file does"},
               {npy(good, "1234567"),
                "npy: x: 7 bytes of data, but [2] of fp32 takes 8; the file was cut or something was added"},
               {npy(good, "123456789"),
                "npy: x: 9 bytes of data, but [2] of fp32 takes 8; the file was cut or something was added"},
               {npy(good, "12345678", "\x04"), "npy: x: format 4.0 is not known; 1.0 to 3.0 are"},
               {npy(good).substr(0, 30), "npy: x: it ends inside its header"},
               {npy("{'descr': '<f4', 'fortran_order': False, 'shape': (9000000000000,9000000000000), }"),
                "npy: x: shape [9000000000000, 9000000000000] is more than 64.0 TiB"},
               {npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }"),
                "npy: x: the header has a size over 70368744177664"},
               {npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", "1234"),
                "npy: x: the header has more than 8 dimensions"},
               {npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }"),
                "npy: x: the header lacks a size at byte 51"},
               {npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2 3), }"),
                "npy: x: the header lacks a comma between sizes"},
               {npy("{'descr': '<f4', 'fortran_order': 1, 'shape': (2,), }"),
                "npy: x: the header has a fortran_order that is neither True nor False"},
               {npy("{'descr': '<f4', 'descr': '<f4', }"),
                "npy: x: the header has the key 'descr' twice or for nothing"},
               {npy("{'descr': '<f4', 'extra': '<f4', }"),
                "npy: x: the header has the key 'extra' twice or for nothing"},
               {npy("{'descr': '<f4', 'shape': (2,), }"),
                "npy: x: the header lacks one of descr, fortran_order and shape"},
               {npy("{'descr': '<f4' 'shape': (2,), }"), "npy: x: the header lacks a comma"},
               {npy("{'descr': '<f4"), "npy: x: the header ends inside a text"},
               {npy("{descr: '<f4'}"), "npy: x: the header lacks a quoted text at byte 1"},
               {npy("{'descr' '<f4'}"), "npy: x: the header lacks a ':' at byte 9"},
               {npy(good + "x", "12345678"), "npy: x: the header goes on after its dictionary"},
               {npy("{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }", "\x01\x02"),
                "npy: x: a bool is 2, not 0 or 1"},
               {std::string("\x93NUMPY\x02\x00", 8) + std::string("\xff\xff\xff\x7f", 4),
                "npy: x: a header of 2147483647 bytes, the limit is 65536"},
               {std::string("\x93NUMPY\x02\x00\x01", 9) + "\x01", "npy: x: it ends inside its header"}};
  for (const auto& c : cases) EXPECT_EQ(npy_error(c.bytes), c.message);
}

TEST(Npy, HasNoBf16) {
  const test::Scratch scratch;
  try {
    save_npy(scratch / "bf16.npy", empty({2}, DType::bf16));
    ADD_FAILURE();
  } catch (const DTypeError& e) {
    EXPECT_STREQ(e.what(), "save_npy: NumPy has no bf16; convert with .to(DType::fp32)");
  }
  EXPECT_FALSE(fs::exists(scratch / "bf16.npy"));
}

TEST(Npy, SurvivesDamage) {
  for (const char* name : {"f4", "b1", "scalar", "f4_fortran", "version2", "objects", "records"}) {
    const std::string bytes = read_file(interop_file(std::string(name) + ".npy"), 1 << 20);
    const auto read = [](const std::string& damaged) { parse_npy(damaged, "x"); };
    EXPECT_EQ(survive_truncations(bytes, read), 0) << name;
    survive_changes(bytes, 3000, 80, read);
  }
}

// Arrays of other projects, with the sums that their README gives.
TEST(Npy, FilesOfOtherProjects) {
  const std::string folder = std::string(GADOLIN_TEST_DATA) + "/../../../shared/data/interop-numpy/";
  if (!fs::exists(folder)) GTEST_SKIP() << "the reference data set is not on this machine";
  const struct {
    const char* name;
    DType dtype;
    Shape shape;
    double sum;
  } cases[] = {{"candle/test.npy", DType::int64, {10}, 45},
               {"lingvo/qat_test_bias.npy", DType::fp64, {8, 126}, -44.97364249},
               {"lingvo/qat_test_output_8bit_weight_qat_true.npy", DType::fp32, {8, 126}, -21469.65445},
               {"openjphpy/MR2.npy", DType::fp64, {320, 320}, 27087597},
               {"openjphpy/XR0.npy", DType::fp64, {240, 240}, 13788240}};
  for (const auto& c : cases) {
    const Tensor x = load_npy(folder + c.name);
    EXPECT_EQ(x.dtype(), c.dtype);
    EXPECT_EQ(x.shape(), c.shape);
    const std::vector<double> values = x.to_vector<double>();
    EXPECT_NEAR(std::accumulate(values.begin(), values.end(), 0.0), c.sum, 1e-5) << c.name;
  }
  EXPECT_THROW(load_npy(folder + "numpy/py3-objarr.npy"), FormatError);
}

TEST(NpyWriter, WritesRowsAsTheyCome) {
  const test::Scratch dir;
  const std::string path = dir / "rows.npy";
  const Tensor x = rand({7, 3, 2});
  {
    NpyWriter writer(path, {3, 2}, DType::fp32);
    writer.append(x.slice(0, 0, 4));
    writer.append(x.slice(0, 4, 4));  // no rows
    EXPECT_FALSE(fs::exists(path));
    writer.append(x.slice(0, 4, 7));
    EXPECT_EQ(writer.rows(), 7);
    writer.commit();
  }
  for (const Tensor& got : {load_npy(path), map_npy(path)}) {
    EXPECT_EQ(got.shape(), x.shape());
    EXPECT_EQ(got.to_vector<float>(), x.to_vector<float>());
  }
  NpyWriter vectors(path, {}, DType::fp16);  // rows that are single numbers, other types than given
  vectors.append(arange(5));
  vectors.commit();
  EXPECT_EQ(map_npy(path).to_vector<float>(), (std::vector<float>{0, 1, 2, 3, 4}));
  NpyWriter(path, {9}, DType::fp32).append(zeros({2, 9}));  // given up: the old file stays
  EXPECT_EQ(load_npy(path).shape(), Shape{5});
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()), 1);
  NpyWriter nothing(dir / "none.npy", {4}, DType::fp32);
  nothing.commit();
  EXPECT_EQ(load_npy(dir / "none.npy").shape(), (Shape{0, 4}));
}

TEST(NpyWriter, Messages) {
  const test::Scratch dir;
  NpyWriter writer(dir / "a.npy", {3}, DType::fp32);
  EXPECT_EQ(test::message_of<ShapeError>([&] {
              writer.append(zeros({2, 4}));
            }),
            "npy: rows of shape [2, 4] for an array of rows [3]");
  EXPECT_EQ(test::message_of<DTypeError>([&] { NpyWriter(dir / "b.npy", {3}, DType::bf16); }),
            "save_npy: NumPy has no bf16; convert with .to(DType::fp32)");
  EXPECT_EQ(test::message_of<ShapeError>([&] {
              NpyWriter("b.npy", {1, 1, 1, 1, 1, 1, 1, 1}, DType::fp32);
            }),
            "npy: b.npy: rows of shape [1, 1, 1, 1, 1, 1, 1, 1] have too many dimensions");
  AtomicFile file(dir / "c");
  file.write("abc");
  file.overwrite(1, "X");
  std::string text = test::message_of<FileError>([&] { file.overwrite(2, "YZ"); });
  EXPECT_EQ(text.replace(text.find(dir.path()), dir.path().size(), "DIR"),
            "write: DIR/c: bytes 2 to 4 are not among the 3 written");
  file.commit();
  EXPECT_EQ(read_file(dir / "c", 9), "aXc");
}

TEST(MapNpy, RefusesWhatLoadRefuses) {
  const test::Scratch dir;
  const std::string good =
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", std::string(12, '\1'));
  for (std::size_t cut = 0; cut < good.size(); ++cut) {
    const std::string path = dir.write("cut.npy", good.substr(0, cut));
    EXPECT_THROW(map_npy(path), Error) << cut;
  }
  EXPECT_EQ(map_npy(dir.write("good.npy", good)).shape(), Shape{3});
  const std::string turned = npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", "abcdef");
  EXPECT_EQ(map_npy(dir.write("turned.npy", turned)).to_vector<std::int64_t>(),
            (std::vector<std::int64_t>{97, 99, 101, 98, 100, 102}));
  EXPECT_EQ(test::message_of<FormatError>([&] { view_npy(turned, "t.npy"); }),
            "npy: t.npy: it is in Fortran order; save it with numpy.ascontiguousarray(x)");
  EXPECT_EQ(view_npy(good, "g.npy").bytes, std::string(12, '\1'));
}

}  // namespace
