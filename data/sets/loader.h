// DataLoader: batches in a seeded order, made by worker threads while the net works on earlier ones.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/image/transforms.h"
#include "data/sets/dataset.h"
#include "tensor/tensor.h"

namespace gadolin {

// What happens to a sample that cannot be read or decoded.
//   fail        next() throws what the sample threw
//   skip        another sample takes its place, drawn from (seed, epoch, sample); the number of steps stays
//   quarantine  as skip, and name and reason are added to quarantine_file
// More than 1000 such samples, or than 1 % of the set (but one is allowed in any set), end in a DataError.
enum class BadSamples : std::uint8_t { fail, skip, quarantine };

struct LoaderOptions {
  std::int64_t batch_size = 32;
  bool shuffle = false;    // a new order for every epoch
  bool drop_last = false;  // leave out a last batch that is not full
  int workers = -1;        // threads that decode, 0..64; 0: next() does it itself; -1: one a core, 16 at most
  int prefetch = 2;        // batches made ahead, 1..64
  std::int64_t epochs =
      0;  // work goes on into the next epoch until this many; 0: it stops at the end of each
  std::uint64_t seed = 0;
  Device device = cpu;
  DType dtype = DType::fp32;  // of the images: fp32, bf16, fp16; uint8 leaves them as decoded, not normalised
  BadSamples bad_samples = BadSamples::fail;
  std::string quarantine_file = {};
};

struct Batch {
  Tensor images;  // [N, C, H, W], channels innermost in memory, on the device asked for
  Tensor labels;  // int64 [N] class numbers; fp32 [N, classes] of 0 and 1 when multi-label
  std::vector<std::int64_t> indices;  // places in the data set
  std::int64_t epoch = 0, step = 0;   // step counts within the epoch, from 0
  std::int64_t size() const { return static_cast<std::int64_t>(indices.size()); }
};

struct BadSample {
  std::int64_t index = 0;
  std::string name, reason;
};

struct LoaderStats {
  double wait_seconds = 0;  // next() spent waiting for workers
  std::int64_t batches = 0, samples = 0;
};

// Order and content depend on the data set, the pipeline, seed, epoch and batch size only: not on the number
// of workers, on prefetch or on the device. Workers own no tensors; a batch travels to a GPU from pinned
// memory while the step before it runs. One thread at a time may call the loader. The data set must outlive
// it.
class DataLoader {
 public:
  // Decodes one sample to learn the size of the pictures unless the pipeline fixes it.
  // Throws UsageError for settings out of range, DataError for an empty set or a batch that can never be
  // filled.
  DataLoader(const Dataset& dataset, Pipeline pipeline, LoaderOptions options = {});
  ~DataLoader();  // waits for samples in work, not for batches
  DataLoader(const DataLoader&) = delete;
  DataLoader& operator=(const DataLoader&) = delete;

  std::int64_t batches() const;  // in an epoch
  std::int64_t epoch() const;    // of the batch that next() gives, or would give after the end of an epoch
  std::int64_t step() const;

  // The next batch of the epoch; false once at its end, after which the next epoch begins.
  // Throws what a sample threw, with its name, and can be called again: the batch is then left out.
  bool next(Batch& batch);
  // Continues with batch `step` of `epoch`, as if all before it had been taken: for resuming.
  void seek(std::int64_t epoch, std::int64_t step);

  Shape image_shape() const;  // [C, H, W]
  const Dataset& dataset() const;
  const Pipeline& pipeline() const;
  const std::vector<BadSample>& bad_samples() const;  // met so far, in the order of the batches
  const LoaderStats& stats() const;

  // for (const Batch& batch : loader): the rest of the epoch, or the next one when nothing of it is left.
  class Iterator {
   public:
    explicit Iterator(DataLoader* loader) : loader_(loader) { ++*this; }
    Iterator() = default;
    const Batch& operator*() const { return batch_; }
    Iterator& operator++() {
      if (!loader_->next(batch_)) loader_ = nullptr;
      return *this;
    }
    bool operator==(const Iterator& other) const { return loader_ == other.loader_; }

   private:
    DataLoader* loader_ = nullptr;
    Batch batch_;
  };
  Iterator begin();
  Iterator end() { return {}; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gadolin
