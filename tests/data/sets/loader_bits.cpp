// The bits of a loader's batches, pinned: order, augmentation, replaced samples and rounding stay what they
// were, whatever becomes of the parts that make them. The steps used here compute exactly on any processor.
#include <set>

#include "data/sets/loader.h"
#include "io/sha256.h"
#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

class Stripes : public Dataset {
 public:
  Stripes(int count, bool multi, int channels, int bits, std::set<std::int64_t> broken = {})
      : Dataset({"a", "b", "c"}, multi, samples(count, multi), "stripes"), channels_(channels), bits_(bits),
        broken_(std::move(broken)) {}
  StoredImage read(std::int64_t i) const override {
    if (broken_.count(i)) fail<FormatError>("decode: ", info(i).name, " is broken");
    StoredImage s{{}, Image(13, 11, channels_, bits_)};
    for (std::size_t k = 0; k < s.image.pixels.size(); ++k)
      s.image.pixels[k] = static_cast<std::uint8_t>(31 * i + static_cast<std::int64_t>(7 * k + k * k / 11));
    return s;
  }

 private:
  static std::vector<SampleInfo> samples(int count, bool multi) {
    std::vector<SampleInfo> out;
    for (int i = 0; i < count; ++i) {
      SampleInfo s;
      s.name = cat("stripes-", i);
      s.labels = multi && i % 4 == 0 ? std::vector<int>{}
                 : multi             ? std::vector<int>{0, i % 2 + 1}
                                     : std::vector<int>{i % 3};
      out.push_back(std::move(s));
    }
    return out;
  }
  std::unique_ptr<Dataset> clone() const override { return std::make_unique<Stripes>(*this); }
  int channels_, bits_;
  std::set<std::int64_t> broken_;
};

// Shapes, bytes, places and positions of everything that two epochs deliver.
std::string digest_of_two_epochs(const Dataset& set, LoaderOptions options) {
  DataLoader loader(set, Pipeline("random-crop:8:2,hflip,vflip:0.3,brightness:0.2,normalize:0.5:0.25"),
                    options);
  Sha256 sha;
  const auto add = [&](const Tensor& t) {
    const std::string facts = cat(t.shape(), t.dtype());
    const Tensor dense = t.contiguous();
    sha.update(facts.data(), facts.size()).update(dense.raw(), static_cast<std::size_t>(dense.nbytes()));
  };
  for (int epoch = 0; epoch < 2; ++epoch) {
    for (const Batch& batch : loader) {
      add(batch["image"]);
      add(batch["label"]);
      sha.update(batch.indices.data(), batch.indices.size() * sizeof(std::int64_t));
      const std::int64_t at[] = {batch.epoch, batch.step, batch.size()};
      sha.update(at, sizeof at);
    }
  }
  return sha.hex();
}

}  // namespace

TEST(LoaderBits, OfPicturesAndClassNumbers) {
  EXPECT_EQ(digest_of_two_epochs(Stripes(53, false, 1, 8), {.batch_size = 8, .workers = 2}),
            "e10a37bff1caae8c02c5837452db299d731a596b47664e17985f513685ef6aff");
  EXPECT_EQ(digest_of_two_epochs(Stripes(53, false, 3, 8),
                                 {.batch_size = 8, .shuffle = true, .workers = 2, .seed = 7}),
            "539dcb28bdf4793fffea9e0ea8c466078679eb54d1b3fb0fab1b7c7cd719426d");
  EXPECT_EQ(digest_of_two_epochs(Stripes(53, false, 3, 8), {.batch_size = 7,
                                                            .shuffle = true,
                                                            .drop_last = true,
                                                            .workers = 0,
                                                            .seed = 8,
                                                            .dtype = DType::bf16}),
            "a0dd94dbbb69a069a4249bc11c0566b1834141959c7e38409460a2dffbf77059");
  EXPECT_EQ(digest_of_two_epochs(Stripes(40, false, 1, 8),
                                 {.batch_size = 9, .shuffle = true, .workers = 3, .dtype = DType::uint8}),
            "6eac0e63b60ea9c6516853a09d352b695782577cd9038e2e757aeff33aeaa1f2");
}

TEST(LoaderBits, OfDeepPicturesAndSeveralLabels) {
  EXPECT_EQ(digest_of_two_epochs(Stripes(45, true, 1, 16),
                                 {.batch_size = 8, .shuffle = true, .workers = 1, .seed = 3}),
            "a889370ce95ecdd639d80036d692c8c104e3b58cdfeed4b2bb74417526861a7b");
  EXPECT_EQ(digest_of_two_epochs(Stripes(45, true, 3, 16),
                                 {.batch_size = 45, .shuffle = true, .workers = 4, .dtype = DType::fp16}),
            "14abdd3182fa873a3d4b5c3e6893dae643b6bfa0deaa9fb610f663be39ab5537");
}

TEST(LoaderBits, OfReplacedSamples) {
  EXPECT_EQ(digest_of_two_epochs(Stripes(310, false, 1, 8, {0, 11, 302}), {.batch_size = 32,
                                                                           .shuffle = true,
                                                                           .workers = 2,
                                                                           .epochs = 2,
                                                                           .seed = 5,
                                                                           .bad_samples = BadSamples::skip}),
            "44649d9f829b01d9a38197329426760638329082caf2d1fe242b1d7a124a631b");
}
