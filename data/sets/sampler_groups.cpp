// Samplers that look at what samples are: classes in turns, a cap for each class, buckets of one kind.
#include <algorithm>
#include <cmath>
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

// Samples that do not come up once an epoch, but all together `draws` times.
struct Background {
  std::vector<char> is;  // of each place; empty: there are none
  std::int64_t draws = 0;
};

class ByBucket : public Sampler {
 public:
  ByBucket(std::int64_t samples, const BucketOf& bucket_of, BucketCut cut, const Background& background = {})
      : samples_(samples), cut_(cut) {
    std::map<std::int64_t, Bucket> sorted;
    std::int64_t others = 0, drawn = 0;
    for (std::int64_t i = 0; i < samples; ++i) {
      const bool other = !background.is.empty() && background.is[static_cast<std::size_t>(i)] != 0;
      Bucket& bucket = sorted[bucket_of(i)];
      (other ? bucket.others : bucket.always).push_back(i);
      others += other;
      if (!other || background.draws > 0) places_.push_back(i);
    }
    detail::check_batches(samples, samples - others + background.draws, cut.batch_size,
                          cut.last == LastBatch::drop);
    for (auto& [number, bucket] : sorted) {
      // Rounded so that the sum is right.
      const std::int64_t before = drawn;
      others_ += std::ssize(bucket.others);
      if (others > 0) drawn = background.draws * others_ / others;
      bucket.draws = drawn - before;
      repeats_ = repeats_ || bucket.draws > std::ssize(bucket.others);
      const std::int64_t n = std::ssize(bucket.always) + bucket.draws;
      if (n == 0) continue;
      require<DataError>(cut.last != LastBatch::drop || n >= cut.batch_size, "loader: bucket ", number,
                         " has ", n, " samples, fewer than a batch of ", cut.batch_size,
                         ", so that they would never be seen; fill or keep its last batch");
      batches_ += (cut.last == LastBatch::drop ? n : n + cut.batch_size - 1) / cut.batch_size;
      buckets_.push_back(std::move(bucket));
    }
  }
  std::int64_t samples() const override { return samples_; }
  std::int64_t batch_size() const override { return cut_.batch_size; }
  std::int64_t batches() const override { return batches_; }
  std::int64_t another(RandomStream& random) const override {
    return places_[random.below(static_cast<std::uint64_t>(places_.size()))];
  }

  EpochBatches epoch(std::uint64_t seed, std::int64_t epoch) const override {
    const auto size = static_cast<std::size_t>(cut_.batch_size);
    EpochBatches all;
    for (std::size_t b = 0; b < buckets_.size(); ++b) {
      Places order = buckets_[b].always;
      const Places others = turn(b, seed, epoch);
      order.insert(order.end(), others.begin(), others.end());
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
    if (repeats_ || cut_.last == LastBatch::fill) detail::number_repeats(all, samples_);
    return all;
  }

 protected:
  const BucketCut& cut() const { return cut_; }

 private:
  struct Bucket {
    Places always, others;
    std::int64_t draws = 0;  // of others
  };

  // The next ones of one order that the seed fixes.
  Places turn(std::size_t b, std::uint64_t seed, std::int64_t epoch) const {
    const Bucket& bucket = buckets_[b];
    Places order = bucket.others, drawn;
    const std::int64_t n = std::ssize(order);
    if (n == 0) return drawn;
    RandomStream random = stream(seed, window_purpose, 0, b);
    shuffle(order, random);
    const std::int64_t first = epoch % n * (bucket.draws % n) % n;
    for (std::int64_t k = 0; k < bucket.draws; ++k)
      drawn.push_back(order[static_cast<std::size_t>((first + k) % n)]);
    return drawn;
  }

  std::int64_t samples_, batches_ = 0, others_ = 0;
  BucketCut cut_;
  bool repeats_ = false;         // a place may come up twice in an epoch, whatever its last batch
  std::vector<Bucket> buckets_;  // by rising number
  Places places_;                // all that may come up
};

class WithBackground : public ByBucket {
 public:
  WithBackground(Background background, double share, const BucketOf& bucket_of, BucketCut cut)
      : ByBucket(std::ssize(background.is), bucket_of, cut, background), background_(std::move(background)),
        share_(share) {}
  std::shared_ptr<const Sampler> within(const BucketOf& bucket_of, LastBatch last) const override {
    return std::make_shared<WithBackground>(background_, share_, bucket_of,
                                            BucketCut{cut().batch_size, cut().shuffle, last});
  }
  std::string remark() const override {
    const auto others = std::ranges::count(background_.is, 1);
    return cat("an epoch takes ", std::ssize(background_.is) - others, " samples with a class or a box, and ",
               background_.draws > others ? cat("draws ", background_.draws, " times from the ", others)
                                          : cat(background_.draws, " of the ", others),
               " without, for a background of ", share_);
  }

 private:
  Background background_;
  double share_;
};

}  // namespace

std::shared_ptr<const Sampler> class_balanced(const SampleSource& source, BatchCut cut, std::int64_t draws) {
  return std::make_shared<ClassBalanced>(source, cut, draws);
}

std::shared_ptr<const Sampler> capped(const SampleSource& source, std::int64_t most, BatchCut cut) {
  require<ValueError>(most > 0, "loader: a cap of ", most, " samples a class leaves none");
  return std::make_shared<Capped>(places_of_rarest_class(source), source.size(), most, cut);
}

std::shared_ptr<const Sampler> by_bucket(std::int64_t samples, const BucketOf& bucket_of, BucketCut cut) {
  return std::make_shared<ByBucket>(samples, bucket_of, cut);
}

std::shared_ptr<const Sampler> with_background(const SampleSource& source, double share, BatchCut cut) {
  require<ValueError>(share >= 0 && share <= 0.99, "loader: a background of ", share,
                      " is no share of an epoch; use 0 to 0.99");
  Background background;
  for (std::int64_t i = 0; i < source.size(); ++i) background.is.push_back(source.labels(i).empty());
  const std::int64_t others = std::ranges::count(background.is, 1), rest = source.size() - others;
  require<DataError>(
      rest > 0 || others == 0, "loader: all ", others,
      " samples are without a class or a box, so that they cannot be the background of others");
  require<DataError>(others > 0 || share == 0, "loader: a background of ", share, ", and none of ", rest,
                     " samples is without a class or a box; leave it out, or add such samples");
  background.draws = std::llround(static_cast<double>(rest) * share / (1 - share));
  return std::make_shared<WithBackground>(
      std::move(background), share, [](std::int64_t) { return 0; },
      BucketCut{cut.batch_size, true, cut.drop_last ? LastBatch::drop : LastBatch::keep});
}

std::int64_t bucket_among(double value, const std::vector<double>& limits) {
  const auto holds = [&](double limit) { return value <= limit; };
  return std::find_if(limits.begin(), limits.end(), holds) - limits.begin();
}

}  // namespace gadolin
