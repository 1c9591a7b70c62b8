// DataLoader: batches in a seeded order, made by worker threads while the net works on earlier ones.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/image/transforms.h"
#include "data/sets/batch.h"
#include "data/sets/collation.h"
#include "data/sets/dataset.h"
#include "data/sets/sampler.h"

namespace gadolin {

// What happens to a sample that cannot be read or decoded.
//   fail        next() throws what the sample threw
//   skip        another sample that fits into the batch takes its place, drawn from (seed, epoch, sample);
//               so the number of steps stays
//   quarantine  as skip, and name and reason are added to quarantine_file
// More than 1000 such samples, or than 1 % of the set (but one is allowed in any set), end in a DataError.
enum class BadSamples : std::uint8_t { fail, skip, quarantine };

// How a loader works.
struct LoaderOptions {
  std::int64_t batch_size = 32;  // these three: of the loader that has no sampler given
  bool shuffle = false;          // a new order for every epoch
  bool drop_last = false;        // leave out a last batch that is not full
  int workers = -1;  // threads that decode, 0..64; 0: next() does it itself; -1: one a core, 16 at most
  int prefetch = 2;  // batches made ahead, 1..64
  // Work goes on into the next epoch until this many; 0: it stops at the end of each.
  std::int64_t epochs = 0;
  std::uint64_t seed = 0;  // of order and augmentation
  Device device = cpu;     // where batches arrive
  // Of pictures and series: fp32, bf16, fp16; uint8 leaves pictures as decoded, not normalised.
  DType dtype = DType::fp32;
  BadSamples bad_samples = BadSamples::fail;  // what happens to damaged samples
  std::string quarantine_file = {};           // a line a sample: name, reason
  // Of several processes: which of `ranks` shares this loader gives (shard).
  int rank = 0, ranks = 1;
  Divide divide = Divide::samples;  // what a share is made of
};

// What LoaderOptions::workers comes to.
int loader_workers(int asked);

// A sample that could not be read.
struct BadSample {
  std::int64_t index = 0;    // its place in the source
  std::string name, reason;  // its name, and what was wrong
};

// Throws DataError where these are more of a set's samples than may be passed over (BadSamples).
void check_bad_samples(const std::vector<BadSample>& bad, std::int64_t samples);

// What a loader has done so far.
struct LoaderStats {
  double wait_seconds = 0;                // next() spent waiting for workers
  std::int64_t batches = 0, samples = 0;  // handed out
};

// A source of samples, a sampler that puts them into batches, a collation that makes tensors of them. Order
// and content depend on these three, seed and epoch only: not on the number of workers, on prefetch or on the
// device. Workers own no tensors; a batch travels to a GPU from pinned memory while the step before it runs.
// One thread at a time may call the loader. The source must outlive it.
class DataLoader {
 public:
  // Reads one sample, so that the collation learns what samples are. Throws UsageError for settings out of
  // range, for a sampler that is made for another number of samples, and for a shuffle or drop_last that
  // belongs to the sampler; what sample and collation throw.
  DataLoader(const SampleSource& source, std::shared_ptr<const Sampler> sampler,
             std::unique_ptr<Collation> collation, LoaderOptions options = {});
  // Labelled pictures of one size: in_order() or shuffled(), and a ClassificationCollation. Throws DataError
  // for an empty set or a batch that can never be filled.
  DataLoader(const Dataset& dataset, Pipeline pipeline, LoaderOptions options = {});
  ~DataLoader();  // waits for samples in work, not for batches
  DataLoader(const DataLoader&) = delete;
  DataLoader& operator=(const DataLoader&) = delete;

  std::int64_t batches() const;     // in an epoch
  std::int64_t batch_size() const;  // of the largest batch
  std::int64_t epoch() const;       // of the batch that next() gives, or would give after the end of an epoch
  std::int64_t step() const;        // of the batch that next() gives, within the epoch

  // The next batch of the epoch; false once at its end, after which the next epoch begins.
  // Throws what a sample threw, with its name, and can be called again: the batch is then left out.
  bool next(Batch& batch);
  // Continues with batch `step` of `epoch`, as if all before it had been taken: for resuming.
  void seek(std::int64_t epoch, std::int64_t step);

  const SampleSource& source() const;                 // as given
  const Sampler& sampler() const;                     // as given, or as the options ask
  const Collation& collation() const;                 // as given, or that of labelled pictures
  const std::vector<BadSample>& bad_samples() const;  // met so far, in the order of the batches
  const LoaderStats& stats() const;                   // since the loader was made

  // for (const Batch& batch : loader): the rest of the epoch, or the next one when nothing of it is left.
  class Iterator {
   public:
    explicit Iterator(DataLoader* loader) : loader_(loader) { ++*this; }  // takes the first batch
    Iterator() = default;
    const Batch& operator*() const { return batch_; }  // the current batch
    // Takes the next batch.
    Iterator& operator++() {
      if (!loader_->next(batch_)) loader_ = nullptr;
      return *this;
    }
    // Both at the end, or both of one loader.
    bool operator==(const Iterator& other) const { return loader_ == other.loader_; }

   private:
    DataLoader* loader_ = nullptr;
    Batch batch_;
  };
  Iterator begin();              // takes the next batch
  Iterator end() { return {}; }  // of every epoch

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gadolin
