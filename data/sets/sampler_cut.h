// What samplers share: a list of draws cut into batches.
#pragma once

#include "data/sets/sampler.h"

namespace gadolin::detail {

// Throws what every sampler throws of its batches.
void check_batches(std::int64_t samples, std::int64_t draws, std::int64_t batch_size, bool drop_last);

// Sets Draw::repeat in the order of the draws.
void number_repeats(EpochBatches& batches, std::int64_t samples);

// A sampler that draws `draws` places an epoch and cuts them into batches.
class Cut : public Sampler {
 public:
  Cut(std::int64_t samples, std::int64_t draws, BatchCut cut);
  std::int64_t samples() const override { return samples_; }
  std::int64_t batch_size() const override { return cut_.batch_size; }
  std::int64_t batches() const override;
  EpochBatches epoch(std::uint64_t seed, std::int64_t epoch) const override;

 protected:
  virtual std::vector<std::int64_t> places(std::uint64_t seed, std::int64_t epoch) const = 0;
  virtual bool repeats() const { return true; }  // a place may come up twice in an epoch
  std::int64_t draws() const { return draws_; }

 private:
  std::int64_t samples_, draws_;
  BatchCut cut_;
};

}  // namespace gadolin::detail
