// One-operator ONNX cases of the ONNX project as references of our ops: what PyTorch computed for them.
#include <cmath>
#include <filesystem>
#include <map>

#include <gtest/gtest.h>

#include "tensor/check.h"
#include "tests/apps/onnx_model.h"

namespace gadolin {
namespace {

std::string cases() { return std::string(GADOLIN_TEST_DATA) + "/interop/onnx"; }

// Of the project's cases, those that are not run here, and why.
const std::map<std::string, std::string>& not_covered() {
  const std::string volumes = "three dimensions of pixels: our convolution and pools take images",
                    slope = "PRelu: there is no leaky ReLU with a trained slope";
  static const std::map<std::string, std::string> list{
      {"AvgPool3d_stride", volumes},
      {"AvgPool3d_stride1_pad0_gpu_input", volumes},
      {"Conv3d", volumes},
      {"Conv3d_dilated", volumes},
      {"Conv3d_dilated_strided", volumes},
      {"Conv3d_groups", volumes},
      {"Conv3d_no_bias", volumes},
      {"Conv3d_stride", volumes},
      {"MaxPool3d", volumes},
      {"MaxPool3d_stride", volumes},
      {"MaxPool3d_stride_padding", volumes},
      {"PReLU_1d", slope},
      {"PReLU_1d_multiparam", slope},
      {"PReLU_2d", slope},
      {"PReLU_3d", slope},
      {"PReLU_3d_multiparam", slope},
      {"ConvTranspose2d_no_bias", "there is no transposed convolution"},
      {"ELU", "there is no ELU"},
      {"operator_selu", "there is no SELU"},
      {"operator_repeat_dim_overflow", "Tile: there is no repetition but expand"},
      {"operator_maxpool", "95 kB; MaxPool1d has the same operator"}};
  return list;
}

TEST(OnnxInterop, OneOperatorCasesGiveWhatPyTorchGave) {
  int run = 0;
  for (const auto& entry : std::filesystem::directory_iterator(cases())) {
    if (!entry.is_directory()) continue;
    const std::string folder = entry.path().string(), name = entry.path().filename().string();
    SCOPED_TRACE(name);
    EXPECT_EQ(not_covered().count(name), 0u);
    const test::OnnxFile file = test::describe_onnx(folder + "/model.onnx");
    std::map<std::string, Tensor> inputs;
    for (std::size_t i = 0; i < file.inputs.size(); ++i) {
      inputs[file.inputs[i]] = test::read_onnx_tensor(cat(folder, "/input_", i, ".pb"));
    }
    const auto outputs = test::run_onnx(folder + "/model.onnx", inputs);
    ASSERT_FALSE(file.outputs.empty());
    for (std::size_t i = 0; i < file.outputs.size(); ++i) {
      const Tensor expected = test::read_onnx_tensor(cat(folder, "/output_", i, ".pb")),
                   got = outputs.at(file.outputs[i]);
      ASSERT_EQ(got.shape().vec(), expected.shape().vec());
      const std::vector<double> a = got.to_vector<double>(), b = expected.to_vector<double>();
      for (std::size_t k = 0; k < a.size(); ++k) {
        if (std::isnan(b[k]) && std::isnan(a[k])) continue;  // the root of a negative number
        if (!(std::abs(a[k] - b[k]) <= 2e-6 + 2e-6 * std::abs(b[k])))
          FAIL() << "output " << i << "[" << k << "] is " << a[k] << ", not " << b[k];
      }
    }
    ++run;
  }
  EXPECT_EQ(run, 62);
}

// With the shared data there, every case of the project is either run here or named with its reason.
TEST(OnnxInterop, EveryOtherCaseIsNamed) {
  const std::filesystem::path all =
      std::filesystem::path(GADOLIN_TEST_DATA) / "../../../shared/data/interop-onnx/pytorch";
  if (!std::filesystem::exists(all)) GTEST_SKIP() << "no shared data";
  for (const auto& entry : std::filesystem::directory_iterator(all)) {
    const std::string name = entry.path().filename().string().substr(5);
    const bool here = std::filesystem::exists(cases() + "/" + name), named = not_covered().count(name) == 1;
    EXPECT_NE(here, named) << name;
    if (named && name != "operator_maxpool") {  // refused, not computed wrongly
      const auto run = [&] {
        const test::OnnxFile file = test::describe_onnx(entry.path().string() + "/model.onnx");
        std::map<std::string, Tensor> inputs;
        for (std::size_t i = 0; i < file.inputs.size(); ++i) {
          inputs[file.inputs[i]] =
              test::read_onnx_tensor(cat(entry.path().string(), "/test_data_set_0/input_", i, ".pb"));
        }
        test::run_onnx(entry.path().string() + "/model.onnx", inputs);
      };
      EXPECT_THROW(run(), Unsupported) << name;
    }
  }
}

}  // namespace
}  // namespace gadolin
