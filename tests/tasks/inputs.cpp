// Files that a user names: lists, folders, names for what is made of them.
#include "tasks/inputs.h"

#include <gtest/gtest.h>

#include "data/image/image.h"
#include "io/text.h"
#include "tests/data/scratch.h"

namespace gadolin {
namespace {

using Names = std::vector<std::string>;

TEST(Inputs, WhatIsMadeOfFilesHasNamesApart) {
  EXPECT_EQ(distinct_stems({"a/film.dcm", "b/other.png"}), (Names{"film", "other"}));
  EXPECT_EQ(distinct_stems({"set/cat/1.png", "set/dog/1.png"}), (Names{"cat_1", "dog_1"}));
  EXPECT_EQ(distinct_stems({"x/cat/1.png", "y/cat/1.png", "y/cat/2.png"}),
            (Names{"x_cat_1", "y_cat_1", "2"}));
  EXPECT_EQ(distinct_stems({"cat/1.png", "1.png"}), (Names{"cat_1", "1"}));
  EXPECT_EQ(distinct_stems({"cat/1.png", "cat/1.jpg", "dog/1.png"}), (Names{"cat_1", "cat_1-2", "dog_1"}));
  EXPECT_EQ(distinct_stems({"1.png", "1.png", "1-2.png"}), (Names{"1", "1-2", "1-2-2"}));
  EXPECT_EQ(distinct_stems({"/1.png", "a/../b/1.png", "./b/1.png"}), (Names{"1", "b_1", "b_1-2"}));
  EXPECT_EQ(distinct_stems({"a/cat_1.png", "cat/1.png", "dog/1.png"}), (Names{"a_cat_1", "cat_1", "dog_1"}));
}

TEST(Inputs, FoldersOfClassesAreLookedInto) {
  const test::Scratch dir;
  for (const char* name : {"set/cat/1.png", "set/dog/1.png", "set/.hidden/1.png", "set/cat/.2.png"})
    dir.write(name, encode_png(test::pattern(4, 4, 1)));
  dir.write("set/dog/notes.doc", "no picture");
  EXPECT_EQ(expand_files({dir / "set"}), Names());
  EXPECT_EQ(expand_files({dir / "set"}, true), (Names{dir / "set/cat/1.png", dir / "set/dog/1.png"}));
  EXPECT_EQ(expand_files({dir / "set/cat"}, true), Names{dir / "set/cat/1.png"});
  // A loose picture beside the folders hides none of them.
  dir.write("set/loose.png", "");
  dir.write("set/.hidden/3.png", "");
  EXPECT_EQ(expand_files({dir / "set"}), Names{dir / "set/loose.png"});
  EXPECT_EQ(expand_files({dir / "set"}, true),
            (Names{dir / "set/cat/1.png", dir / "set/dog/1.png", dir / "set/loose.png"}));
}

TEST(Inputs, EndingsMayHaveCapitals) {
  const test::Scratch dir;
  EXPECT_EQ(expand_files({dir.write("FILMS.TXT", "a.png\nb.png\n")}), (Names{"a.png", "b.png"}));
  EXPECT_TRUE(means_tfrecords("data/TRAIN.TFRECORD"));
  EXPECT_TRUE(means_tfrecords("data/train.tfrecord.GZ"));
  EXPECT_FALSE(means_tfrecords("data/train.png"));
  EXPECT_TRUE(has_ending("a.Csv", ".csv"));
  EXPECT_FALSE(has_ending("csv", ".csv"));
  EXPECT_FALSE(has_ending("a.csvx", ".csv"));
}

// Files, and how often they were read.
class CountedSet : public Dataset {
 public:
  explicit CountedSet(std::vector<std::string> files) : Dataset({"a", "b"}, false, {}, "") {
    for (const std::string& file : files) {
      SampleInfo info;
      info.name = info.path = file;
      info.labels = {1};
      samples_->push_back(info);
    }
  }
  StoredImage read(std::int64_t i) const override {
    ++*reads;
    return Dataset::read(i);
  }
  std::shared_ptr<int> reads = std::make_shared<int>(0);

 protected:
  std::unique_ptr<Dataset> clone() const override { return std::unique_ptr<Dataset>(new CountedSet(*this)); }
};

TEST(Inputs, OneSampleIsReadOnceAndIsWhatALoaderGives) {
  const test::Scratch dir;
  Image deep(11, 9, 1, 16);
  for (std::size_t k = 0; k < deep.numel(); ++k)
    deep.data<std::uint16_t>()[k] = static_cast<std::uint16_t>(k * 601);
  const CountedSet set({dir.write("eight.png", encode_png(test::pattern(12, 10, 3))),
                        dir.write("sixteen.png", encode_png(deep))});
  for (const char* steps :
       {"grey,resize:8x8,normalize:0.5:0.25", "grey,center-crop:6,hflip", "rgb,resize:7x5"}) {
    const Pipeline pipeline(steps);
    for (std::int64_t i = 0; i < set.size(); ++i) {
      *set.reads = 0;
      const Batch one = one_sample(set, i, pipeline, cpu);
      EXPECT_EQ(*set.reads, 1) << steps;
      const auto alone = set.subset(std::vector<std::int64_t>{i});
      DataLoader loader(*alone, pipeline, {.batch_size = 1, .workers = 0});
      Batch want;
      ASSERT_TRUE(loader.next(want));
      EXPECT_EQ(one.names(), want.names());
      EXPECT_EQ(one["image"].shape(), want["image"].shape());
      EXPECT_EQ(one["image"].to_vector<float>(), want["image"].to_vector<float>()) << steps << " " << i;
      EXPECT_EQ(one["label"].to_vector<std::int64_t>(), want["label"].to_vector<std::int64_t>());
    }
  }
}

}  // namespace
}  // namespace gadolin
