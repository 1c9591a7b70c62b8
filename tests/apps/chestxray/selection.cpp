// Draws of films: the original's cap step by step, what it forgets, and labels made equally frequent.
#include "apps/chestxray/selection.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "tests/data/sets/toy_source.h"
#include "tests/scratch.h"

namespace gadolin::test {
namespace {
using namespace gadolin::chestxray;

constexpr int hernia = 2;

// Classes 0 and 1 common, 2 (Hernia) rare, and films without a label.
Labelled made_up_films(int count) {
  std::vector<std::vector<int>> labels;
  RandomStream random(11, 1);
  for (int i = 0; i < count; ++i) {
    std::vector<int> of;
    if (random.chance(0.4f)) of.push_back(0);
    if (random.chance(0.25f)) of.push_back(1);
    if (random.chance(0.03f)) of.push_back(hernia);
    labels.push_back(of);
  }
  return {labels, 3};
}

std::vector<std::int64_t> sorted(std::vector<std::int64_t> places) {
  std::sort(places.begin(), places.end());
  return places;
}

// 5.3 as it stands, over an order that is known: that of a cap nobody reaches, in which only the first film
// of each single label is missing.
TEST(ChestCap, IsTheGreedyRuleOfTheOriginal) {
  const Labelled source = made_up_films(3000);
  CapOptions free{.cap = 1 << 20, .exempt = hernia, .seed = 3}, capped = free;
  capped.cap = 150;
  const auto all = cap_selection(source, free, 0).train, chosen = cap_selection(source, capped, 0).train;
  EXPECT_GE(all.size(), 2996u);
  EXPECT_LT(all.size(), 3000u) << "the first of a single label is counted and not taken";
  std::vector<std::int64_t> count(4), taken(4);
  std::set<std::int64_t> in(chosen.begin(), chosen.end());
  // Every film of Hernia is in.
  for (std::int64_t i = 0; i < source.size(); ++i) {
    std::vector<int> labels = source.labels(i);
    if (labels.empty()) labels = {3};
    for (const int label : labels) {
      ++count[static_cast<std::size_t>(label)];
      taken[static_cast<std::size_t>(label)] += in.contains(i);
    }
    if (std::ranges::count(labels, hernia) > 0) {
      EXPECT_TRUE(in.contains(i));
    }
  }
  EXPECT_EQ(taken[hernia], count[hernia]);
  // Full up to the first that was counted only, and to what Hernia brings beyond the cap.
  EXPECT_GE(taken[3], 149);
  EXPECT_LE(taken[3], 150);
  for (const int common : {0, 1}) {
    EXPECT_GE(taken[static_cast<std::size_t>(common)], 149);
    EXPECT_LE(taken[static_cast<std::size_t>(common)], 150 + count[hernia]);
  }
}

// By hand: order cannot matter when all films are of one kind.
TEST(ChestCap, SmallCases) {
  const auto size = [](std::vector<std::vector<int>> labels, std::int64_t cap, int exempt) {
    const Labelled source{std::move(labels), 3};
    return cap_selection(source, {.cap = cap, .exempt = exempt}, 0).train.size();
  };
  EXPECT_EQ(size({{0}, {0}, {0}, {0}}, 10, -1), 3u) << "the first is counted only";
  EXPECT_EQ(size({{0}, {0}, {0}, {0}}, 2, -1), 1u) << "counted 1, taken as the second, then full";
  EXPECT_EQ(size({{0}, {0}}, 1, -1), 0u);
  EXPECT_EQ(size({{}, {}, {}}, 10, -1), 2u) << "no finding is a label of its own";
  EXPECT_EQ(size({{0, 1}, {0, 1}, {0, 1}}, 2, -1), 2u) << "several labels: the first is taken";
  EXPECT_EQ(size({{2}, {2}, {2}, {0, 2}}, 1, 2), 4u) << "the exempt one is never refused";
}

TEST(ChestCap, DrawnAnewItForgetsPatientsAndValidation) {
  const Labelled source = made_up_films(2000);
  CapOptions fixed{.cap = 200, .exempt = hernia, .train_share = 0.8, .seed = 5}, legacy = fixed;
  legacy.anew = true;
  const CapSelection first = cap_selection(source, fixed, 0), later = cap_selection(source, fixed, 7);
  EXPECT_EQ(first.train, later.train) << "one draw for the run";
  EXPECT_EQ(first.val, later.val);
  EXPECT_NEAR(
      static_cast<double>(first.train.size()) / static_cast<double>(first.train.size() + first.val.size()),
      0.8, 0.002);
  std::set<std::int64_t> learnt;
  std::vector<double> seen_before;
  for (int epoch = 0; epoch < 4; ++epoch) {
    const CapSelection drawn = cap_selection(source, legacy, epoch);
    EXPECT_EQ(drawn.train, cap_selection(source, legacy, epoch).train) << "of seed and epoch alone";
    double before = 0;
    for (const std::int64_t i : drawn.val) before += learnt.contains(i);
    seen_before.push_back(before / static_cast<double>(drawn.val.size()));
    learnt.insert(drawn.train.begin(), drawn.train.end());
    for (const std::int64_t i : drawn.val) EXPECT_EQ(std::ranges::count(drawn.train, i), 0);
  }
  EXPECT_EQ(seen_before[0], 0);
  EXPECT_GT(seen_before[3], 0.5) << "most of what the original validated on it had learnt from";
}

TEST(ChestCap, SamplerHasAsManyDrawsInEveryEpoch) {
  const Labelled source = made_up_films(1500);
  CapOptions legacy{.cap = 100, .exempt = hernia, .anew = true, .seed = 9};
  const auto sampler = cap_sampler(source, legacy, {16, false});
  const std::int64_t first = std::ssize(cap_selection(source, legacy, 0).train);
  EXPECT_EQ(sampler->samples(), 1500);
  EXPECT_EQ(sampler->batches(), (first + 15) / 16);
  bool other_size = false;
  for (std::int64_t epoch = 0; epoch < 5; ++epoch) {
    std::vector<std::int64_t> drawn;
    std::int64_t repeats = 0;
    for (const auto& batch : sampler->epoch(4, epoch))
      for (const Draw& draw : batch) {
        drawn.push_back(draw.place);
        repeats += draw.repeat > 0;
      }
    EXPECT_EQ(std::ssize(drawn), first);
    const auto chosen = cap_selection(source, legacy, epoch).train;
    other_size = other_size || std::ssize(chosen) != first;
    EXPECT_EQ(repeats, std::max<std::int64_t>(0, first - std::ssize(chosen)));
    const std::set<std::int64_t> in(chosen.begin(), chosen.end());
    for (const std::int64_t place : drawn) EXPECT_TRUE(in.contains(place));
    if (epoch == 0) {
      EXPECT_EQ(sorted(drawn), sorted(chosen));
    }
  }
  EXPECT_TRUE(other_size) << "or the test does not see what it is for";
}

// Shares of the labels, and of having none, among draws in proportion to the weights.
std::vector<double> shares(const Labelled& source, const std::vector<double>& weights) {
  std::vector<double> share(static_cast<std::size_t>(source.classes) + 1);
  for (std::int64_t i = 0; i < source.size(); ++i) {
    std::vector<int> labels = source.labels(i);
    if (labels.empty()) labels.push_back(source.classes);
    for (const int label : labels)
      share[static_cast<std::size_t>(label)] += weights[static_cast<std::size_t>(i)];
  }
  return share;
}

TEST(ChestBalance, MakesLabelsEquallyFrequent) {
  const Labelled source = made_up_films(4000);
  const std::vector<double> weights = label_weights(source);
  EXPECT_NEAR(std::accumulate(weights.begin(), weights.end(), 0.0), 4000, 1e-6);
  const std::vector<double> share = shares(source, weights);
  for (const double s : share) EXPECT_NEAR(s / share[0], 1, 1e-6);
  EXPECT_LE(*std::max_element(weights.begin(), weights.end()), 20 * (1 + 1e-9));
  // class_balanced(), which gives each class a turn, leaves a label that comes with others more frequent.
  std::vector<double> turns(4);
  for (const auto& batch : class_balanced(source, {100, false}, 40'000)->epoch(0, 0))
    for (const Draw& draw : batch) {
      std::vector<int> labels = source.labels(draw.place);
      if (labels.empty()) labels.push_back(3);
      for (const int label : labels) turns[static_cast<std::size_t>(label)] += 1;
    }
  EXPECT_GT(*std::max_element(turns.begin(), turns.end()) / *std::min_element(turns.begin(), turns.end()),
            1.3);
  // Draws come out as the weights say.
  std::vector<double> drawn(4);
  for (const auto& batch : label_balanced(source, {100, false}, 40'000)->epoch(0, 0))
    for (const Draw& draw : batch) {
      std::vector<int> labels = source.labels(draw.place);
      if (labels.empty()) labels.push_back(3);
      for (const int label : labels) drawn[static_cast<std::size_t>(label)] += 1;
    }
  EXPECT_LT(*std::max_element(drawn.begin(), drawn.end()) / *std::min_element(drawn.begin(), drawn.end()),
            1.06);
}

TEST(ChestBalance, WhereItCannotBeEven) {
  // Class 1 never comes without class 0, and one film is a thousand times rarer than the others.
  std::vector<std::vector<int>> labels(1000, {0});
  for (int i = 0; i < 100; ++i) labels[static_cast<std::size_t>(i)] = {0, 1};
  labels[999] = {2};
  const Labelled source{labels, 3};
  const std::vector<double> weights = label_weights(source, 5);
  for (const double w : weights) {
    EXPECT_GE(w, 0.2 * (1 - 1e-9));
    EXPECT_LE(w, 5 * (1 + 1e-9));
  }
  EXPECT_NEAR(weights[999], 5, 1e-6) << "as often as it may be, not more";
  EXPECT_NEAR(weights[0], 5, 1e-6);
  EXPECT_LT(weights[500], 0.6);
  // One label a film: every class as often as every other.
  const Labelled single{{{0}, {0}, {0}, {1}, {}}, 2};
  const std::vector<double> of = label_weights(single);
  EXPECT_NEAR(of[3], 5.0 / 3, 1e-8);
  EXPECT_NEAR(of[4], 5.0 / 3, 1e-8);
  EXPECT_NEAR(of[0], 5.0 / 9, 1e-8);
}

TEST(ChestSelection, Mistakes) {
  const Labelled source{{{0}, {1}}, 2}, none{{{}, {}}, 2};
  const auto said = [&](const CapOptions& o) {
    return message_of<Error>([&] { cap_selection(source, o, 0); });
  };
  EXPECT_EQ(said({.cap = 0}), "cap: 0 films a finding leave none; give 1 or more");
  EXPECT_EQ(said({.train_share = 1.5}), "cap: a share of 1.5 for training is not above 0 and at most 1");
  EXPECT_EQ(said({.train_share = NAN}), "cap: a share of nan for training is not above 0 and at most 1");
  EXPECT_EQ(said({.exempt = 2}), "cap: class 2 of 2 cannot be exempt; give -1 for none");
  EXPECT_EQ(message_of<DataError>([&] { cap_sampler(source, {}); }),
            "cap: none of 2 films is chosen to learn from; raise the cap or give more films");
  // One of the two films, exempt or not, decides what an epoch has.
  const Labelled few{{{0}, {0, 1}}, 2};
  CapOptions anew{.cap = 1, .anew = true};
  bool met = false;
  for (std::uint64_t seed = 0; seed < 40 && !met; ++seed) {
    anew.seed = seed;
    if (cap_selection(few, anew, 0).train.empty()) continue;
    const auto sampler = cap_sampler(few, anew);
    for (std::int64_t epoch = 1; epoch < 20 && !met; ++epoch) {
      if (!cap_selection(few, anew, epoch).train.empty()) continue;
      met = true;
      EXPECT_EQ(message_of<DataError>([&] { sampler->epoch(0, epoch); }),
                "cap: epoch " + std::to_string(epoch) +
                    " has no films to learn from; raise the cap or give more films");
    }
  }
  EXPECT_TRUE(met);
  EXPECT_EQ(message_of<ValueError>([&] { label_weights(source, 0.5); }),
            "label_weights: at most 0.5 times the mean; give a number of 1 or more");
  EXPECT_EQ(message_of<DataError>([&] { label_weights(none); }),
            "label_weights: none of 2 samples has a label; there is nothing to balance, choose another "
            "--sampler");
}

}  // namespace
}  // namespace gadolin::test
