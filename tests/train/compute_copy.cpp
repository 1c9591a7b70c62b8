// Training in 16 bits: copies written by the optimiser give the bits that casting every weight would, and are
// never stale.
#include "layers/compute.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "layers/conv.h"
#include "layers/linear.h"
#include "tensor/allocator.h"
#include "tensor/capture_state.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "train/optimizer.h"
#include "train/weight_average.h"

using namespace gadolin;

namespace {

struct Net : Layer {
  Conv2d& conv = add("conv", Conv2d(3, 4, 3, {.padding = 1}));
  Linear& again = add("again", Linear(4, 4));
  Linear& fc = add("fc", Linear(4, 2));
  Tensor forward(const Tensor& x) override {
    return fc(relu(again(relu(again(mean(relu(conv(x)), {2, 3}))))));
  }
  const char* kind() const override { return "Net"; }
};
// The same net from casts on the tape.
Tensor with_casts(Net& net, const Tensor& x, DType to) {
  const auto fully = [&](const Tensor& in, Linear& layer) {
    return linear(in, layer.weight().to(to), layer.bias().to(to));
  };
  const Tensor pixels =
      relu(conv2d(x.to(to), net.conv.weight().to(to), net.conv.bias().to(to), {.padding = 1}));
  return fully(relu(fully(relu(fully(mean(pixels, {2, 3}), net.again)), net.again)), net.fc);
}
Net made_net() {
  manual_seed(7);
  return Net();
}
void expect_copies_of(Net& net, DType dtype) {
  for (const Parameter& p : net.parameters()) {
    const detail::WeightCopy* const copy = detail::copy_to_write(p.tensor);
    ASSERT_TRUE(copy) << p.name;
    EXPECT_EQ(copy->data().dtype(), dtype);
    EXPECT_EQ(copy->data().to_vector<float>(), p.tensor.detach().to(dtype).to_vector<float>()) << p.name;
  }
}

// Losses of `steps` steps of two micro-batches each; an infinity among the numbers of step 5 makes it one
// that is skipped.
template <class F>
std::vector<float> train_steps(Net& net, Optimizer& optimizer, int steps, bool overflow, F&& forward) {
  std::vector<float> losses;
  for (int step = 0; step < steps; ++step) {
    for (int part = 0; part < 2; ++part) {
      const auto stream = static_cast<std::uint64_t>(2 * step + part);
      Tensor x = rand({4, 3, 6, 5}, 11, stream).contiguous(MemoryFormat::channels_last);
      if (overflow && step == 5) x.mul_(std::numeric_limits<double>::infinity());
      const Tensor y = forward(net, x).to(DType::fp32), loss = mean(y * y);
      loss.backward(optimizer.loss_seed(loss.dtype()));
      losses.push_back(loss.detach().item<float>());
    }
    optimizer.step();
    optimizer.zero_grad();
  }
  return losses;
}

TEST(ComputeCopy, TrainsBitForBitAsCastsWould) {
  for (const DType dtype : {DType::bf16, DType::fp16}) {
    for (const char* rule : {"momentum", "adamw"}) {
      OptimizerOptions o = optimizer_options(rule);
      o.clip_norm = 0.5;
      const bool half = dtype == DType::fp16;
      const LossScale scale = half ? LossScale{1024, 2, 0.5, 3} : LossScale{};
      Net copies = made_net(), casts = made_net();
      Optimizer a(copies.parameters(), o, scale), b(casts.parameters(), o, scale);
      const auto with_copies = train_steps(copies, a, 20, half, [&](Net& net, const Tensor& x) {
        const ComputeScope scope(dtype);
        return net(x);
      });
      const auto plain = train_steps(casts, b, 20, half,
                                     [&](Net& net, const Tensor& x) { return with_casts(net, x, dtype); });
      for (std::size_t i = 0; i < plain.size(); ++i) {
        if (half && i / 2 == 5) continue;  // no numbers
        EXPECT_EQ(with_copies[i], plain[i]) << rule << " in " << name_of(dtype) << ", loss " << i;
      }
      EXPECT_EQ(a.steps(), half ? 19 : 20);
      EXPECT_EQ(a.gradient_norm(), b.gradient_norm());
      for (std::size_t i = 0; i < copies.parameters().size(); ++i) {
        const Tensor mine = copies.parameters()[i].tensor, other = casts.parameters()[i].tensor;
        EXPECT_EQ(mine.to_vector<float>(), other.to_vector<float>()) << copies.parameters()[i].name;
      }
      expect_copies_of(copies, dtype);
    }
  }
}

// Only the first gradient is 16 bits wide, and only where an optimiser is known to read it.
TEST(ComputeCopy, GradientsAreWidenedWhenTheyAreAdded) {
  Net net = made_net();
  Optimizer optimizer(net.parameters(), optimizer_options("sgd"));
  const Tensor x = rand({2, 3, 4, 4}, 1, 0);
  const auto backward = [&] {
    const ComputeScope scope(DType::bf16);
    sum(net(x)).backward();
  };
  backward();
  EXPECT_EQ(net.fc.weight().grad().dtype(), DType::fp32);
  optimizer.step();
  optimizer.zero_grad();
  backward();
  EXPECT_EQ(net.fc.weight().grad().dtype(), DType::bf16);
  EXPECT_EQ(net.again.weight().grad().dtype(), DType::fp32) << "used twice";
  EXPECT_EQ(optimizer.bad_gradient(), "");
  const std::vector<float> once = net.fc.weight().grad().to_vector<float>();
  backward();
  EXPECT_EQ(net.fc.weight().grad().dtype(), DType::fp32);
  const std::vector<float> twice = net.fc.weight().grad().to_vector<float>();
  for (std::size_t i = 0; i < once.size(); ++i) EXPECT_EQ(twice[i], 2 * once[i]);
  optimizer.zero_grad();
  backward();
  sum(linear(ones({1, 4}), net.fc.weight())).backward();  // and one of fp32 behind a narrow one
  EXPECT_EQ(net.fc.weight().grad().dtype(), DType::fp32);
  for (std::size_t i = 0; i < once.size(); ++i)
    EXPECT_EQ(net.fc.weight().grad().to_vector<float>()[i], once[i] + 1);
}

// In every way that a weight can change, the next use sees its new values, in the same memory.
TEST(ComputeCopy, FollowsEveryChange) {
  Net net = made_net();
  Optimizer optimizer(net.parameters(), optimizer_options("momentum"));
  WeightAverage average(net.parameters(), 0.5);
  const Tensor x = rand({2, 3, 4, 4}, 1, 0);
  const Tensor weight = net.conv.weight();
  const auto seen = [&](DType dtype = DType::bf16) {
    const ComputeScope scope(dtype);
    return compute_copy(weight).detach();
  };
  const void* const place = seen().raw();
  const auto expect_same = [&](const char* what) {
    EXPECT_EQ(seen().to_vector<float>(), weight.detach().to(DType::bf16).to_vector<float>()) << what;
    EXPECT_EQ(seen().raw(), place) << what;
  };
  const auto changed = [&](const char* what, const auto& change) {
    const std::vector<float> before = weight.to_vector<float>();
    change();
    EXPECT_NE(weight.to_vector<float>(), before) << what;
    expect_same(what);
  };
  const auto gradients = [&] {
    for (const Parameter& p : net.parameters())
      p.tensor.set_grad(ones(p.tensor.shape()).contiguous(p.tensor.format()));
  };
  gradients();
  changed("a step", [&] { optimizer.step(); });
  average.update();
  changed("a second step", [&] { optimizer.step(); });
  changed("averages", [&] { average.swap(); });
  changed("and back", [&] { average.swap(); });
  changed("a step after an exchange", [&] {
    average.swap();
    optimizer.step();
  });
  changed("load_state", [&] {
    State other;
    for (const Parameter& p : Net().state()) other[p.name] = p.tensor;
    net.load_state(other);
  });
  changed("in place", [&] {
    const NoGrad guard;
    Tensor w = weight;
    w.mul_(3);
  });
  // A type for a while does not cost the other its place, and a step writes but one of them.
  EXPECT_EQ(seen(DType::fp16).to_vector<float>(), weight.detach().to(DType::fp16).to_vector<float>());
  changed("a step with two copies", [&] { optimizer.step(); });
  EXPECT_EQ(seen(DType::fp16).to_vector<float>(), weight.detach().to(DType::fp16).to_vector<float>());
  changed("a change, then a skipped step", [&] {
    Optimizer scaled(net.parameters(), optimizer_options("sgd"), {8, 2, 0.5, 10});
    const NoGrad guard;
    Tensor w = weight;
    w.mul_(0.5);
    weight.set_grad(full(weight.shape(), NAN).contiguous(weight.format()));
    scaled.step();
    EXPECT_TRUE(scaled.last_step_skipped());
  });
  net.to(DType::fp64);
  net.to(DType::fp32);
  EXPECT_EQ(seen().to_vector<float>(), weight.detach().to(DType::bf16).to_vector<float>());
}

// A weight in a recording, which on the CPU runs as well: what a replay would write, is written past all
// versions.
struct Recorded {
  Tensor weight = rand({3, 5}, 1, 1).requires_grad_();
  Optimizer optimizer{{{"w", weight}}, optimizer_options("sgd")};
  std::uint64_t number = detail::next_recording();
  detail::Companions before, recorded;  // of the last eager step and of the recording

