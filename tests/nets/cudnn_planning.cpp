// Every convolution of every registered net is planned for an H200's properties, without a GPU: the nets are
// walked on the CPU with one image, and what their convolutions would ask of cuDNN is asked.
#ifdef GADOLIN_CUDA
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "layers/branches.h"
#include "layers/init.h"
#include "layers/module.h"
#include "nets/registry.h"
#include "tensor/cuda/info.h"
#include "tests/cudnn_without_device.h"

namespace gadolin {
namespace {

using test::plan_without_device;
using test::PlanConfig;
using test::PlanReport;

constexpr std::int64_t batch = 32;

ConvProblem problem_of(const Conv2d& conv, const Tensor& in) {
  ConvProblem p;
  p.n = batch, p.c = in.size(1), p.h = in.size(2), p.w = in.size(3);
  p.k = conv.weight().size(0), p.r = conv.weight().size(2), p.s = conv.weight().size(3);
  const Conv2dOptions& options = conv.options();
  p.groups = options.groups;
  const Pair pairs[] = {options.stride, options.padding, options.dilation};
  std::int64_t* into[] = {p.stride, p.padding, p.dilation};
  for (int i = 0; i < 3; ++i) {
    into[i][0] = pairs[i].h;
    into[i][1] = pairs[i].w;
  }
  return p;
}

// The convolutions of nets of these names are all among the other nets'.
bool repeats_another(const std::string& name) {
  if (name.starts_with("resnet"))
    return name.ends_with("101") || name.ends_with("152") || name.ends_with("200");
  return name.ends_with("_bn") || name == "vgg11" || name == "vgg13" || name == "densenet169";
}

// The 1x1 convolutions that a block runs as one (layers/branches.h): those that read the block's own input,
// or its mean.
void add_merged(const Tensor& x, const char* kind,
                const std::vector<std::pair<ConvProblem, const void*>>& convs,
                std::map<std::string, ConvProblem>& found) {
  const bool means = std::string(kind) != "Inception";  // GoogLeNet takes the largest neighbour instead
  ConvProblem merged;
  int count = 0;
  for (const auto& [problem, input] : convs) {
    const bool same_size = problem.c == x.size(1) && problem.h == x.size(2) && problem.w == x.size(3);
    if (problem.r != 1 || problem.s != 1 || problem.stride[0] != 1 || !same_size ||
        !(means || input == x.raw()))
      continue;
    const std::int64_t k = count == 0 ? 0 : merged.k;
    merged = problem;
    merged.k += k;
    ++count;
  }
  if (count > 1) found.emplace(merged.str(), merged);
}

// The distinct convolutions of all nets, by name; `owner` gets a net that has each.
std::map<std::string, ConvProblem> all_problems(std::map<std::string, std::string>& owner) {
  std::map<std::string, ConvProblem> found;
  const NoGrad no_grad;
  const SkipInitialValues zeros_only;
  for (const NetInfo& info : nets()) {
    if (repeats_another(info.name)) continue;
    const std::unique_ptr<ImageNet> net = make_net(info.name);
    net->eval();
    std::size_t convolutions = 0;
    std::vector<std::pair<ConvProblem, const void*>> of_block;
    const Unfused apart;
    const CallObserver observer(
        [&](const Module& module, const std::string&, std::span<const Tensor> in, std::span<const Tensor>) {
          if (dynamic_cast<const Branches*>(&module)) {
            add_merged(in[0], module.kind(), of_block, found);
            of_block.clear();
          }
          const auto* conv = dynamic_cast<const Conv2d*>(&module);
          if (!conv) return;
          ++convolutions;
          const ConvProblem problem = problem_of(*conv, in[0]);
          of_block.emplace_back(problem, in[0].raw());
          found.emplace(problem.str(), problem);
        });
    (*net)(zeros({1, info.input[0], info.input[1], info.input[2]}));
    EXPECT_GT(convolutions, 0u) << info.name;
    for (const auto& entry : found) owner.emplace(entry.first, info.name);
  }
  return found;
}

TEST(NetPlanning, EveryConvolutionOfEveryNetHasAPlan) {
  const CudaInfo cuda_facts = cuda_info();
  if (!cuda_facts.cudnn_ok) GTEST_SKIP() << cuda_facts.cudnn;
  std::ifstream in(GADOLIN_TEST_DATA "/h200.json");
  std::ostringstream device;
  device << in.rdbuf();
  ASSERT_FALSE(device.str().empty());
  std::map<std::string, std::string> owner;
  const std::map<std::string, ConvProblem> problems = all_problems(owner);
  ASSERT_GE(problems.size(), 200u);
  RecordProperty("problems", static_cast<int>(problems.size()));
  struct {
    DType dtype;
    bool tf32, tensor_cores;
  } const precisions[] = {{DType::bf16, false, true},
                          {DType::fp16, false, true},
                          {DType::fp32, true, true},
                          {DType::fp32, false, false}};
  // What training asks for, adding to the gradient of a fork included, and inference with batch norm folded.
  struct {
    ConvPass pass;
    ConvEpilogue epilogue;
    bool accumulate;
  } const uses[] = {{ConvPass::forward, ConvEpilogue::none, false},
                    {ConvPass::data_gradient, ConvEpilogue::none, false},
                    {ConvPass::data_gradient, ConvEpilogue::none, true},
                    {ConvPass::filter_gradient, ConvEpilogue::none, false},
                    {ConvPass::forward, ConvEpilogue::bias_relu, false},
                    {ConvPass::forward, ConvEpilogue::bias_add_relu, false}};
  // All 24 for each convolution take five minutes (tools/campaign.sh plans); otherwise each is asked for four
  // of them, its neighbours in the list for the next ones.
  const int share = std::getenv("GADOLIN_CAMPAIGN") ? 1 : 6;
  int planned = 0, turn = 0;
  for (const auto& [name, first] : problems) {
    int combination = turn++;
    for (const auto& precision : precisions) {
      ++combination;  // another use for each precision
      for (const auto& use : uses) {
        if (combination++ % share != 0) continue;
        ConvProblem problem = first;
        problem.dtype = precision.dtype;
        problem.tf32 = precision.tf32;
        problem.c = padded_channels(problem);
        problem.pass = use.pass;
        problem.epilogue = use.epilogue;
        problem.accumulate = use.accumulate;
        if (use.accumulate && (problem.stride[0] != 1 || problem.stride[1] != 1)) continue;
        const PlanReport report = plan_without_device(problem, device.str());
        EXPECT_TRUE(report.planned) << owner[name] << ": " << problem.str() << ", " << report.configs.size()
                                    << " configs";
        bool tensor_cores = false;
        for (const PlanConfig& config : report.configs) tensor_cores |= config.accepted && config.tensor_core;
        EXPECT_EQ(tensor_cores, precision.tensor_cores) << owner[name] << ": " << problem.str();
        ++planned;
      }
    }
  }
  EXPECT_GE(planned, 3 * turn);
}

}  // namespace
}  // namespace gadolin
#endif
