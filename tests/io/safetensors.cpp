// .safetensors: the reference writer's file (tools/fixtures/interop.py), round trips, and hostile headers.
#include "io/safetensors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "io/atomic_file.h"
#include "tests/data/hostile.h"
#include "tests/scratch.h"

using namespace gadolin;
namespace fs = std::filesystem;

namespace {

const std::string all_path = std::string(GADOLIN_TEST_DATA) + "/interop/all.safetensors";

class Safetensors : public testing::Test {
 protected:
  test::Scratch scratch_;
  std::string path_ = scratch_ / "a.safetensors";
};

std::string file_of(const std::string& header, const std::string& data = "") {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

std::string header_error(const std::string& bytes) {
  try {
    parse_safetensors_header(bytes, static_cast<std::int64_t>(bytes.size()), "x");
    return "";
  } catch (const FormatError& e) {
    return e.what();
  }
}

TEST_F(Safetensors, ReadsTheReferenceWritersFile) {
  const SafetensorsFile file(all_path);
  EXPECT_EQ(file.metadata(), (TextMap{{"made_with", "safetensors"}, {"quote", "a \"b\" \u00e4"}}));
  EXPECT_EQ(file.entries().size(), 10u);
  const struct {
    const char* name;
    DType dtype;
    double scale, shift;
  } cases[] = {{"t.f8", DType::fp64, 0.25, -1},  {"t.f4", DType::fp32, 0.5, -3},
               {"t.f2", DType::fp16, 0.125, 0},  {"t.i8", DType::int64, 1, -7},
               {"t.i4", DType::int32, 1000, -5}, {"t.u1", DType::uint8, 10, 0}};
  for (const auto& c : cases) {
    const Tensor x = file.tensor(c.name);
    EXPECT_EQ(x.dtype(), c.dtype) << c.name;
    EXPECT_EQ(x.shape(), (Shape{2, 3, 4})) << c.name;
    const std::vector<double> values = x.to_vector<double>();
    for (int i = 0; i < 24; ++i)
      EXPECT_EQ(values[static_cast<std::size_t>(i)], i * c.scale + c.shift) << c.name << " " << i;
  }
  EXPECT_EQ(file.tensor("scalar").item<double>(), 2.5);
  EXPECT_EQ(file.tensor("none").shape(), (Shape{0, 3}));
  EXPECT_FALSE(file.contains("t.i2"));
  try {
    file.tensor("short");
    ADD_FAILURE();
  } catch (const FormatError& e) {
    EXPECT_EQ(std::string(e.what()),
              "safetensors: " + all_path +
                  ": 'short' is of type I16, which Gadolin does not have; convert it to F32 first");
  }
  EXPECT_THROW(file.tensor("nothing"), FormatError);
}

TEST_F(Safetensors, TensorsOutliveTheFileAndChangesStayPrivate) {
  const std::string before = read_file(all_path, 1 << 20);
  Tensor x;
  {
    const SafetensorsFile file(all_path);
    x = file.tensor("t.f8");
  }
  x.data<double>()[0] = 42;
  EXPECT_EQ(x.data<double>()[1], -0.75);
  EXPECT_EQ(read_file(all_path, 1 << 20), before);
}

TEST_F(Safetensors, RoundTripOfEveryType) {
  TensorMap tensors;
  for (const DType dtype : {DType::fp32, DType::fp64, DType::bf16, DType::fp16, DType::int64, DType::int32,
                            DType::uint8, DType::boolean}) {
    Tensor x = empty({3, 5}, dtype);
    std::memset(x.raw(), dtype == DType::boolean ? 1 : 0x3c, static_cast<std::size_t>(x.nbytes()));
    tensors[name_of(dtype)] = x;
    tensors[std::string("odd.") + name_of(dtype)] = empty({0, 2}, dtype);
  }
  tensors["view"] = tensors["fp32"].transpose(0, 1);
  const TextMap metadata{{"a", "b"}, {"", "line\nbreak"}};
  save_safetensors(path_, tensors, metadata);
  const SafetensorsFile file(path_);
  EXPECT_EQ(file.metadata(), metadata);
  ASSERT_EQ(file.entries().size(), tensors.size());
  std::int64_t width = 8;
  for (const SafetensorsEntry& entry : file.entries()) {
    const Tensor x = tensors.at(entry.name).contiguous(), y = file.tensor(entry.name);
    EXPECT_EQ(y.dtype(), x.dtype());
    EXPECT_EQ(y.shape(), x.shape());
    EXPECT_EQ(std::memcmp(x.raw(), y.raw(), static_cast<std::size_t>(x.nbytes())), 0) << entry.name;
    EXPECT_LE(size_of(x.dtype()), width) << "widest first";
    width = size_of(x.dtype());
  }
  const std::string once = read_file(path_, 1 << 20);
  save_safetensors(path_, tensors, metadata);
  EXPECT_EQ(read_file(path_, 1 << 20), once);
  save_safetensors(path_, {});
  EXPECT_TRUE(load_safetensors(path_).empty());
  EXPECT_THROW(save_safetensors(path_, {{"__metadata__", tensors["fp32"]}}), ValueError);
  EXPECT_THROW(save_safetensors(path_, {{"a", Tensor()}}), ValueError);
}

TEST_F(Safetensors, MisalignedTensorsAreCopied) {
  const std::string header = R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                             R"("f":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})";
  const float value = 1.5f;
  std::string data(1, '\7');
  data.append(reinterpret_cast<const char*>(&value), 4);
  std::ofstream(path_, std::ios::binary) << file_of(header, data);
  EXPECT_EQ(load_safetensors(path_).at("f").item<float>(), 1.5f);
}

TEST_F(Safetensors, BoolsAreZeroOrOne) {
  std::ofstream(path_, std::ios::binary)
      << file_of(R"({"b":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})", "\1\2");
  try {
    load_safetensors(path_);
    ADD_FAILURE();
  } catch (const FormatError& e) {
    EXPECT_EQ(std::string(e.what()),
              "safetensors: " + path_ + ": 'b' is BOOL but holds bytes other than 0 and 1");
  }
}

TEST_F(Safetensors, HostileHeaders) {
  const auto one = [](const char* shape, const char* offsets, const char* dtype = "F32") {
    return std::string(R"({"a":{"dtype":")") + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
           offsets + "}}";
  };
  EXPECT_EQ(header_error(file_of(one("[1]", "[0,4]"), "1234")), "");
  EXPECT_EQ(header_error(file_of("{}  ")), "");
  const std::string cut = "; the file was cut or something was added";
  const struct {
    std::string bytes, message;
  } cases[] = {
      {"1234567", "7 bytes are too few for a header"},
      {file_of(""), "the header does not begin with '{'"},
      {std::string(7, '\0') + "\x7f{}",
       "a header of 9151314442816847872 bytes, the limit is 100000000; is it a .safetensors file?"},
      {file_of("{}").substr(0, 9), "it ends inside its header; the file was cut"},
      {file_of("[1]"), "the header does not begin with '{'"},
      {file_of("{\"a\":"), "the header is not JSON at byte 6"},
      {file_of("{} x"), "the header is not JSON at byte 4"},
      {file_of("{\"a\":1}"), "the header has a value of the wrong kind in 'a'"},
      {file_of("{\"a\":[1]}"), "the header has a value of the wrong kind in 'a'"},
      {file_of("{\"a\":{}}"), "the header lacks dtype, shape or data_offsets of 'a'"},
      {file_of("{\"a\":{\"dtype\":{}}}"), "the header nests objects too deeply in 'a'"},
      {file_of("{\"a\":{\"shape\":[[1]]}}"), "the header has a value of the wrong kind in 'a'"},
      {file_of("{\"a\":{\"shape\":[{}]}}"), "the header nests objects too deeply in 'a'"},
      {file_of("{\"a\":{\"x\":1}}"), "the header has the unknown key 'x' in 'a'"},
      {file_of("{\"a\":{\"shape\":[1],\"shape\":[1]}}"), "the header has 'shape' twice in 'a'"},
      {file_of("{\"__metadata__\":{},\"__metadata__\":{}}"), "the header has '__metadata__' twice"},
      {file_of("{\"__metadata__\":{\"a\":1}}"), "the header has a value of the wrong kind in '__metadata__'"},
      {file_of(one("[1.5]", "[0,4]")), "the header has a value of the wrong kind in 'a'"},
      {file_of(one("[-1]", "[0,4]")), "the header has a negative number in 'a'"},
      {file_of(one("[1]", "[0]")), "the header has not two data_offsets in 'a'"},
      {file_of(one("[1]", "[0,9223372036854775807]")), "the header has a number out of range in 'a'"},
      {file_of(one("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,4]")),
       "the header has more than 16 dimensions in 'a'"},
      {file_of(one("[1]", "[0,4]", "F31"), "1234"), "'a' has the unknown dtype 'F31'"},
      {file_of(one("[4294967296,4294967296]", "[0,4]"), "1234"), "the shape of 'a' overflows"},
      {file_of(one("[2]", "[0,4]"), "1234"), "'a' spans bytes 0 to 4, but its shape takes 8"},
      {file_of(one("[1]", "[4,0]"), "1234"),
       "'a' begins at byte 4 where 0 is due; tensors must follow one another without holes or overlaps"},
      {file_of(one("[1]", "[4,8]"), "12345678"),
       "'a' begins at byte 4 where 0 is due; tensors must follow one another without holes or overlaps"},
      {file_of(one("[1]", "[0,4]"), "12345"), "5 bytes of data, the tensors take 4" + cut},
      {file_of(one("[1]", "[0,4]"), "123"), "3 bytes of data, the tensors take 4" + cut},
      {file_of(
           R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
           "123"),
       "'b' begins at byte 1 where 2 is due; tensors must follow one another without holes or overlaps"}};
  for (const auto& c : cases) EXPECT_EQ(header_error(c.bytes), "safetensors: x: " + c.message);
}

TEST_F(Safetensors, ManyEmptyTensorsAreReadInTheTimeOfTheirBytes) {
  std::string header = "{";
  for (int i = 0; i < 50'000; ++i) {
    header += "\"t" + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)";
  }
  header.back() = '}';
  EXPECT_EQ(header_error(file_of(header)), "");
  // Deep nesting costs no stack.
  EXPECT_NE(header_error(file_of("{\"a\":" + std::string(1'000'000, '['))), "");
  EXPECT_NE(header_error(file_of("{\"a\":{\"shape\":" + std::string(1'000'000, '['))), "");
}

TEST_F(Safetensors, SurvivesDamage) {
  const std::string bytes = read_file(all_path, 1 << 20);
  const auto header = [](const std::string& damaged) {
    parse_safetensors_header(damaged, static_cast<std::int64_t>(damaged.size()), "x");
  };
  EXPECT_EQ(survive_truncations(bytes, header), 0);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  survive_changes(bytes, 5000, 8 + length, header);
  survive_changes(bytes, 500, 8 + length, [this](const std::string& damaged) {
    fs::remove(path_);  // writing over a file would wait for the disk
    std::ofstream(path_, std::ios::binary) << damaged;
    const SafetensorsFile file(path_);
    for (const SafetensorsEntry& entry : file.entries()) {
      try {
        file.tensor(entry.name);
      } catch (const Error&) {
      }
    }
  });
}

TEST_F(Safetensors, AFileOfAnotherProject) {
  const std::string path = std::string(GADOLIN_TEST_DATA) +
                           "/../../../shared/data/interop-torch-safetensors/multi_layer.safetensors";
  if (!fs::exists(path)) GTEST_SKIP() << "the reference data set is not on this machine";
  const TensorMap tensors = load_safetensors(path);
  EXPECT_GT(tensors.size(), 3u);
  save_safetensors(path_, tensors);
  for (const auto& [name, x] : load_safetensors(path_)) {
    EXPECT_EQ(std::memcmp(x.raw(), tensors.at(name).raw(), static_cast<std::size_t>(x.nbytes())), 0) << name;
  }
}

}  // namespace
