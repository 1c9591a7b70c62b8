// Every convolution of every registered net is planned for an H200's properties, without a GPU: the nets are walked on
// the CPU with one image, and what their convolutions would ask of cuDNN is asked.
#ifdef GADOLIN_CUDA
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "layers/conv.h"
#include "layers/cudnn_plans.h"
#include "nets/registry.h"
#include "tensor/cuda/info.h"

namespace gadolin {
namespace {

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
  if (conv.bias().defined()) p.epilogue = ConvEpilogue::bias;
  return p;
}

// ResNets of these depths repeat the blocks of their 50-layer form more often: no new convolution, 40 s of initialising.
bool repeats_another(const std::string& name) {
  return name.starts_with("resnet") && (name.ends_with("101") || name.ends_with("152") || name.ends_with("200"));
}

// The distinct convolutions of all nets, by name; `owner` gets a net that has each.
std::map<std::string, ConvProblem> all_problems(std::map<std::string, std::string>& owner) {
  std::map<std::string, ConvProblem> found;
  const NoGrad no_grad;
  for (const NetInfo& info : nets()) {
    if (repeats_another(info.name)) continue;
    const std::unique_ptr<Module> net = make_net(info.name);
    net->eval();
    std::size_t convolutions = 0;
    const CallObserver observer([&](const Module& module, const std::string&, const Tensor& in, const Tensor&) {
      const auto* conv = dynamic_cast<const Conv2d*>(&module);
      if (!conv) return;
      ++convolutions;
      const ConvProblem problem = problem_of(*conv, in);
      found.emplace(problem.str(), problem);
      owner.emplace(problem.str(), info.name);
    });
    (*net)(zeros({1, info.input[0], info.input[1], info.input[2]}));
    EXPECT_GT(convolutions, 0u) << info.name;
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
  ASSERT_GE(problems.size(), 23u);
  RecordProperty("problems", static_cast<int>(problems.size()));
  struct { DType dtype; bool tf32, tensor_cores; } const precisions[] = {
      {DType::bf16, false, true}, {DType::fp16, false, true}, {DType::fp32, true, true}, {DType::fp32, false, false}};
  for (const auto& [name, first] : problems) {
    for (const auto& precision : precisions) {
      for (const ConvPass pass : {ConvPass::forward, ConvPass::data_gradient, ConvPass::filter_gradient}) {
        ConvProblem problem = first;
        problem.dtype = precision.dtype;
        problem.tf32 = precision.tf32;
        problem.pass = pass;
        if (pass != ConvPass::forward) problem.epilogue = ConvEpilogue::none;
        const PlanReport report = plan_without_device(problem, device.str());
        EXPECT_TRUE(report.planned) << owner[name] << ": " << problem.str() << ", " << report.configs.size() << " configs";
        bool tensor_cores = false;
        for (const PlanConfig& config : report.configs) tensor_cores |= config.accepted && config.tensor_core;
        EXPECT_EQ(tensor_cores, precision.tensor_cores) << owner[name] << ": " << problem.str();
      }
    }
  }
}

}  // namespace
}  // namespace gadolin
#endif
