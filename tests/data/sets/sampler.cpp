// Samplers: what an epoch holds, how often, and that it is a function of seed and epoch.
#include "data/sets/sampler.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "tests/data/sets/toy_source.h"
#include "tests/scratch.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

using Places = std::vector<std::int64_t>;

Places flat(const EpochBatches& batches) {
  Places all;
  for (const auto& batch : batches)
    for (const Draw& draw : batch) all.push_back(draw.place);
  return all;
}
Places sorted(Places places) {
  std::sort(places.begin(), places.end());
  return places;
}
Places counting(std::int64_t n) {
  Places all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// What holds for every sampler. Returns the first epochs under seed 5.
std::vector<EpochBatches> checked(const Sampler& sampler, int epochs = 4) {
  std::vector<EpochBatches> all;
  for (int e = 0; e < epochs; ++e) {
    const EpochBatches epoch = sampler.epoch(5, e);
    EXPECT_EQ(std::ssize(epoch), sampler.batches());
    EXPECT_EQ(sampler.epoch(5, e), epoch) << "an epoch is a function of seed and number";
    std::int64_t largest = 0;
    std::map<std::int64_t, std::set<std::int64_t>> repeats;
    for (const auto& batch : epoch) {
      EXPECT_FALSE(batch.empty());
      largest = std::max<std::int64_t>(largest, std::ssize(batch));
      for (const Draw& draw : batch) {
        EXPECT_TRUE(draw.place >= 0 && draw.place < sampler.samples());
        EXPECT_TRUE(repeats[draw.place].insert(draw.repeat).second) << "augmented twice alike";
      }
    }
    for (const auto& [place, numbers] : repeats)
      EXPECT_EQ(*numbers.rbegin() + 1, std::ssize(numbers)) << place;
    EXPECT_LE(largest, sampler.batch_size());
    all.push_back(epoch);
  }
  return all;
}

// 12 samples of class 0, 5 of 1, none of 2, 3 of 3, 4 without a class.
Labelled skewed() {
  std::vector<std::vector<int>> labels;
  for (int i = 0; i < 24; ++i) {
    labels.push_back(i % 2 == 0 ? std::vector<int>{0}
                     : i < 10   ? std::vector<int>{1}
                     : i < 16   ? std::vector<int>{3}
                                : std::vector<int>{});
  }
  return Labelled(labels, 4);
}

}  // namespace

TEST(Sampler, InOrderCutsWhatIsThere) {
  const auto sampler = in_order(7, {.batch_size = 3});
  const EpochBatches want{{{0}, {1}, {2}}, {{3}, {4}, {5}}, {{6}}};
  for (const EpochBatches& epoch : checked(*sampler)) EXPECT_EQ(epoch, want);
  const auto full = in_order(7, {.batch_size = 3, .drop_last = true});
  for (const EpochBatches& epoch : checked(*full))
    EXPECT_EQ(epoch, EpochBatches(want.begin(), want.end() - 1));
}

