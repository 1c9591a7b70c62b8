// Every convolution that the nets need is planned for an H200's properties, without a GPU: a descriptor
// mistake, a lost tensor-core engine or a hidden copy shows here. Needs cuDNN's libraries; without them the
// tests say so and skip.
#ifdef GADOLIN_CUDA
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "tensor/check.h"
#include "tensor/cuda/info.h"
#include "tests/cudnn_without_device.h"
#include "tests/layers/conv_problem.h"

namespace gadolin {
namespace {

using test::plan_without_device;
using test::PlanConfig;
using test::PlanReport;

std::string h200() {
  std::ifstream in(GADOLIN_TEST_DATA "/h200.json");
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// The distinct convolutions of ResNet-50 v1.5 at 224 x 224: the stem and 22 more.
std::vector<ConvProblem> resnet50(std::int64_t n) {
  std::map<std::string, ConvProblem> found;
  const auto add = [&](const ConvProblem& p) { found.emplace(p.str(), p); };
  add(conv_problem(n, 3, 224, 64, 7, 2));
  std::int64_t in = 64, size = 56;
  const int blocks[] = {3, 4, 6, 3};
  for (int stage = 0; stage < 4; ++stage) {
    const std::int64_t width = std::int64_t{64} << stage, out = 4 * width;
    for (int block = 0; block < blocks[stage]; ++block) {
      const std::int64_t stride = stage > 0 && block == 0 ? 2 : 1;
      add(conv_problem(n, in, size, width, 1));
      add(conv_problem(n, width, size, width, 3, stride));
      if (block == 0) add(conv_problem(n, in, size, out, 1, stride));
      size /= stride;
      add(conv_problem(n, width, size, out, 1));
      in = out;
    }
  }
  std::vector<ConvProblem> problems;
  for (const auto& [name, problem] : found) problems.push_back(problem);
  return problems;
}

struct Precision {
  DType dtype;
  bool tf32;
  bool tensor_cores;  // expected
};
constexpr Precision precisions[] = {{DType::bf16, false, true},
                                    {DType::fp16, false, true},
                                    {DType::fp32, true, true},
                                    {DType::fp32, false, false}};

class CudnnPlanning : public testing::Test {
 protected:
  void SetUp() override {
    const CudaInfo info = cuda_info();
    if (!info.cudnn_ok) GTEST_SKIP() << info.cudnn;
    device_ = h200();
    ASSERT_FALSE(device_.empty());
  }
  PlanReport plan(const ConvProblem& problem) const { return plan_without_device(problem, device_); }

  // What must hold for any problem: an engine within the limits, of the precision and repeatability asked
  // for.
  void expect_sound(const ConvProblem& problem, const PlanReport& report) const {
    ASSERT_NE(report.chosen(), nullptr)
        << problem.str() << ": " << report.configs.size() << " configs, none accepted";
    EXPECT_LE(report.chosen()->workspace, std::int64_t{256} << 20) << problem.str();
    EXPECT_TRUE(report.planned) << problem.str() << ": no config made a plan";
    for (const PlanConfig& config : report.configs) {
      if (!config.accepted) continue;
      EXPECT_FALSE(problem.deterministic && config.nondeterministic)
          << problem.str() << " engine " << config.engine;
      EXPECT_FALSE(problem.dtype == DType::fp32 && !problem.tf32 && config.tensor_core)
          << problem.str() << " engine " << config.engine << " rounds fp32";
    }
  }
  void expect_tensor_cores(const ConvProblem& problem, const PlanReport& report) const {
    const bool there = std::any_of(report.configs.begin(), report.configs.end(),
                                   [](const PlanConfig& c) { return c.accepted && c.tensor_core; });
    EXPECT_TRUE(there) << problem.str();
  }

  std::string device_;
};

TEST_F(CudnnPlanning, EveryConvolutionOfResNet50) {
  const std::vector<ConvProblem> problems = resnet50(32);
  ASSERT_EQ(problems.size(), 23u);
  for (const Precision& precision : precisions) {
    for (ConvProblem problem : problems) {
      problem.dtype = precision.dtype;
      problem.tf32 = precision.tf32;
      for (const ConvPass pass : {ConvPass::forward, ConvPass::data_gradient, ConvPass::filter_gradient}) {
        problem.pass = pass;
        if (problem.c == 3 && pass == ConvPass::data_gradient) continue;  // images want no gradient
        const PlanReport report = plan(problem);
        expect_sound(problem, report);
        if (HasFatalFailure()) return;
        if (precision.tensor_cores) expect_tensor_cores(problem, report);
        // Packed 16-bit tensors with C and K multiples of 8 need no hidden copy (3 MB and more), only split-K
        // buffers.
        if (size_of(problem.dtype) == 2 && problem.c % 8 == 0) {
          EXPECT_TRUE(report.chosen()->tensor_core) << problem.str();
          const std::int64_t allowed = pass == ConvPass::filter_gradient ? 64 << 20 : 2 << 20;
          EXPECT_LE(report.chosen()->workspace, allowed) << problem.str();
        }
      }
    }
  }
}

TEST_F(CudnnPlanning, StemsOfSmallAndGreyImages) {
  for (const Precision& precision : precisions) {
    for (ConvProblem problem : {conv_problem(128, 3, 32, 64, 3), conv_problem(128, 1, 28, 64, 3),
                                conv_problem(32, 1, 112, 64, 7, 2), conv_problem(32, 8, 224, 64, 7, 2)}) {
      problem.dtype = precision.dtype;
      problem.tf32 = precision.tf32;
      for (const ConvPass pass : {ConvPass::forward, ConvPass::filter_gradient}) {
        problem.pass = pass;
        expect_sound(problem, plan(problem));
      }
    }
  }
}

TEST_F(CudnnPlanning, AccumulatingGradients) {
  for (const Precision& precision : precisions) {
    for (ConvProblem problem : resnet50(16)) {
      if (problem.c == 3) continue;
      problem.dtype = precision.dtype;
      problem.tf32 = precision.tf32;
      problem.accumulate = true;
      for (const ConvPass pass : {ConvPass::data_gradient, ConvPass::filter_gradient}) {
        problem.pass = pass;
        const PlanReport report = plan(problem);
        expect_sound(problem, report);
        if (precision.tensor_cores) expect_tensor_cores(problem, report);
        if (size_of(problem.dtype) == 2 && pass == ConvPass::data_gradient) {
          EXPECT_LE(report.chosen()->workspace, 2 << 20) << problem.str() << " copies";
        }
      }
    }
  }
}

// ResNet-50, DenseNet-121, VGG-16, Inception-v3.
TEST_F(CudnnPlanning, FusedEpiloguesForInference) {
  std::vector<ConvProblem> problems = {
      conv_problem(16, 64, 56, 64, 3),    conv_problem(16, 256, 56, 512, 1, 2),
      conv_problem(16, 8, 224, 64, 7, 2), conv_problem(16, 128, 56, 32, 3),
      conv_problem(16, 992, 7, 128, 1),   conv_problem(16, 64, 224, 64, 3),
      conv_problem(16, 512, 14, 512, 3),  conv_problem(16, 8, 299, 32, 3, 2),
      conv_problem(16, 80, 73, 192, 3),   conv_problem(16, 288, 35, 384, 3, 2)};
  problems.push_back(conv_problem(16, 128, 17, 192, 1));
  problems.back().s = 7, problems.back().padding[1] = 3;
  for (const Precision& precision : precisions) {
    for (const ConvEpilogue epilogue :
         {ConvEpilogue::bias, ConvEpilogue::bias_relu, ConvEpilogue::bias_add_relu}) {
      for (ConvProblem problem : problems) {
        problem.dtype = precision.dtype;
        problem.tf32 = precision.tf32;
        problem.epilogue = epilogue;
        const PlanReport report = plan(problem);
        expect_sound(problem, report);
        if (precision.tensor_cores) expect_tensor_cores(problem, report);
        EXPECT_FALSE(size_of(problem.dtype) == 2 && report.chosen()->runtime_compiled) << problem.str();
      }
    }
  }
}

// The stems of ResNet, Inception and VGG with the zeros that conv2d adds: 16-bit engines then read x as it
// is. Without, and with 4 channels as well, nearly all of them copy it to 8 channels in the workspace first.
TEST_F(CudnnPlanning, PaddedStemsRunOnTensorCoresWithoutHiddenCopies) {
  for (const Precision& precision : precisions) {
    for (ConvProblem problem : {conv_problem(32, 3, 224, 64, 7, 2), conv_problem(32, 3, 299, 32, 3, 2),
                                conv_problem(32, 3, 224, 64, 3), conv_problem(32, 1, 224, 64, 7, 2)}) {
      problem.dtype = precision.dtype;
      problem.tf32 = precision.tf32;
      const bool half = size_of(problem.dtype) == 2;
      const std::int64_t images = problem.n * problem.h * problem.w * 2;  // bytes of one channel
      ASSERT_EQ(padded_channels(problem), half ? 8 : precision.tensor_cores ? 4 : problem.c);
      for (const ConvPass pass : {ConvPass::forward, ConvPass::filter_gradient, ConvPass::data_gradient}) {
        problem.pass = pass;
        ConvProblem padded = problem;
        padded.c = padded_channels(problem);
        const PlanReport report = plan(padded);
        expect_sound(padded, report);
        if (precision.tensor_cores) expect_tensor_cores(padded, report);
        if (!half || pass == ConvPass::data_gradient) continue;
        EXPECT_TRUE(report.chosen()->tensor_core) << padded.str();
        EXPECT_LT(report.chosen()->workspace, 4 * images) << padded.str() << " copies";
        if (problem.dtype != DType::bf16) continue;
        for (const std::int64_t channels : {problem.c, std::int64_t{4}}) {
          ConvProblem narrow = problem;
          narrow.c = channels;
          for (const PlanConfig& config : plan(narrow).configs) {
            const bool reads_it_as_it_is =
                config.accepted && config.tensor_core && config.workspace < 4 * images;
            EXPECT_FALSE(reads_it_as_it_is)
                << narrow.str() << " engine " << config.engine << " needs no zeros";
          }
        }
      }
    }
  }
}

// DenseNet's layers read the first channels of a block's buffer and write 32 after them; Inception's branches
// write theirs.
TEST_F(CudnnPlanning, SlicesOfChannels) {
  struct {
    ConvProblem problem;
    std::int64_t x, y;
  } const slices[] = {
      {conv_problem(32, 96, 56, 128, 1), 256, 0},       {conv_problem(32, 128, 56, 32, 3), 0, 256},
      {conv_problem(32, 480, 14, 128, 1), 1024, 0},     {conv_problem(32, 128, 14, 32, 3), 0, 1024},
      {conv_problem(32, 992, 7, 128, 1), 1024, 0},      {conv_problem(32, 128, 7, 32, 3), 0, 1024},
      {conv_problem(32, 64, 35, 96, 3), 0, 288},        {conv_problem(32, 96, 35, 96, 3), 176, 288},
      {conv_problem(32, 192, 17, 192, 3, 2), 448, 1280}};
  for (const Precision& precision : precisions) {
    for (const auto& slice : slices) {
      for (const auto& [pass, accumulate, epilogue] :
           {std::tuple(ConvPass::forward, false, ConvEpilogue::none),
            std::tuple(ConvPass::forward, false, ConvEpilogue::bias),
            std::tuple(ConvPass::forward, false, ConvEpilogue::bias_relu),
            std::tuple(ConvPass::forward, false, ConvEpilogue::bias_add_relu),
            std::tuple(ConvPass::data_gradient, false, ConvEpilogue::none),
            std::tuple(ConvPass::data_gradient, true, ConvEpilogue::none),
            std::tuple(ConvPass::filter_gradient, false, ConvEpilogue::none)}) {
        ConvProblem problem = slice.problem;
        problem.dtype = precision.dtype;
        problem.tf32 = precision.tf32;
        problem.x_stride = slice.x;
        problem.y_stride = slice.y;
        problem.pass = pass;
        problem.accumulate = accumulate;
        problem.epilogue = epilogue;
        const PlanReport report = plan(problem);
        // What is added would have to be the same slice: such a result is written packed and then moved.
        if (epilogue == ConvEpilogue::bias_add_relu && slice.y != 0 && !report.chosen()) continue;
        expect_sound(problem, report);
        if (HasFatalFailure()) return;
        EXPECT_EQ(report.chosen()->tensor_core, precision.tensor_cores) << problem.str();
      }
    }
  }
}

// cuDNN copies slices in its workspace. Where that is beyond the limit only engines without tensor cores
// would be left.
TEST_F(CudnnPlanning, SlicesTooLargeToCopyAreLeftToTheCaller) {
  ConvProblem problem = conv_problem(256, 224, 56, 128, 1);
  problem.dtype = DType::bf16;
  for (const ConvPass pass : {ConvPass::forward, ConvPass::data_gradient, ConvPass::filter_gradient}) {
    problem.pass = pass;
    problem.x_stride = 256;
    EXPECT_EQ(plan(problem).chosen(), nullptr) << problem.str();
    problem.x_stride = 0;
    const PlanReport packed = plan(problem);
    expect_sound(problem, packed);
    expect_tensor_cores(problem, packed);
  }
}

TEST_F(CudnnPlanning, DatabaseIsReadInsteadOfTheHeuristics) {
  ConvProblem problem = conv_problem(32, 64, 56, 64, 3);
  problem.dtype = DType::bf16;
  const PlanReport offered = plan(problem);
  ASSERT_GE(offered.accepted(), 3);
  PlanDatabase database("", "test");
  const auto from = [&](int refusals = 0) {
    const ConvolutionPlans plans = plan_without_device(problem, device_, database, refusals);
    EXPECT_EQ(plans.from_database + plans.from_heuristics, 1);
    return plans.from_database == 1 ? "database" : "heuristics";
  };
  EXPECT_STREQ(from(), "heuristics");
  EXPECT_STREQ(from(2), "heuristics");  // the first two refused to run
  const PlanConfig& last = *std::find_if(offered.configs.rbegin(), offered.configs.rend(),
                                         [](const PlanConfig& c) { return c.accepted; });
  const std::string key = plan_database_key(problem);
  database.put(key, {last.engine, last.knobs, last.workspace, 1});
  EXPECT_STREQ(from(), "database");
  EXPECT_STREQ(from(1), "heuristics");  // it refused to run
  // Numbers that no engine has, knobs that it does not have, and a rule that it breaks.
  for (const PlanChoice& bad :
       {PlanChoice{100000, {}}, {last.engine, {{1000, 1}}}, {last.engine, {{1, std::int64_t{1} << 60}}}}) {
    database.put(key, bad);
    EXPECT_STREQ(from(), "heuristics");
  }
  problem.dtype = DType::fp32;
  problem.tf32 = true;
  const PlanReport rounds = plan(problem);
  ASSERT_TRUE(rounds.chosen() && rounds.chosen()->tensor_core);
  problem.tf32 = false;
  database.put(plan_database_key(problem), {rounds.chosen()->engine, rounds.chosen()->knobs});
  EXPECT_STREQ(from(), "heuristics");
}

TEST_F(CudnnPlanning, WithoutAnEngineThatAgreesThereIsNoPlan) {
  const ConvolutionPlans plans =
      plan_without_device(conv_problem(1, 8, 8, 8, 3), device_, PlanDatabase("", "test"), 1000);
  EXPECT_EQ(plans.from_database + plans.from_heuristics + plans.tuned, 0);
}

TEST_F(CudnnPlanning, GroupsDilationAndOtherLayouts) {
  for (const DType dtype : {DType::fp32, DType::fp64, DType::bf16, DType::fp16}) {
    for (ConvProblem problem : {conv_problem(8, 64, 28, 64, 3, 1, 64), conv_problem(8, 64, 28, 128, 3, 2, 4),
                                conv_problem(2, 5, 9, 7, 3)}) {
      for (const bool channels_last : {true, false}) {
        for (const int dilation : {1, 2}) {
          for (const ConvPass pass :
               {ConvPass::forward, ConvPass::data_gradient, ConvPass::filter_gradient}) {
            problem.dtype = dtype;
            problem.channels_last = channels_last;
            problem.dilation[0] = problem.dilation[1] = problem.padding[0] = problem.padding[1] = dilation;
            problem.pass = pass;
            problem.epilogue = ConvEpilogue::none;
            expect_sound(problem, plan(problem));
            if (pass != ConvPass::forward || !channels_last) continue;  // what conv2d with a bias asks for
            problem.epilogue = ConvEpilogue::bias;
            const PlanReport fused = plan(problem);
            if (convolution_fuses(dtype)) {
              expect_sound(problem, fused);
            } else {
              EXPECT_EQ(fused.chosen(), nullptr) << problem.str() << " could be fused";
            }
          }
        }
      }
    }
  }
}

TEST_F(CudnnPlanning, AnythingGoesWithoutDeterminism) {
  ConvProblem problem = conv_problem(32, 64, 56, 64, 3);
  problem.pass = ConvPass::data_gradient;
  const int strict = plan(problem).accepted();
  problem.deterministic = false;
  EXPECT_GT(plan(problem).accepted(), strict);
}

TEST_F(CudnnPlanning, MistakesAreErrorsWithCudnnsReason) {
  EXPECT_THROW(plan_without_device(conv_problem(1, 8, 8, 8, 3), "{\"deviceName\": "), CudaError);
  ConvProblem too_small = conv_problem(1, 8, 2, 8, 7);
  too_small.padding[0] = too_small.padding[1] = 0;  // the filter is larger than the image
  EXPECT_THROW(plan(too_small), CudaError);
}

}  // namespace
}  // namespace gadolin
#endif
