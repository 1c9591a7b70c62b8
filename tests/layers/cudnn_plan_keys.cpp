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