TEST(Sampler, ShuffledIsTheDocumentedShuffle) {
  const auto sampler = shuffled(50, {.batch_size = 8});
  const auto epochs = checked(*sampler);
  for (std::size_t e = 0; e < epochs.size(); ++e) {
    Places want = counting(50);
    RandomStream random(5, stream_id(0x73687566666c65, e));
    shuffle(want, random);
    EXPECT_EQ(flat(epochs[e]), want);
    EXPECT_EQ(epochs[e].back().size(), 2u);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_NE(sampler->epoch(6, 0), epochs[0]);
}

TEST(Sampler, WeightedDrawsByACounter) {
  const std::vector<double> weights{1, 0, 3, 0.5, 0};
  const auto sampler = weighted(weights, {.batch_size = 64}, 40'000);
  const auto epochs = checked(*sampler, 2);
  const Places drawn = flat(epochs[1]);
  ASSERT_EQ(drawn.size(), 40'000u);
  std::vector<double> counts(5, 0);
  for (std::size_t k = 0; k < drawn.size(); ++k) {
    // Searched from below, in long doubles.
    const Philox4 words = philox(5, stream_id(0x776569676874, 1), k);
    const auto bits = (static_cast<std::uint64_t>(words.v[0]) << 21) | (words.v[1] >> 11);
    long double left = std::ldexp(static_cast<long double>(bits), -53) * 4.5L;
    std::int64_t want = 0;
    while (left >= static_cast<long double>(weights[static_cast<std::size_t>(want)]))
      left -= static_cast<long double>(weights[static_cast<std::size_t>(want++)]);
    ASSERT_EQ(drawn[k], want) << k;
    counts[static_cast<std::size_t>(drawn[k])] += 1;
  }
  EXPECT_EQ(counts[1], 0);
  EXPECT_EQ(counts[4], 0);
  for (const std::size_t i : {0u, 2u, 3u}) {
    const double p = weights[i] / 4.5, deviation = std::sqrt(40'000 * p * (1 - p));
    EXPECT_LT(std::abs(counts[i] - 40'000 * p), 4 * deviation) << i;
  }
  EXPECT_EQ(flat(weighted({0, 0, 2}, {.batch_size = 2})->epoch(1, 0)), Places({2, 2, 2}));
  RandomStream random(1, 2);
  for (int i = 0; i < 100; ++i)
    EXPECT_NE(sampler->another(random) % 3, 1) << "a weight of 0 replaces nothing";
}

TEST(Sampler, ClassBalancedTakesTurns) {
  const Labelled source = skewed();
  const auto sampler = class_balanced(source, {.batch_size = 6});
  for (const EpochBatches& epoch : checked(*sampler)) {
    const Places drawn = flat(epoch);
    ASSERT_EQ(drawn.size(), 24u);
    std::map<int, int> counts;
    std::map<int, Places> of_class;
    for (std::size_t k = 0; k < drawn.size(); ++k) {
      const std::vector<int> labels = source.labels(drawn[k]);
      const int label = labels.empty() ? -1 : labels[0];
      ++counts[label];
      of_class[label].push_back(drawn[k]);
      if (k % 4 == 3) {
        for (const int c : {-1, 0, 1, 3})
          EXPECT_EQ(counts[c], static_cast<int>(k / 4) + 1) << "turn " << k / 4;
      }
    }
    // Within a class all samples come before one comes again.
    EXPECT_EQ(std::set<std::int64_t>(of_class[0].begin(), of_class[0].end()).size(), 6u);
    EXPECT_EQ(sorted({of_class[3].begin(), of_class[3].begin() + 3}), Places({11, 13, 15}));
    EXPECT_EQ(sorted({of_class[3].begin() + 3, of_class[3].end()}), Places({11, 13, 15}));
  }
  EXPECT_NE(sampler->epoch(5, 0), sampler->epoch(5, 1));
  EXPECT_EQ(class_balanced(source, {.batch_size = 5, .drop_last = true}, 103)->batches(), 20);
}

TEST(Sampler, ClassBalancedCountsASampleForAllItsClasses) {
  const Labelled source({{0, 1}, {1}, {1}, {0}, {1}, {}}, 2);
  const auto sampler = class_balanced(source, {.batch_size = 3}, 60);
  for (const EpochBatches& epoch : checked(*sampler)) {
    std::vector<int> times(6, 0);
    for (const std::int64_t place : flat(epoch)) ++times[static_cast<std::size_t>(place)];
    // 20 turns: class 0 has 2 samples, class 1 has 4, and one sample has none.
    EXPECT_EQ(times, (std::vector<int>{10 + 5, 5, 5, 10, 5, 20}));
  }
}

TEST(Sampler, CappedMovesOn) {
  const Labelled source = skewed();
  const auto sampler = capped(source, 4, {.batch_size = 5});
  EXPECT_EQ(sampler->batches(), 3);  // 4 + 4 + 3 + 4 samples
  const auto epochs = checked(*sampler, 6);
  std::map<std::int64_t, int> times;
  for (std::size_t e = 0; e < epochs.size(); ++e) {
    const Places drawn = flat(epochs[e]);
    EXPECT_EQ(std::set<std::int64_t>(drawn.begin(), drawn.end()).size(), 15u) << "no sample twice";
    std::map<int, int> counts;
    for (const std::int64_t place : drawn) {
      ++times[place];
      ++counts[source.labels(place).empty() ? -1 : source.labels(place)[0]];
    }
    EXPECT_EQ(counts, (std::map<int, int>{{-1, 4}, {0, 4}, {1, 4}, {3, 3}}));
    if (e > 0) {  // class 0 has 12 samples: other ones than the epoch before
      const Places before = flat(epochs[e - 1]);
      for (const std::int64_t place : drawn)
        EXPECT_FALSE(place % 2 == 0 && std::count(before.begin(), before.end(), place));
    }
  }
  for (std::int64_t i = 0; i < 24; i += 2) EXPECT_EQ(times[i], 2) << "6 epochs of 4 out of 12";
  EXPECT_EQ(checked(*capped(source, 100, {.batch_size = 24}))[0][0].size(), 24u);
  // Far into a run that never ends, too.
  EXPECT_EQ(flat(sampler->epoch(5, 3'000'000'000'000)).size(), 15u);
}

TEST(Sampler, CappedCountsASampleForItsRarestClass) {
  // Class 0 has 6, class 1 has 3, class 2 has 3; samples 0 and 1 count for 1, samples 5 and 6 for 2.
  const Labelled source({{0, 1}, {0, 1}, {0}, {0}, {1, 2}, {0, 2}, {0, 2}, {}}, 3);
  const auto sampler = capped(source, 2, {.batch_size = 100});
  std::map<std::int64_t, int> times;
  for (const EpochBatches& epoch : checked(*sampler, 3))
    for (const std::int64_t place : flat(epoch)) ++times[place];
  // Groups {2, 3}, {0, 1, 4}, {5, 6}, {7}: two of each an epoch.
  EXPECT_EQ(times,
            (std::map<std::int64_t, int>{{0, 2}, {1, 2}, {2, 3}, {3, 3}, {4, 2}, {5, 3}, {6, 3}, {7, 3}}));
}

TEST(Sampler, BucketsAreKeptApart) {
  const auto key = [](std::int64_t i) { return i % 5 == 0 ? 7 : i % 2; };  // 5, 10 and 10 of 25
  for (const bool shuffle : {false, true}) {
    for (const LastBatch last : {LastBatch::keep, LastBatch::drop, LastBatch::fill}) {
      const auto sampler = by_bucket(25, key, {.batch_size = 4, .shuffle = shuffle, .last = last});
      EXPECT_EQ(sampler->batches(), last == LastBatch::drop ? 5 : 8);
      const auto epochs = checked(*sampler);
      for (const EpochBatches& epoch : epochs) {
        for (const auto& batch : epoch) {
          for (const Draw& draw : batch) EXPECT_EQ(key(draw.place), key(batch[0].place));
          EXPECT_TRUE(batch.size() == 4 || last == LastBatch::keep);
        }
        const Places drawn = flat(epoch);
        const std::set<std::int64_t> unique(drawn.begin(), drawn.end());
        EXPECT_EQ(drawn.size(), last == LastBatch::drop ? 20u : last == LastBatch::keep ? 25u : 32u);
        EXPECT_EQ(unique.size(), last == LastBatch::drop ? 20u : 25u);
      }
      EXPECT_EQ(epochs[0] == epochs[1], !shuffle);
    }
  }
  const EpochBatches plain = by_bucket(6, key, {.batch_size = 2, .last = LastBatch::fill})->epoch(0, 0);
  EXPECT_EQ(plain, (EpochBatches{{{2}, {4}}, {{1}, {3}}, {{0}, {5}}}));
  const EpochBatches filled =
      by_bucket(3, [](std::int64_t) { return 0; }, {.batch_size = 8, .last = LastBatch::fill})->epoch(0, 0);
  EXPECT_EQ(filled, (EpochBatches{{{0}, {1}, {2}, {0, 1}, {1, 1}, {2, 1}, {0, 2}, {1, 2}}}));
  EXPECT_EQ(bucket_among(64, {64, 256}), 0);
  EXPECT_EQ(bucket_among(65, {64, 256}), 1);
  EXPECT_EQ(bucket_among(257, {64, 256}), 2);
  EXPECT_EQ(bucket_among(std::nan(""), {64, 256}), 2);
}

// 24 samples with a class, the even places, and 40 without: 20 of them behind place 48.
Labelled mostly_background() {
  std::vector<std::vector<int>> labels;
  for (int i = 0; i < 64; ++i)
    labels.push_back(i % 2 == 0 && i < 48 ? std::vector<int>{i % 3} : std::vector<int>{});
  return Labelled(labels, 3);
}

TEST(Sampler, BackgroundMakesItsShare) {
  const Labelled source = mostly_background();
  const auto has_class = [&](std::int64_t i) { return !source.labels(i).empty(); };
  const auto sampler = with_background(source, 0.25, {.batch_size = 8});  // 24 are 3 quarters of 32
  EXPECT_EQ(sampler->batches(), 4);
  EXPECT_EQ(sampler->remark(),
            "an epoch takes 24 samples with a class or a box, and 8 of the 40 without, for a background of "
            "0.25");
  std::map<std::int64_t, int> times;
  for (const EpochBatches& epoch : checked(*sampler, 5)) {
    const Places drawn = flat(epoch);
    EXPECT_EQ(drawn.size(), 32u);
    EXPECT_EQ(std::ranges::count_if(drawn, has_class), 24);
    for (const std::int64_t place : drawn) ++times[place];
  }
  for (std::int64_t i = 0; i < 64; ++i) EXPECT_EQ(times[i], has_class(i) ? 5 : 1) << "each in its turn";
  EXPECT_NE(sampler->epoch(5, 0), sampler->epoch(6, 0));

  // More than there are: 72 of 40, each once or twice, augmented anew.
  const auto more = with_background(source, 0.75, {.batch_size = 8});
  EXPECT_EQ(more->remark(),
            "an epoch takes 24 samples with a class or a box, and draws 72 times from the 40 without, for a "
            "background of 0.75");
  times.clear();
  for (const std::int64_t place : flat(checked(*more, 1)[0])) ++times[place];
  for (std::int64_t i = 0; i < 64; ++i)
    EXPECT_TRUE(times[i] == 1 || (times[i] == 2 && !has_class(i))) << i << ": " << times[i];

  const auto none = with_background(source, 0, {.batch_size = 10});
  EXPECT_EQ(none->batches(), 3);
  for (const std::int64_t place : flat(checked(*none, 1)[0])) EXPECT_TRUE(has_class(place));
  RandomStream random(1, 2);
  for (int k = 0; k < 50; ++k) EXPECT_TRUE(has_class(none->another(random))) << "nor in place of another";
  EXPECT_EQ(with_background(source, 0, {.batch_size = 10, .drop_last = true})->batches(), 2);
}

TEST(Sampler, BackgroundWithinBuckets) {
  const Labelled source = mostly_background();
  // Of 10 and 54 samples: 5 and 19 with a class, 5 and 35 without, of which 1 and 7 are drawn.
  const auto key = [](std::int64_t i) { return i < 10 ? 1 : 2; };
  const auto plain = with_background(source, 0.25, {.batch_size = 4, .drop_last = true});
  const auto sampler = plain->within(key, LastBatch::fill);
  EXPECT_EQ(sampler->batches(), 2 + 7);
  EXPECT_EQ(sampler->remark(), plain->remark());
  for (const EpochBatches& epoch : checked(*sampler, 3)) {
    std::set<std::int64_t> drawn;
    for (const auto& batch : epoch) {
      EXPECT_EQ(batch.size(), 4u);
      for (const Draw& draw : batch) {
        EXPECT_EQ(key(draw.place), key(batch[0].place));
        drawn.insert(draw.place);
      }
    }
    EXPECT_EQ(drawn.size(), 32u);
    EXPECT_EQ(std::ranges::count_if(drawn, [&](std::int64_t i) { return i < 10; }), 6);
  }
  const auto part = shard(plain, 1, 2)->within(key, LastBatch::keep);
  const auto all = plain->within(key, LastBatch::keep);
  EXPECT_EQ(part->batches(), all->batches());
  const std::vector<Draw> batch = all->epoch(5, 0)[0];
  EXPECT_EQ(part->epoch(5, 0)[0], std::vector<Draw>(batch.begin() + 2, batch.end()));
  EXPECT_EQ(part->remark(), plain->remark());
  EXPECT_EQ(shuffled(8)->within(key, LastBatch::keep), nullptr);
  EXPECT_EQ(shard(shuffled(64), 0, 2)->within(key, LastBatch::keep), nullptr);
}

TEST(Sampler, BackgroundMessages) {
  const Labelled source = mostly_background(), all({{0}, {0}}, 1), none({{}, {}}, 1);
  EXPECT_EQ(message_of<ValueError>([&] { with_background(source, 1); }),
            "loader: a background of 1 is no share of an epoch; use 0 to 0.99");
  for (const double share : {-0.5, std::nan("")}) EXPECT_THROW(with_background(source, share), ValueError);
  EXPECT_EQ(
      message_of<DataError>([&] { with_background(all, 0.5); }),
      "loader: a background of 0.5, and none of 2 samples is without a class or a box; leave it out, or "
      "add such samples");
  EXPECT_EQ(with_background(all, 0)->batches(), 1);
  EXPECT_EQ(message_of<DataError>([&] { with_background(none, 0.5); }),
            "loader: all 2 samples are without a class or a box, so that they cannot be the background of "
            "others");
}

// Every draw of every batch once, in the order of the ranks; shares differ by one at most.
TEST(Sampler, ShardsShareEveryBatch) {
  const std::shared_ptr<const Sampler> wholes[] = {
      shuffled(50, {.batch_size = 4}), in_order(48, {.batch_size = 8}),
      class_balanced(skewed(), {.batch_size = 4}, 70),
      by_bucket(60, [](std::int64_t i) { return i % 3; }, {.batch_size = 7, .shuffle = true})};
  for (const auto& whole : wholes) {
    for (const int ranks : {1, 2, 3, 5}) {
      for (int e = 0; e < 3; ++e) {
        EpochBatches joined(static_cast<std::size_t>(whole->batches()));
        for (int rank = 0; rank < ranks; ++rank) {
          const auto part = shard(whole, rank, ranks);
          ASSERT_EQ(part->batches(), whole->batches());
          EXPECT_EQ(part->batch_size(), (whole->batch_size() + ranks - 1) / ranks);
          const EpochBatches mine = part->epoch(5, e), all = whole->epoch(5, e);
          for (std::size_t step = 0; step < mine.size(); ++step) {
            ASSERT_FALSE(mine[step].empty());
            if (mine[step][0].spare) {
              EXPECT_EQ(std::ssize(mine[step]), 1);
              EXPECT_LT(std::ssize(all[step]), ranks);
              continue;
            }
            EXPECT_LE(std::abs(std::ssize(mine[step]) * ranks - std::ssize(all[step])), ranks);
            joined[step].insert(joined[step].end(), mine[step].begin(), mine[step].end());
          }
        }
        EXPECT_EQ(joined, whole->epoch(5, e)) << ranks << " ranks";
      }
    }
  }
}

TEST(Sampler, Messages) {
  const Labelled source = skewed(), none({{}, {}}, 3), wrong({{0}, {3}}, 3);
  EXPECT_EQ(message_of<UsageError>([] { shuffled(5, {.batch_size = 0}); }),
            "loader: batch size 0 is not in 1..1000000");
  EXPECT_EQ(message_of<DataError>([] { in_order(0); }), "loader: the data set has no samples");
  EXPECT_EQ(message_of<ValueError>([] {
              weighted({1, 1}, {}, -3);
            }),
            "loader: -3 draws an epoch; give a number, or 0 for all samples");
  EXPECT_EQ(message_of<DataError>([&] { class_balanced(source, {.batch_size = 9, .drop_last = true}, 8); }),
            "loader: 8 samples do not fill a batch of 9; make the batch smaller or keep the last one");
  EXPECT_EQ(message_of<ValueError>([] {
              weighted({1, -0.5});
            }),
            "weighted: weight 1 is -0.5, weights are finite and not negative");
  EXPECT_EQ(message_of<ValueError>([] {
              weighted({1, 1, std::nan("")});
            }),
            "weighted: weight 2 is nan, weights are finite and not negative");
  EXPECT_EQ(message_of<ValueError>([] { weighted({0, 0}); }), "weighted: all 2 weights are 0");
  EXPECT_EQ(message_of<ValueError>([] {
              weighted({1e308, 1e308});
            }),
            "weighted: the sum of the weights is inf");
  EXPECT_EQ(message_of<DataError>([&] { class_balanced(none); }),
            "loader: none of 2 samples has a class; use an order that needs none");
  EXPECT_EQ(message_of<ValueError>([&] { class_balanced(wrong); }), "loader: sample-1 has class 3 of 3");
  EXPECT_EQ(message_of<ValueError>([&] { capped(source, 0); }),
            "loader: a cap of 0 samples a class leaves none");
  EXPECT_EQ(message_of<DataError>([] {
              by_bucket(9, [](std::int64_t i) { return i / 8; }, {.batch_size = 8, .last = LastBatch::drop});
            }),
            "loader: bucket 1 has 1 samples, fewer than a batch of 8, so that they would never be seen; fill "
            "or keep its last batch");
  EXPECT_EQ(message_of<ValueError>([] { shard(in_order(5), 2, 2); }),
            "shard: rank 2 of 2, ranks count from 0");
}