  Tensor seen() {
    const ComputeScope scope(DType::bf16);
    return compute_copy(weight).detach();
  }
  // As tensor/capture.cpp does.
  template <class F> void preview(F&& step) {
    detail::capture_state().companions = &before;
    step();
    detail::capture_state() = {};
  }
  template <class F> void record(F&& step) {
    before.refresh();
    detail::capture_state() = {.active = true, .recording = number, .companions = &recorded};
    step();
    detail::capture_state() = {};
    recorded.recorded(number);
  }
  void launch() { recorded.launches(number, false); }
  static void launch_another(bool reads_only) {
    detail::Companions().launches(detail::next_recording(), reads_only);
  }
  void train() {
    const ComputeScope scope(DType::bf16);
    weight.zero_grad();
    sum(compute_copy(weight)).backward();
    optimizer.step();
  }
  // What the device does in a launch: weights become `value`, and so do copies that are written with them.
  void write(float value, const Tensor& with = {}) {
    for (int i = 0; i < 15; ++i) {
      weight.data<float>()[i] = value;
      if (with.defined()) with.data<bfloat16>()[i] = bfloat16(value);
    }
  }
  float first() { return seen().to_vector<float>()[0]; }
  Tensor target() {  // changes in place under NoGrad
    return weight.detach();
  }
};

TEST(ComputeCopy, ARecordedStepWritesBoth) {
  Recorded r;
  r.seen();
  r.train();
  const Tensor copy = r.seen();
  r.record([&] { r.train(); });
  EXPECT_EQ(r.seen().raw(), copy.raw());
  r.launch();
  r.write(4, copy);
  copy.data<bfloat16>()[0] = bfloat16(5.0f);  // a mark: whoever casts again removes it
  EXPECT_EQ(r.first(), 5);
  r.launch();
  EXPECT_EQ(r.first(), 5);
  r.launch_another(true);
  EXPECT_EQ(r.first(), 5);
  r.target().mul_(2);  // between two replays
  EXPECT_EQ(copy.to_vector<float>()[1], 4);
  r.launch();
  EXPECT_EQ(copy.to_vector<float>(), std::vector<float>(15, 8));
}

TEST(ComputeCopy, OtherRecordingsMakeItStale) {
  Recorded r;
  r.seen();
  r.launch_another(false);
  r.write(4);
  EXPECT_EQ(r.first(), 4);
  r.write(6);
  EXPECT_EQ(r.first(), 4) << "nothing told of this change, so the test would see one that is not needed";
  // Changed again behind the step: the launch leaves another value in the copy than in the weight.
  r.record([&] {
    r.train();
    r.target().mul_(2);
  });
  const Tensor copy = r.seen();
  r.launch();
  r.write(3, copy);
  r.write(6);
  EXPECT_EQ(r.first(), 6);
}

// Two recordings of one step, for two sizes of a batch, in turn: each launch finds what the other one wrote.
TEST(ComputeCopy, TwoRecordingsWriteTheSameCopy) {
  Recorded r;
  r.train();
  r.record([&] { r.train(); });
  const std::uint64_t number = std::exchange(r.number, detail::next_recording());
  const detail::Companions other = std::exchange(r.recorded, {});
  r.record([&] { r.train(); });
  const Tensor copy = r.seen();
  r.launch();
  r.write(4, copy);
  copy.data<bfloat16>()[0] = bfloat16(5.0f);
  other.launches(number, false);
  EXPECT_EQ(r.first(), 5) << "cast again, though the launch before wrote it";
  Recorded::launch_another(false);  // a third that knows nothing of it
  EXPECT_EQ(r.first(), 4);
}

TEST(ComputeCopy, ARecordingCastsWhatIsNotUpToDate) {
  Recorded fresh;
  fresh.record([&] {
    const ComputeScope scope(DType::bf16);
    compute_copy(fresh.weight);
    EXPECT_FALSE(fresh.weight.companion()) << "its memory would be the recording's";
    const NoGrad guard;
    EXPECT_FALSE(keeps_compute_copy(fresh.weight));
    EXPECT_FALSE(detail::copy_to_write(fresh.weight));
  });
  Recorded r;
  r.preview([&] { r.seen(); });
  const Tensor copy = r.seen();
  const std::vector<float> before = copy.to_vector<float>();
  r.target().mul_(2);
  r.before.refresh();
  EXPECT_NE(copy.to_vector<float>(), before) << "not brought up to date before recording";
  const std::vector<float> during = copy.to_vector<float>();
  r.record([&] {
    r.target().mul_(2);
    const Tensor cast = r.seen();
    EXPECT_NE(cast.raw(), copy.raw());
    EXPECT_EQ(cast.to_vector<float>(), r.weight.detach().to(DType::bf16).to_vector<float>());
    EXPECT_EQ(copy.to_vector<float>(), during);
  });
}

// A copy of another type, which the recorded optimiser does not write.
TEST(ComputeCopy, OnlyOneOfTwoTypesIsWritten) {
  Recorded r;
  const auto half = [&] {
    const ComputeScope scope(DType::fp16);
    return compute_copy(r.weight).detach();
  };
  r.train();
  half();
  r.record([&] { r.train(); });
  const Tensor copy = r.seen();
  r.launch();
  r.write(4, copy);
  EXPECT_EQ(half().to_vector<float>(), std::vector<float>(15, 4));
  EXPECT_EQ(r.first(), 4);
}

TEST(ComputeCopy, EveryUserOfAWeightIsUpToDate) {
  Recorded r;
  const auto others = [&] {
    const ComputeScope scope(DType::bf16);
    return compute_copy(r.weight).detach();
  };
  for (int step = 0; step < 3; ++step) {
    r.train();
    const std::vector<float> want = r.weight.detach().to(DType::bf16).to_vector<float>();
    EXPECT_EQ(others().to_vector<float>(), want);
    EXPECT_EQ(r.seen().to_vector<float>(), want);
  }
  EXPECT_EQ(others().raw(), r.seen().raw()) << "two layers with one weight share its copy";
  EXPECT_TRUE(detail::copy_to_write(r.weight));
  r.weight.set_data(r.weight.detach().clone());
  EXPECT_FALSE(detail::copy_to_write(r.weight)) << "a copy of what was there before the weight moved";
}

// The copy goes with its parameter: nothing else keeps it, and it keeps nothing.
TEST(ComputeCopy, LivesAsLongAsItsParameter) {
  const std::int64_t before = allocator(cpu).stats().allocated;
  {
    Recorded r;
    r.train();
    r.record([&] { r.train(); });
    EXPECT_TRUE(r.weight.companion());
    EXPECT_FALSE(r.weight.detach().companion()) << "of another handle over the same memory";
    r.weight = Tensor();
    r.recorded.refresh();  // the recording has a handle of its own
  }
  EXPECT_EQ(allocator(cpu).stats().allocated, before);
}

}  // namespace
