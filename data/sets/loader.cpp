// The sampler, the batches in work, and their way to the device.
#include "data/sets/loader.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <exception>
#include <numeric>
#include <set>
#include <thread>

#include "data/sets/ingest.h"
#include "data/sets/loader_pool.h"
#include "data/sets/upload.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

constexpr std::uint64_t shuffle_purpose = 0x73687566666c65, replace_purpose = 0x7265706c616365;
constexpr int max_draws = 100;

struct Position {
  std::int64_t epoch = 0, step = 0;
  bool operator==(const Position&) const = default;
};

// A batch being filled. Workers write through the pointers, each to its own parts; tensors belong to the
// caller's thread.
struct Slot {
  Position at;
  std::vector<std::int64_t> indices;
  Tensor images, labels;          // [N, H, W, C] and labels, on the host
  std::uint8_t* bytes = nullptr;  // images when they travel as bytes
  float* numbers = nullptr;       // images when they travel normalised
  void* targets = nullptr;
  std::vector<std::exception_ptr> errors;   // [N]
  std::vector<std::vector<BadSample>> bad;  // [N]; what was replaced on the way
};

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

}  // namespace

struct DataLoader::Impl {
  Impl(const Dataset& set, Pipeline changes, LoaderOptions wanted)
      : dataset(set), pipeline(std::move(changes)), options(std::move(wanted)) {}

  const Dataset& dataset;
  const Pipeline pipeline;
  LoaderOptions options;
  int channels = 0, height = 0, width = 0;
  bool as_bytes = false;   // images travel as uint8
  Position given, queued;  // next to hand out, next to queue
  bool ended = false;      // the last batch of an epoch is out, its end was not yet told
  std::int64_t order_epoch = -1;
  std::vector<std::int64_t> order;          // of order_epoch
  std::deque<std::unique_ptr<Slot>> slots;  // in step with the pool's jobs
  std::deque<std::unique_ptr<Slot>> travelling;
  std::vector<BadSample> bad;
  std::set<std::int64_t> bad_indices;
  LoaderStats stats;
  std::unique_ptr<Uploader> uploader;
  std::unique_ptr<detail::LoaderPool> pool;

  std::int64_t batches() const {
    const std::int64_t n = dataset.size(), b = options.batch_size;
    return options.drop_last ? n / b : (n + b - 1) / b;
  }

  void learn_shape();
  Image picture(std::int64_t index, SampleKey key) const;
  void put(Slot& slot, std::int64_t part, std::int64_t index, const Image& image) const;
  void fill(Slot& slot, std::int64_t part) const;
  void queue_ahead();
  void send(bool must);
  std::unique_ptr<Slot> make_slot(Position at);
  std::unique_ptr<Slot> take_slot();
  void account(const Slot& slot);
  void write_quarantine() const;
  void hand_out(std::unique_ptr<Slot> slot, std::vector<Tensor> tensors, Batch& batch);
  void advance() {
    if (++given.step == batches()) given = {given.epoch + 1, 0};
    ended = given.step == 0;
  }
};

Image DataLoader::Impl::picture(std::int64_t i, SampleKey key) const {
  const Source source = dataset.read(i);
  if (source.image.numel() > 0) return pipeline.apply(source.image, key);
  return pipeline.apply(source.file, dataset.info(i).name, key);
}

// From the first sample that decodes: its channels and depth, and its size unless the pipeline fixes it.
void DataLoader::Impl::learn_shape() {
  std::exception_ptr first_error;
  for (std::int64_t i = 0; i < std::min<std::int64_t>(dataset.size(), max_draws); ++i) {
    try {
      const Image image = picture(i, {options.seed, 0, index(i)});
      channels = image.channels;
      height = image.height;
      width = image.width;
      as_bytes = image.bits == 8 && (options.dtype != DType::fp32 || options.device.is_cuda());
      require<UsageError>(options.dtype != DType::uint8 || image.bits == 8, "loader: samples have ",
                          image.bits, " bits, dtype uint8 would lose them; use fp32");
      normalize_factors(pipeline.normalize(), channels, 8);
      return;
    } catch (const FormatError&) {
      if (!first_error) first_error = std::current_exception();
    } catch (const FileError&) {
      if (!first_error) first_error = std::current_exception();
    }
  }
  std::rethrow_exception(first_error);
}

