// Tensors: views, strides, conversions, copies, allocation.
#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "tensor/allocator.h"
#include "tensor/autograd.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;

Tensor counting(const Shape& shape) { return arange(shape.numel(), DType::fp32).reshape(shape); }

TEST(Tensor, ViewsShareStorage) {
  Tensor x = counting({2, 3});
  x.select(0, 1).slice(0, 1, 3).fill_(-1);
  EXPECT_EQ(x.to_vector<float>(), (std::vector<float>{0, 1, 2, 3, -1, -1}));
  EXPECT_EQ(x.transpose(0, 1).to_vector<float>(), (std::vector<float>{0, 3, 1, -1, 2, -1}));
  EXPECT_EQ(x.slice(1, 0, 3, 2).to_vector<float>(), (std::vector<float>{0, 2, 3, -1}));
}

TEST(Tensor, ReshapeIsAViewWhenItCanBe) {
  const Tensor x = counting({2, 3, 4});
  EXPECT_EQ(x.reshape({6, 4}).raw(), x.raw());
  EXPECT_EQ(x.transpose(0, 1).reshape({3, 2, 2, 2}).raw(), x.raw());
  EXPECT_NE(x.transpose(0, 1).reshape({24}).raw(), x.raw());
  EXPECT_EQ(x.reshape({-1, 12}).shape(), (Shape{2, 12}));
  EXPECT_EQ(x.transpose(0, 2).reshape({24}).to_vector<float>()[1], 12);
  EXPECT_EQ(zeros({0, 3}).reshape({3, 0}).numel(), 0);
}

TEST(Tensor, ChannelsLastIsAnOrderOfStrides) {
  const Tensor x = counting({2, 3, 4, 5}), y = x.contiguous(MemoryFormat::channels_last);
  EXPECT_TRUE(y.is_channels_last());
  EXPECT_EQ(y.stride(1), 1);
  EXPECT_EQ(y.to_vector<float>(), x.to_vector<float>());
  EXPECT_EQ(add(y, y).format(), MemoryFormat::channels_last);
  EXPECT_TRUE(mul(y, 2.0).is_channels_last());
}

TEST(Tensor, ConversionsRoundToNearestEven) {
  const Tensor x = tensor({1.00390625, 1.01171875, 65504, 65520, 6e-8, -0.0}, {6}, DType::fp32);
  const std::vector<float> b = x.to(DType::bf16).to(DType::fp32).to_vector<float>();
  EXPECT_EQ(b[0], 1.0f);       // halfway between 1 and 1.0078125: even
  EXPECT_EQ(b[1], 1.015625f);  // halfway, even is above
  const std::vector<float> h = x.to(DType::fp16).to(DType::fp32).to_vector<float>();
  EXPECT_EQ(h[2], 65504.0f);
  EXPECT_TRUE(std::isinf(h[3]));
  EXPECT_EQ(h[4], 0x1p-24f);  // the smallest subnormal
  EXPECT_TRUE(std::signbit(h[5]));
  const Tensor not_a_number = full({1}, std::nan(""));
  EXPECT_TRUE(std::isnan(not_a_number.to(DType::bf16).item()) &&
              std::isnan(not_a_number.to(DType::fp16).item()));
}

TEST(Tensor, EveryDtypeConvertsToEveryOther) {
  const DType all[] = {DType::fp32,  DType::fp64,  DType::bf16,  DType::fp16,
                       DType::int64, DType::int32, DType::uint8, DType::boolean};
  for (const DType a : all) {
    for (const DType b : all)
      EXPECT_EQ(tensor({1, 0, 1}, {3}).to(a).to(b).to(DType::fp32).to_vector<float>(),
                (std::vector<float>{1, 0, 1}));
  }
  EXPECT_EQ(tensor({3000000001.0}, {1}, DType::int64).to(DType::fp64).item<double>(), 3000000001.0);
}

TEST(Tensor, HalfRoundTripIsExact) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    float16 h;
    h.bits = static_cast<std::uint16_t>(bits);
    const float f = static_cast<float>(h);
    if (f != f) continue;
    ASSERT_EQ(float16(f).bits, h.bits) << bits;
  }
}

