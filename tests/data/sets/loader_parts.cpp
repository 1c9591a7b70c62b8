// DataLoader over sources, samplers and collations of its own: toy detection and toy series.
#include <set>

#include "data/sets/loader.h"
#include "tests/data/sets/digest.h"
#include "tests/data/sets/toy_source.h"
#include "tests/scratch.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

std::unique_ptr<Collation> detection() {
  return std::make_unique<DetectionCollation>(
      Pipeline("brightness:0.3,normalize:0.5:0.25"),
      DetectionOptions{.sizes = {{4, 8}, {8, 5}},
                       .size_of = [](std::int64_t i) { return Objects::size_of(i); }});
}
std::shared_ptr<const Sampler> by_shape(const Objects& source, LastBatch last = LastBatch::keep) {
  const DetectionCollation sizes(
      Pipeline(), {.sizes = {{4, 8}, {8, 5}}, .size_of = [](std::int64_t i) { return Objects::size_of(i); }});
  return by_bucket(source.size(), [&](std::int64_t i) { return sizes.bucket(i); },
                   {.batch_size = 4, .shuffle = true, .last = last});
}

}  // namespace

TEST(LoaderParts, DetectionBatchesDependOnNothingButTheirParts) {
  Objects source;
  source.count = 220;
  source.broken = {33, 100};
  std::string want;
  for (const int workers : {0, 1, 3, 7}) {
    for (const int prefetch : {1, 4}) {
      DataLoader loader(source, by_shape(source), detection(),
                        {.workers = workers,
                         .prefetch = prefetch,
                         .epochs = prefetch == 4 ? 3 : 0,
                         .seed = 4,
                         .bad_samples = BadSamples::skip});
      EXPECT_EQ(loader.batch_size(), 4);
      const std::string got = digest(loader, 3);
      if (want.empty()) want = got;
      EXPECT_EQ(got, want) << workers << " workers, prefetch " << prefetch;
      EXPECT_EQ(loader.bad_samples().size(), 2u);
    }
  }
}

TEST(LoaderParts, AReplacementFitsIntoItsBatch) {
  Objects source;
  source.count = 220;
  source.broken = {33, 100};
  DataLoader loader(source, by_shape(source, LastBatch::fill), detection(),
                    {.workers = 2, .seed = 4, .bad_samples = BadSamples::skip});
  std::set<std::pair<std::int64_t, std::int64_t>> shapes;
  for (const Batch& batch : loader) {
    shapes.emplace(batch["image"].size(2), batch["image"].size(3));
    const auto counts = batch["count"].to_vector<std::int64_t>(),
               sizes = batch["size"].to_vector<std::int64_t>();
    EXPECT_EQ(batch["boxes"].shape(), Shape({4, 8, 4}));
    for (std::size_t n = 0; n < batch.indices.size(); ++n) {
      const std::int64_t i = batch.indices[n];
      EXPECT_FALSE(source.broken.count(i));
      EXPECT_EQ(counts[n], i % 4);
      EXPECT_EQ(std::pair(static_cast<int>(sizes[2 * n + 1]), static_cast<int>(sizes[2 * n])),
                Objects::size_of(i));
    }
  }
  EXPECT_EQ(shapes, (std::set<std::pair<std::int64_t, std::int64_t>>{{8, 4}, {5, 8}}));
}

TEST(LoaderParts, SeriesResumeAnywhere) {
  Series source;
  const auto collation = [] {
    return std::make_unique<SequenceCollation>(SequenceOptions{.series = {"x", "t"}, .rows = {"age"}});
  };
  const std::shared_ptr<const Sampler> samplers[] = {
      by_bucket(30,
                [](std::int64_t i) {
                  return bucket_among(double(Series::length_of(i)), {8, 16});
                },
                {.batch_size = 4, .shuffle = true}),
      class_balanced(source, {.batch_size = 7}, 40),
      capped(source, 9, {.batch_size = 4}),
      weighted(std::vector<double>(30, 0.3), {.batch_size = 5, .drop_last = true}),
      in_order(30),
      shard(shuffled(30, {.batch_size = 4}), 1, 2)};
  for (const auto& sampler : samplers) {
    const LoaderOptions options{.workers = 2, .epochs = 3, .seed = 11};
    DataLoader whole(source, sampler, collation(), options);
    std::vector<Batch> all;
    for (int e = 0; e < 3; ++e)
      for (const Batch& batch : whole) all.push_back(batch);
    ASSERT_EQ(std::ssize(all), 3 * sampler->batches());
    DataLoader loader(source, sampler, collation(), options);
    for (std::size_t at = all.size(); at-- > 0;) {
      loader.seek(all[at].epoch, all[at].step);
      Batch batch;
      ASSERT_TRUE(loader.next(batch));
      EXPECT_EQ(batch.indices, all[at].indices);
      ASSERT_EQ(batch.names(), (std::vector<std::string>{"x", "t", "age", "mask", "length", "label"}));
      for (const std::string& name : batch.names())
        EXPECT_EQ(batch[name].to_vector<float>(), all[at][name].to_vector<float>()) << name;
      const auto age = batch["age"].to_vector<std::int64_t>();
      EXPECT_EQ(age, batch.indices);
    }
  }
}

