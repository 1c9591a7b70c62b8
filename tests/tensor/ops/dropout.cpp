// Dropout: its spec (the harness seeds the generator before every run, so masks repeat) and what the numbers
// must be.
#include <gtest/gtest.h>

#include <cmath>

#include "tensor/ops.h"
#include "tensor/ops/dropout_group.h"
#include "tensor/random.h"
#include "tests/op_spec.h"

namespace gadolin {
namespace {

// Element i in row-major order stays when uniform_at(20, 0, i) >= p: 20 is the harness's seed, 0 the first
// stream.
Reference dropped(double p) {
  return [p](const Inputs& in) {
    std::uint64_t i = 0;
    return tabulate(in[0].shape(), [&, p](const Index& index) {
      return static_cast<double>(uniform_at(20, 0, i++)) >= p ? at(in[0], index) / (1 - p) : 0;
    });
  };
}
Call dropout_with(double p) {
  return [p](const Inputs& in) { return dropout(in[0], p); };
}

const bool dropout_added = add_spec({
    .name = "dropout",
    .f = dropout_with(0.3),
    .reference = dropped(0.3),
    .cases = {{.inputs = {shaped({2, 3, 5, 7})}},
              {.what = "of a scalar", .inputs = {shaped({})}},
              {.what = "of a vector", .inputs = {shaped({67})}},
              {.what = "nearly all",
               .inputs = {shaped({11, 13})},
               .f = dropout_with(0.9),
               .reference = dropped(0.9)},
              {.what = "none",
               .inputs = {shaped({4, 3})},
               .f = dropout_with(0),
               .reference = [](double x) { return x; }},
              {.what = "of many", .inputs = {shaped({5, 7, 30, 31})}, .gradients = false}},
    .errors =
        {{.inputs = {shaped({3})},
          .message = "dropout: p 1 is outside [0, 1)",
          .code = "GD-VALUE-001",
          .f = dropout_with(1)},
         {.inputs = {shaped({3})}, .message = "dropout: p -0.5 is outside [0, 1)", .f = dropout_with(-0.5)},
         {.inputs = {shaped({3})}, .message = "dropout: p nan is outside [0, 1)", .f = dropout_with(NAN)},
         {.inputs = {shaped({3}, DType::int64)},
          .message = "dropout: int64 is not supported; convert with .to(DType::fp32)",
          .code = "GD-DTYPE-002"}},
    .twice = true,
});

TEST(Dropout, KeepsTheMeanAndDropsTheShare) {
  manual_seed(3);
  const Tensor x = ones({1 << 16});
  for (double p : {0.1, 0.5, 0.8}) {
    const Tensor y = dropout(x, p);
    const double zeros = mean(eq(y, 0).to(DType::fp64)).item(), average = mean(y).item();
    const double deviation = std::sqrt(p * (1 - p) / (1 << 16));
    EXPECT_NEAR(zeros, p, 5 * deviation);
    EXPECT_NEAR(average, 1, 5 * deviation / (1 - p));
  }
}

TEST(Dropout, EveryCallTakesItsOwnStreamAndSeedsRepeat) {
  const Tensor x = ones({512});
  manual_seed(5);
  const auto first = dropout(x, 0.5).to_vector<float>(), second = dropout(x, 0.5).to_vector<float>();
  EXPECT_NE(first, second);
  manual_seed(5);
  EXPECT_EQ(dropout(x, 0.5).to_vector<float>(), first);
  EXPECT_EQ(default_generator().calls, 1u);
  dropout(x, 0);
  EXPECT_EQ(default_generator().calls, 1u) << "p = 0 must not draw";
}

TEST(Dropout, MaskDoesNotDependOnTheOrderInMemory) {
  const Tensor x = ones({3, 5, 9, 11});
  manual_seed(1);
  const auto rows = dropout(x, 0.4).to_vector<float>();
  manual_seed(1);
  const Tensor y = dropout(x.contiguous(MemoryFormat::channels_last), 0.4);
  EXPECT_TRUE(y.is_channels_last());
  EXPECT_EQ(y.to_vector<float>(), rows);
}

TEST(Dropout, BackwardUsesTheMaskOfItsForward) {
  manual_seed(9);
  Tensor x = ones({1000});
  x.requires_grad_();
  const Tensor y = dropout(x, 0.5);
  dropout(x.detach(), 0.5);  // moves the generator on
  y.backward(ones({1000}));
  EXPECT_EQ(x.grad().to_vector<float>(), y.to_vector<float>());
}

// What the threads of the device do, one after another: the numbers of the loops on the CPU in every order of
// memory, for types of every width, sizes that fill no group, and arrays that may not be taken in packs.
template <class T, bool packed> void expect_same_groups(const Tensor& x, const char* what) {
  manual_seed(8);
  const Tensor want = dropout(x, 0.4);
  Tensor got = full(x.shape(), 77, x.dtype()).contiguous(x.format());
  const detail::DropoutLayout layout = detail::dropout_layout(x, got);
  const detail::DropoutMask mask{8, 0, static_cast<std::uint32_t>(std::ceil(0.4 * 0x1p24))};
  const std::int64_t groups = (x.numel() + detail::dropout_group<T> - 1) / detail::dropout_group<T>;
  for (std::int64_t g = groups - 1; g >= 0; --g) {
    detail::drop_group<T, packed>(mask, static_cast<math_type<T>>(1 / (1 - 0.4)), layout, x.data<T>(),
                                  got.data<T>(), x.numel(), g);
  }
  EXPECT_EQ(got.to_vector<double>(), want.to_vector<double>())
      << what << " " << name_of(x.dtype()) << " packed " << packed;
}
template <class T> void expect_same_groups() {
  const Tensor x = rand({3, 5, 7, 9}, 4, 4).to(dtype_of<T>);
  expect_same_groups<T, true>(x, "rows");
  expect_same_groups<T, false>(x, "rows");
  expect_same_groups<T, false>(x.contiguous(MemoryFormat::channels_last), "channels last");
  expect_same_groups<T, false>(x.transpose(1, 3), "a view");
  expect_same_groups<T, false>(x.flatten().slice(0, 1, 500), "a slice");
  for (const std::int64_t n : {1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65})
    expect_same_groups<T, true>(x.flatten().slice(0, 0, n), "few");
}
TEST(Dropout, GroupsOfTheDeviceDrawTheSameNumbers) {
  expect_same_groups<float>();
  expect_same_groups<double>();
  expect_same_groups<bfloat16>();
  expect_same_groups<float16>();
}

}  // namespace
}  // namespace gadolin
