// The part of a loader that makes batches: which samples, what replaces those that cannot be read, and the
// budget of such samples.
#pragma once

#include <exception>
#include <memory>
#include <set>
#include <vector>

#include "data/sets/collation.h"
#include "data/sets/loader.h"
#include "data/sets/sampler.h"

namespace gadolin::detail {

struct Position {
  std::int64_t epoch = 0, step = 0;
  bool operator==(const Position&) const = default;
};

// A batch being filled. Workers write through the draft, each to its own parts.
struct BatchSlot {
  Position at;
  std::vector<Draw> draws;
  std::vector<std::int64_t> indices;  // places that were taken in the end
  std::unique_ptr<BatchDraft> draft;
  std::vector<std::exception_ptr> errors;   // [N]
  std::vector<std::vector<BadSample>> bad;  // [N]; what was replaced on the way
  bool whole() const;                       // nothing went wrong
};

class BatchMaker {
 public:
  BatchMaker(const SampleSource& source, std::shared_ptr<const Sampler> sampler,
             std::unique_ptr<Collation> collation, const LoaderOptions& options);
  std::unique_ptr<BatchSlot> begin(Position at);        // called by the loader's thread
  void fill(BatchSlot& slot, std::int64_t part) const;  // by any thread; does not throw
  const SampleSource& source() const { return source_; }
  const Sampler& sampler() const { return *sampler_; }
  const Collation& collation() const { return *collation_; }

 private:
  void learn();
  void plan(std::int64_t epoch);
  SampleUse use_of(std::int64_t place, std::int64_t epoch, std::uint64_t index) const;
  const SampleSource& source_;
  std::shared_ptr<const Sampler> sampler_;
  std::unique_ptr<Collation> collation_;
  const LoaderOptions& options_;
  std::int64_t planned_ = -1;  // the epoch of plan_
  EpochBatches plan_;
};

// Samples that could not be read, in the order of the batches: the same sample breaks the budget however many
// workers there are.
class BadSampleList {
 public:
  BadSampleList(std::int64_t samples, const LoaderOptions& options) : samples_(samples), options_(options) {}
  // Notes what was replaced in this batch, then throws what could not be. DataError when there are too many.
  void account(const BatchSlot& slot);
  const std::vector<BadSample>& all() const { return all_; }

 private:
  void write_quarantine() const;
  std::int64_t samples_;
  const LoaderOptions& options_;
  std::vector<BadSample> all_;
  std::set<std::int64_t> known_;
};

}  // namespace gadolin::detail
