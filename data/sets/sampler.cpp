// Samplers that cut one list of draws into batches, and the shard of another sampler.
#include "data/sets/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/sets/sampler_cut.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

constexpr std::uint64_t shuffle_purpose = 0x73687566666c65, weight_purpose = 0x776569676874;

std::vector<std::int64_t> counting(std::int64_t n) {
  std::vector<std::int64_t> places(static_cast<std::size_t>(n));
  std::iota(places.begin(), places.end(), std::int64_t{0});
  return places;
}

// Each draw by two words of the counter: 53 bits.
class Weighted : public detail::Cut {
 public:
  Weighted(std::vector<double> weights, BatchCut cut, std::int64_t draws)
      : Cut(static_cast<std::int64_t>(weights.size()),
            draws == 0 ? static_cast<std::int64_t>(weights.size()) : draws, cut),
        sums_(std::move(weights)) {
    for (std::size_t i = 0; i < sums_.size(); ++i) {
      require<ValueError>(std::isfinite(sums_[i]) && sums_[i] >= 0, "weighted: weight ", i, " is ", sums_[i],
                          ", weights are finite and not negative");
      if (sums_[i] > 0) last_ = static_cast<std::int64_t>(i);
      if (i > 0) sums_[i] += sums_[i - 1];
    }
    require<ValueError>(last_ >= 0, "weighted: all ", sums_.size(), " weights are 0");
    require<ValueError>(std::isfinite(sums_.back()), "weighted: the sum of the weights is ", sums_.back());
  }
  std::int64_t another(RandomStream& random) const override {
    const std::uint32_t high = random.next();
    return at(high, random.next());
  }

 protected:
  std::vector<std::int64_t> places(std::uint64_t seed, std::int64_t epoch) const override {
    std::vector<std::int64_t> drawn(static_cast<std::size_t>(draws()));
    const std::uint64_t stream = stream_id(weight_purpose, static_cast<std::uint64_t>(epoch));
    for (std::size_t k = 0; k < drawn.size(); ++k) {
      const Philox4 words = philox(seed, stream, k);
      drawn[k] = at(words.v[0], words.v[1]);
    }
    return drawn;
  }

 private:
  std::int64_t at(std::uint32_t high, std::uint32_t low) const {
    const double u = static_cast<double>(((std::uint64_t{high} << 32) | low) >> 11) * 0x1p-53;
    const auto found = std::upper_bound(sums_.begin(), sums_.end(), u * sums_.back());
    return std::min<std::int64_t>(found - sums_.begin(), last_);  // u * sum may be rounded up to the sum
  }
  std::vector<double> sums_;  // of the weights up to each
  std::int64_t last_ = -1;    // with a weight above 0
};

class Ordered : public detail::Cut {
 public:
  Ordered(std::int64_t samples, bool shuffles, BatchCut cut)
      : Cut(samples, samples, cut), shuffles_(shuffles) {}

 protected:
  std::vector<std::int64_t> places(std::uint64_t seed, std::int64_t epoch) const override {
    std::vector<std::int64_t> order = counting(samples());
    if (shuffles_) {
      RandomStream random(seed, stream_id(shuffle_purpose, static_cast<std::uint64_t>(epoch)));
      shuffle(order, random);
    }
    return order;
  }
  bool repeats() const override { return false; }

 private:
  bool shuffles_;
};

class Shard : public Sampler {
 public:
  Shard(std::shared_ptr<const Sampler> whole, int rank, int ranks, Divide divide)
      : whole_(std::move(whole)), rank_(rank), ranks_(ranks), divide_(divide) {
    require<ValueError>(rank >= 0 && rank < ranks, "shard: rank ", rank, " of ", ranks,
                        ", ranks count from 0");
  }
  std::int64_t samples() const override { return whole_->samples(); }
  std::int64_t batch_size() const override {
    return divide_ == Divide::samples ? (whole_->batch_size() + ranks_ - 1) / ranks_ : whole_->batch_size();
  }
  std::int64_t batches() const override {
    const std::int64_t all = whole_->batches();
    if (divide_ == Divide::samples) return all;
    if (divide_ == Divide::turns) return (all + ranks_ - 1) / ranks_;
    return std::max<std::int64_t>(1, all * (rank_ + 1) / ranks_ - all * rank_ / ranks_);
  }
  EpochBatches epoch(std::uint64_t seed, std::int64_t epoch) const override {
    EpochBatches all = whole_->epoch(seed, epoch);
    if (divide_ == Divide::samples) {
      for (std::vector<Draw>& batch : all) batch = row_of(batch, spare_of(batch.front()).front());
      return all;
    }
    if (divide_ == Divide::rows) return row_of(all, spare_of(all.front().front()));
    EpochBatches mine;
    for (std::size_t i = 0; i < static_cast<std::size_t>(batches()); ++i) {
      const std::size_t at = i * static_cast<std::size_t>(ranks_) + static_cast<std::size_t>(rank_);
      mine.push_back(at < all.size() ? std::move(all[at]) : spare_of(all.back().front()));
    }
    return mine;
  }
  std::int64_t another(RandomStream& random) const override { return whole_->another(random); }
  std::shared_ptr<const Sampler> within(const BucketOf& bucket_of, LastBatch last) const override {
    auto whole = whole_->within(bucket_of, last);
    return whole ? std::make_shared<Shard>(std::move(whole), rank_, ranks_, divide_) : nullptr;
  }
  std::string remark() const override { return whole_->remark(); }

