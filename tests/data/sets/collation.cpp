// Samples, batches and collations by themselves: names, padding, buckets, messages.
#include "data/sets/collation.h"

#include <cmath>
#include <limits>

#include "data/sets/batch.h"
#include "tests/data/sets/toy_source.h"
#include "tests/scratch.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

SampleUse use_of(const SampleSource& source, std::int64_t i) {
  return {i, source.name(i), {0, 0, static_cast<std::uint64_t>(i)}};
}

// The tensors of a batch of these places.
Batch collated(Collation& collation, const SampleSource& source, const std::vector<std::int64_t>& places,
               DType dtype = DType::fp32) {
  collation.learn(source.sample(places[0]), use_of(source, places[0]), dtype, cpu);
  const auto draft = collation.begin(places);
  for (std::size_t k = places.size(); k-- > 0;)
    draft->put(static_cast<std::int64_t>(k), source.sample(places[k]), use_of(source, places[k]));
  return Batch(collation.names(), collation.finish(draft->tensors()));
}

DetectionOptions two_sizes() {
  return {.sizes = {{8, 5}, {4, 8}}, .size_of = [](std::int64_t i) { return Objects::size_of(i); }};
}

// One sample of given boxes in a picture of 6 x 4.
struct OneScene : SampleSource {
  std::vector<ObjectBox> boxes;
  std::int64_t size() const override { return 1; }
  Sample sample(std::int64_t) const override {
    Sample s;
    s.set("image", StoredImage{{}, Image(6, 4, 1)}).set("boxes", boxes);
    return s;
  }
  std::string name(std::int64_t) const override { return "scene"; }
};

}  // namespace

TEST(Sample, HoldsNamedValues) {
  Sample s;
  s.set("label", std::vector<int>{2}).set("age", SampleArray{{1}, {40}}).set("label", std::vector<int>{3, 4});
  EXPECT_EQ(s.names(), (std::vector<std::string>{"label", "age"}));
  EXPECT_EQ(s.get<std::vector<int>>("label"), (std::vector<int>{3, 4}));
  EXPECT_TRUE(s.has("age") && !s.has("boxes"));
  EXPECT_EQ(message_of<DataError>([&] { s.get<std::vector<ObjectBox>>("boxes"); }),
            "sample: there is no 'boxes'; it has label, age");
  EXPECT_EQ(message_of<DataError>([&] { s.get<StoredImage>("age"); }),
            "sample: 'age' is an array, needed is a picture");
  EXPECT_EQ(message_of<DataError>([&] { s.get<std::vector<ObjectBox>>("label"); }),
            "sample: 'label' is class numbers, needed is boxes");
  EXPECT_EQ(message_of<DataError>([] { Sample().get<std::vector<int>>("label"); }),
            "sample: there is no 'label'; it has nothing");
  const Labelled source({{1}}, 2);
  EXPECT_EQ(source.patient(0), "");
}

