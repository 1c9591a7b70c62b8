// What moves elements keeps their bits: every 16-bit pattern of both types, infinities and NaN of all types.
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <limits>
#include <numeric>

#include "tensor/device.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

template <class T> std::vector<T> bits_of(const Tensor& t) {
  const Tensor host = t.to(cpu);
  std::vector<T> words(static_cast<std::size_t>(host.numel()));
  EXPECT_TRUE(host.is_contiguous());
  std::memcpy(words.data(), host.raw(), words.size() * sizeof(T));
  return words;
}

// rows x cols of these words, on a device, as elements of `dtype`.
template <class T>
Tensor of_bits(const std::vector<T>& words, std::int64_t rows, DType dtype, Device device) {
  Tensor t = empty({rows, static_cast<std::int64_t>(words.size()) / rows}, dtype);
  std::memcpy(t.raw(), words.data(), words.size() * sizeof(T));
  return t.to(device);
}

// Every way to move elements; the last dimension of x is even.
template <class T>
void expect_bits_kept(const std::vector<T>& words, std::int64_t rows, DType dtype, Device device) {
  SCOPED_TRACE(testing::Message() << name_of(dtype) << (device.is_cpu() ? " on the CPU" : " on the GPU"));
  const Tensor x = of_bits(words, rows, dtype, device);
  const std::int64_t cols = x.size(1);
  EXPECT_EQ(bits_of<T>(x.clone()), words);
  const Tensor turned = x.transpose(0, 1);
  const Tensor dense = turned.contiguous();
  EXPECT_EQ(bits_of<T>(dense.transpose(0, 1).contiguous()), words);
  std::vector<T> want(words.size());
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < cols; ++c)
      want[static_cast<std::size_t>(c * rows + r)] = words[static_cast<std::size_t>(r * cols + c)];
  }
  EXPECT_EQ(bits_of<T>(dense), want);
  Tensor into = zeros({rows, cols}, dtype, device);
  into.copy_(dense.transpose(0, 1));
  EXPECT_EQ(bits_of<T>(into), words);
  EXPECT_EQ(bits_of<T>(concat({x.slice(1, 0, cols / 2), x.slice(1, cols / 2, cols)}, 1)), words);
  const Tensor yes = ones({rows, 1}, DType::boolean, device), nothing = zeros({}, dtype, device);
  EXPECT_EQ(bits_of<T>(where(yes, x, nothing)), words);
  EXPECT_EQ(bits_of<T>(where(yes, dense.transpose(0, 1), nothing).contiguous()), words);
}

void expect_bits_kept_on(Device device) {
  std::vector<std::uint16_t> every(65536);
  std::iota(every.begin(), every.end(), std::uint16_t{0});
  for (DType dtype : {DType::bf16, DType::fp16}) expect_bits_kept(every, 256, dtype, device);
  using Single = std::numeric_limits<float>;
  const std::vector<std::uint32_t> singles = {std::bit_cast<std::uint32_t>(Single::infinity()),
                                              std::bit_cast<std::uint32_t>(-Single::infinity()),
                                              std::bit_cast<std::uint32_t>(Single::max()),
                                              std::bit_cast<std::uint32_t>(Single::denorm_min()),
                                              std::bit_cast<std::uint32_t>(-0.0f),
                                              0x7fc00001u,
                                              0x7f800001u,
                                              0xffffffffu};
  expect_bits_kept(singles, 2, DType::fp32, device);
  std::vector<std::uint64_t> doubles;
  for (std::uint32_t word : singles) doubles.push_back(std::uint64_t{word} << 32 | 1);
  expect_bits_kept(doubles, 2, DType::fp64, device);
}

TEST(Words, AreMovedBitForBit) { expect_bits_kept_on(cpu); }
TEST(Words, AreMovedBitForBitOnCuda) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  expect_bits_kept_on(cuda);
}

}  // namespace
}  // namespace gadolin
