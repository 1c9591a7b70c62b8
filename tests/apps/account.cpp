// gadolin bench account: its sums, and on the device made of software a step whose numbers are known by hand.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "apps/bench/account.h"
#include "tensor/device.h"
#include "tests/apps/in_process.h"
#include "tests/apps/program.h"

using namespace gadolin;
using namespace gadolin::test;
using nlohmann::json;

namespace {

#if __has_include(<software_cuda.h>)
constexpr bool on_software = true;
#else
constexpr bool on_software = false;
#endif
constexpr Gpu round_numbers{"round", 1u << 30, 100, 1e12, 100e12, 50e12, 10e12, 5e12};

TEST(Account, NamesOfKernelsSayWhatTheyCompute) {
  EXPECT_EQ(
      short_name(
          "void gadolin::detail::flat_map_kernel<8, gadolin::detail::ForwardOf<gadolin::(anonymous "
          "namespace)::Relu>, gadolin::bfloat16, gadolin::bfloat16>(gadolin::detail::ForwardOf<int>, long)"),
      "flat_map_kernel: ForwardOf of Relu");
  EXPECT_EQ(
      short_name("void gadolin::detail::(anonymous namespace)::sum_rows_kernel<gadolin::detail::(anonymous "
                 "namespace)::Access<8, true>, gadolin::detail::(anonymous namespace)::Gradient<double, "
                 "(gadolin::detail::Mask)2, true> >(gadolin::detail::Gradient<double>, long)"),
      "sum_rows_kernel: Gradient");
  EXPECT_EQ(
      short_name(
          "void gadolin::forward_kernel<gadolin::Access<8, true>, true, (gadolin::Addend)0, false>(long)"),
      "forward_kernel");
  EXPECT_EQ(short_name("gadolin::advance_kernel(unsigned int*)"), "advance_kernel");
}

TEST(Account, TimesAreTheLargerOfBytesAndOperations) {
  EXPECT_DOUBLE_EQ(seconds_at({"kernel", "k", "", 0, 1e9, 1e9}, round_numbers), 2e-3);
  EXPECT_DOUBLE_EQ(seconds_at({"product", "", "bf16", 1e12, 1e9, 0}, round_numbers), 10e-3);
  EXPECT_DOUBLE_EQ(seconds_at({"product", "", "tf32", 1e12, 1e9, 0}, round_numbers), 20e-3);
  EXPECT_DOUBLE_EQ(seconds_at({"product", "", "fp32", 1e12, 1e9, 0}, round_numbers), 100e-3);
  EXPECT_DOUBLE_EQ(seconds_at({"product", "", "fp64", 1e12, 1e9, 0}, round_numbers), 200e-3);
  const std::vector<Work> work = {{"kernel", "void gadolin::forward_kernel<float>(long)", "", 0, 2e9, 1e9},
                                  {"convolution", "forward", "bf16", 1e12, 1e9, 0},
                                  {"kernel", "void gadolin::forward_kernel<double>(long)", "", 0, 1e9, 1e9},
                                  {"copy", "", "", 0, 1e6, 1e6}};
  const gadolin::Account a = account_of(work, round_numbers);
  EXPECT_EQ(a.all.launches, 4);
  EXPECT_DOUBLE_EQ(a.all.seconds, 3e-3 + 10e-3 + 2e-3 + 2e-6);
  ASSERT_EQ(a.by_name.size(), 3u);
  EXPECT_EQ(a.by_name[0].first, "convolution, forward, bf16");
  EXPECT_EQ(a.by_name[1].first, "forward_kernel");
  EXPECT_EQ(a.by_name[1].second.launches, 2);
  EXPECT_DOUBLE_EQ(a.by_name[1].second.read, 3e9);
  EXPECT_NEAR(expected_seconds(work, round_numbers), 4 * 2e-6 + (5e-3 + 2e-6) / 0.85 + 10e-3 / 0.66, 1e-12);
  for (const Fusion& f : fusions_of(work, round_numbers)) {
    const bool applied = f.name == "batch norm: applied as the next convolution reads";
    EXPECT_DOUBLE_EQ(f.saved.seconds, applied ? 5e-3 : 0) << f.name;
  }
}

TEST(Account, WhatIsNotThereIsSaid) {
  const Outcome unknown = run_here({"bench", "account", "resnet18", "--device", "abacus"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_NE(unknown.err.find("--device abacus is unknown to bench account; use h200"), std::string::npos)
      << unknown.err;
  const Outcome mode = run_here({"bench", "account", "resnet18", "--mode", "dream"});
  EXPECT_NE(mode.err.find("--mode dream is unknown; use train or infer"), std::string::npos) << mode.err;
  if (on_software && cuda_available()) return;
  if (on_software) {
    const Outcome none = run_here({"bench", "account", "resnet18"});
    EXPECT_EQ(none.code, 7);
    EXPECT_NE(
        none.err.find("bench account: there is no device made of software; unset GADOLIN_SOFTWARE_DEVICES"),
        std::string::npos)
        << none.err;
    return;
  }
  const Outcome run = run_here({"bench", "account", "resnet18"});
  EXPECT_EQ(run.code, 7);
  EXPECT_NE(run.err.find(
                "bench account: this program was built without the device made of software; configure with "
                "-DGADOLIN_CUDA=SOFTWARE (tests/device/README.md)"),
            std::string::npos)
      << run.err;
}

// ResNet-18 on pictures of 64 x 64: the stem's three channels are padded to eight, and no convolution but the
// stem's leaves its pictures' gradient out.
TEST(Account, CudaStepOfResNet18) {
  if (!on_software || !cuda_available()) GTEST_SKIP() << "for the device made of software";
  const auto account = [](const std::string& batch) {
    const Outcome run = run_program({"bench", "account", "resnet18", "--batch", batch, "--input", "3x64x64",
                                     "--dtype", "bf16", "--json"});
    EXPECT_EQ(run.code, 0) << run.err;
    std::map<std::string, json> rows;
    for (const json& row : events(run, "work")) rows[row["name"]] = row;
    return rows;
  };
  auto rows = account("2");
  const double pictures = 2, body = 2 * pictures * 138412032, stem = 2 * pictures * 32 * 32 * 64 * 8 * 49;
  EXPECT_EQ(rows["convolution, forward, bf16"]["launches"], 20);
  EXPECT_EQ(rows["convolution, forward, bf16"]["flops"], body + stem);
  EXPECT_EQ(rows["convolution, gradient of the weight, bf16"]["flops"], body + stem);
  EXPECT_EQ(rows["convolution, gradient of the data, bf16"]["launches"], 19);
  EXPECT_EQ(rows["convolution, gradient of the data, bf16"]["flops"], body);
  EXPECT_EQ(rows["matrix product, bf16"]["flops"], 3 * 2 * pictures * 512 * 1000);
  EXPECT_EQ(rows["sum_rows_kernel: Statistics"]["launches"], 20);
  // Each statistic reads what a convolution wrote, once; what is added are vectors of channels.
  const double written = rows["convolution, forward, bf16"]["written_bytes"],
               read = rows["sum_rows_kernel: Statistics"]["read_bytes"];
  EXPECT_GE(read, written);
  EXPECT_LE(read, written + 20 * 512 * 64);
  ASSERT_TRUE(rows.contains("span_kernel: Update"));
  // Twice the pictures, twice the work, the same weights.
  auto more = account("4");
  EXPECT_EQ(more["convolution, forward, bf16"]["flops"], 2 * (body + stem));
  EXPECT_EQ(more["span_kernel: Update"]["read_bytes"], rows["span_kernel: Update"]["read_bytes"]);
}

}  // namespace
