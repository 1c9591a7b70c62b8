// Samplers that look at what samples are: classes in turns, a cap for each class, buckets of one kind.
#include <algorithm>
#include <map>
#include <numeric>

#include "data/sets/sampler_cut.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

constexpr std::uint64_t turn_purpose = 0x7475726e, member_purpose = 0x6d656d626572,
                        window_purpose = 0x77696e646f77, cap_purpose = 0x636170,
                        inside_purpose = 0x696e73696465, bucket_purpose = 0x6275636b6574;

using Places = std::vector<std::int64_t>;

RandomStream stream(std::uint64_t seed, std::uint64_t purpose, std::int64_t epoch, std::size_t group = 0) {
  return RandomStream(seed, stream_id(purpose, static_cast<std::uint64_t>(epoch), group));
}

// The places of each class, and behind the classes those of samples without any. Groups may be empty.
std::vector<Places> places_of_classes(const SampleSource& source) {
  const auto classes = static_cast<std::size_t>(source.num_classes());
  std::vector<Places> groups(classes + 1);
  for (std::int64_t i = 0; i < source.size(); ++i) {
    const std::vector<int> labels = source.labels(i);
    if (labels.empty()) groups[classes].push_back(i);
    for (const int label : labels) {
      require<ValueError>(label >= 0 && label < source.num_classes(), "loader: ", printable(source.name(i)),
                          " has class ", label, " of ", source.num_classes());
      groups[static_cast<std::size_t>(label)].push_back(i);
    }
  }
  require<DataError>(source.size() == 0 || std::ssize(groups[classes]) < source.size(), "loader: none of ",
                     source.size(), " samples has a class; use an order that needs none");
  return groups;
}

class ClassBalanced : public detail::Cut {
 public:
  ClassBalanced(const SampleSource& source, BatchCut cut, std::int64_t draws)
      : Cut(source.size(), draws == 0 ? source.size() : draws, cut), groups_(places_of_classes(source)) {
    std::erase_if(groups_, [](const Places& group) { return group.empty(); });
  }

 protected:
  Places places(std::uint64_t seed, std::int64_t epoch) const override {
    struct Deck {
      Places order;
      RandomStream random;
      std::size_t next;
    };
    std::vector<Deck> decks;
    for (std::size_t g = 0; g < groups_.size(); ++g)
      decks.push_back({groups_[g], stream(seed, member_purpose, epoch, g), groups_[g].size()});
    std::vector<std::size_t> turn(groups_.size());
    std::iota(turn.begin(), turn.end(), std::size_t{0});
    RandomStream turns = stream(seed, turn_purpose, epoch);
    Places drawn(static_cast<std::size_t>(draws()));
    for (std::size_t k = 0; k < drawn.size(); ++k) {
      if (k % turn.size() == 0) shuffle(turn, turns);
      Deck& deck = decks[turn[k % turn.size()]];
      if (deck.next == deck.order.size()) {
        shuffle(deck.order, deck.random);
        deck.next = 0;
      }
      drawn[k] = deck.order[deck.next++];
    }
    return drawn;
  }

 private:
  std::vector<Places> groups_;  // none empty
};

// Each place in the group of one class.
std::vector<Places> places_of_rarest_class(const SampleSource& source) {
  std::vector<Places> groups = places_of_classes(source);
  std::vector<std::size_t> counts;
  for (const Places& group : groups) counts.push_back(group.size());
  for (std::size_t g = 0; g + 1 < groups.size(); ++g) {
    std::erase_if(groups[g], [&](std::int64_t i) {
      const std::vector<int> labels = source.labels(i);
      return std::any_of(labels.begin(), labels.end(), [&](int label) {
        const auto other = static_cast<std::size_t>(label);
        return std::pair(counts[other], other) < std::pair(counts[g], g);
      });
    });
  }
  return groups;
}

class Capped : public detail::Cut {
 public:
  Capped(std::vector<Places> groups, std::int64_t samples, std::int64_t most, BatchCut cut)
      : Cut(samples, drawn(groups, most), cut), groups_(std::move(groups)), most_(most) {}

