// TFRecords as a data set: round trips, keys, labels, mistakes, and training order.
#include "data/sets/tfrecord_dataset.h"

#include <gtest/gtest.h>

#include <set>

#include "data/sets/loader.h"
#include "io/atomic_file.h"
#include "io/tfrecord.h"
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

Example labelled_example(std::int64_t label) {
  const auto png = encode_png(pattern(4, 4, 1));
  return {{"image/encoded", Feature::of_bytes({std::string(png.begin(), png.end())})},
          {"image/class/label", Feature::of_ints({label})}};
}
std::string write(const Scratch& dir, const std::vector<Example>& examples) {
  TfRecordWriter writer(dir / "a.tfrecord");
  for (const Example& e : examples) writer.append(e);
  writer.close();
  return dir / "a.tfrecord";
}

TEST(TfRecordDataset, LabelsOfAllKinds) {
  const Scratch dir;
  auto set = open_dataset(write(dir, {labelled_example(10), labelled_example(9), labelled_example(9)}));
  EXPECT_EQ(set->classes(), (std::vector<std::string>{"9", "10"}));
  EXPECT_EQ(set->info(2).name, "a.tfrecord:2");
  Example none = labelled_example(0), two = labelled_example(3), text = labelled_example(1);
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
  const auto says = [&](const std::vector<Example>& examples, const std::string& text,
                        const DatasetOptions& options = {}) {
    const std::string path = write(dir, examples);
    expect_says<DataError>(
        dir, [&] { open_dataset(path, options)->read(0); }, text);
  };
  Example e = labelled_example(1);
  e["image/class/label"] = Feature::of_floats({1});
  says({e},
       "dataset: DIR/a.tfrecord: record 0 at byte 0: feature 'image/class/label' is float, labels are int64 "
       "or bytes");
  DatasetOptions options;
  options.label_key = "label";
  says({labelled_example(1)},
       "dataset: DIR/a.tfrecord: record 0 at byte 0 has no feature 'label'; give --label-key, it has "
       "image/class/label, image/encoded",
       options);
  options = {};
  options.image_key = "image";
  says({labelled_example(1)},
       "dataset: DIR/a.tfrecord: record 0 at byte 0 has no feature 'image'; give --image-key, it has "
       "image/class/label, image/encoded",
       options);
  e = labelled_example(1);
  e["image/encoded"] = Feature::of_ints({1, 2});
  says({e},
       "dataset: DIR/a.tfrecord: record 0 at byte 0: feature 'image/encoded' is int64 x 2, needed is the "
       "bytes of one image file");
  says({}, "dataset: DIR/a.tfrecord holds no records");
  std::vector<std::string> faults;
  DatasetOptions noting;
  noting.problems = &faults;
  Example unlabelled_example = labelled_example(1);
  unlabelled_example.erase("image/class/label");
  says({unlabelled_example, unlabelled_example},
       "dataset: DIR/a.tfrecord has no usable records: all 2 have faults", noting);
  EXPECT_EQ(faults.size(), 2u);
  dir.write("labels.txt", "0:hand\n");
  says({labelled_example(1)}, "dataset: DIR/a.tfrecord: record 0 at byte 0: label 1 is not in labels.txt");
  dir.write("labels.txt", "0:hand\nchest\n");
  says({labelled_example(0)}, "dataset: DIR/labels.txt:2: not a new class as number:name");
  std::filesystem::remove(dir / "labels.txt");
  options = {};
  options.classes = {"hand", "chest"};
  says({labelled_example(1)},
       "dataset: DIR/a.tfrecord: record 0 at byte 0: label 1 has no name; put labels.txt, number:name a "
       "line, beside the file",
       options);
  e = labelled_example(1);
  e["image/class/label"] = Feature::of_bytes({"foot"});
  says({e}, "dataset: DIR/a.tfrecord: record 0 at byte 0: label 'foot' is not among the 2 classes", options);
  expect_says<DataError>(
      dir, [&] { write_class_names(dir / "l.txt", {"a\nb"}); }, "labels: class 'a\\x0ab' holds a line break");
  dir.write("odd/a/x.png", "nothing");
  expect_says<DataError>(
      dir, [&] { unpack_dataset(dir / "back", *open_dataset(dir / "odd")); },
      "dataset: a/x.png is no image that can be read");
}

