// The training loop's part for several processes: beginning at the same place, statistics of all ranks,
// decisions from the first one's numbers.
#include <cstdlib>
#include <sstream>

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
