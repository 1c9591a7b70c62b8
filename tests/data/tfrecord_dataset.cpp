// TFRecords as a data set: round trips, keys, labels, mistakes, and training order.
#include "data/tfrecord_dataset.h"

#include <gtest/gtest.h>

#include "data/tfrecord.h"
#include "tests/data/messages.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

std::string manifest(const Scratch& dir) {
  std::string text = "path,patient,labels,split\n";
  for (int i = 0; i < 12; ++i) {
    const Image image = pattern(5 + i, 4, i % 2 ? 3 : 1);
    const std::string name = cat("p", i, i == 4 ? ".jpg" : ".png");
    dir.write("in/" + name, i == 4 ? encode_jpeg(image) : encode_png(image));
    text += cat(name, ",q", i / 2, ",", i % 3 ? "chest" : "hand", ",", i < 8 ? "train" : "test", "\n");
  }
  return dir.write("in/manifest.csv", text);
}

TEST(TfRecordDataset, ThereAndBack) {
  const Scratch dir;
  const auto from = open_dataset(manifest(dir));
  std::filesystem::create_directory(dir / "out");
  write_class_names(dir / "out/labels.txt", from->classes());
  EXPECT_EQ(write_tfrecords(dir / "out/train.tfrecord", *from->subset(Split::train), 3).size(), 3u);
  EXPECT_EQ(write_tfrecords(dir / "out/test.tfrecord", *from->subset(Split::test)).size(), 1u);
  const auto read = open_dataset(dir / "out");
  ASSERT_EQ(read->size(), 12);
  EXPECT_EQ(read->classes(), from->classes());
  unpack_dataset(dir / "back", *read);
  const auto back = open_dataset(dir / "back");
  int seen = 0;
  for (std::int64_t i = 0; i < 12; ++i) {
    for (std::int64_t k = 0; k < 12; ++k) {
      if (read->info(i).name != from->info(k).name) continue;
      ++seen;
      EXPECT_EQ(read->info(i).labels, from->info(k).labels);
      EXPECT_EQ(read->info(i).patient, from->info(k).patient);
      EXPECT_EQ(read->info(i).split, from->info(k).split);
      EXPECT_EQ(read->read(i).file, from->read(k).file);
      EXPECT_EQ(back->read(i).file, from->read(k).file);
      EXPECT_EQ(back->info(i).labels, from->info(k).labels);
      EXPECT_EQ(back->info(i).split, from->info(k).split);
    }
  }
  EXPECT_EQ(seen, 12);
  EXPECT_EQ(open_dataset(dir / "out/train*")->size(), 8);
  EXPECT_EQ(open_dataset(dir / "out/test.tfrecord")->image(0), from->subset(Split::test)->image(0));
}

Example picture(std::int64_t label) {
  const auto png = encode_png(pattern(4, 4, 1));
  return {{"image/encoded", Feature::of_bytes({std::string(png.begin(), png.end())})}, {"image/class/label", Feature::of_ints({label})}};
}
std::string write(const Scratch& dir, const std::vector<Example>& examples) {
  TfRecordWriter writer(dir / "a.tfrecord");
  for (const Example& e : examples) writer.append(e);
  writer.close();
  return dir / "a.tfrecord";
}

TEST(TfRecordDataset, LabelsOfAllKinds) {
  const Scratch dir;
  auto set = open_dataset(write(dir, {picture(10), picture(9), picture(9)}));
  EXPECT_EQ(set->classes(), (std::vector<std::string>{"9", "10"}));
  EXPECT_EQ(set->info(2).name, "a.tfrecord:2");
  Example none = picture(0), two = picture(3), text = picture(1);
  none["image/class/label"].ints = {};
  two["image/class/label"].ints = {3, 4};
  set = open_dataset(write(dir, {none, two}));
  EXPECT_TRUE(set->multi_label());
  EXPECT_EQ(set->info(1).labels.size(), 2u);
  EXPECT_TRUE(set->info(0).labels.empty());
  text["other"] = Feature::of_bytes({"hand"});
  DatasetOptions options;
  options.label_key = "other";
  EXPECT_EQ(open_dataset(write(dir, {text}), options)->classes(), std::vector<std::string>{"hand"});
}

TEST(TfRecordDataset, WhatMistakesSay) {
  const Scratch dir;
  const auto says = [&](const std::vector<Example>& examples, const std::string& text, const DatasetOptions& options = {}) {
    const std::string path = write(dir, examples);
    expect_says<DataError>(dir, [&] { open_dataset(path, options)->read(0); }, text);
  };
  Example e = picture(1);
  e["image/class/label"] = Feature::of_floats({1});
  says({e}, "dataset: DIR/a.tfrecord: record 0 at byte 0: feature 'image/class/label' is float, labels are int64 or bytes");
  DatasetOptions options;
  options.label_key = "label";
  says({picture(1)}, "dataset: DIR/a.tfrecord: record 0 at byte 0 has no feature 'label'; give --label-key, it has image/class/label, image/encoded", options);
  options = {};
  options.image_key = "image";
  says({picture(1)}, "dataset: DIR/a.tfrecord: record 0 at byte 0 has no feature 'image'; give --image-key, it has image/class/label, image/encoded", options);
  e = picture(1);
  e["image/encoded"] = Feature::of_ints({1, 2});
  says({e}, "dataset: DIR/a.tfrecord: record 0 at byte 0: feature 'image/encoded' is int64 x 2, needed is the bytes of one image file");
  says({}, "dataset: DIR/a.tfrecord holds no records");
  dir.write("labels.txt", "0:hand\n");
  says({picture(1)}, "dataset: DIR/a.tfrecord: record 0 at byte 0: label 1 is not in labels.txt");
  dir.write("labels.txt", "0:hand\nchest\n");
  says({picture(0)}, "dataset: DIR/labels.txt:2: not a new class as number:name");
}

}  // namespace
