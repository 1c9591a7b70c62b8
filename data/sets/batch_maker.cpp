#include "data/sets/batch_maker.h"

#include <algorithm>

#include "io/atomic_file.h"
#include "io/csv.h"
#include "tensor/check.h"

namespace gadolin::detail {
namespace {

constexpr std::uint64_t replace_purpose = 0x7265706c616365;
constexpr int max_draws = 100;

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

bool damaged(const Error& e) {
  return dynamic_cast<const FormatError*>(&e) || dynamic_cast<const FileError*>(&e);
}

}  // namespace

bool BatchSlot::whole() const {
  return std::all_of(errors.begin(), errors.end(), [](const auto& e) { return e == nullptr; }) &&
         std::all_of(bad.begin(), bad.end(), [](const auto& b) { return b.empty(); });
}

BatchMaker::BatchMaker(const SampleSource& source, std::shared_ptr<const Sampler> sampler,
                       std::unique_ptr<Collation> collation, const LoaderOptions& options)
    : source_(source), sampler_(std::move(sampler)), collation_(std::move(collation)), options_(options) {
  require<UsageError>(sampler_->samples() == source.size(), "loader: the sampler is made for ",
                      sampler_->samples(), " samples, the source has ", source.size());
  learn();
}

SampleUse BatchMaker::use_of(std::int64_t place, std::int64_t epoch, std::uint64_t index) const {
  return {place, source_.name(place), {options_.seed, static_cast<std::uint64_t>(epoch), index}};
}

// From the first sample that can be read.
void BatchMaker::learn() {
  std::exception_ptr first_error;
  for (std::int64_t i = 0; i < std::min<std::int64_t>(source_.size(), max_draws); ++i) {
    try {
      collation_->learn(source_.sample(i), use_of(i, 0, index(i)), options_.dtype, options_.device);
      return;
    } catch (const Error& e) {
      if (!damaged(e)) throw;
      if (!first_error) first_error = std::current_exception();
    }
  }
  std::rethrow_exception(first_error);
}

std::unique_ptr<BatchSlot> BatchMaker::begin(Position at) {
  auto slot = std::make_unique<BatchSlot>();
  slot->at = at;
  try {
    plan(at.epoch);
    slot->draws = plan_[index(at.step)];
    for (const Draw& draw : slot->draws) slot->indices.push_back(draw.place);
    slot->errors.resize(slot->draws.size());
    slot->bad.resize(slot->draws.size());
    slot->draft = collation_->begin(slot->indices);
  } catch (...) {  // shows when this batch is asked for
    slot->errors.assign(1, std::current_exception());
  }
  return slot;
}

void BatchMaker::plan(std::int64_t epoch) {
  if (planned_ == epoch) return;
  plan_ = sampler_->epoch(options_.seed, epoch);
  planned_ = epoch;
  const std::int64_t size = source_.size();
  const bool right =
      std::ssize(plan_) == sampler_->batches() &&
      std::all_of(plan_.begin(), plan_.end(), [&](const std::vector<Draw>& batch) {
        return !batch.empty() && std::all_of(batch.begin(), batch.end(), [&](const Draw& draw) {
          return draw.place >= 0 && draw.place < size && draw.repeat >= 0;
        });
      });
  if (!right) planned_ = -1;
  require<ValueError>(right, "loader: the sampler gives ", plan_.size(), " batches for epoch ", epoch,
                      "; promised are ", sampler_->batches(), ", none of them empty, of places below ", size);
}

// One sample, or what replaces it. Everything here is a function of (epoch, draw), so it does not matter who
// does it.
void BatchMaker::fill(BatchSlot& slot, std::int64_t part) const {
  if (!slot.draft) return;
  const Draw wanted = slot.draws[index(part)];
  // A sample that an epoch draws again is augmented anew.
  const std::uint64_t key = index(wanted.place + wanted.repeat * source_.size());
  RandomStream draws(options_.seed, stream_id(replace_purpose, index(slot.at.epoch), key));
  std::vector<BadSample>& bad = slot.bad[index(part)];
  std::int64_t i = wanted.place;
  try {
    for (;;) {
      try {
        slot.draft->put(part, source_.sample(i), use_of(i, slot.at.epoch, key));
        slot.indices[index(part)] = i;
        return;
      } catch (Error& e) {
        const std::string name = printable(source_.name(i));
        if (!damaged(e) && std::string_view(e.what()).find(name) == std::string_view::npos) e.add_place(name);
        if (!damaged(e) || options_.bad_samples == BadSamples::fail) throw;
        bad.push_back({i, source_.name(i), e.message()});
        if (bad.size() >= max_draws) throw;
        int tries = 0;
        do {
          i = sampler_->another(draws);
          if (++tries > 100 * max_draws) throw;
        } while (!slot.draft->takes(i));
      }
    }
  } catch (...) {
    slot.errors[index(part)] = std::current_exception();
  }
}

void BadSampleList::account(const BatchSlot& slot) {
  bool fresh = false;
  for (const auto& part : slot.bad) {
    for (const BadSample& b : part) {
      if (!known_.insert(b.index).second) continue;
      all_.push_back(b);
      fresh = true;
    }
  }
  if (fresh && options_.bad_samples == BadSamples::quarantine) write_quarantine();
  check_bad_samples(all_, samples_);
  for (const std::exception_ptr& error : slot.errors)
    if (error) std::rethrow_exception(error);
}

void BadSampleList::write_quarantine() const {
  if (options_.quarantine_file.empty()) return;
  CsvTable table{options_.quarantine_file, {"path", "reason"}, {}, {}};
  for (const BadSample& b : all_) table.rows.push_back({b.name, b.reason});
  write_file_atomically(options_.quarantine_file, to_csv(table));
}

}  // namespace gadolin::detail

namespace gadolin {

void check_bad_samples(const std::vector<BadSample>& bad, std::int64_t samples) {
  const std::int64_t count = std::ssize(bad), allowed = std::max<std::int64_t>(1, samples / 100);
  require<DataError>(count <= allowed && count <= 1000, "loader: ", count, " of ", samples,
                     " samples cannot be read, at most 1 % and 1000 are passed over; the last: ",
                     bad.empty() ? "" : bad.back().reason, "; look with `gadolin data check`");
}

}  // namespace gadolin
