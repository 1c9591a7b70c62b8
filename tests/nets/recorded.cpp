// Nets on a CUDA device: eager, with batch norms folded into convolutions, and recorded, as on the CPU.
#include <gtest/gtest.h>

#include "nets/inception.h"
#include "tensor/capture.h"
#include "tensor/cuda/info.h"
#include "tests/distance.h"
#include "tests/nets/small_net.h"

namespace gadolin {
namespace {

using test::distance;

class RecordedNets : public testing::TestWithParam<const char*> {};
TEST_P(RecordedNets, GiveWhatTheCpuGives) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  const std::string name = GetParam();
  NetOptions options;
  if (name == "googlenet") options["transform_input"] = true;
  const std::unique_ptr<ImageNet> net = test::small_net(name, options);
  test::stir(*net);
  net->eval();
  const Tensor x = test::images({1, 3, test::least_size(name), test::least_size(name)}, 1);
  const Tensor want = (*net)(x).detach(), moved = x.to(cuda);
  net->to(cuda);
  EXPECT_LE(distance((*net)(moved).detach().to(cpu), want), 1e-4) << "with batch norms of their own";
  const NoGrad guard;
  CapturedStep step([&](const std::vector<Tensor>& in) { return (*net)(in[0]); },
                    {.warm_up = 1, .reads_only = true});
  for (int call = 0; call < 3; ++call)
    EXPECT_LE(distance(step({moved}).to(cpu), want), 1e-4) << "call " << call;
  EXPECT_TRUE(step.replayed());
}
INSTANTIATE_TEST_SUITE_P(Nets, RecordedNets,
                         testing::Values("resnet18", "resnet_v2_50", "densenet121", "vgg11_bn", "googlenet",
                                         "inception_v3", "inception_resnet_v2"),
                         [](const auto& test) { return std::string(test.param); });

TEST(RecordedTransform, TheInputIsTransformedWithoutMemoryOfTheHost) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  for (const DType dtype : {DType::fp32, DType::bf16}) {
    const Tensor x = test::images({2, 3, 4, 5}, 1).to(dtype), want = imagenet_to_unit_range(x);
    CapturedStep step([](const std::vector<Tensor>& in) { return imagenet_to_unit_range(in[0]); });
    for (int call = 0; call < 5; ++call)
      EXPECT_LE(distance(step({x.to(cuda)}).to(cpu), want), dtype == DType::fp32 ? 1e-6 : 0.01);
    EXPECT_TRUE(step.replayed());
  }
}

}  // namespace
}  // namespace gadolin
