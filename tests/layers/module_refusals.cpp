// What a module refuses when it is built: a second part of one name, rates out of range.
#include <gtest/gtest.h>

#include <cmath>

#include "layers/linear.h"
#include "layers/norm.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;

// Takes any names, for parts that collide.
class Collector : public Layer {
 public:
  using Module::add;
  using Module::buffer;
  using Module::parameter;
  Tensor forward(const Tensor& x) override { return x; }
  const char* kind() const override { return "Collector"; }
};
TEST(Module, RefusesASecondPartOfOneName) {
  Collector net;
  net.add("conv", Linear(2, 2));
  net.parameter("scale", ones({1}));
  net.buffer("count", zeros({1}));
  for (const char* name : {"conv", "scale", "count"}) {
    EXPECT_THROW(net.add(name, Linear(2, 2)), ValueError);
    EXPECT_THROW(net.parameter(name, ones({1})), ValueError);
    EXPECT_THROW(net.buffer(name, ones({1})), ValueError);
  }
  EXPECT_EQ(message_of<ValueError>([&] { net.add("conv", ReLU()); }),
            "module: it has a part called conv already; give this one another name");
  EXPECT_EQ(net.state().size(), 4u);
  Sequential row;
  row.append("relu", ReLU());
  EXPECT_THROW(row.append("relu", ReLU()), ValueError);
  EXPECT_EQ(row.size(), 1u);
}

TEST(Module, RefusesRatesThatMakeNoSense) {
  for (double bad : {-0.1, 1.5, static_cast<double>(NAN)}) {
    EXPECT_THROW(Dropout{bad}, ValueError);
    EXPECT_THROW(dropout(ones({2}), bad), ValueError);
    EXPECT_THROW(BatchNorm2d(2, 1e-5, bad), ValueError);
    EXPECT_THROW(BatchNorm2d(2).set_momentum(bad), ValueError);
  }
  EXPECT_EQ(message_of<ValueError>([] { Dropout{1}; }), "Dropout: p 1 is outside [0, 1)");
  EXPECT_EQ(message_of<ValueError>([] { BatchNorm2d(2, 1e-5, -0.1); }),
            "BatchNorm2d: momentum -0.1 is outside [0, 1]");
  EXPECT_EQ(message_of<ValueError>([] { BatchNorm2d(2, -1e-5); }),
            "BatchNorm2d: eps -1e-05 must not be negative");
}

}  // namespace
}  // namespace gadolin
