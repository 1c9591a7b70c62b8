// DataLoader: order and content for any number of workers, bad samples, resuming, shutdown.
#include "data/sets/loader.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <set>
#include <thread>

#include "data/sets/ingest.h"
#include "data/sets/synth.h"
#include "io/csv.h"
#include "tests/data/scratch.h"
#include "tests/data/sets/digest.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

// Pictures without files: sample i is one value throughout. Some cannot be read; some take their time.
class MadeUp : public Dataset {
 public:
  MadeUp(int count, std::set<std::int64_t> broken = {}, bool multi = false, bool stalls = false)
      : Dataset({"a", "b", "c"}, multi, samples(count, multi), "made up"), broken_(std::move(broken)),
        stalls_(stalls) {}
  StoredImage read(std::int64_t i) const override {
    const std::int64_t n = info(i).record;
    if (stalls_ && (n * 7919) % 5 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200 * (n % 7)));
    if (broken_.count(n)) fail<FormatError>("decode: ", info(i).name, " is broken");
    StoredImage s{{}, Image(12, 10, 1)};
    for (std::size_t k = 0; k < s.image.numel(); ++k)
      s.image.pixels[k] = static_cast<std::uint8_t>(n + static_cast<std::int64_t>(k));
    return s;
  }

 private:
  static std::vector<SampleInfo> samples(int count, bool multi) {
    std::vector<SampleInfo> out;
    for (int i = 0; i < count; ++i) {
      SampleInfo s;
      s.name = cat("made-up-", i);
      s.record = i;
      s.labels = {i % 3};
      if (multi) s.labels = i % 4 == 0 ? std::vector<int>{} : std::vector<int>{0, i % 2 + 1};
      out.push_back(std::move(s));
    }
    return out;
  }
  std::unique_ptr<Dataset> clone() const override { return std::unique_ptr<Dataset>(new MadeUp(*this)); }
  std::set<std::int64_t> broken_;
  bool stalls_;
};

// Sample i has 16 bits where i % 3 == 1, whose low byte matters; 8 where not.
class OfTwoDepths : public MadeUp {
 public:
  explicit OfTwoDepths(int count) : MadeUp(count) {}
  StoredImage read(std::int64_t i) const override {
    if (i % 3 != 1) return MadeUp::read(i);
    StoredImage s{{}, Image(12, 10, 1, 16)};
    for (std::size_t k = 0; k < s.image.numel(); ++k)
      s.image.data<std::uint16_t>()[k] = static_cast<std::uint16_t>(20000 + 257 * i + static_cast<int>(k));
    return s;
  }

 private:
  std::unique_ptr<Dataset> clone() const override { return std::unique_ptr<Dataset>(new OfTwoDepths(*this)); }
};

const char* augment = "random-resized-crop:8,hflip,rotate:10,brightness:0.2,normalize:0.5:0.25";

}  // namespace

TEST(Loader, AnyNumberOfWorkersGivesTheSameBatches) {
  std::string want;
  for (const int workers : {0, 1, 2, 7, 16}) {
    for (const int prefetch : {1, 3}) {
      for (const std::int64_t epochs : {0, 3}) {
        // Two bad samples in 253 stay below 1 %.
        const MadeUp wide(253, {5, 17}, false, true);
        DataLoader loader(wide, Pipeline(augment),
                          {.batch_size = 16,
                           .shuffle = true,
                           .workers = workers,
                           .prefetch = prefetch,
                           .epochs = epochs,
                           .seed = 3,
                           .bad_samples = BadSamples::skip});
        const std::string got = digest(loader, 3);
        if (want.empty()) want = got;
        EXPECT_EQ(got, want) << workers << " workers, prefetch " << prefetch << ", epochs " << epochs;
        EXPECT_EQ(loader.bad_samples().size(), 2u);
      }
    }
  }
}