void DataLoader::Impl::put(Slot& slot, std::int64_t part, std::int64_t i, const Image& image) const {
  const SampleInfo& info = dataset.info(i);
  require<DataError>(image.width == width && image.height == height && image.channels == channels,
                     "loader: ", printable(info.name), " is ", image.width, " x ", image.height, " with ",
                     image.channels, image.channels == 1 ? " channel" : " channels",
                     " after the transforms, the first sample ", width, " x ", height, " with ", channels,
                     "; add resize and center-crop, and grey or rgb, to the transforms");
  const std::size_t n = image.numel();
  if (as_bytes) {
    const Image eight = image.bits == 8 ? Image() : to_8bit(image);
    std::memcpy(slot.bytes + index(part) * n, image.bits == 8 ? image.pixels.data() : eight.pixels.data(), n);
  } else {
    normalize_into(image, normalize_factors(pipeline.normalize(), channels, image.bits),
                   slot.numbers + index(part) * n);
  }
  if (!dataset.multi_label()) {
    static_cast<std::int64_t*>(slot.targets)[part] = info.labels.empty() ? -1 : info.labels[0];
    return;
  }
  float* row = static_cast<float*>(slot.targets) + part * dataset.num_classes();
  std::fill_n(row, dataset.num_classes(), 0.f);
  for (const int label : info.labels) row[label] = 1;
}

// One sample, or what replaces it. Everything here is a function of (epoch, sample), so it does not matter
// who does it.
void DataLoader::Impl::fill(Slot& slot, std::int64_t part) const {
  const std::int64_t wanted = slot.indices[index(part)];
  RandomStream draws(options.seed, stream_id(replace_purpose, index(slot.at.epoch), index(wanted)));
  const SampleKey key{options.seed, index(slot.at.epoch), index(wanted)};
  std::int64_t i = wanted;
  try {
    for (;;) {
      try {
        put(slot, part, i, picture(i, key));
        slot.indices[index(part)] = i;
        return;
      } catch (Error& e) {
        const bool damaged = dynamic_cast<const FormatError*>(&e) || dynamic_cast<const FileError*>(&e);
        const std::string name = printable(dataset.info(i).name);
        if (!damaged && std::string_view(e.what()).find(name) == std::string_view::npos) e.add_place(name);
        if (!damaged || options.bad_samples == BadSamples::fail) throw;
        slot.bad[index(part)].push_back({i, dataset.info(i).name, e.message()});
        if (slot.bad[index(part)].size() >= max_draws) throw;
        i = static_cast<std::int64_t>(draws.below(index(dataset.size())));
      }
    }
  } catch (...) {
    slot.errors[index(part)] = std::current_exception();
  }
}

std::unique_ptr<Slot> DataLoader::Impl::make_slot(Position at) {
  if (order_epoch != at.epoch) {
    order.resize(index(dataset.size()));
    std::iota(order.begin(), order.end(), std::int64_t{0});
    if (options.shuffle) {
      RandomStream random(options.seed, stream_id(shuffle_purpose, index(at.epoch)));
      shuffle(order, random);
    }
    order_epoch = at.epoch;
  }
  const std::int64_t begin = at.step * options.batch_size,
                     end = std::min(begin + options.batch_size, dataset.size());
  auto slot = std::make_unique<Slot>();
  slot->at = at;
  slot->indices.assign(order.begin() + begin, order.begin() + end);
  const std::int64_t n = end - begin;
  slot->errors.resize(index(n));
  slot->bad.resize(index(n));
  slot->images = empty_pinned({n, height, width, channels}, as_bytes ? DType::uint8 : DType::fp32);
  slot->labels = dataset.multi_label() ? empty_pinned({n, dataset.num_classes()}, DType::fp32)
                                       : empty_pinned({n}, DType::int64);
  if (as_bytes)
    slot->bytes = slot->images.data<std::uint8_t>();
  else
    slot->numbers = slot->images.data<float>();
  slot->targets = slot->labels.raw();
  return slot;
}

void DataLoader::Impl::queue_ahead() {
  // An epoch begins once it is asked for, or ahead of that while `epochs` are not done.
  const std::int64_t limit = std::max(ended ? 0 : given.epoch + 1, options.epochs);
  while (slots.size() < index(options.prefetch) && queued.epoch < limit) {
    slots.push_back(make_slot(queued));
    pool->push(slots.back().get(), static_cast<std::int64_t>(slots.back()->indices.size()));
    if (++queued.step == batches()) queued = {queued.epoch + 1, 0};
  }
}

std::unique_ptr<Slot> DataLoader::Impl::take_slot() {
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
  if (!must) {
    if (slots.empty() || !pool->front_done()) return;
    const Slot& s = *slots.front();
    const bool whole =
        std::none_of(s.errors.begin(), s.errors.end(), [](const auto& e) { return e != nullptr; }) &&
        std::all_of(s.bad.begin(), s.bad.end(), [](const auto& b) { return b.empty(); });
    if (!whole) return;
  }
  auto slot = take_slot();
  account(*slot);
  uploader->push({std::move(slot->images), std::move(slot->labels)});
  travelling.push_back(std::move(slot));
}

// In the order of the batches, so that the same sample breaks the budget however many workers there are.
void DataLoader::Impl::account(const Slot& slot) {
  bool fresh = false;
  for (const auto& part : slot.bad) {
    for (const BadSample& b : part) {
      if (!bad_indices.insert(b.index).second) continue;
      bad.push_back(b);
      fresh = true;
    }
  }
  if (fresh && options.bad_samples == BadSamples::quarantine) write_quarantine();
  const auto count = static_cast<std::int64_t>(bad.size()),
             allowed = std::max<std::int64_t>(1, dataset.size() / 100);
  require<DataError>(count <= allowed && count <= 1000, "loader: ", count, " of ", dataset.size(),
                     " samples cannot be read, at most 1 % and 1000 are passed over; the last: ",
                     bad.empty() ? "" : bad.back().reason, "; look with `gadolin data check`");
  for (const std::exception_ptr& error : slot.errors)
    if (error) std::rethrow_exception(error);
}

