// What import and export say about each mistake, word for word with its code; DIR stands for the folder of
// the test.
#include <gtest/gtest.h>

#include "io/safetensors.h"
#include "nets/registry.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

namespace gadolin {
namespace {

using test::Scratch;

std::string last_message(const Scratch& dir, std::vector<std::string> args) {
  return test::last_line(test::run_here(std::move(args)), dir.path());
}

TEST(WeightMessages, Import) {
  const Scratch dir;
  const std::string in = dir / "a.safetensors", out = dir / "a.gdck";
  const auto net = make_net("resnet18", {{"width", 2.0}, {"num_classes", 3.0}});
  TensorMap tensors;
  for (const Parameter& p : net->state()) tensors[p.name] = p.tensor.detach();
  save_safetensors(in, tensors);
  EXPECT_EQ(last_message(dir, {"import", in, dir / "a.pth", "--model", "resnet18"}),
            "import: DIR/a.pth must end in .gdck [GD-USAGE-001]");
  EXPECT_EQ(last_message(dir, {"import", in, out, "--model", "resnet18", "--num-classes", "5"}),
            "import: fc of DIR/a.safetensors is for 3 classes, not 5; pass --exclude-scopes fc to keep the "
            "rest and start it anew [GD-USAGE-020]");
  EXPECT_EQ(last_message(dir, {"import", in, out, "--model", "resnet18", "--class-names", "a,b"}),
            "import: 2 class names for 3 classes; give one for each [GD-USAGE-001]");
  EXPECT_EQ(last_message(dir, {"import", in, out, "--model", "resnet18", "--net-option", "small_input"}),
            "--net-option small_input is not NAME=VALUE, such as transform_input=true [GD-USAGE-001]");
  tensors.erase("fc.bias");
  tensors["stranger"] = ones({2});
  save_safetensors(in, tensors);
  EXPECT_EQ(last_message(dir, {"import", in, out, "--model", "resnet18"}),
            "import: DIR/a.safetensors is not resnet18: 121 names mapped, 1 missing, 1 left over (listed "
            "above); pass --partial to take what fits "
            "[GD-CKPT-003]");
  save_safetensors(in, {{"stranger", ones({2})}});
  EXPECT_EQ(last_message(dir, {"import", in, out, "--model", "resnet18", "--partial"}),
            "import: nothing in DIR/a.safetensors has a name of resnet18 [GD-CKPT-003]");
}

TEST(WeightMessages, Export) {
  const Scratch dir;
  const std::string text = last_message(dir, {"export", dir / "a.gdck", dir / "a.h5"});
  EXPECT_EQ(text.rfind("export: DIR/a.h5 must end in one of .safetensors", 0), 0u) << text;
}

}  // namespace
}  // namespace gadolin