TEST(Loader, AnEpochHoldsEverySampleOnceAndOrdersDiffer) {
  const MadeUp set(50);
  DataLoader loader(set, Pipeline(), {.batch_size = 8, .shuffle = true, .workers = 2});
  EXPECT_EQ(loader.batches(), 7);
  EXPECT_EQ(dynamic_cast<const ClassificationCollation&>(loader.collation()).image_shape(),
            Shape({1, 10, 12}));
  std::vector<std::vector<std::int64_t>> orders;
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::vector<std::int64_t> seen;
    std::int64_t step = 0;
    for (const Batch& batch : loader) {
      EXPECT_EQ(batch.epoch, epoch);
      EXPECT_EQ(batch.step, step++);
      EXPECT_EQ(batch["image"].shape(), Shape({batch.size(), 1, 10, 12}));
      for (std::int64_t n = 0; n < batch.size(); ++n) {
        const std::int64_t i = batch.indices[static_cast<std::size_t>(n)];
        EXPECT_EQ(batch["label"].data<std::int64_t>()[n], i % 3);
        EXPECT_NEAR(batch["image"].data<float>()[n * 120], static_cast<float>(i) / 255.f, 1e-6f);
        seen.push_back(i);
      }
    }
    EXPECT_EQ(step, 7);
    EXPECT_EQ(std::set<std::int64_t>(seen.begin(), seen.end()).size(), 50u);
    EXPECT_EQ(seen.size(), 50u);
    orders.push_back(seen);
  }
  EXPECT_NE(orders[0], orders[1]);
  EXPECT_NE(orders[1], orders[2]);
  DataLoader dropping(set, Pipeline(), {.batch_size = 8, .drop_last = true, .workers = 1});
  std::int64_t count = 0;
  for (const Batch& batch : dropping) count += batch.size();
  EXPECT_EQ(count, 48);
}

TEST(Loader, ResumesAtAnyStep) {
  const MadeUp set(45);
  const LoaderOptions options{.batch_size = 8, .shuffle = true, .workers = 2, .epochs = 3, .seed = 9};
  std::vector<Batch> all;
  DataLoader whole(set, Pipeline(augment), options);
  for (int e = 0; e < 3; ++e)
    for (const Batch& batch : whole) all.push_back(batch);
  ASSERT_EQ(all.size(), 18u);
  DataLoader loader(set, Pipeline(augment), options);
  for (std::size_t at = 0; at < all.size(); ++at) {
    loader.seek(all[at].epoch, all[at].step);
    EXPECT_EQ(loader.epoch(), all[at].epoch);
    EXPECT_EQ(loader.step(), all[at].step);
    Batch batch;
    ASSERT_TRUE(loader.next(batch));
    EXPECT_EQ(batch.indices, all[at].indices);
    EXPECT_EQ(batch["image"].to_vector<float>(), all[at]["image"].to_vector<float>());
  }
  Batch batch;
  EXPECT_FALSE(loader.next(batch));  // the last one was the end of an epoch
  loader.seek(0, 6);
  EXPECT_FALSE(loader.next(batch));
  ASSERT_TRUE(loader.next(batch));
  EXPECT_EQ(batch.epoch, 1);
  EXPECT_EQ(message_of<ValueError>([&] { loader.seek(0, 7); }),
            "loader: cannot go to step 7 of epoch 0, an epoch has 6");
}

TEST(Loader, BadSamplesFailOrAreReplacedByName) {
  const MadeUp set(250, {30, 31});
  DataLoader strict(set, Pipeline(), {.batch_size = 20, .workers = 3});
  Batch batch;
  ASSERT_TRUE(strict.next(batch));
  EXPECT_EQ(message_of<FormatError>([&] { strict.next(batch); }), "decode: made-up-30 is broken");
  ASSERT_TRUE(strict.next(batch));  // goes on behind it
  EXPECT_EQ(batch.indices[0], 40);

  const Scratch folder;
  DataLoader lenient(set, Pipeline(),
                     {.batch_size = 20,
                      .workers = 3,
                      .bad_samples = BadSamples::quarantine,
                      .quarantine_file = folder / "quarantine.csv"});
  std::int64_t count = 0;
  for (const Batch& b : lenient) {
    count += b.size();
    for (const std::int64_t i : b.indices) EXPECT_TRUE(i != 30 && i != 31);
  }
  EXPECT_EQ(count, 250);
  ASSERT_EQ(lenient.bad_samples().size(), 2u);
  EXPECT_EQ(lenient.bad_samples()[0].index, 30);
  EXPECT_EQ(lenient.bad_samples()[1].reason, "decode: made-up-31 is broken");
  const CsvTable table = read_csv(folder / "quarantine.csv");
  EXPECT_EQ(table.rows[1][0], "made-up-31");
}

