// The picture of a tape.
#include "io/graphviz.h"

#include <gtest/gtest.h>

#include "tensor/ops.h"

namespace gadolin {
namespace {

TEST(Graphviz, OpsAndLeavesCarryNamesAndShapes) {
  const Tensor a = tensor({1, 2}, {2}, DType::fp64).requires_grad_();
  const std::string text = graphviz(mul(a, a), {{"a", a}});
  EXPECT_NE(text.find("label=\"mul\\n[2]\""), std::string::npos) << text;
  EXPECT_NE(text.find("label=\"a\\n[2]\""), std::string::npos) << text;
}

}  // namespace
}  // namespace gadolin
