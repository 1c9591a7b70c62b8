// The loader of pictures as the training loop wants it.
#pragma once

#include <vector>

#include "data/sets/loader.h"
#include "train/trainer.h"

namespace gadolin {

class LoaderSource : public BatchSource {
 public:
  LoaderSource(const Dataset& set, const Pipeline& pipeline, const LoaderOptions& options)
      : loader_(set, pipeline, options), size_(options.batch_size) {}
  std::int64_t batches_per_epoch() const override { return loader_.batches(); }
  std::int64_t batch_size() const override { return size_; }
  void seek(std::int64_t epoch, std::int64_t batch) override {
    if (loader_.epoch() != epoch || loader_.step() != batch) loader_.seek(epoch, batch);
  }
  std::vector<Tensor> next() override {
    Batch batch;
    while (!loader_.next(batch)) {
    }
    return {batch.images, batch.labels};
  }
  double seconds_waited() const override { return loader_.stats().wait_seconds; }
  const DataLoader& loader() const { return loader_; }

 private:
  DataLoader loader_;
  std::int64_t size_;
};

}  // namespace gadolin
