// What printing a tensor shows, to the letter.
#include <gtest/gtest.h>

#include <sstream>

#include "tensor/ops.h"
#include "tests/tensor/special_values.h"

namespace gadolin {
namespace {

TEST(Printing, Matrix) {
  EXPECT_EQ(tensor({1.5, -2, 3, 0.25, 10, -0.125}, {2, 3}).str(),
            "tensor([[ 1.5000, -2.0000,  3.0000],\n"
            "        [ 0.2500, 10.0000, -0.1250]], shape [2, 3], fp32, cpu)");
}

TEST(Printing, Streams) {
  std::ostringstream out;
  out << arange(2) << " and " << Tensor();
  EXPECT_EQ(out.str(), "tensor([0, 1], shape [2], int64, cpu) and tensor(undefined)");
}

TEST(Printing, ScalarIntegersAndBools) {
  EXPECT_EQ(tensor({2.5}, {}).str(), "tensor(2.5000, shape [], fp32, cpu)");
  EXPECT_EQ(arange(3).str(), "tensor([0, 1, 2], shape [3], int64, cpu)");
  EXPECT_EQ(tensor({0, 1}, {2}, DType::boolean).str(), "tensor([false,  true], shape [2], bool, cpu)");
  EXPECT_EQ(from_vector<std::int64_t>({9007199254740993}, {1}).str(),
            "tensor([9007199254740993], shape [1], int64, cpu)");
}

TEST(Printing, WholeNumbersAreShort) {
  EXPECT_EQ(tensor({1, -20, 300}, {3}, DType::bf16).str(),
            "tensor([  1., -20., 300.], shape [3], bf16, cpu)");
}

TEST(Printing, WideRangesAreScientific) {
  EXPECT_EQ(tensor({1e-6, 0.5}, {2}).str(), "tensor([1.0000e-06, 5.0000e-01], shape [2], fp32, cpu)");
  EXPECT_EQ(tensor({1e9}, {1}).str(), "tensor([1.0000e+09], shape [1], fp32, cpu)");
}

TEST(Printing, NanAndInfinity) {
  EXPECT_EQ(tensor({nan, inf, -inf, 0.5}, {4}).str(),
            "tensor([   nan,    inf,   -inf, 0.5000], shape [4], fp32, cpu)");
}

TEST(Printing, CubeHasBlankLines) {
  EXPECT_EQ(arange(8).reshape({2, 2, 2}).str(),
            "tensor([[[0, 1],\n"
            "         [2, 3]],\n"
            "\n"
            "        [[4, 5],\n"
            "         [6, 7]]], shape [2, 2, 2], int64, cpu)");
}

TEST(Printing, LargeTensorsShowTheirEdges) {
  EXPECT_EQ(arange(1'000'000).str(),
            "tensor([     0,      1,      2, ..., 999997, 999998, 999999], shape [1000000], int64, cpu)");
  EXPECT_EQ(arange(10'000).reshape({100, 100}).str(1),
            "tensor([[   0, ...,   99],\n"
            "        ...,\n"
            "        [9900, ..., 9999]], shape [100, 100], int64, cpu)");
}

TEST(Printing, LongRowsAreWrapped) {
  const std::string text = arange(60).str();
  std::size_t line = 0, longest = 0;
  for (char c : text.substr(0, text.find(", shape"))) {
    line = c == '\n' ? 0 : line + 1;
    longest = std::max(longest, line);
  }
  EXPECT_LE(longest, 100u);
  EXPECT_GE(longest, 90u);
  EXPECT_NE(text.find(",\n        "), std::string::npos);
}

TEST(Printing, EmptyUndefinedAndViews) {
  EXPECT_EQ(zeros({0, 3}).str(), "tensor([], shape [0, 3], fp32, cpu)");
  EXPECT_EQ(Tensor().str(), "tensor(undefined)");
  EXPECT_EQ(arange(4).reshape({2, 2}).transpose(0, 1).str(),
            "tensor([[0, 2],\n"
            "        [1, 3]], shape [2, 2], int64, cpu)");
}

TEST(Printing, DeviceTensors) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  EXPECT_EQ(arange(3, DType::int64, cuda).str(), "tensor([0, 1, 2], shape [3], int64, cuda:0)");
}

}  // namespace
}  // namespace gadolin
