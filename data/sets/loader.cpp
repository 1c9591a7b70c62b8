// The queue of batches in work, and their way to the device.
#include "data/sets/loader.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <thread>

#include "data/sets/batch_maker.h"
#include "data/sets/loader_pool.h"
#include "data/sets/upload.h"
#include "tensor/check.h"

namespace gadolin {

int loader_workers(int asked) {
  return asked >= 0 ? asked : static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 16u));
}

namespace {

LoaderOptions checked(LoaderOptions o) {
  require<UsageError>(o.workers >= -1 && o.workers <= 64, "loader: ", o.workers,
                      " workers, 0 to 64 are possible");
  require<UsageError>(o.prefetch >= 1 && o.prefetch <= 64, "loader: prefetch = ", o.prefetch,
                      " is not in 1..64");
  require<UsageError>(
      o.dtype == DType::fp32 || o.dtype == DType::bf16 || o.dtype == DType::fp16 || o.dtype == DType::uint8,
      "loader: images cannot be ", o.dtype, ", only fp32, bf16, fp16 or uint8");
  o.workers = loader_workers(o.workers);
  return o;
}

LoaderOptions with_sampler(LoaderOptions o) {
  require<UsageError>(!o.shuffle && !o.drop_last,
                      "loader: shuffle and drop_last are the sampler's, where one is given");
  return checked(std::move(o));
}

std::shared_ptr<const Sampler> plain_sampler(const Dataset& dataset, const LoaderOptions& options) {
  checked(options);
  const BatchCut cut{options.batch_size, options.drop_last};
  return options.shuffle ? shuffled(dataset.size(), cut) : in_order(dataset.size(), cut);
}

LoaderOptions without_order(LoaderOptions options) {
  options.shuffle = options.drop_last = false;
  return options;
}

}  // namespace

struct DataLoader::Impl {
  Impl(const SampleSource& source, std::shared_ptr<const Sampler> sampler,
       std::unique_ptr<Collation> collation, LoaderOptions wanted)
      : options(with_sampler(std::move(wanted))),
        maker(source,
              options.ranks == 1 ? std::move(sampler)
                                 : shard(std::move(sampler), options.rank, options.ranks, options.divide),
              std::move(collation), options),
        bad(source.size(), options) {
    if (options.device.is_cuda()) uploader = std::make_unique<Uploader>(options.device);
    const std::int64_t chunk =
        std::clamp<std::int64_t>(maker.sampler().batch_size() / (4 * std::max(options.workers, 1)), 1, 16);
    pool = std::make_unique<detail::LoaderPool>(
        options.workers, chunk,
        [this](void* slot, std::int64_t part) { maker.fill(*static_cast<Slot*>(slot), part); });
  }

  using Slot = detail::BatchSlot;
  const LoaderOptions options;
  detail::BatchMaker maker;
  detail::BadSampleList bad;
  detail::Position given, queued;           // next to hand out, next to queue
  bool ended = false;                       // the last batch of an epoch is out, its end was not yet told
  std::deque<std::unique_ptr<Slot>> slots;  // in step with the pool's jobs
  std::deque<std::unique_ptr<Slot>> travelling;
  LoaderStats stats;
  std::unique_ptr<Uploader> uploader;
  std::unique_ptr<detail::LoaderPool> pool;  // goes first: no worker may outlive the slots

  std::int64_t batches() const { return maker.sampler().batches(); }
  void queue_ahead();
  void send(bool must);
  std::unique_ptr<Slot> take_slot();
  void hand_out(std::unique_ptr<Slot> slot, std::vector<Tensor> tensors, Batch& batch);
  void advance() {
    if (++given.step == batches()) given = {given.epoch + 1, 0};
    ended = given.step == 0;
  }
};

void DataLoader::Impl::queue_ahead() {
  // An epoch begins once it is asked for, or ahead of that while `epochs` are not done.
  const std::int64_t limit = std::max(ended ? 0 : given.epoch + 1, options.epochs);
  while (std::ssize(slots) < options.prefetch && queued.epoch < limit) {
    slots.push_back(maker.begin(queued));
    pool->push(slots.back().get(), static_cast<std::int64_t>(slots.back()->draws.size()));
    if (++queued.step == batches()) queued = {queued.epoch + 1, 0};
  }
}

