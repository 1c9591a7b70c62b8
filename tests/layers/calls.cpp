// Calls of modules: with several tensors, as observers see them, and unfused.
#include <gtest/gtest.h>

#include <thread>

#include "layers/linear.h"
#include "layers/module.h"
#include "tensor/random.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;

// A module with a call of its own: two tensors go in, a struct of two comes out.
struct Halves {
  Tensor low, high;
  std::vector<Tensor> tensors() const { return {low, high}; }
};
class Splitter : public Module {
 public:
  Halves operator()(const Tensor& x, const Tensor& y) {
    const Tensor in[] = {x, y};
    return called(in, [&]() -> Halves { return {fc_(x), fc_(y)}; });
  }
  std::vector<Tensor> each(const std::vector<Tensor>& in) {
    return called(in, [&] {
      std::vector<Tensor> out;
      for (const Tensor& x : in) out.push_back(fc_(x));
      return out;
    });
  }
  std::int64_t macs(std::span<const Tensor> in, std::span<const Tensor> out) const override {
    return in[0].numel() + in[1].numel() + 100 * out[1].numel();
  }
  const char* kind() const override { return "Splitter"; }

 private:
  Linear& fc_ = add("fc", Linear(3, 2));
};
class Holder : public Layer {
 public:
  Splitter& split = add("split", Splitter());
  Tensor forward(const Tensor& x) override { return split(x, mul(x, 2.0)).high; }
  const char* kind() const override { return "Holder"; }
};
TEST(Module, MayTakeAndGiveSeveralTensors) {
  Holder net;
  const Tensor x = randn({4, 3});
  std::vector<std::string> seen;
  {
    const CallObserver observer([&](const Module& module, const std::string& place,
                                    std::span<const Tensor> in, std::span<const Tensor> out) {
      seen.push_back(cat(place, " ", in.size(), " ", out.size(), " ", module.macs(in, out)));
      if (place == "split") {
        EXPECT_TRUE(in[0].same_as(x));
      }
    });
    net(x);
    EXPECT_EQ(net.split.each({x, x, x}).size(), 3u);
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"split.fc 1 1 24", "split.fc 1 1 24", "split 2 2 824", " 1 1 0",
                                            "split.fc 1 1 24", "split.fc 1 1 24", "split.fc 1 1 24",
                                            "split 3 3 824"}));
  const Tensor y = net(x);
  EXPECT_EQ(y.node()->place, "split.fc");
  EXPECT_EQ(message_of<ShapeError>([&] { net.split(x, ones({4, 5})); }).substr(0, 10), "split.fc: ");
}

// The youngest is told; a scope that ends gives the word back.
TEST(Module, TellsTheYoungestObserver) {
  Linear fc(3, 2);
  int outer = 0, inner = 0;
  const CallObserver first([&](auto&&...) { ++outer; });
  fc(ones({1, 3}));
  {
    const CallObserver second([&](auto&&...) { ++inner; });
    fc(ones({1, 3}));
  }
  fc(ones({1, 3}));
  EXPECT_EQ(outer, 2);
  EXPECT_EQ(inner, 1);
}

TEST(Unfused, IsAScopeOfOneThread) {
  EXPECT_FALSE(Unfused::here());
  {
    const Unfused outer;
    {
      const Unfused inner;
      EXPECT_TRUE(Unfused::here());
    }
    EXPECT_TRUE(Unfused::here());
    std::thread([] { EXPECT_FALSE(Unfused::here()); }).join();
  }
  EXPECT_FALSE(Unfused::here());
}

}  // namespace
}  // namespace gadolin
