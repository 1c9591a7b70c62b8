// .pth files that we write: read back, stable, aligned, and refused where the format has no room.
#include <gtest/gtest.h>

#include <cstring>

#include "io/torch_file.h"
#include "io/zip_file.h"
#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

std::vector<std::pair<std::string, Tensor>> every_type() {
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const DType dtype : {DType::fp32, DType::fp64, DType::bf16, DType::fp16, DType::int64, DType::int32,
                            DType::uint8, DType::boolean}) {
    Tensor x = empty({3, 5}, dtype);
    std::memset(x.raw(), dtype == DType::boolean ? 1 : 0x3c, static_cast<std::size_t>(x.nbytes()));
    tensors.emplace_back(name_of(dtype), x);
  }
  tensors.emplace_back("view", tensors[0].second.transpose(0, 1));
  tensors.emplace_back("scalar", full({}, 2.5));
  tensors.emplace_back("none", empty({0, 3}));
  tensors.emplace_back("a \"name\" \xc3\xa4", arange(70000));
  return tensors;
}

TEST(TorchWriter, RoundTripOfEveryType) {
  const Scratch scratch;
  const std::string path = scratch / "all.pth";
  const auto tensors = every_type();
  save_torch(path, tensors);
  const WeightFile back = read_weights(path);
  EXPECT_EQ(back.format, "torch zip");
  EXPECT_TRUE(back.notes.empty());
  ASSERT_EQ(back.tensors.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const Tensor x = tensor.contiguous(), y = back.tensors.at(name);
    EXPECT_EQ(y.dtype(), x.dtype()) << name;
    EXPECT_EQ(y.shape(), x.shape()) << name;
    EXPECT_TRUE(y.is_contiguous()) << name;
    const int difference =
        x.numel() > 0 ? std::memcmp(x.raw(), y.raw(), static_cast<std::size_t>(x.nbytes())) : 0;
    EXPECT_EQ(difference, 0) << name;
  }
  const std::string once = read_file(path, 1 << 24);
  save_torch(path, tensors);
  EXPECT_EQ(read_file(path, 1 << 24), once) << "the same contents give other bytes";
}

TEST(TorchWriter, MembersAreStoredAlignedAndUnderTheNameOfTheFile) {
  const Scratch scratch;
  save_torch(scratch / "net.pth", every_type());
  const std::string bytes = read_file(scratch / "net.pth", 1 << 24);
  const ZipFile zip(bytes, "net.pth");
  for (const ZipEntry& entry : zip.entries()) {
    EXPECT_EQ(zip.begin(entry) % 64, 0u) << entry.name;
    EXPECT_FALSE(entry.deflated);
    EXPECT_EQ(entry.name.rfind("net/", 0), 0u);
  }
  EXPECT_NE(zip.find("net/data.pkl"), nullptr);
  EXPECT_EQ(zip.view(*zip.find("net/version")), "3\n");
  EXPECT_EQ(zip.view(*zip.find("net/byteorder")), "little");
  EXPECT_EQ(zip.entries().size(), every_type().size() + 3);
}

TEST(TorchWriter, LeavesNothingBehindWhenItFails) {
  const Scratch scratch;
  EXPECT_EQ(message_of<ValueError>([&] {
              save_torch(scratch / "x.pth", {{"a", Tensor()}});
            }),
            "save_torch: 'a' is undefined");
  EXPECT_THROW(save_torch(scratch / "no/such/folder/x.pth", every_type()), FileError);
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
}

}  // namespace