std::unique_ptr<detail::BatchSlot> DataLoader::Impl::take_slot() {
  const auto begin = std::chrono::steady_clock::now();
  pool->wait_front();
  stats.wait_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  pool->pop_front();
  auto slot = std::move(slots.front());
  slots.pop_front();
  return slot;
}

// Starts the oldest batch on its way to the device, if none is on its way. With `must` it waits for the
// batch, and may throw what its samples threw; without, only a whole batch is sent, so that trouble shows in
// the call it belongs to.
void DataLoader::Impl::send(bool must) {
  if (!travelling.empty()) return;
  if (!must && (slots.empty() || !pool->front_done() || !slots.front()->whole())) return;
  auto slot = take_slot();
  bad.account(*slot);
  uploader->push(slot->draft->tensors());
  travelling.push_back(std::move(slot));
}

void DataLoader::Impl::hand_out(std::unique_ptr<Slot> slot, std::vector<Tensor> tensors, Batch& batch) {
  const Collation& collation = maker.collation();
  batch = Batch(collation.names(), collation.finish(std::move(tensors)));
  batch.indices = std::move(slot->indices);
  batch.epoch = slot->at.epoch;
  batch.step = slot->at.step;
  batch.spare = slot->draws.front().spare;
  ++stats.batches;
  stats.samples += batch.size();
}

DataLoader::DataLoader(const SampleSource& source, std::shared_ptr<const Sampler> sampler,
                       std::unique_ptr<Collation> collation, LoaderOptions options)
    : impl_(std::make_unique<Impl>(source, std::move(sampler), std::move(collation), std::move(options))) {}

DataLoader::DataLoader(const Dataset& dataset, Pipeline pipeline, LoaderOptions options)
    : DataLoader(dataset, plain_sampler(dataset, options),
                 std::make_unique<ClassificationCollation>(std::move(pipeline),
                                                           dataset.multi_label() ? dataset.num_classes() : 0),
                 without_order(options)) {}

DataLoader::~DataLoader() = default;

bool DataLoader::next(Batch& batch) {
  Impl& m = *impl_;
  batch = {};
  if (m.ended) {
    m.ended = false;
    return false;
  }
  m.queue_ahead();
  try {
    std::unique_ptr<detail::BatchSlot> slot;
    std::vector<Tensor> tensors;
    if (m.uploader) {
      m.send(true);
      tensors = m.uploader->pop();
      slot = std::move(m.travelling.front());
      m.travelling.pop_front();
    } else {
      slot = m.take_slot();
      m.bad.account(*slot);
      tensors = slot->draft->tensors();
    }
    m.hand_out(std::move(slot), std::move(tensors), batch);
  } catch (...) {
    m.advance();
    throw;
  }
  m.advance();
  m.queue_ahead();
  if (m.uploader) m.send(false);
  return true;
}

void DataLoader::seek(std::int64_t epoch, std::int64_t step) {
  Impl& m = *impl_;
  require<ValueError>(epoch >= 0 && step >= 0 && step <= m.batches(), "loader: cannot go to step ", step,
                      " of epoch ", epoch, ", an epoch has ", m.batches());
  m.pool->clear();
  m.slots.clear();
  while (m.uploader && m.uploader->pending() > 0) m.uploader->pop();
  m.travelling.clear();
  m.ended = step == m.batches();
  m.given = m.ended ? detail::Position{epoch + 1, 0} : detail::Position{epoch, step};
  m.queued = m.given;
}

DataLoader::Iterator DataLoader::begin() {
  impl_->ended = false;
  return Iterator(this);
}

std::int64_t DataLoader::batches() const { return impl_->batches(); }
std::int64_t DataLoader::epoch() const { return impl_->given.epoch; }
std::int64_t DataLoader::step() const { return impl_->given.step; }
std::int64_t DataLoader::batch_size() const { return impl_->maker.sampler().batch_size(); }
const SampleSource& DataLoader::source() const { return impl_->maker.source(); }
const Sampler& DataLoader::sampler() const { return impl_->maker.sampler(); }
const Collation& DataLoader::collation() const { return impl_->maker.collation(); }
const std::vector<BadSample>& DataLoader::bad_samples() const { return impl_->bad.all(); }
const LoaderStats& DataLoader::stats() const { return impl_->stats; }

}  // namespace gadolin