TEST(Tensor, Messages) {
  const Tensor x = counting({2, 3});
  EXPECT_EQ(message_of<Error>([&] { x.item<float>(); }),
            "item: tensor has shape [2, 3]; item() takes one element, reduce it first");
  EXPECT_EQ(message_of<Error>([&] { x.data<double>(); }),
            "data: the tensor holds fp32, not fp64; convert with .to(DType::fp64)");
  EXPECT_EQ(message_of<Error>([&] { x.reshape({4}); }), "reshape: [2, 3] has 6 elements, [4] does not fit");
  EXPECT_EQ(message_of<Error>([&] { x.slice(0, 1, 5); }), "slice: [1, 5) is outside dimension 0 of [2, 3]");
  EXPECT_EQ(message_of<Error>([&] { x.transpose(0, 2); }),
            "transpose: dimension 2 is outside a tensor of 2 dimensions");
  EXPECT_EQ(message_of<Error>([&] {
              x.expand({3, 3});
            }),
            "expand: [2, 3] and [3, 3] differ in dimension 0 (2 and 3) and neither is 1");
  EXPECT_EQ(message_of<Error>([&] { add(x, x.to(DType::fp64)); }),
            "add: input 0 is fp32 but input 1 is fp64; convert one with .to(DType::...)");
  EXPECT_EQ(message_of<Error>([&] {
              add(counting({8, 64, 2, 2}), counting({8, 64, 1, 3}));
            }),
            "add: [8, 64, 2, 2] and [8, 64, 1, 3] differ in dimension 3 (2 and 3) and neither is 1");
  EXPECT_EQ(message_of<Error>([&] { Tensor().shape(); }), "tensor: it is undefined; assign a value first");
  EXPECT_EQ(message_of<Error>([&] { empty({-1}); }), "empty: shape [-1] has a negative size");
  EXPECT_EQ(message_of<Error>([&] { x.squeeze(0); }), "squeeze: dimension 0 of [2, 3] has size 2, not 1");
}

TEST(Random, PhiloxMatchesItsPaper) {
  // Known answers of Random123 for philox4x32-10.
  const Philox4 zero = philox(0, 0, 0);
  EXPECT_EQ(zero.v[0], 0x6627e8d5u);
  const Philox4 ones = philox(~0ull, ~0ull, ~0ull);
  EXPECT_EQ(ones.v[0], 0x408f276du);
  EXPECT_EQ(ones.v[1], 0x41c83b0eu);
}

TEST(Random, TensorsDependOnSeedAndCallOnly) {
  manual_seed(5);
  const std::vector<float> a = randn({100}).to_vector<float>(), b = randn({100}).to_vector<float>();
  manual_seed(5);
  EXPECT_EQ(randn({100}).to_vector<float>(), a);
  EXPECT_NE(a, b);
  double mean = 0, square = 0;
  const std::vector<float> many = randn({100000}).to_vector<float>();
  for (const float x : many) {
    mean += static_cast<double>(x) / 1e5;
    square += static_cast<double>(x) * static_cast<double>(x) / 1e5;
  }
  EXPECT_NEAR(mean, 0, 0.01);
  EXPECT_NEAR(square, 1, 0.02);
}

TEST(Allocator, ReusesMergesAndCounts) {
  CachingAllocator& a = allocator(cpu);
  const std::int64_t before = a.stats().allocated;
  void* first = a.allocate(5 << 20);
  a.free(first);
  EXPECT_EQ(a.allocate(5 << 20), first);
  a.free(first);
  EXPECT_EQ(a.stats().allocated, before);
  a.reset_peak();
  void* big = a.allocate(64 << 20);
  EXPECT_GE(a.stats().peak_allocated - before, 64 << 20);
  a.free(big);
}

TEST(Allocator, APoolKeepsItsBlocks) {
  CachingAllocator& a = allocator(cpu);
  const int pool = a.new_pool();
  void* held = nullptr;
  {
    const PoolScope scope(cpu, pool);
    held = a.allocate(3 << 20);
    a.free(held);
    EXPECT_EQ(a.allocate(3 << 20), held);
    a.free(held);
  }
  void* other = a.allocate(3 << 20);
  EXPECT_NE(other, held);
  a.free(other);
  a.drop_pool(pool);
}

TEST(Allocator, GuardModeFindsWritesOutOfBounds) {
  CachingAllocator& a = allocator(cpu);
  a.guard(true);
  char* data = static_cast<char*>(a.allocate(1000));
  EXPECT_TRUE(std::isnan(*reinterpret_cast<float*>(data)));
  a.check_guards();
  const std::int64_t rounded = 1024;
  const char kept = data[rounded];
  data[rounded] = 0;
  EXPECT_THROW(a.check_guards(), ValueError);
  data[rounded] = kept;
  a.free(data);
  a.guard(false);
}

// As a device that has failed: every call throws, and a tensor's destructor frees in spite of it.
TEST(Allocator, AGuardedBlockOfAFailedDeviceIsFreedWithoutThrowing) {
  static bool failed = false;
  CachingAllocator a(
      {"failing", [](std::size_t bytes) { return std::malloc(bytes); },
       [](void* data, std::size_t) { std::free(data); },
       [](void* data, int byte, std::size_t bytes) {
         if (failed) fail<CudaError>("fill: the device has failed");
         std::memset(data, byte, bytes);
       },
       [](void* host, const void* data, std::size_t bytes) { std::memcpy(host, data, bytes); }});
  a.guard(true);
  void* data = a.allocate(1000);
  failed = true;
  EXPECT_NO_THROW(a.free(data));
  EXPECT_EQ(message_of<ValueError>([&] { a.check_guards(); }), "fill: the device has failed");
}

TEST(Tensor, OutOfMemorySaysHowMuch) {
  const std::string text = message_of<Error>([] { empty({std::int64_t{1} << 50}); });
  EXPECT_EQ(text.substr(0, 37), "out of memory on cpu, needs 4096.0 Ti") << text;
}

}  // namespace
}  // namespace gadolin