TEST(Loader, TooManyBadSamplesEndTheRun) {
  for (const int workers : {0, 5}) {
    const MadeUp set(150, {3, 50, 51});
    DataLoader broken(set, Pipeline(),
                      {.batch_size = 10, .workers = workers, .bad_samples = BadSamples::skip});
    Batch batch;
    for (int step = 0; step < 5; ++step) ASSERT_TRUE(broken.next(batch)) << step;
    EXPECT_EQ(message_of<DataError>([&] { broken.next(batch); }),
              "loader: 3 of 150 samples cannot be read, at most 1 % and 1000 are passed over; the last: "
              "decode: made-up-51 is "
              "broken; look with `gadolin data check`");
  }
  std::set<std::int64_t> all;
  for (int i = 0; i < 20; ++i) all.insert(i);
  const MadeUp hopeless(20, all);
  EXPECT_EQ(
      message_of<FormatError>([&] { DataLoader(hopeless, Pipeline(), {.bad_samples = BadSamples::skip}); }),
      "decode: made-up-0 is broken");
}

TEST(Loader, StopsAnywhereWithoutDeadlock) {
  const MadeUp set(200, {}, false, true);
  for (int round = 0; round < 60; ++round) {
    DataLoader loader(
        set, Pipeline(),
        {.batch_size = 7, .shuffle = true, .workers = round % 17, .prefetch = 1 + round % 5, .epochs = 2});
    Batch batch;
    for (int step = 0; step < round % 9; ++step) loader.next(batch);
    if (round % 3 == 0) loader.seek(1, round % 20);
    if (round % 3 == 1) loader.next(batch);
  }
}

TEST(Loader, ManyEpochsLoseAndDoubleNothing) {
  const MadeUp set(10);
  for (const int workers : {0, 1, 4, 16}) {
    DataLoader loader(set, Pipeline(),
                      {.batch_size = 3, .shuffle = true, .workers = workers, .prefetch = 4, .epochs = 500});
    for (int epoch = 0; epoch < 500; ++epoch) {
      std::int64_t sum = 0, count = 0;
      for (const Batch& batch : loader)
        for (const std::int64_t i : batch.indices) sum += i, ++count;
      ASSERT_EQ(count, 10);
      ASSERT_EQ(sum, 45);
    }
  }
}

TEST(Loader, LabelsOfMultiLabelSetsAreRowsOfZerosAndOnes) {
  const MadeUp set(6, {}, true);
  DataLoader loader(set, Pipeline(), {.batch_size = 6, .workers = 1});
  Batch batch;
  ASSERT_TRUE(loader.next(batch));
  EXPECT_EQ(batch["label"].dtype(), DType::fp32);
  EXPECT_EQ(batch["label"].to_vector<float>(),
            (std::vector<float>{0, 0, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1}));
}

TEST(Loader, BytesAndNumbersAgree) {
  const Scratch folder;
  write_synth(folder.path(), {.samples = 12, .patients = 4, .classes = 3, .size = 20, .colour = true});
  const auto set = open_dataset(folder.path());
  const std::string steps = "resize:16x18,normalize:0.5/0.4/0.3:0.25/0.2/0.1";
  DataLoader numbers(*set, Pipeline(steps), {.batch_size = 12, .workers = 2});
  DataLoader bytes(*set, Pipeline(steps), {.batch_size = 12, .workers = 2, .dtype = DType::uint8});
  DataLoader half(*set, Pipeline(steps), {.batch_size = 12, .workers = 2, .dtype = DType::bf16});
  Batch a, b, c;
  ASSERT_TRUE(numbers.next(a) && bytes.next(b) && half.next(c));
  EXPECT_EQ(a["image"].shape(), Shape({12, 3, 18, 16}));
  EXPECT_TRUE(a["image"].is_contiguous(MemoryFormat::channels_last));
  const Tensor from_bytes = ingest(b["image"], normalize_factors(Pipeline(steps).normalize(), 3, 8));
  EXPECT_EQ(from_bytes.to_vector<float>(), a["image"].to_vector<float>());
  EXPECT_EQ(c["image"].dtype(), DType::bf16);
  EXPECT_EQ(c["image"].to_vector<float>(), a["image"].to(DType::bf16).to_vector<float>());
}

