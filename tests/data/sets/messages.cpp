// What data sets, containers and made-up sets say about each mistake, word for word; DIR stands for the
// folder of the test.
#include <gtest/gtest.h>

#include <functional>

#include "data/sets/dataset.h"
#include "data/sets/inspect.h"
#include "data/sets/split.h"
#include "data/sets/synth.h"
#include "io/csv.h"
#include "tests/data/messages.h"
#include "tests/data/sets/gzip.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

const std::string grey_png = [] {
  const std::vector<std::uint8_t> bytes = encode_png(pattern(4, 4, 1));
  return std::string(bytes.begin(), bytes.end());
}();

TEST(DataMessages, WhatIsNoDataSet) {
  const Scratch dir;
  dir.write("notes.txt", "no data");
  dir.write("folder/readme.md", "no data either");
  expect_says<DataError>(
      dir, [&] { open_dataset(dir / "none"); }, "dataset: DIR/none does not exist; check the path");
  expect_says<DataError>(
      dir, [&] { open_dataset(dir / "notes.txt"); },
      "dataset: DIR/notes.txt is neither a folder nor a manifest (.csv) nor a TFRecord (.tfrecord)");
  expect_says<DataError>(
      dir, [&] { open_dataset(dir / "folder"); },
      "dataset: DIR/folder holds neither manifest.csv, IDX files, images/ with labels/, nor class folders "
      "with "
      "images");
  expect_says<FileError>(
      dir, [&] { open_class_folders(dir / "none"); },
      "dataset: DIR/none: no such file or directory; check the path; folders above it must exist");
  expect_says<DataError>(
      dir, [&] { open_idx(dir / "folder"); }, "idx: DIR/folder holds no *images-idx3-ubyte file");
}

TEST(DataMessages, Manifests) {
  const Scratch dir;
  dir.write("a.png", grey_png);
  const auto open = [&](const std::string& text, const DatasetOptions& options = {}) {
    const std::string file = dir.write("m.csv", text);
    return [file, options] { open_dataset(file, options); };
  };
  expect_says<DataError>(dir, open("path,labels\n"), "dataset: DIR/m.csv lists no samples");
  expect_says<DataError>(
      dir, open("name,labels,split\ntrain/0,7,val\n"),
      "dataset: DIR/m.csv names samples that have no files of their own; give the set itself, and this file "
      "with --splits");
  expect_says<DataError>(
      dir, open("path,labels\n../../a.png,x\n"),
      "dataset: DIR/m.csv:2: DIR/../../a.png leaves the folder DIR; allow it with --allow-outside");
  expect_says<DataError>(dir, open("path,labels\n,x\n"), "dataset: DIR/m.csv:2: the path is empty");
  expect_says<DataError>(dir, open("path,labels,split\na.png,x,tset\n"),
                         "dataset: DIR/m.csv:2: split 'tset' is not train, val or test");
  DatasetOptions twice;
  twice.classes = {"x", "y", "x"};
  expect_says<DataError>(dir, open("path,labels\na.png,x\n", twice), "dataset: class 'x' is listed twice");
  std::vector<std::string> problems;
  DatasetOptions noting;
  noting.problems = &problems;
  expect_says<DataError>(dir, open("path,labels\na.png,\n", noting), "dataset: DIR has no usable samples");
  EXPECT_EQ(problems, std::vector<std::string>{"dataset: " + (dir / "m.csv") + ":2: a.png has no label"});

  const auto set = open_dataset(dir.write("m.csv", "path,labels,split\na.png,x,train\n"));
  expect_says<DataError>(
      dir, [&] { set->subset(Split::val); },
      "dataset: DIR has no samples for val, only for train; choose one of these (eval --split), or divide "
      "anew with `gadolin data split`");
  expect_says<ValueError>(
      dir, [&] { set->info(1); }, "dataset: sample 1 of 1");
  const std::string shorter = dir.write("shorter.csv", "path,labels\n");
  expect_says<DataError>(
      dir, [&] { write_splits(shorter, *set); },
      "write_splits: DIR/shorter.csv has 0 rows, the set was opened with more; open it again");
  const auto piped = open_class_folders([&] {
    dir.write("folders/b|c/1.png", grey_png);
    return dir / "folders";
  }());
  expect_says<DataError>(
      dir, [&] { write_manifest(dir / "out.csv", *piped); },
      "write_manifest: class 'b|c' holds the separator |");
}

