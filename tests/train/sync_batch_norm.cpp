// Batch norm over all processes, with threads as ranks: outputs, gradients and running statistics of one.
#include "train/sync_batch_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "layers/channels.h"
#include "layers/conv.h"
#include "layers/norm.h"
#include "tensor/autograd.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/train/thread_communicator.h"

namespace gadolin {
namespace {

using test::Ranks;

constexpr std::int64_t images = 6, channels = 4;

// Two batch norms with what is special in each way of using them: alone, behind an addition, in a join, with
// the statistics of a dense block.
struct Norms {
  BatchNorm2d one{static_cast<int>(channels)}, other{static_cast<int>(channels)};
  Conv2d conv{static_cast<int>(channels), 3, 1};
  std::vector<Tensor> leaves;
  explicit Norms(DType dtype) {
    manual_seed(4);
    conv = Conv2d(static_cast<int>(channels), 3, 1);
    for (Module* m :
         {static_cast<Module*>(&one), static_cast<Module*>(&other), static_cast<Module*>(&conv)}) {
      m->to(dtype);
      for (const Parameter& p : m->parameters()) {
        if (p.name.ends_with("weight"))
          p.tensor.detach().copy_(add(rand(p.tensor.shape(), 9, leaves.size(), dtype), 0.5));
        leaves.push_back(p.tensor);
      }
    }
  }
};
using Way = std::function<Tensor(Norms&, const Tensor& x, const Tensor& z)>;

struct Ran {
  Tensor y, dx, dz;  // of the rank's images
  std::vector<Tensor> parameters, buffers;
};

Ran ran(const Way& way, const Tensor& x, const Tensor& z, const Tensor& seed) {
  Norms norms(x.dtype());
  const Tensor own_x = x.clone().requires_grad_(), own_z = z.clone().requires_grad_();
  Ran r;
  const Tensor y = way(norms, own_x, own_z);
  r.y = y.detach();
  sum(mul(y, seed)).backward();
  r.dx = own_x.grad();
  r.dz = own_z.grad();
  for (const Tensor& t : norms.leaves) r.parameters.push_back(t.grad());
  for (const BatchNorm2d* norm : {&norms.one, &norms.other}) {
    r.buffers.push_back(norm->running_mean());
    r.buffers.push_back(norm->running_var());
  }
  return r;
}

double distance(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined() ? 0 : NAN;
  double worst = 0;
  const auto p = a.to_vector<double>(), q = b.to_vector<double>();
  if (p.size() != q.size()) return NAN;
  for (std::size_t i = 0; i < p.size(); ++i) worst = std::max(worst, std::abs(p[i] - q[i]));
  return worst;
}

const std::pair<const char*, Way> ways[] = {
    {"alone", [](Norms& n, const Tensor& x, const Tensor&) { return n.one(x); }},
    {"relu", [](Norms& n, const Tensor& x, const Tensor&) { return n.one.relu(x); }},
    {"addition", [](Norms& n, const Tensor& x, const Tensor& z) { return n.one.add_relu(x, z); }},
    {"join", [](Norms& n, const Tensor& x, const Tensor& z) { return n.one.join_relu(x, n.other, z); }},
    {"dense", [](Norms& n, const Tensor& x, const Tensor&) {
       ChannelBuffer buffer(x, channels, x.size(2), x.size(3), true);
       buffer.append(x);
       return norm_relu_conv(buffer.all(), n.one, n.conv, buffer.statistics());
     }}};

TEST(SyncBatchNorm, GivesOutputsGradientsAndStatisticsOfOneProcess) {
  const Tensor x = add(mul(rand({images, channels, 3, 2}, 1, 1, DType::fp64), 3.0), 50.0),
               z = rand({images, channels, 3, 2}, 1, 2, DType::fp64);
  for (const auto& named : ways) {
    const Way& way = named.second;
    Norms probe(DType::fp64);
    const Tensor seed = rand(way(probe, x, z).shape(), 1, 3, DType::fp64);
    const Ran whole = ran(way, x, z, seed);
    for (const int size : {2, 3, 4}) {  // 4 ranks share 6 images unevenly
      Ranks::run(size, [&](Communicator& c) {
        const SyncBatchNorm together(c);
        const std::int64_t from = images * c.rank() / size, to = images * (c.rank() + 1) / size;
        const auto part = [&](const Tensor& t) {
          return t.defined() ? t.slice(0, from, to).contiguous() : t;
        };
        const Ran mine = ran(way, part(x), part(z), part(seed));
        const std::string what = cat(named.first, ", rank ", c.rank(), " of ", size);
        EXPECT_TRUE(distance(mine.y, part(whole.y)) <= 1e-10) << what;
        EXPECT_TRUE(distance(mine.dx, part(whole.dx)) <= 1e-10) << what;
        EXPECT_TRUE(distance(mine.dz, part(whole.dz)) <= 1e-10) << what;
        for (std::size_t i = 0; i < mine.buffers.size(); ++i)
          EXPECT_TRUE(distance(mine.buffers[i], whole.buffers[i]) <= 1e-10) << what;
        for (std::size_t i = 0; i < mine.parameters.size(); ++i) {
          if (!whole.parameters[i].defined()) continue;
          const Tensor all = mine.parameters[i].clone();
          c.sum(all);
          EXPECT_TRUE(distance(all, whole.parameters[i]) <= 1e-10) << what << ", parameter " << i;
        }
      });
    }
  }
}

// The gradient of the sum of all ranks' losses by central differences, through the statistics of all.
TEST(SyncBatchNorm, GradientsAreThoseOfDifferences) {
  const Tensor x = rand({4, channels}, 2, 1, DType::fp64), seed = rand({4, channels}, 2, 2, DType::fp64);
  const auto loss = [&](const Tensor& in) {
    double total = 0;
    std::mutex mutex;
    Ranks::run(2, [&](Communicator& c) {
      const SyncBatchNorm together(c);
      const Ran mine = ran(ways[1].second, in.slice(0, 2 * c.rank(), 2 * c.rank() + 2).contiguous(),
                           in.slice(0, 0, 2).contiguous(), seed.slice(0, 2 * c.rank(), 2 * c.rank() + 2));
      const std::lock_guard lock(mutex);
      total += sum(mul(mine.y, seed.slice(0, 2 * c.rank(), 2 * c.rank() + 2))).item<double>();
    });
    return total;
  };
  Ranks::run(2, [&](Communicator& c) {
    const SyncBatchNorm together(c);
    const Ran mine = ran(ways[1].second, x.slice(0, 2 * c.rank(), 2 * c.rank() + 2).contiguous(),
                         x.slice(0, 0, 2).contiguous(), seed.slice(0, 2 * c.rank(), 2 * c.rank() + 2));
    const auto got = mine.dx.to_vector<double>();
    if (!c.first()) return;
    for (const std::size_t i : {0u, 3u, 6u}) {
      const Tensor up = x.clone(), down = x.clone();
      up.data<double>()[i] += 1e-5;
      down.data<double>()[i] -= 1e-5;
      const double want = (loss(up) - loss(down)) / 2e-5;
      EXPECT_TRUE(std::abs(got[i] - want) <= 1e-6 * std::max(1.0, std::abs(want))) << got[i] << " " << want;
    }
  });
}

// A rank whose batch is spare takes part and changes nothing, and a rank may have one value a channel.
TEST(SyncBatchNorm, WhatIsSpareCountsAsNothing) {
  const Tensor x = rand({2, channels}, 3, 1, DType::fp64), seed = rand({2, channels}, 3, 2, DType::fp64);
  const Ran whole = ran(ways[0].second, x, x, seed);
  Ranks::run(3, [&](Communicator& c) {
    const bool spare = c.rank() == 2;
    const SyncBatchNorm together(c, !spare);
    const std::int64_t row = spare ? 0 : c.rank();
    const Tensor own = add(x.slice(0, row, row + 1), spare ? 1000.0 : 0.0).contiguous();
    const Ran mine = ran(ways[0].second, own, own, mul(seed.slice(0, row, row + 1), spare ? 0.0 : 1.0));
    for (std::size_t i = 0; i < mine.buffers.size(); ++i)
      EXPECT_TRUE(distance(mine.buffers[i], whole.buffers[i]) <= 1e-10) << c.rank();
    const Tensor want = spare ? zeros({1, channels}, DType::fp64) : whole.dx.slice(0, row, row + 1);
    EXPECT_TRUE(distance(mine.dx, want) <= 1e-10) << c.rank();
  });
}

}  // namespace
}  // namespace gadolin