TEST(TfRecordDataset, DamageIsFoundWhenTheRecordIsReadAndNamed) {
  const Scratch dir;
  std::string bytes =
      read_file(write(dir, {labelled_example(1), labelled_example(2), labelled_example(3)}), 10000);
  const std::size_t third = bytes.size() / 3;
  bytes[third + third / 2] = static_cast<char>(bytes[third + third / 2] ^ 4);
  const auto set = open_dataset(dir.write("a.tfrecord", bytes));
  ASSERT_EQ(set->size(), 3);
  set->image(0);
  set->image(2);
  expect_says<FormatError>(
      dir, [&] { set->image(1); },
      cat("tfrecord: DIR/a.tfrecord: record 1 at byte ", third, ": its ", third - 16,
          " bytes do not match their checksum; the file is damaged"));
}

TEST(TfRecordDataset, TheLoaderShufflesOverAllShards) {
  const Scratch dir;
  TfRecordWriter writer(dir / "a.tfrecord", 4);
  const std::int64_t count = 64;
  for (std::int64_t i = 0; i < count; ++i) writer.append(labelled_example(i % 3));
  writer.close();
  const auto set = open_dataset(dir.path());
  ASSERT_EQ(set->size(), count);
  const auto orders = [&](int workers) {
    DataLoader loader(*set, Pipeline("grey,normalize:0.5:0.25"),
                      {.batch_size = 16, .shuffle = true, .workers = workers, .seed = 5});
    std::vector<std::vector<std::int64_t>> epochs(3);
    for (auto& order : epochs) {
      for (const Batch& batch : loader) order.insert(order.end(), batch.indices.begin(), batch.indices.end());
    }
    return epochs;
  };
  const auto epochs = orders(0);
  EXPECT_EQ(orders(3), epochs);
  for (std::size_t e = 0; e < epochs.size(); ++e) {
    EXPECT_NE(epochs[e], epochs[(e + 1) % epochs.size()]);
    std::set<std::int64_t> seen(epochs[e].begin(), epochs[e].end()), shards;
    EXPECT_EQ(static_cast<std::int64_t>(seen.size()), count) << "every record once";
    // Sixteen draws out of four shards of sixteen miss one with a chance of three in a hundred; reading shard
    // after shard always does.
    for (std::size_t i = 0; i < 16; ++i) shards.insert(set->info(epochs[e][i]).record >> 32);
    EXPECT_EQ(shards.size(), 4u) << "the first batch has some of every shard";
  }
}

TEST(TfRecordDataset, WithoutLabels) {
  const Scratch dir;
  Example bare = labelled_example(0), named = labelled_example(0), none;
  bare.erase("image/class/label");
  named["image/filename"] = Feature::of_bytes({"x.png"});
  TfRecordWriter writer(dir / "a.tfrecord");
  for (const Example& e : {bare, named, none}) writer.append(e);
  writer.append("no example");
  writer.close();
  EXPECT_THROW(open_dataset(dir / "a.tfrecord"), DataError);
  DatasetOptions options;
  options.classes = {"hand", "chest"};
  options.unlabelled = true;
  const auto set = open_tfrecords(dir / "a.tfrecord", options);
  ASSERT_EQ(set->size(), 4);
  EXPECT_EQ(set->info(0).name, "a.tfrecord:0");
  EXPECT_EQ(set->info(1).name, "x.png");
  EXPECT_EQ(set->classes(), options.classes);
  EXPECT_EQ(set->image(1).width, 4);
  EXPECT_EQ(said<DataError>(dir, [&] { set->read(2); }),
            cat("dataset: DIR/a.tfrecord: record 2 at byte ", TfRecordFile(dir / "a.tfrecord").offset(2),
                " has no feature 'image/encoded'; give --image-key, it has no features at all"));
  EXPECT_EQ(said<FormatError>(dir, [&] { set->read(3); }),
            cat("dataset: DIR/a.tfrecord: record 3 at byte ", TfRecordFile(dir / "a.tfrecord").offset(3),
                " is no tf.Example"));
}

}  // namespace