 protected:
  // A class that has more gives a window of one order that the seed fixes; the window moves on with the
  // epoch.
  Places places(std::uint64_t seed, std::int64_t epoch) const override {
    Places chosen;
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const std::int64_t n = std::ssize(groups_[g]);
      if (n <= most_) {
        chosen.insert(chosen.end(), groups_[g].begin(), groups_[g].end());
        continue;
      }
      Places order = groups_[g];
      RandomStream random = stream(seed, window_purpose, 0, g);
      shuffle(order, random);
      const std::int64_t first = epoch % n * (most_ % n) % n;
      for (std::int64_t k = 0; k < most_; ++k)
        chosen.push_back(order[static_cast<std::size_t>((first + k) % n)]);
    }
    RandomStream random = stream(seed, cap_purpose, epoch);
    shuffle(chosen, random);
    return chosen;
  }
  bool repeats() const override { return false; }

 private:
  static std::int64_t drawn(const std::vector<Places>& groups, std::int64_t most) {
    std::int64_t sum = 0;
    for (const Places& group : groups) sum += std::min<std::int64_t>(most, std::ssize(group));
    return sum;
  }
  std::vector<Places> groups_;
  std::int64_t most_;
};

class ByBucket : public Sampler {
 public:
  ByBucket(std::int64_t samples, const std::function<std::int64_t(std::int64_t)>& bucket_of, BucketCut cut)
      : samples_(samples), cut_(cut) {
    detail::check_batches(samples, samples, cut.batch_size, cut.last == LastBatch::drop);
    std::map<std::int64_t, Places> sorted;
    for (std::int64_t i = 0; i < samples; ++i) sorted[bucket_of(i)].push_back(i);
    for (auto& [bucket, places] : sorted) {
      const std::int64_t n = std::ssize(places);
      require<DataError>(cut.last != LastBatch::drop || n >= cut.batch_size, "loader: bucket ", bucket,
                         " has ", n, " samples, fewer than a batch of ", cut.batch_size,
                         ", so that they would never be seen; fill or keep its last batch");
      batches_ += (cut.last == LastBatch::drop ? n : n + cut.batch_size - 1) / cut.batch_size;
      buckets_.push_back(std::move(places));
    }
  }
  std::int64_t samples() const override { return samples_; }
  std::int64_t batch_size() const override { return cut_.batch_size; }
  std::int64_t batches() const override { return batches_; }

  EpochBatches epoch(std::uint64_t seed, std::int64_t epoch) const override {
    const auto size = static_cast<std::size_t>(cut_.batch_size);
    EpochBatches all;
    for (std::size_t b = 0; b < buckets_.size(); ++b) {
      Places order = buckets_[b];
      if (cut_.shuffle) {
        RandomStream random = stream(seed, inside_purpose, epoch, b);
        shuffle(order, random);
      }
      for (std::size_t at = 0; at < order.size(); at += size) {
        std::vector<Draw> batch;
        for (std::size_t k = at; k < at + size && (k < order.size() || cut_.last == LastBatch::fill); ++k)
          batch.push_back({order[k % order.size()]});
        if (batch.size() == size || cut_.last == LastBatch::keep) all.push_back(std::move(batch));
      }
    }
    if (cut_.shuffle) {
      RandomStream random = stream(seed, bucket_purpose, epoch);
      shuffle(all, random);
    }
    if (cut_.last == LastBatch::fill) detail::number_repeats(all, samples_);
    return all;
  }

 private:
  std::int64_t samples_, batches_ = 0;
  BucketCut cut_;
  std::vector<Places> buckets_;  // by rising number
};

}  // namespace

std::shared_ptr<const Sampler> class_balanced(const SampleSource& source, BatchCut cut, std::int64_t draws) {
  return std::make_shared<ClassBalanced>(source, cut, draws);
}

std::shared_ptr<const Sampler> capped(const SampleSource& source, std::int64_t most, BatchCut cut) {
  require<ValueError>(most > 0, "loader: a cap of ", most, " samples a class leaves none");
  return std::make_shared<Capped>(places_of_rarest_class(source), source.size(), most, cut);
}

std::shared_ptr<const Sampler> by_bucket(std::int64_t samples,
                                         const std::function<std::int64_t(std::int64_t)>& bucket_of,
                                         BucketCut cut) {
  return std::make_shared<ByBucket>(samples, bucket_of, cut);
}

std::int64_t bucket_among(double value, const std::vector<double>& limits) {
  const auto holds = [&](double limit) { return value <= limit; };
  return std::find_if(limits.begin(), limits.end(), holds) - limits.begin();
}

}  // namespace gadolin