// Pictures that travel as bytes and deeper ones stand in one batch; none loses a bit.
TEST(Loader, DeepPicturesBehindAFirstOfEightBits) {
  const OfTwoDepths set(7);
  const Pipeline steps("normalize:0.5:0.25");
  DataLoader numbers(set, steps, {.batch_size = 4});
  Batch as_numbers;
  for (const DType dtype : {DType::bf16, DType::fp16}) {
    DataLoader halves(set, steps, {.batch_size = 4, .workers = 2, .dtype = dtype});
    for (Batch half; halves.next(half);) {
      ASSERT_TRUE(numbers.next(as_numbers));
      EXPECT_EQ(half["image"].dtype(), dtype);
      EXPECT_EQ(half["image"].to_vector<float>(), as_numbers["image"].to(dtype).to_vector<float>());
    }
    ASSERT_FALSE(numbers.next(as_numbers));
  }
  // The value itself: 20257 of 65535, to 0..1 and normalised.
  ASSERT_TRUE(DataLoader(set, steps, {.batch_size = 4, .dtype = DType::fp16}).next(as_numbers));
  const float value = as_numbers["image"].to_vector<float>()[120], want = (20257 / 65535.f - 0.5f) / 0.25f;
  EXPECT_TRUE(std::abs(value - want) <= 5e-4f) << value << " is not " << want;
  EXPECT_EQ(message_of<UsageError>([&] {
              Batch batch;
              DataLoader(set, Pipeline(), {.batch_size = 4, .dtype = DType::uint8}).next(batch);
            }),
            "made-up-1: loader: samples have 16 bits, dtype uint8 would lose them; use fp32");
}

TEST(Loader, RefusesWhatCannotWork) {
  const MadeUp set(5);
  const auto message = [&](LoaderOptions options) {
    return message_of<Error>([&] { DataLoader(set, Pipeline(), options); });
  };
  EXPECT_EQ(message({.batch_size = 0}), "loader: batch size 0 is not in 1..1000000");
  EXPECT_EQ(message({.workers = 65}), "loader: 65 workers, 0 to 64 are possible");
  EXPECT_EQ(message({.prefetch = 0}), "loader: prefetch = 0 is not in 1..64");
  EXPECT_EQ(message({.dtype = DType::int64}),
            "loader: images cannot be int64, only fp32, bf16, fp16 or uint8");
  EXPECT_EQ(message({.batch_size = 6, .drop_last = true}),
            "loader: 5 samples do not fill a batch of 6; make the batch smaller or keep the last one");
  EXPECT_EQ(message_of<ShapeError>([&] { DataLoader(set, Pipeline("normalize:1/2/3:1"), {}); }),
            "normalize: mean of 3 channels on an image of 1; add the step rgb, or give one value");
  EXPECT_EQ(
      message_of<DataError>([&] { DataLoader(*set.subset(std::vector<std::int64_t>{}), Pipeline(), {}); }),
      "loader: the data set has no samples");
}

TEST(Loader, SizesMustAgreeAfterTheTransforms) {
  const Scratch folder;
  folder.write("c/a.png", encode_png(pattern(8, 8, 1)));
  folder.write("c/b.png", encode_png(pattern(9, 8, 3)));
  const auto set = open_dataset(folder.path());
  DataLoader loader(*set, Pipeline(), {.batch_size = 2, .workers = 1, .bad_samples = BadSamples::skip});
  Batch batch;
  EXPECT_EQ(message_of<DataError>([&] { loader.next(batch); }),
            "loader: c/b.png is 9 x 8 with 3 channels after the transforms, the first sample 8 x 8 with 1; "
            "add resize "
            "and center-crop, and grey or rgb, to the transforms");
  DataLoader fixed(*set, Pipeline("grey,resize:8x8"), {.batch_size = 2, .workers = 1});
  EXPECT_TRUE(fixed.next(batch));
}

