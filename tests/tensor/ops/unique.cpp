// nonzero and unique, eye and linspace.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "tensor/ops.h"
#include "tests/op_spec.h"
#include "tests/scratch.h"
#include "tests/tensor/special_values.h"

namespace gadolin {
namespace {

using test::message_of;
using Values = std::vector<double>;

std::vector<Device> devices() {
  return cuda_available() ? std::vector<Device>{cpu, cuda} : std::vector<Device>{cpu};
}

// Specs know the size of a result only from its reference.
Tensor places(const Inputs& in) {
  Values found;
  std::int64_t count = 0;
  tabulate(in[0].shape(), [&](const Index& i) {
    if (at(in[0], i) != 0) {
      for (std::int64_t j : i) found.push_back(static_cast<double>(j));
      ++count;
    }
    return 0.0;
  });
  return tensor(found, {count, in[0].dim()}, DType::fp64);
}
const bool nonzero_added = add_spec({
    .name = "nonzero",
    .f = [](const Inputs& in) { return nonzero(in[0]); },
    .reference = places,
    .cases = {{.inputs = {shaped({3, 4, 5}).between(-0.1, 0.1)}},
              {.what = "vector", .inputs = {values({0, 1, -0.0, 2, 0, 3})}},
              {.what = "image", .inputs = {shaped({2, 3, 4, 5}).between(-0.2, 0.2)}},
              {.what = "scalar", .inputs = {shaped({}).between(1, 2)}},
              {.what = "nothing", .inputs = {values({0, 0, 0}, {3, 1})}},
              {.what = "infinity and NaN", .inputs = {values({0, inf, nan, -inf})}}},
    .dtypes = all_types,
    .differentiable = false,
});

template <bool counts> Tensor distinct(const Inputs& in) {
  std::map<double, double> seen;
  for (double v : in[0].to_vector<double>()) ++seen[v];
  Values out;
  for (const auto& entry : seen) out.push_back(counts ? entry.second : entry.first);
  return tensor(out, {static_cast<std::int64_t>(out.size())}, DType::fp64);
}
std::vector<OpCase> unique_cases() {
  return {{.inputs = {values({3, 1, 2, 3, 3, 1}, {2, 3})}},
          {.what = "many", .inputs = {shaped({7, 31})}},
          {.what = "of an image", .inputs = {shaped({2, 3, 4, 5})}},
          {.what = "one", .inputs = {values({2, 2, 2})}},
          {.what = "scalar", .inputs = {shaped({})}},
          {.what = "infinities and zeros", .inputs = {values({inf, 0, -inf, -0.0, inf})}}};
}
const bool unique_added = add_spec({
    .name = "unique",
    .f = [](const Inputs& in) { return unique(in[0]).values; },
    .reference = distinct<false>,
    .cases = unique_cases(),
    .dtypes = all_types,
    .differentiable = false,
});
const bool counts_added = add_spec({
    .name = "unique_counts",
    .f = [](const Inputs& in) { return unique(in[0]).counts; },
    .reference = distinct<true>,
    .cases = unique_cases(),
    .dtypes = all_types,
    .differentiable = false,
});

TEST(Unique, EveryNanIsOneOfItsOwn) {
  for (const Device device : devices()) {
    const Unique u = unique(tensor({nan, 1, nan, 1}, {4}, DType::fp32, device));
    EXPECT_EQ(u.counts.to_vector<std::int64_t>(), (std::vector<std::int64_t>{2, 1, 1}));
    EXPECT_EQ(u.values[0].item(), 1);
    EXPECT_TRUE(std::isnan(u.values[1].item()) && std::isnan(u.values[2].item()));
  }
}
TEST(Unique, OffTheTapeAndInItsType) {
  const Tensor x = ones({3}).requires_grad_();
  EXPECT_FALSE(unique(x).values.requires_grad());
  EXPECT_EQ(nonzero(x).dtype(), DType::int64);
  EXPECT_EQ(unique(arange(3, DType::uint8)).values.dtype(), DType::uint8);
  EXPECT_EQ(unique(x).counts.dtype(), DType::int64);
}

TEST(Factories, Eye) {
  for (const Device device : devices()) {
    for (DType t : all_types) {
      const Tensor y = eye(3, t, device);
      EXPECT_EQ(y.dtype(), t);
      EXPECT_EQ(y.device(), device);
      EXPECT_EQ(y.to_vector<double>(), (Values{1, 0, 0, 0, 1, 0, 0, 0, 1}));
    }
    EXPECT_EQ(eye(0, DType::fp32, device).shape(), (Shape{0, 0}));
  }
}

TEST(Factories, Linspace) {
  EXPECT_EQ(linspace(0, 1, 5).to_vector<double>(), (Values{0, 0.25, 0.5, 0.75, 1}));
  EXPECT_EQ(linspace(3, -3, 4, DType::fp64).to_vector<double>(), (Values{3, 1, -1, -3}));
  EXPECT_EQ(linspace(0.1, 0.7, 4, DType::fp64)[-1].item(), 0.7);
  EXPECT_EQ(linspace(7, 9, 1).to_vector<double>(), (Values{7}));
  EXPECT_EQ(linspace(1.7, 1.7, 3, DType::fp64).to_vector<double>(), (Values{1.7, 1.7, 1.7}));
  EXPECT_EQ(linspace(0, 1, 0).shape(), (Shape{0}));
  EXPECT_EQ(linspace(0, 1, 3, DType::bf16).dtype(), DType::bf16);
  EXPECT_EQ(message_of<ValueError>([] { linspace(0, 1, -1); }), "linspace: a count of -1 is negative");
  EXPECT_EQ(message_of<DTypeError>([] { linspace(0, 1, 3, DType::int64); }),
            "linspace: int64 is not supported; convert with .to(DType::fp32)");
}

}  // namespace
}  // namespace gadolin