// Processes see together what one sees, in the same augmentation; one more than a batch has samples gets a
// spare one.
TEST(LoaderParts, ShardsSeeWhatOneProcessSees) {
  Objects source;
  source.count = 40;
  const auto whole = weighted(std::vector<double>(40, 1), {.batch_size = 4});
  const auto flat = [] {
    return std::make_unique<DetectionCollation>(Pipeline("brightness:0.3"),
                                                DetectionOptions{.sizes = {{8, 8}}});
  };
  for (const int ranks : {2, 3, 5}) {
    DataLoader one(source, whole, flat(), {.workers = 1, .seed = 2});
    std::vector<std::unique_ptr<DataLoader>> shares;
    for (int rank = 0; rank < ranks; ++rank)
      shares.push_back(std::make_unique<DataLoader>(
          source, whole, flat(), LoaderOptions{.workers = 0, .seed = 2, .rank = rank, .ranks = ranks}));
    Batch a, b;
    while (one.next(a)) {
      std::vector<std::int64_t> indices;
      std::vector<float> pixels;
      int spare = 0;
      for (const auto& share : shares) {
        ASSERT_TRUE(share->next(b));
        spare += b.spare;
        if (b.spare) continue;
        indices.insert(indices.end(), b.indices.begin(), b.indices.end());
        const std::vector<float> part = b["image"].to_vector<float>();
        pixels.insert(pixels.end(), part.begin(), part.end());
      }
      EXPECT_EQ(indices, a.indices);
      EXPECT_EQ(pixels, a["image"].to_vector<float>()) << "the same augmentation";
      EXPECT_EQ(spare, std::max(0, ranks - 4));
      EXPECT_FALSE(a.spare);
    }
  }
}

TEST(LoaderParts, ASampleDrawnAgainIsAugmentedAnew) {
  Objects source;
  source.count = 2;
  DataLoader loader(
      source, weighted({0, 1}, {.batch_size = 8}, 8),
      std::make_unique<DetectionCollation>(Pipeline("brightness:0.9"), DetectionOptions{.sizes = {{7, 5}}}),
      {.workers = 2, .seed = 1});
  Batch batch;
  ASSERT_TRUE(loader.next(batch));
  EXPECT_EQ(batch.indices, std::vector<std::int64_t>(8, 1));
  std::set<float> values;
  for (std::int64_t n = 0; n < 8; ++n)
    values.insert(batch["image"].to_vector<float>()[static_cast<std::size_t>(n * 35)]);
  EXPECT_GT(values.size(), 2u);
}

namespace {

// A sampler of a user, with mistakes.
struct Careless : Sampler {
  EpochBatches given;
  std::int64_t samples() const override { return 20; }
  std::int64_t batch_size() const override { return 2; }
  std::int64_t batches() const override { return 2; }
  EpochBatches epoch(std::uint64_t, std::int64_t) const override { return given; }
};

}  // namespace

TEST(LoaderParts, TroubleShowsInTheBatchItBelongsTo) {
  const Objects source;
  // The second batch mixes shapes that no size holds.
  const auto sampler = std::make_shared<Careless>();
  sampler->given = {{{1}, {2}}, {{0}, {1}}};
  DataLoader loader(source, sampler, detection(), {.workers = 2, .prefetch = 4, .epochs = 2});
  Batch batch;
  for (int epoch = 0; epoch < 2; ++epoch) {
    ASSERT_TRUE(loader.next(batch));
    EXPECT_EQ(batch.indices, (std::vector<std::int64_t>{1, 2}));
    EXPECT_EQ(message_of<DataError>([&] { loader.next(batch); }),
              "detection: no size holds 7 x 7; the largest is 8 x 5");
    EXPECT_FALSE(loader.next(batch));
  }
  for (const EpochBatches& wrong : {EpochBatches{{{1}}}, EpochBatches{{{1}}, {}}, EpochBatches{{{1}}, {{20}}},
                                    EpochBatches{{{1}}, {{-1}}}}) {
    const auto careless = std::make_shared<Careless>();
    careless->given = wrong;
    DataLoader broken(source, careless, detection(), {.workers = 1});
    EXPECT_EQ(message_of<ValueError>([&] { broken.next(batch); }),
              wrong.size() == 1 ? "loader: the sampler gives 1 batches for epoch 0; promised are 2, none of "
                                  "them empty, of places below 20"
                                : "loader: the sampler gives 2 batches for epoch 0; promised are 2, none of "
                                  "them empty, of places below 20");
  }
}

TEST(LoaderParts, Messages) {
  const Objects source;
  EXPECT_EQ(message_of<UsageError>([&] { DataLoader(source, in_order(19), detection()); }),
            "loader: the sampler is made for 19 samples, the source has 20");
  EXPECT_EQ(message_of<UsageError>([&] { DataLoader(source, in_order(20), detection(), {.shuffle = true}); }),
            "loader: shuffle and drop_last are the sampler's, where one is given");
  const Series series;
  EXPECT_EQ(message_of<DataError>([&] {
              DataLoader(series, in_order(30), std::make_unique<ClassificationCollation>(Pipeline()));
            }),
            "sample: there is no 'image'; it has x, t, age, label");
}
