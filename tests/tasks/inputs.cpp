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

}  // namespace
}  // namespace gadolin
