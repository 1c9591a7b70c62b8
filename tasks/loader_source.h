// A loader as the training loop wants it, with mixup and cutmix on the way.
#pragma once

#include <memory>
#include <utility>

#include "data/sets/loader.h"
#include "train/mix.h"
#include "train/trainer.h"

namespace gadolin {

// A loader as the training loop sees it.
class LoaderSource : public BatchSource {
 public:
  // With mixing on, batches also hold "mix_partner", "mix_keep" and "mix_share" (train/mix.h): what is mixed
  // is decided here, a function of (seed, epoch, step), and done by the task, so that a recorded step can be
  // replayed.
  // `batches`: of an epoch, however many passes over the samples that takes; 0: one pass.
  explicit LoaderSource(std::unique_ptr<DataLoader> loader, MixOptions mix = {}, std::int64_t batches = 0)
      : loader_(std::move(loader)), mix_(mix), batches_(batches > 0 ? batches : loader_->batches()) {}
  std::int64_t batches_per_epoch() const override { return batches_; }
  std::int64_t batch_size() const override { return loader_->batch_size(); }
  void seek(std::int64_t epoch, std::int64_t batch) override {
    const std::int64_t all = epoch * batches_ + batch;
    epoch = all / loader_->batches();
    batch = all % loader_->batches();
    if (loader_->epoch() != epoch || loader_->step() != batch) loader_->seek(epoch, batch);
  }
  Batch next() override {
    Batch batch;
    while (!loader_->next(batch)) {
    }
    if (mix_.mixup > 0 || mix_.cutmix > 0) add_mix(batch);
    return batch;
  }
  double seconds_waited() const override { return loader_->stats().wait_seconds; }
  const DataLoader& loader() const { return *loader_; }  // as given

 private:
  void add_mix(Batch& batch) const {
    const Tensor& images = batch["image"];
    const MixPlan plan =
        mix_plan(mix_, batch.epoch, batch.step, images.size(0), images.size(2), images.size(3));
    const MixTensors m = mix_tensors(plan, images.size(2), images.size(3), images.device());
    batch.set("mix_partner", m.partner).set("mix_keep", m.keep).set("mix_share", m.share);
  }
  std::unique_ptr<DataLoader> loader_;
  MixOptions mix_;
  std::int64_t batches_;
};

}  // namespace gadolin