TEST(Batch, HoldsNamedTensorsInOrder) {
  Batch batch({"image", "label"}, {ones({3, 2}), arange(3)});
  batch.set("size", zeros({3, 2})).set("label", arange(3));
  EXPECT_EQ(batch.names(), (std::vector<std::string>{"image", "label", "size"}));
  EXPECT_EQ(batch["label"].to_vector<int>(), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(batch.size(), 3);
  EXPECT_TRUE(batch.has("size") && !batch.has("boxes"));
  const std::vector<Tensor> all = batch.tensors();
  const Batch again(batch.names(), all);
  ASSERT_EQ(all.size(), 3u);
  for (const std::string& name : batch.names()) EXPECT_TRUE(again[name].same_as(batch[name])) << name;
  EXPECT_EQ(Batch().size(), 0);
  EXPECT_EQ(message_of<ValueError>([&] { batch["imgae"]; }),
            "batch: there is no 'imgae'; it has image, label, size");
  EXPECT_EQ(message_of<ValueError>([&] { Batch({"image"}, {}); }), "batch: 0 tensors for 1 names (image)");
}

TEST(Collation, SizesArePaddedToFew) {
  const std::int64_t want[] = {8, 8, 8, 16, 32};
  const std::int64_t n[] = {0, 1, 8, 9, 17};
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(padded_size(n[i], {}, 8), want[i]);
  EXPECT_EQ(padded_size(10, {10, 50}, 0), 10);
  EXPECT_EQ(padded_size(11, {10, 50}, 0), 50);
  EXPECT_EQ(padded_size(51, {10, 50}, 0), 0);
}

TEST(DetectionCollation, PadsPicturesAndBoxes) {
  const Objects source;
  DetectionCollation collation(Pipeline("normalize:0.5:0.25"), two_sizes());
  const std::vector<std::int64_t> places{1, 2, 4, 7};  // 7 x 5, 8 x 5, 8 x 5, 7 x 5; 1, 2, 0, 3 boxes
  const Batch batch = collated(collation, source, places);
  EXPECT_EQ(batch.names(),
            (std::vector<std::string>{"image", "boxes", "label", "count", "size", "dropped", "map"}));
  EXPECT_EQ(batch["image"].shape(), Shape({4, 1, 5, 8}));
  EXPECT_TRUE(batch["image"].is_contiguous(MemoryFormat::channels_last));
  EXPECT_EQ(batch["boxes"].shape(), Shape({4, 8, 4}));
  EXPECT_EQ(batch["count"].to_vector<int>(), (std::vector<int>{1, 2, 0, 3}));
  EXPECT_EQ(batch["size"].to_vector<int>(), (std::vector<int>{5, 7, 5, 8, 5, 8, 5, 7}));
  EXPECT_EQ(batch["label"].dtype(), DType::int64);
  EXPECT_EQ(batch["map"].shape(), Shape({4, 6}));
  EXPECT_EQ(batch["map"].slice(0, 3, 4).to_vector<double>(), (std::vector<double>{1, 0, 0, 0, 1, 0}));
  const auto images = batch["image"].to_vector<float>(), boxes = batch["boxes"].to_vector<float>();
  const auto labels = batch["label"].to_vector<int>();
  for (std::size_t n = 0; n < 4; ++n) {
    const auto [width, height] = Objects::size_of(places[n]);
    for (int y = 0; y < 5; ++y) {
      for (int x = 0; x < 8; ++x) {
        const int value = x < width && y < height ? static_cast<int>(places[n]) + 1 : 0;
        EXPECT_NEAR(images[n * 40 + static_cast<std::size_t>(y * 8 + x)], (value / 255.0 - 0.5) / 0.25, 1e-5);
      }
    }
    const auto want = Objects::boxes_of(places[n]);
    for (std::size_t m = 0; m < 8; ++m) {
      const ObjectBox box = m < want.size() ? want[m] : ObjectBox{0, 0, 0, 0, -1};
      const float* got = boxes.data() + (n * 8 + m) * 4;
      EXPECT_EQ(std::vector<float>(got, got + 4),
                (std::vector<float>{static_cast<float>(box.x1), static_cast<float>(box.y1),
                                    static_cast<float>(box.x2), static_cast<float>(box.y2)}));
      EXPECT_EQ(labels[n * 8 + m], box.label);
    }
  }
}

TEST(DetectionCollation, BytesAndNumbersAgree) {
  Objects source;
  DetectionCollation numbers(Pipeline("normalize:0.5:0.25"), two_sizes()),
      halves(Pipeline("normalize:0.5:0.25"), two_sizes()), bytes(Pipeline(), two_sizes());
  const Tensor want = collated(numbers, source, {3, 6, 9})["image"];
  const Tensor half = collated(halves, source, {3, 6, 9}, DType::bf16)["image"];
  EXPECT_EQ(half.to_vector<float>(), want.to(DType::bf16).to_vector<float>()) << "padding included";
  const Tensor raw = collated(bytes, source, {3, 6, 9}, DType::uint8)["image"];
  EXPECT_EQ(raw.dtype(), DType::uint8);
  EXPECT_EQ(raw.to_vector<int>()[0], 4);
}

TEST(DetectionCollation, ChoosesTheSmallestSize) {
  const Objects source;
  const DetectionCollation collation(Pipeline(), two_sizes());  // by area 4 x 8 = 32, 8 x 5 = 40
  EXPECT_EQ(collation.bucket(0), 0);
  EXPECT_EQ(collation.bucket(1), 1);
  const auto upright = collation.begin({0, 3}), flat = collation.begin({1, 2});
  EXPECT_TRUE(upright->takes(6) && !upright->takes(2));
  EXPECT_TRUE(flat->takes(7) && !flat->takes(9));
  EXPECT_EQ(message_of<DataError>([&] {
              collation.begin({0, 1});
            }),
            "detection: no size holds 7 x 7; the largest is 8 x 5");
  // One size: nothing has to be known of the samples before.
  const DetectionCollation fixed(Pipeline("resize:16x12"));
  EXPECT_EQ(fixed.bucket(5), 0);
  EXPECT_TRUE(fixed.begin({1})->takes(0));
  EXPECT_EQ(message_of<UsageError>([] { DetectionCollation(Pipeline("grey")); }),
            "detection: 0 sizes of batches; let the transforms end in one size, or give sizes and size_of");
  EXPECT_EQ(message_of<UsageError>([] {
              DetectionCollation(Pipeline(), {.sizes = {{3, 3}, {4, 4}}});
            }),
            "detection: 2 sizes of batches, but no size_of a sample; let the transforms end in one size, or "
            "give sizes and size_of");
}

TEST(DetectionCollation, CutsBoxesAtTheEdges) {
  OneScene source;
  source.boxes = {
      {-3, -1, 2, 9, 1}, {2, 2, 2, 3, 2}, {6, 0, 9, 4, 3}, {5.5, 3.5, 7, 5, 4}, {-5, 0, -1, 2, 5}};
  DetectionCollation collation(Pipeline(), {.sizes = {{6, 4}}, .least_boxes = 1});
  const Batch batch = collated(collation, source, {0});
  EXPECT_EQ(batch["count"].to_vector<int>(), std::vector<int>{2});
  EXPECT_EQ(batch["boxes"].to_vector<float>(), (std::vector<float>{0, 0, 2, 4, 5.5, 3.5, 6, 4}));
  EXPECT_EQ(batch["label"].to_vector<int>(), (std::vector<int>{1, 4}));
  source.boxes.clear();
  const Batch none = collated(collation, source, {0});
  EXPECT_EQ(none["boxes"].shape(), Shape({1, 1, 4}));
  EXPECT_EQ(none["label"].to_vector<int>(), std::vector<int>{-1});
  source.boxes.assign(3, {0, 0, 1, 1, 0});
  EXPECT_EQ(collated(collation, source, {0})["boxes"].shape(), Shape({1, 4, 4}));

  const auto refused = [&](ObjectBox box) {
    source.boxes = {{0, 0, 1, 1, 0}, box};
    return message_of<DataError>([&] { collated(collation, source, {0}); });
  };
  EXPECT_EQ(
      refused({0, std::nan(""), 1, 1, 0}),
      "loader: scene: box 1 is 0 nan 1 1 of class 0; corners are finite, x1 <= x2 and y1 <= y2, classes "
      "count from 0");
  for (const ObjectBox& box : {ObjectBox{2, 0, 1, 1, 0},
                               {0, 3, 1, 1, 0},
                               {0, 0, 1, 1, -1},
                               {0, 0, std::numeric_limits<double>::infinity(), 1, 0}}) {
    EXPECT_TRUE(refused(box).starts_with("loader: scene: box 1 is "));
  }
}

TEST(DetectionCollation, RefusesAPictureThatDoesNotFit) {
  const Objects source;
  DetectionCollation collation(Pipeline(), {.sizes = {{6, 6}}});
  EXPECT_EQ(message_of<DataError>([&] { collated(collation, source, {3}); }),
            "loader: objects-3 is 4 x 7 with 1 channel after the transforms, its batch has room for 6 x 6 "
            "with 1; add grey or rgb to the transforms, or correct size_of");
}

TEST(SequenceCollation, PadsSeries) {
  const Series source;
  SequenceCollation collation({.series = {"x", "t"}, .rows = {"age"}, .least_length = 4});
  const std::vector<std::int64_t> places{1, 0, 9};  // 4, 1 and 7 steps
  const Batch batch = collated(collation, source, places);
  EXPECT_EQ(batch.names(), (std::vector<std::string>{"x", "t", "age", "mask", "length", "label"}));
  EXPECT_EQ(batch["x"].shape(), Shape({3, 8, 2}));
  EXPECT_EQ(batch["t"].shape(), Shape({3, 8}));
  EXPECT_EQ(batch["age"].to_vector<float>(), (std::vector<float>{1, 0, 9}));
  EXPECT_EQ(batch["age"].shape(), Shape({3, 1}));
  EXPECT_EQ(batch["length"].to_vector<int>(), (std::vector<int>{4, 1, 7}));
  EXPECT_EQ(batch["label"].to_vector<int>(), (std::vector<int>{1, 0, 1}));
  const auto x = batch["x"].to_vector<float>(), t = batch["t"].to_vector<float>(),
             mask = batch["mask"].to_vector<float>();
  for (std::size_t n = 0; n < 3; ++n) {
    for (std::int64_t k = 0; k < 8; ++k) {
      const bool in = k < Series::length_of(places[n]);
      const std::size_t at = n * 8 + static_cast<std::size_t>(k);
      EXPECT_EQ(mask[at], in ? 1 : 0);
      EXPECT_EQ(x[2 * at], in ? Series::value(places[n], k) : 0);
      EXPECT_EQ(x[2 * at + 1], in ? -Series::value(places[n], k) : 0);
      EXPECT_EQ(t[at], in ? static_cast<float>(k) : 0);
    }
  }
  SequenceCollation half({.series = {"x"}, .lengths = {20, 5}, .label = SequenceOptions::Label::none});
  const Batch small = collated(half, source, places, DType::bf16);
  EXPECT_EQ(small["x"].shape(), Shape({3, 20, 2}));
  EXPECT_EQ(small["x"].dtype(), DType::bf16);
  EXPECT_EQ(small["mask"].dtype(), DType::fp32);
  EXPECT_FALSE(small.has("label"));
  SequenceCollation several({.series = {"t"}, .label = SequenceOptions::Label::several, .classes = 2});
  EXPECT_EQ(collated(several, source, {0, 1})["label"].to_vector<int>(), (std::vector<int>{1, 0, 0, 1}));
  SequenceCollation few({.series = {"t"}, .label = SequenceOptions::Label::several, .classes = 1});
  EXPECT_EQ(message_of<DataError>([&] {
              collated(few, source, {0, 1});
            }),
            "loader: series-1 has class 1, rows of labels have 1");
}

// One sample of what a test likes.
struct OneSeries : SampleSource {
  Sample held;
  std::int64_t size() const override { return 1; }
  Sample sample(std::int64_t) const override { return held; }
  std::string name(std::int64_t) const override { return "series"; }
};

TEST(SequenceCollation, TakesNumbersAsTheyAreAndRefusesOtherShapes) {
  OneSeries source;
  const auto with = [&](Shape shape, std::vector<float> values) -> const Sample& {
    return source.held.set("x", SampleArray{std::move(shape), std::move(values)})
        .set("label", std::vector<int>{});
  };
  SequenceCollation collation({.least_length = 2});
  with({2, 1}, {1, std::nanf("")});
  const Batch batch = collated(collation, source, {0});
  EXPECT_TRUE(std::isnan(batch["x"].to_vector<float>()[1])) << "a missing measurement";
  EXPECT_EQ(batch["label"].to_vector<int>(), std::vector<int>{-1});
  with({0, 1}, {});
  const Batch empty = collated(collation, source, {0});
  EXPECT_EQ(empty["mask"].to_vector<float>(), (std::vector<float>{0, 0}));
  EXPECT_EQ(empty["length"].to_vector<int>(), std::vector<int>{0});

  const auto refused = [&](Collation& c, const Sample& sample) {
    const auto draft = c.begin({0});
    return message_of<DataError>([&] { draft->put(0, sample, use_of(source, 0)); });
  };
  EXPECT_EQ(refused(collation, with({2, 3}, std::vector<float>(6))),
            "loader: series: 'x' is [2, 3] with 6 numbers, the first sample has 1 a step");
  EXPECT_EQ(refused(collation, with({2, 1}, {1})),
            "loader: series: 'x' is [2, 1] with 1 numbers, the first sample has 1 a step");
  EXPECT_EQ(refused(collation, with({2}, {1, 2})),
            "loader: series: 'x' is [2] with 2 numbers, the first sample has 1 a step");
  SequenceCollation two({.series = {"x", "y"}, .rows = {"age"}, .lengths = {3}});
  with({2}, {1, 2});
  source.held.set("y", SampleArray{{2}, {1, 2}}).set("age", SampleArray{{1}, {5}});
  collated(two, source, {0});
  EXPECT_EQ(refused(two, with({3}, {1, 2, 3})), "loader: series: 'y' has 2 steps, the series before it 3");
  source.held.set("y", SampleArray{{4}, {1, 2, 3, 4}});
  EXPECT_EQ(refused(two, with({4}, {1, 2, 3, 4})),
            "loader: series has 4 steps, series are padded to at most 3; give a longer length, or cut it");
  source.held.set("age", SampleArray{{2}, {5, 6}});
  EXPECT_EQ(refused(two, source.held),
            "loader: series: 'age' is [2] with 2 numbers, the first sample has 1 in a row");

  const auto unknown = [&](const Sample& sample) {
    return message_of<DataError>([&] { two.learn(sample, use_of(source, 0), DType::fp32, cpu); });
  };
  EXPECT_EQ(unknown(with({1, 2, 3}, std::vector<float>(6))),
            "loader: series: 'x' is [1, 2, 3], a series is [T, F] or [T]");
  with({2}, {1, 2});
  source.held.set("age", SampleArray{{1, 2}, {5, 6}});
  EXPECT_EQ(unknown(source.held), "loader: series: 'age' is [1, 2], a row is [D]");
  EXPECT_EQ(message_of<UsageError>([&] { two.learn(source.held, use_of(source, 0), DType::uint8, cpu); }),
            "sequence: numbers cannot be uint8; use fp32, bf16 or fp16");
  EXPECT_EQ(message_of<UsageError>([] { SequenceCollation({.series = {}}); }),
            "sequence: no series are named");
  EXPECT_EQ(message_of<UsageError>([] { SequenceCollation({.label = SequenceOptions::Label::several}); }),
            "sequence: several labels of 0 classes");
}