TEST(Ingest, EqualsNormalizeOnEveryValue) {
  for (const int channels : {1, 3}) {
    const Image image = pattern(37, 11, channels);
    const Normalize normalize{
        channels == 1 ? std::vector<double>{0.45} : std::vector<double>{0.485, 0.456, 0.406}, {0.23}};
    const NormalizeFactors factors = normalize_factors(normalize, channels, 8);
    std::vector<float> want(image.numel());
    normalize_into(image, factors, want.data());
    const Tensor bytes = from_vector(image.pixels, {1, 11, 37, channels}).permute({0, 3, 1, 2});
    const Tensor got = ingest(bytes, factors);
    EXPECT_EQ(got.permute({0, 2, 3, 1}).to_vector<float>(), want);
    if (cuda_available()) {
      EXPECT_EQ(ingest(bytes.to(cuda), factors).to(cpu).permute({0, 2, 3, 1}).to_vector<float>(), want);
    }
  }
}

// Groups of 16 bytes that begin and end within a pixel, sizes that fill none, bytes that lie on no boundary.
TEST(Ingest, RoundsAndPadsEveryPixel) {
  for (const int channels : {1, 3}) {
    const NormalizeFactors factors = normalize_factors(
        {channels == 1 ? std::vector<double>{0.45} : std::vector<double>{0.485, 0.456, 0.406}, {0.23}},
        channels, 8);
    for (const int width : {1, 2, 5, 16, 37}) {
      const Image image = pattern(width, 3, channels);
      std::vector<float> want(image.numel());
      normalize_into(image, factors, want.data());
      const Tensor exact = from_vector(want, {1, 3, width, channels}).permute({0, 3, 1, 2});
      std::vector<std::uint8_t> behind(1 + image.pixels.size());
      std::copy(image.pixels.begin(), image.pixels.end(), behind.begin() + 1);
      const Tensor whole = from_vector(behind, {static_cast<std::int64_t>(behind.size())});
      const Tensor odd =
          whole.slice(0, 1, whole.size(0)).reshape({1, 3, width, channels}).permute({0, 3, 1, 2});
      for (const Tensor& bytes :
           {from_vector(image.pixels, {1, 3, width, channels}).permute({0, 3, 1, 2}), odd}) {
        for (const DType dtype : {DType::fp32, DType::bf16, DType::fp16}) {
          EXPECT_EQ(ingest(bytes, factors, dtype).to_vector<float>(), exact.to(dtype).to_vector<float>());
          for (const int padded : {channels, 4, 8}) {
            const Tensor wide = ingest(bytes, factors, dtype, padded);
            ASSERT_EQ(wide.shape(), Shape({1, padded, 3, width}));
            EXPECT_TRUE(wide.is_contiguous(MemoryFormat::channels_last));
            EXPECT_EQ(wide.slice(1, 0, channels).to_vector<float>(), exact.to(dtype).to_vector<float>());
            for (const float x : wide.slice(1, channels, padded).to_vector<float>()) EXPECT_EQ(x, 0);
            if (cuda_available()) {
              EXPECT_EQ(ingest(bytes.to(cuda), factors, dtype, padded).to(cpu).to_vector<float>(),
                        wide.to_vector<float>());
            }
          }
        }
      }
    }
  }
  EXPECT_EQ(
      ingest(empty({0, 3, 4, 4}, DType::uint8).contiguous(MemoryFormat::channels_last), {}, DType::bf16, 4)
          .shape(),
      Shape({0, 4, 4, 4}));
}

TEST(Ingest, RefusesWhatIsNoImage) {
  EXPECT_EQ(message_of<ShapeError>([] {
              ingest(zeros({2, 3}), {});
            }),
            "ingest: images [2, 3] are not [N, C, H, W] with C = 1 or 3");
  EXPECT_EQ(message_of<DTypeError>([] {
              ingest(zeros({1, 1, 2, 2}), {});
            }),
            "ingest: images are fp32, not uint8");
  const Tensor bytes = zeros({1, 3, 2, 2}, DType::uint8).contiguous(MemoryFormat::channels_last);
  for (const std::int64_t channels : {-1, 2, 9}) {
    EXPECT_EQ(message_of<ShapeError>([&] { ingest(bytes, {}, DType::fp32, channels); }),
              "ingest: images [1, 3, 2, 2] cannot be padded to " + std::to_string(channels) +
                  " channels, only to 3 to 8");
  }
}
