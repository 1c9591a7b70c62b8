// The training loop's part for several processes: beginning at the same place, statistics of all ranks,
// decisions from the first one's numbers.
#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <utility>

#include "tensor/autograd.h"
#include "tensor/check.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "train/trainer.h"

namespace gadolin {
namespace {

void broadcast_all(Communicator& communicator, const std::vector<Parameter>& tensors) {
  for (const Parameter& p : tensors) communicator.broadcast(p.tensor);
}

}  // namespace

// Where a recorded step reads it: whether the samples count, or stand for a share that is empty.
void Trainer::tell_spare(Batch& batch) {
  const Device device = batch.tensors().front().device();
  batch.set("counts", full({batch.size()}, batch.spare ? 0 : 1, DType::fp64, device));
}

// A rank's loss is its own sum over its own count c; wanted is the sum of all over the count C of all, and
// gradients become means over N ranks: so each counts N c / C. Without anything to count a loss divides by 1.
Tensor Trainer::share_of_loss(const LossParts& loss, const Batch& batch) {
  if (communicator_.alone()) return {};
  const NoGrad guard;
  const Tensor real = batch["counts"];
  const Tensor one = ones({}, DType::fp64, real.device()), there = real.select(0, 0);
  const auto divisor = [&](const Tensor& count) { return where(count > 0.0, count, one); };
  const Tensor own = loss.count.defined() ? loss.count.detach().reshape({}).to(DType::fp64) : sum(real);
  const Tensor all = mul(own, there);
  communicator_.sum(all);
  return div(mul(mul(divisor(own), there), static_cast<double>(communicator_.size())), divisor(all));
}

// Once: parts of the net that nothing reaches would never learn, and nobody would know.
void Trainer::tell_unused() {
  if (std::exchange(told_unused_, true) || !communicator_.first() || !hooks_.warn) return;
  const std::vector<std::string> names = optimizer_.unused();
  if (names.empty()) return;
  std::string list = names[0];
  for (std::size_t i = 1; i < std::min<std::size_t>(names.size(), 5); ++i) list += ", " + names[i];
  hooks_.warn(cat("warning: ", names.size(),
                  " parameters have no gradient on any process in the first step and stay ",
                  "as they are until they have one: ", list, names.size() > 5 ? " ..." : ""));
}

// A rank that stood elsewhere would wait for ever in the middle of a step, or worse, not wait.
void Trainer::begin_together() {
  if (communicator_.alone()) return;
  const std::string place = cat("step ", step_, " of ", total_steps(), " with ", batches_.batches_per_epoch(),
                                " batches an epoch and schedule ", schedule_.text());
  const std::vector<std::string> places = communicator_.gather(place);
  on_first(communicator_, [&] {
    for (std::size_t rank = 0; rank < places.size(); ++rank) {
      require<ProcessError>(places[rank] == place, "train: rank ", rank, " stands at ", places[rank],
                            ", rank 0 at ", place,
                            "; give all the same options and checkpoint, and shards of one length");
    }
    return std::string();
  });
  const std::string detour = communicator_.detour(device());
  if (!detour.empty() && communicator_.first() && hooks_.warn)
    hooks_.warn(cat("warning: gradients on GPUs are summed through the host, which is slower: ", detour));
  broadcast_all(communicator_, model_.state());
  broadcast_all(communicator_, optimizer_.state());
  if (average_) broadcast_all(communicator_, average_->state());
  for (const Tensor& sum : losses_.sums()) communicator_.broadcast(sum);
  GeneratorState& random = default_generator();
  std::istringstream first(communicator_.broadcast(cat(random.seed, " ", random.calls)));
  first >> random.seed >> random.calls;
  if (!communicator_.first())
    random.seed = stream_id(random.seed, static_cast<std::uint64_t>(communicator_.rank()));
}

void Trainer::share_statistics() {
  if (communicator_.alone()) return;
  const NoGrad guard;
  for (Tensor sum : losses_.sums()) {
    communicator_.sum(sum);
    sum.mul_(1.0 / communicator_.size());
  }
  broadcast_all(communicator_, model_.buffers());
  if (average_) broadcast_all(communicator_, average_->state());
}

MetricList Trainer::first_rank_metrics(MetricList metrics) {
  if (communicator_.alone()) return metrics;
  std::string text;
  for (const auto& [name, value] : metrics) {
    char number[40];
    std::snprintf(number, sizeof number, "%.17g", value);
    text += cat(number, " ", name, "\n");
  }
  std::istringstream lines(communicator_.broadcast(text));
  metrics.clear();
  for (std::string line; std::getline(lines, line);) {
    const std::size_t space = line.find(' ');
    metrics.emplace_back(line.substr(space + 1), std::strtod(line.c_str(), nullptr));
  }
  return metrics;
}

}  // namespace gadolin
