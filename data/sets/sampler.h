// Sampler: which samples make up the batches of an epoch, in which order.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/sets/sample.h"
#include "tensor/random.h"

namespace gadolin {

// One use of a sample in an epoch. Augmentation differs from one use to the next.
struct Draw {
  std::int64_t place = 0;   // in the source
  std::int64_t repeat = 0;  // how often the epoch has drawn this place before
  bool spare = false;       // only there so that a process's share of a small batch is not empty (shard)
  bool operator==(const Draw&) const = default;
};
using EpochBatches = std::vector<std::vector<Draw>>;  // a list of draws a batch

// What becomes of samples that do not fill a batch.
enum class LastBatch : std::uint8_t {
  keep,  // a smaller batch
  drop,  // no batch
  fill   // a full batch: samples of the bucket are used again
};
using BucketOf = std::function<std::int64_t(std::int64_t place)>;  // the bucket of a sample

// A sampler holds settings only: an epoch is a function of (seed, epoch), so that a run can be resumed
// anywhere. Several threads and loaders may share one.
class Sampler {
 public:
  virtual ~Sampler() = default;
  virtual std::int64_t samples() const = 0;     // of the source it is for; places are below that
  virtual std::int64_t batch_size() const = 0;  // of the largest batch
  virtual std::int64_t batches() const = 0;     // of every epoch, at least 1
  // All batches of an epoch, batches() in number, none of them empty.
  virtual EpochBatches epoch(std::uint64_t seed, std::int64_t epoch) const = 0;
  // A place to take instead of one that cannot be read.
  virtual std::int64_t another(RandomStream& random) const;
  // The same samples, in batches of one bucket each as by_bucket() makes them. Null where it has no such
  // form.
  virtual std::shared_ptr<const Sampler> within(const BucketOf& bucket_of, LastBatch last) const;
  // What people should know of an epoch, with counts; empty: nothing.
  virtual std::string remark() const { return {}; }
};

// All samplers below throw UsageError for a batch size outside 1..1000000, and DataError for no samples or
// for a batch that can never be filled.
struct BatchCut {
  std::int64_t batch_size = 32;  // samples
  bool drop_last = false;        // leave out a last batch that is not full
};

// 0, 1, 2, ...
std::shared_ptr<const Sampler> in_order(std::int64_t samples, BatchCut cut = {});

// Every sample once, in a new order every epoch.
std::shared_ptr<const Sampler> shuffled(std::int64_t samples, BatchCut cut = {});

// `draws` samples (0: as many as there are weights), each drawn from all of them in proportion to its weight,
// whatever was drawn before. Weight 0: never. Throws ValueError for weights that are negative, not finite or
// all 0.
std::shared_ptr<const Sampler> weighted(std::vector<double> weights, BatchCut cut = {},
                                        std::int64_t draws = 0);

// `draws` samples (0: as many as the source has), every class equally often: in each round every class gives
// one sample, in a new order of classes. A class gives its samples in a random order, and in a new one after
// the last. A sample of several classes is given by each of them; samples without a class form one class
// more. Classes without samples are left out. Throws DataError when no sample has a class.
std::shared_ptr<const Sampler> class_balanced(const SampleSource& source, BatchCut cut = {},
                                              std::int64_t draws = 0);

// At most `most` samples of each class, in a new order every epoch: a class that has more gives the next
// `most` of its samples every epoch, and begins again after the last. A sample of several classes belongs to
// the one with the fewest samples (of equal ones, to that with the lower number); samples without a class
// form one class more. Throws ValueError unless `most` is positive, DataError when no sample has a class.
std::shared_ptr<const Sampler> capped(const SampleSource& source, std::int64_t most, BatchCut cut = {});

// How batches are cut from buckets.
struct BucketCut {
  std::int64_t batch_size = 32;      // samples
  bool shuffle = false;              // a new order within buckets, and of batches, for every epoch
  LastBatch last = LastBatch::keep;  // what becomes of the rest of a bucket
};
// Every sample once (but see LastBatch), in batches of samples with the same bucket_of(place): for pictures
// of one shape, or series of about the same length. Without `shuffle` the buckets come in the order of their
// numbers. With `fill` or `drop` all batches are full: if there are few buckets, there are few shapes, and
// recorded steps can be replayed. Throws DataError when `drop` would leave out a whole bucket.
std::shared_ptr<const Sampler> by_bucket(std::int64_t samples, const BucketOf& bucket_of, BucketCut cut = {});
// The first of rising limits that is not below the value; limits.size() behind them all. by_bucket() of
// lengths: [&](std::int64_t i) { return bucket_among(length[i], {64, 256, 1024}); }
std::int64_t bucket_among(double value, const std::vector<double>& limits);

// Every sample with a class once, and of those without any (pictures without boxes) as many as make up
// `share` of an epoch, in a new order every epoch: where there are more, the next ones every epoch, beginning
// again after the last; where there are fewer, some several times. 0 leaves them out. Of several buckets
// (within), each gives its part of them. Throws ValueError for a share outside 0..0.99, DataError when every
// sample is of one kind but the share asks for both.
std::shared_ptr<const Sampler> with_background(const SampleSource& source, double share, BatchCut cut = {});

// How several processes divide the batches of an epoch.
enum class Divide : std::uint8_t {
  samples,  // each has a share of every batch
  turns,    // whole batches: rank 0 the first, rank 1 the second, and so round again
  rows      // whole batches: a row of them each, one rank's behind another's
};

// The share of one process of `ranks`, the same seed in each process. Of samples, to train together: of every
// batch of `whole` its own row. So a step of all ranks sees the samples of one process's step, and each of
// them once, whatever their number; shares differ by one sample at most. Of whole batches, to evaluate and
// predict: they are those of one process alone. Where there is nothing for a rank (in a batch with fewer
// samples than ranks, in a last round, in a row) it gets a spare draw (Batch::spare): all have as many
// batches, but for rows. Throws ValueError unless 0 <= rank < ranks.
std::shared_ptr<const Sampler> shard(std::shared_ptr<const Sampler> whole, int rank, int ranks,
                                     Divide divide = Divide::samples);

}  // namespace gadolin
