// Foreseen memory of training against what the allocator shows for real steps.
#include "train/memory.h"

#include <gtest/gtest.h>

#include <cmath>
#include <future>

#include "layers/init.h"
#include "layers/linear.h"
#include "layers/loss.h"
#include "nets/registry.h"
#include "tensor/allocator.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

// The peak of real steps, without what others hold. On a fresh thread: oneDNN's plans and filters are kept
// for each.
std::int64_t measured_peak(const std::string& model, const NetOptions& options, const Shape& input,
                           const OptimizerOptions& rule, DType compute) {
  return std::async(std::launch::async,
                    [&] {
                      const std::int64_t others = allocator(cpu).stats().allocated;
                      const SkipInitialValues no_values;
                      const auto net = make_net(model, options);
                      Optimizer optimizer(net->parameters(), rule);
                      std::int64_t before[4] = {};
                      for (int i = 0; i < 4; ++i) {
                        before[i] = allocator(cpu).stats().allocated;
                        const Tensor x = rand(input).contiguous(MemoryFormat::channels_last),
                                     labels = zeros({input[0]}, DType::int64);
                        if (i == 1) allocator(cpu).reset_peak();
                        optimizer.zero_grad();
                        Tensor loss;
                        {
                          const ComputeScope scope(compute);
                          loss = loss_with_auxiliary(net->logits(x), [&](const Tensor& logits) {
                            return cross_entropy(logits, labels);
                          });
                        }
                        loss.backward();
                        optimizer.step();
                      }
                      EXPECT_EQ(before[3], before[2]) << "a step left something behind";
                      return allocator(cpu).stats().peak_allocated - others;
                    })
      .get();
}

struct MeasuredModel {
  const char* model;
  std::int64_t batch, size;
  const char* optimizer = "momentum";
  DType compute = DType::fp32;
  double width_divisor = 0;
  NetOptions options() const {
    NetOptions o{{"num_classes", 10.0}};
    if (width_divisor > 0) o["width_divisor"] = width_divisor;
    return o;
  }
};
class TrainingMemoryOf : public testing::TestWithParam<MeasuredModel> {};
TEST_P(TrainingMemoryOf, IsWhatTheAllocatorShows) {
  const MeasuredModel c = GetParam();
  const Shape input{c.batch, 3, c.size, c.size};
  const OptimizerOptions rule = optimizer_options(c.optimizer);
  TrainingMemory m;
  {
    const SkipInitialValues zeros;
    const auto net = make_net(c.model, c.options());
    const TrainingLoss loss = [&](const Tensor& x, const Tensor& labels) {
      return loss_with_auxiliary(net->logits(x),
                                 [&](const Tensor& logits) { return cross_entropy(logits, labels); });
    };
    m = training_memory(*net, loss, input, rule, c.compute);
  }
  const auto measured = static_cast<double>(measured_peak(c.model, c.options(), input, rule, c.compute));
  const double error = static_cast<double>(m.peak) / measured - 1;
  std::printf("  %s, batch %d: foreseen %.1f MiB, measured %.1f MiB (%+.2f %%)\n", c.model,
              static_cast<int>(c.batch), static_cast<double>(m.peak) / 1048576, measured / 1048576,
              100 * error);
  EXPECT_TRUE(std::abs(error) <= 0.03) << m.peak << " " << measured;
  EXPECT_LT(m.measured_batch, c.batch);
  EXPECT_GE(m.peak, m.weights + m.optimizer + m.kept);
}
INSTANTIATE_TEST_SUITE_P(Nets, TrainingMemoryOf,
                         testing::Values(MeasuredModel{"resnet18", 16, 96}, MeasuredModel{"resnet50", 12, 96},
                                         MeasuredModel{"densenet121", 12, 96},
                                         MeasuredModel{"vgg16_bn", 8, 64, "sgd", DType::fp32, 4},
                                         MeasuredModel{"inception_v3", 5, 299, "adam"},
                                         MeasuredModel{"googlenet", 12, 96},
                                         MeasuredModel{"resnet18", 17, 80, "adamw", DType::bf16}));

// Asks for more blocks when there are more than two samples.
class Fickle : public Layer {
 public:
  Fickle() : fc_(add("fc", Linear(3, 2))) {}
  Tensor forward(const Tensor& x) override {
    Tensor y = mean(x, {2, 3});
    if (x.size(0) > 2) y = y * 2.0;
    return fc_(y);
  }
  const char* kind() const override { return "Fickle"; }

 private:
  Linear& fc_;
};
TEST(TrainingMemory, SaysWhatItCannotDo) {
  const auto message = [](const Shape& input) -> std::string {
    Fickle net;
    try {
      training_memory(
          net, [&](const Tensor& x, const Tensor& labels) { return cross_entropy(net(x), labels); }, input,
          optimizer_options("sgd"));
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing thrown";
  };
  EXPECT_EQ(message({1, 3, 4}), "training memory: input [1, 3, 4] is not [N, C, H, W]");
  EXPECT_EQ(message({2, 3, 4, 4}), "nothing thrown");
  std::string text = message({8, 3, 4, 4});
  for (char& c : text) c = c >= '0' && c <= '9' ? '#' : c;
  while (text.find("##") != std::string::npos) text.erase(text.find("##"), 1);
  EXPECT_EQ(text, "training memory: batches of # and # ask for # and # blocks; the peak cannot be foreseen");
}

}  // namespace
}  // namespace gadolin
