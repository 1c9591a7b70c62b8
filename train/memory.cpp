#include "train/memory.h"

#include <algorithm>
#include <future>
#include <vector>

#include "tensor/allocator.h"
#include "tensor/cpu/parallel.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

constexpr std::int64_t first_batch = 2,
                       second_batch = 4;  // one sample is too few for batch norms that see 1 x 1 pixels

// The requests of one step in their order: positive when a block is given out, negative when it comes back.
struct Trace {
  std::int64_t before = 0;  // allocated when the step began
  std::vector<std::int64_t> requests;
  std::size_t forward = 0;  // requests until the loss was known
};

std::int64_t block(std::int64_t request) {
  return request < 0 ? -CachingAllocator::rounded(-request) : CachingAllocator::rounded(request);
}

// Two steps, the second one watched: in the first, libraries plan and keep what they need, gradients and
// moments come to be. On a thread of its own, whose libraries keep nothing of other nets or batches.
Trace traced_step(Module& net, const TrainingLoss& loss_of, Shape input, std::int64_t batch,
                  Optimizer& optimizer, DType compute) {
  const Device device = net.parameters().at(0).tensor.device();
  input[0] = batch;
  return std::async(std::launch::async,
                    [&, threads = num_threads()] {
                      set_num_threads(threads);
                      Trace trace;
                      CachingAllocator& memory = allocator(device);
                      struct Watch {
                        CachingAllocator& memory;
                        ~Watch() { memory.watch({}); }
                      } watch{memory};
                      // Gradients of 16 bits come with the second step (layers/compute.h), so the third is
                      // the first that repeats.
                      for (int step = compute == DType::fp32 ? 1 : 0; step < 3; ++step) {
                        if (step == 2) {
                          trace.before = memory.stats().allocated;
                          memory.watch(
                              [&trace](std::int64_t bytes, const void*) { trace.requests.push_back(bytes); });
                        }
                        const Tensor x =
                            zeros(input, DType::fp32, device).contiguous(MemoryFormat::channels_last);
                        const Tensor labels = zeros({batch}, DType::int64, device);
                        optimizer.zero_grad();
                        Tensor loss;
                        {
                          const ComputeScope scope(compute);
                          loss = loss_of(x, labels);
                        }
                        trace.forward = trace.requests.size();
                        loss.backward();
                        optimizer.step();
                      }
                      return trace;
                    })
      .get();
}

}  // namespace

TrainingMemory training_memory(Module& net, const TrainingLoss& loss, const Shape& input,
                               const OptimizerOptions& rule, DType compute) {
  require<ShapeError>(input.dim() == 4 && input[0] > 0, "training memory: input ", input,
                      " is not [N, C, H, W]");
  TrainingMemory m;
  for (const Parameter& p : net.state()) m.weights += CachingAllocator::rounded(p.tensor.nbytes());
  const Device device = net.parameters().at(0).tensor.device();
  const std::int64_t others = allocator(device).stats().allocated - m.weights;  // what is not the net's
  Optimizer optimizer(net.parameters(), rule);
  for (const Parameter& p : optimizer.parameters())
    m.gradients += CachingAllocator::rounded(p.tensor.nbytes());
  for (const Parameter& p : optimizer.state()) m.optimizer += CachingAllocator::rounded(p.tensor.nbytes());

  const std::int64_t batch = input[0], low = std::min(batch, first_batch),
                     high = std::min(batch, second_batch);
  const Trace a = traced_step(net, loss, input, low, optimizer, compute);
  const Trace b = low == high ? a : traced_step(net, loss, input, high, optimizer, compute);
  require<Unsupported>(a.requests.size() == b.requests.size() && a.forward == b.forward,
                       "training memory: batches of ", low, " and ", high, " ask for ", a.requests.size(),
                       " and ", b.requests.size(), " blocks; the peak cannot be foreseen");
  std::int64_t live = b.before - others;
  m.measured_batch = high;
  m.peak = live;
  for (std::size_t i = 0; i < b.requests.size(); ++i) {
    // What grows with the batch grows in proportion; the rest is scratch memory, of which some comes only
    // with enough work.
    const std::int64_t small = a.requests[i], large = b.requests[i],
                       most = large < 0 ? std::min(small, large) : std::max(small, large);
    live += block(batch == high ? large : large * low == small * high ? large * batch / high : most);
    m.peak = std::max(m.peak, live);
    if (i + 1 == b.forward) m.kept = live;
  }
  m.kept -= m.weights + m.optimizer;
  return m;
}

}  // namespace gadolin