TEST(DataMessages, PairsOfImagesAndLabels) {
  const Scratch dir;
  dir.write("pairs/images/a.png", grey_png);
  dir.write("pairs/labels/a.txt", std::string_view("x\0y", 3));
  expect_says<FormatError>(
      dir, [&] { open_dataset(dir / "pairs"); }, "dataset: DIR/pairs/labels/a.txt is not a text file");
  std::vector<std::string> problems;
  DatasetOptions noting;
  noting.problems = &problems;
  dir.write("empty/images/a.jpg.bak", "x");
  dir.write("empty/labels/b.txt", "x");
  expect_says<DataError>(
      dir, [&] { open_pairs(dir / "empty", noting); },
      "dataset: DIR/empty/images holds no images with labels");
}

// --- IDX ---------------------------------------------------------------------------------------------------

std::string idx(const std::vector<int>& sizes, const std::string& samples) {
  std::string text{'\0', '\0', '\x08', static_cast<char>(sizes.size())};
  for (const int size : sizes) {
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(size >> shift & 255);
  }
  return text + samples;
}

TEST(DataMessages, IdxFiles) {
  const Scratch dir;
  const std::string images = "d/train-images-idx3-ubyte", labels = "d/train-labels-idx1-ubyte";
  const auto opening = [&](const std::string& a, const std::string& b) {
    dir.write(images, a);
    dir.write(labels, b);
    return [&] { open_dataset(dir / "d"); };
  };
  const std::string good = idx({2, 2, 2}, "abcdefgh"), two = idx({2}, {1, 2});
  expect_says<FormatError>(
      dir, opening("nonsense that is long enough", two),
      "idx: DIR/d/train-images-idx3-ubyte is not an IDX file of bytes with 3 dimensions");
  expect_says<FormatError>(
      dir, opening(good, idx({2, 1}, {1, 2})),
      "idx: DIR/d/train-labels-idx1-ubyte is not an IDX file of bytes with 1 dimensions");
  expect_says<FormatError>(
      dir, opening(idx({2, 0, 2}, ""), two),
      "idx: DIR/d/train-images-idx3-ubyte: dimension 1 is 0; sizes are above 0, and 2 GiB in all");
  expect_says<FormatError>(
      dir, opening(idx({60000, 60000, 60000}, ""), two),
      "idx: DIR/d/train-images-idx3-ubyte: dimension 1 is 60000; sizes are above 0, and 2 GiB in all");
  expect_says<FormatError>(dir, opening(good.substr(0, 20), two),
                           "idx: DIR/d/train-images-idx3-ubyte has 4 bytes of samples, its header says 8");
  expect_says<DataError>(dir, opening(good, idx({1}, {1})),
                         "idx: DIR/d/train-images-idx3-ubyte has 2 images, its labels are 1");
  expect_says<FormatError>(
      dir, opening(idx({1, 1, 20000}, std::string(20000, 'x')), idx({1}, {1})),
      "idx: DIR/d/train-images-idx3-ubyte: images of 20000 x 1, at most 16384 x 16384 are read");
  const std::string packed = gzip(good);
  EXPECT_EQ((opening(packed, gzip(two))(), open_dataset(dir / "d")->size()), 2);
  expect_says<FormatError>(
      dir, opening(packed.substr(0, 24), two),
      "idx: DIR/d/train-images-idx3-ubyte is damaged, at byte 24 of 24: the file was cut short");
  std::string wrong = packed;
  wrong[wrong.size() - 5] ^= 1;
  EXPECT_NE(said<FormatError>(dir, opening(wrong, two))
                .find("idx: DIR/d/train-images-idx3-ubyte is damaged, at byte "),
            std::string::npos);
  // A kilobyte that unpacks to 8 MB is read no further than its header says.
  expect_says<FormatError>(
      dir, opening(gzip(idx({2, 2, 2}, std::string(8 << 20, 'x'))), two),
      "idx: DIR/d/train-images-idx3-ubyte unpacks to more than the 24 bytes that its header promises");
  opening(good, two);
  const auto set = open_dataset(dir / "d");
  expect_says<DataError>(
      dir, [&] { write_manifest(dir / "m.csv", *set); }, "write_manifest: train/0 has no file of its own");
}