 private:
  static std::vector<Draw> spare_of(Draw draw) {
    draw.spare = true;
    return {draw};
  }
  // Of several, this rank's; `otherwise` where that is none.
  template <class T> std::vector<T> row_of(const std::vector<T>& all, const T& otherwise) const {
    const auto begin_of = [&](int rank) { return all.begin() + std::ssize(all) * rank / ranks_; };
    std::vector<T> mine(begin_of(rank_), begin_of(rank_ + 1));
    if (mine.empty()) mine.push_back(otherwise);
    return mine;
  }
  std::shared_ptr<const Sampler> whole_;
  int rank_, ranks_;
  Divide divide_;
};

}  // namespace

std::int64_t Sampler::another(RandomStream& random) const {
  return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(samples())));
}

std::shared_ptr<const Sampler> Sampler::within(const BucketOf&, LastBatch) const { return nullptr; }

std::shared_ptr<const Sampler> in_order(std::int64_t samples, BatchCut cut) {
  return std::make_shared<Ordered>(samples, false, cut);
}
std::shared_ptr<const Sampler> shuffled(std::int64_t samples, BatchCut cut) {
  return std::make_shared<Ordered>(samples, true, cut);
}
std::shared_ptr<const Sampler> weighted(std::vector<double> weights, BatchCut cut, std::int64_t draws) {
  return std::make_shared<Weighted>(std::move(weights), cut, draws);
}
std::shared_ptr<const Sampler> shard(std::shared_ptr<const Sampler> whole, int rank, int ranks,
                                     Divide divide) {
  return std::make_shared<Shard>(std::move(whole), rank, ranks, divide);
}

namespace detail {

void check_batches(std::int64_t samples, std::int64_t draws, std::int64_t batch_size, bool drop_last) {
  require<UsageError>(batch_size >= 1 && batch_size <= 1'000'000, "loader: batch size ", batch_size,
                      " is not in 1..1000000");
  require<DataError>(samples > 0, "loader: the data set has no samples");
  require<ValueError>(draws >= 0, "loader: ", draws, " draws an epoch; give a number, or 0 for all samples");
  require<DataError>(!drop_last || draws >= batch_size, "loader: ", draws, " samples do not fill a batch of ",
                     batch_size, "; make the batch smaller or keep the last one");
}

void number_repeats(EpochBatches& batches, std::int64_t samples) {
  std::vector<std::int64_t> before(static_cast<std::size_t>(samples), 0);
  for (auto& batch : batches)
    for (Draw& draw : batch) draw.repeat = before[static_cast<std::size_t>(draw.place)]++;
}

Cut::Cut(std::int64_t samples, std::int64_t draws, BatchCut cut)
    : samples_(samples), draws_(draws), cut_(cut) {
  check_batches(samples, draws, cut.batch_size, cut.drop_last);
}

std::int64_t Cut::batches() const {
  return cut_.drop_last ? draws_ / cut_.batch_size : (draws_ + cut_.batch_size - 1) / cut_.batch_size;
}

EpochBatches Cut::epoch(std::uint64_t seed, std::int64_t epoch) const {
  const std::vector<std::int64_t> order = places(seed, epoch);
  EpochBatches all(static_cast<std::size_t>(batches()));
  auto next = order.begin();
  for (auto& batch : all) {
    batch.reserve(static_cast<std::size_t>(std::min<std::int64_t>(cut_.batch_size, order.end() - next)));
    while (next != order.end() && batch.size() < static_cast<std::size_t>(cut_.batch_size))
      batch.push_back({*next++});
  }
  if (repeats()) number_repeats(all, samples_);
  return all;
}

}  // namespace detail

}  // namespace gadolin