void DataLoader::Impl::write_quarantine() const {
  if (options.quarantine_file.empty()) return;
  CsvTable table{options.quarantine_file, {"path", "reason"}, {}, {}};
  for (const BadSample& b : bad) table.rows.push_back({b.name, b.reason});
  write_file_atomically(options.quarantine_file, to_csv(table));
}

void DataLoader::Impl::hand_out(std::unique_ptr<Slot> slot, std::vector<Tensor> tensors, Batch& batch) {
  Tensor images = tensors[0].permute({0, 3, 1, 2});
  if (as_bytes && options.dtype != DType::uint8) {
    images = ingest(images, normalize_factors(pipeline.normalize(), channels, 8), options.dtype);
  } else if (!as_bytes && options.dtype != DType::fp32) {
    images = images.to(options.dtype);
  }
  batch.images = std::move(images);
  batch.labels = std::move(tensors[1]);
  batch.indices = std::move(slot->indices);
  batch.epoch = slot->at.epoch;
  batch.step = slot->at.step;
  ++stats.batches;
  stats.samples += batch.size();
}

DataLoader::DataLoader(const Dataset& dataset, Pipeline pipeline, LoaderOptions options)
    : impl_(std::make_unique<Impl>(dataset, std::move(pipeline), std::move(options))) {
  LoaderOptions& o = impl_->options;
  require<UsageError>(o.batch_size >= 1 && o.batch_size <= 1'000'000, "loader: batch size ", o.batch_size,
                      " is not in 1..1000000");
  require<UsageError>(o.workers >= -1 && o.workers <= 64, "loader: ", o.workers,
                      " workers, 0 to 64 are possible");
  require<UsageError>(o.prefetch >= 1 && o.prefetch <= 64, "loader: prefetch = ", o.prefetch,
                      " is not in 1..64");
  require<UsageError>(
      o.dtype == DType::fp32 || o.dtype == DType::bf16 || o.dtype == DType::fp16 || o.dtype == DType::uint8,
      "loader: images cannot be ", o.dtype, ", only fp32, bf16, fp16 or uint8");
  require<DataError>(dataset.size() > 0, "loader: the data set has no samples");
  require<DataError>(impl_->batches() > 0, "loader: ", dataset.size(), " samples do not fill a batch of ",
                     o.batch_size, "; make the batch smaller or keep the last one");
  if (o.workers < 0) o.workers = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 16u));
  impl_->learn_shape();
  if (o.device.is_cuda()) impl_->uploader = std::make_unique<Uploader>(o.device);
  const std::int64_t chunk = std::clamp<std::int64_t>(o.batch_size / (4 * std::max(o.workers, 1)), 1, 16);
  impl_->pool = std::make_unique<detail::LoaderPool>(
      o.workers, chunk,
      [impl = impl_.get()](void* slot, std::int64_t part) { impl->fill(*static_cast<Slot*>(slot), part); });
}

DataLoader::~DataLoader() {
  if (impl_) impl_->pool.reset();  // no worker may outlive the slots
}

bool DataLoader::next(Batch& batch) {
  Impl& m = *impl_;
  batch = {};
  if (m.ended) {
    m.ended = false;
    return false;
  }
  m.queue_ahead();
  try {
    std::unique_ptr<Slot> slot;
    std::vector<Tensor> tensors;
    if (m.uploader) {
      m.send(true);
      tensors = m.uploader->pop();
      slot = std::move(m.travelling.front());
      m.travelling.pop_front();
    } else {
      slot = m.take_slot();
      m.account(*slot);
      tensors = {std::move(slot->images), std::move(slot->labels)};
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
  m.given = m.ended ? Position{epoch + 1, 0} : Position{epoch, step};
  m.queued = m.given;
}

DataLoader::Iterator DataLoader::begin() {
  impl_->ended = false;
  return Iterator(this);
}

std::int64_t DataLoader::batches() const { return impl_->batches(); }
std::int64_t DataLoader::epoch() const { return impl_->given.epoch; }
std::int64_t DataLoader::step() const { return impl_->given.step; }
Shape DataLoader::image_shape() const { return {impl_->channels, impl_->height, impl_->width}; }
const Dataset& DataLoader::dataset() const { return impl_->dataset; }
const Pipeline& DataLoader::pipeline() const { return impl_->pipeline; }
const std::vector<BadSample>& DataLoader::bad_samples() const { return impl_->bad; }
const LoaderStats& DataLoader::stats() const { return impl_->stats; }

}  // namespace gadolin
