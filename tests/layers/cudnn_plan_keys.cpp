// What names a convolution problem in the database of plans, and pointers that are refused.
#ifdef GADOLIN_CUDA
#include <gtest/gtest.h>

#include <string>

#include "layers/cudnn_plans.h"
#include "tensor/check.h"
#include "tests/layers/conv_problem.h"

namespace gadolin {
namespace {

TEST(CudnnPlans, ProblemsHaveDistinctNames) {
  ConvProblem problem = conv_problem(32, 64, 56, 128, 3, 2, 2);
  problem.dtype = DType::bf16;
  problem.pass = ConvPass::data_gradient;
  EXPECT_EQ(problem.str(), "dgrad,bf16,nhwc,x32x64x56x56,w128x32x3x3,stride2x2,pad1x1,dilation1x1,groups2");
  problem.accumulate = true;
  EXPECT_EQ(problem.str(), "dgrad+=,bf16,nhwc,x32x64x56x56,w128x32x3x3,stride2x2,pad1x1,dilation1x1,groups2");
}

TEST(CudnnPlans, KeysNameWhatDecides) {
  ConvProblem problem = conv_problem(32, 64, 56, 128, 3);
  problem.x_stride = 256;
  EXPECT_EQ(
      plan_database_key(problem),
      "fprop,fp32,nhwc,x32x64x56x56,w128x64x3x3,stride1x1,pad1x1,dilation1x1,groups1,xpixel256,align16");
  set_convolution_workspace_limit(1 << 20);
  const std::string limited = plan_database_key(problem);
  set_convolution_workspace_limit(std::int64_t{256} << 20);
  EXPECT_EQ(limited, plan_database_key(problem) + ",workspace1048576");
}

// Twelve are measured: cuDNN names fifteen without tensor cores before those with, and what is compiled last.
TEST(CudnnPlans, TensorCoresAndCompiledEnginesAreAmongTheFirstThatAreMeasured) {
  std::vector<EngineTraits> offered(15);
  offered.resize(20, {.tensor_core = true});
  offered.resize(24, {.tensor_core = true, .runtime_compiled = true});
  offered.resize(26, {.runtime_compiled = true});
  const auto first = [&](bool has_cores) {
    std::vector<std::size_t> order = measuring_order(offered, has_cores);
    EXPECT_EQ(order.size(), offered.size());
    order.resize(12);
    return order;
  };
  EXPECT_EQ(first(true), (std::vector<std::size_t>{15, 16, 20, 17, 18, 21, 19, 0, 22, 1, 2, 23}));
  EXPECT_EQ(first(false), (std::vector<std::size_t>{0, 1, 20, 2, 3, 21, 4, 5, 22, 6, 7, 23}));
  EXPECT_EQ(measuring_order({{}, {false, true}, {false, true}}, false), (std::vector<std::size_t>{0, 1, 2}));
  EXPECT_EQ(measuring_order({}, true), (std::vector<std::size_t>{}));
}

TEST(CudnnPlans, BadPointersAreRefusedBeforeAnythingRuns) {
  alignas(16) char bytes[64];
  const auto text = [&](const ConvPointers& tensors) -> std::string {
    try {
      run_convolution("conv2d", cuda, conv_problem(1, 8, 8, 8, 3), tensors);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(text({bytes, nullptr, bytes}), "conv2d: weight is missing");
  EXPECT_EQ(text({bytes, bytes + 4, bytes}),
            "conv2d: weight starts at an address that is not a multiple of 16; pass a clone()");
}

}  // namespace
}  // namespace gadolin
#endif
