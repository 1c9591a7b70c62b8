// A loader as the training loop wants it.
#pragma once

#include <utility>

#include "data/sets/loader.h"
#include "train/trainer.h"

namespace gadolin {

class LoaderSource : public BatchSource {
 public:
  // Of a loader made from these.
  template <class... Parts>
  explicit LoaderSource(Parts&&... parts) : loader_(std::forward<Parts>(parts)...) {}
  std::int64_t batches_per_epoch() const override { return loader_.batches(); }
  std::int64_t batch_size() const override { return loader_.batch_size(); }
  void seek(std::int64_t epoch, std::int64_t batch) override {
    if (loader_.epoch() != epoch || loader_.step() != batch) loader_.seek(epoch, batch);
  }
  Batch next() override {
    Batch batch;
    while (!loader_.next(batch)) {
    }
    return batch;
  }
  double seconds_waited() const override { return loader_.stats().wait_seconds; }
  const DataLoader& loader() const { return loader_; }

 private:
  DataLoader loader_;
};

}  // namespace gadolin