TEST(DataMessages, SplitsOfATable) {
  const Scratch dir;
  dir.write("d/train-images-idx3-ubyte", idx({3, 1, 1}, "abc"));
  dir.write("d/train-labels-idx1-ubyte", idx({3}, {1, 2, 1}));
  const auto set = open_dataset(dir / "d");
  read_splits(dir.write("s.csv", "name,labels,split\ntrain/2,1,val\ntrain/0,1,test\n"), *set);
  EXPECT_EQ(set->info(0).split, Split::test);
  EXPECT_EQ(set->info(1).split, Split::none) << "what is not listed has no split";
  EXPECT_EQ(set->info(2).split, Split::val);
  expect_says<DataError>(
      dir, [&] { read_splits(dir.write("s.csv", "name,split\ntrain/0,val\ntrain/3,val\n"), *set); },
      "splits: DIR/s.csv:3: train/3 is not in DIR/d; are they the splits of other data?");
  expect_says<DataError>(
      dir, [&] { read_splits(dir.write("s.csv", "name,split\ntrain/0,most\n"), *set); },
      "splits: DIR/s.csv:2: split 'most' is not train, val or test");
  EXPECT_EQ(set->info(2).split, Split::val) << "a refused table changes nothing";
  // By path, from the folder of the table.
  dir.write("set/images/a.png", grey_png);
  dir.write("set/images/b.png", grey_png);
  const auto files =
      open_dataset(dir.write("set/manifest.csv", "path,labels\nimages/a.png,x\nimages/b.png,y\n"));
  read_splits(dir.write("run/split.csv", "path,labels,split\n../set/images/b.png,y,train\n" + dir.path() +
                                             "/set/images/a.png,x,val\n"),
              *files);
  EXPECT_EQ(files->info(0).split, Split::val);
  EXPECT_EQ(files->info(1).split, Split::train);
}

TEST(DataMessages, MadeUpSets) {
  const Scratch dir;
  const auto with = [&](const std::function<void(SynthOptions&)>& change) {
    SynthOptions o;
    change(o);
    return [&dir, o] { write_synth(dir / "s", o); };
  };
  expect_says<UsageError>(dir, with([](auto& o) { o.samples = 0; }),
                          "synth: samples = 0 is not in 1..1000000");
  expect_says<UsageError>(dir, with([](auto& o) { o.patients = 2; }), "synth: patients = 2 is not in 3..200");
  expect_says<UsageError>(dir, with([](auto& o) { o.classes = 7; }), "synth: classes = 7 is not in 1..6");
  expect_says<UsageError>(dir, with([](auto& o) { o.size = 7; }), "synth: size = 7 is not in 8..4096");
  EXPECT_FALSE(std::filesystem::exists(dir / "s")) << "a mistake left a folder";
  dir.write("file", "x");
  expect_says<FileError>(
      dir, [&] { write_synth(dir / "file", {}); },
      "synth: DIR/file/images: not a directory; a part of the path is a file, not a folder");
}

TEST(DataMessages, Inspection) {
  const Scratch dir;
  dir.write("a.png", grey_png);
  const auto set = open_dataset(dir.write("m.csv", "path,labels\na.png,x\n"));
  expect_says<UsageError>(
      dir, [&] { inspect_samples(*set, 2000); }, "inspect: threads = 2000 is not in 0..1024");
  expect_says<ValueError>(
      dir, [&] { dataset_stats(*set, {}); }, "dataset_stats: facts of 0 samples for a set of 1");
  expect_says<ValueError>(
      dir, [&] { check_dataset(*set, {}); }, "check_dataset: facts of 0 samples for a set of 1");
}

}  // namespace
