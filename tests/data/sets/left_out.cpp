// Folders and tables as people really have them: what is no sample is counted and named, what means a split
// or a label is understood however it is written.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "data/sets/dataset.h"
#include "data/sets/inspect.h"
#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

using Texts = std::vector<std::string>;

std::vector<std::uint8_t> tiny_png() { return encode_png(pattern(7, 5, 3)); }
std::vector<std::uint8_t> bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

std::int64_t count_of(const Dataset& set, Split split) {
  return set.has_split(split) ? set.subset(split)->size() : 0;
}

}  // namespace

TEST(LeftOut, FilesThatAreNoSamplesAreCountedByKind) {
  const Scratch root;
  for (const char* name : {"a/0.png", "a/noext", "a/x.jpe", "a/y.jfif", "a/Z.JFIF", "b/0.png"})
    root.write(name, tiny_png());
  for (const char* name : {"a/w.gif", "a/z.webp", "a/y.webp", "b/deep/v.tif", "notes.txt", "b/README"})
    root.write(name, bytes_of("GIF89a, or anything else"));
  const auto set = open_dataset(root.path());
  EXPECT_EQ(set->size(), 6);
  EXPECT_EQ(set->left_out_text(),
            "6 files are left out: 1 .gif (a/w.gif), 1 .tif (b/deep/v.tif), 1 .txt (notes.txt), 2 .webp "
            "(a/y.webp), "
            "1 without an ending (b/README)");
  EXPECT_EQ(set->subset({0})->left_out_text(), set->left_out_text());
  const auto problems = check_dataset(*set, inspect_samples(*set, 1));
  const auto said =
      std::count_if(problems.begin(), problems.end(), [](const Problem& p) { return p.kind == "left-out"; });
  EXPECT_EQ(said, 1);
}

TEST(LeftOut, NothingIsSaidWhereNothingIs) {
  const Scratch root;
  root.write("a/0.png", tiny_png());
  root.write("a/.DS_Store", bytes_of("x"));
  EXPECT_EQ(open_dataset(root.path())->left_out_text(), "");
}

TEST(LeftOut, PairsNameWhatIsNeitherPictureNorLabels) {
  const Scratch root;
  root.write("images/a.png", tiny_png());
  root.write("images/b.gif", bytes_of("GIF89a"));
  root.write("labels/a.txt", bytes_of("cat\n"));
  root.write("labels/a.json", bytes_of("{}"));
  EXPECT_EQ(open_dataset(root.path())->left_out_text(),
            "2 files are left out: 1 .gif (images/b.gif), 1 .json (labels/a.json)");
}

TEST(SplitFolders, AreKnownHoweverTheyAreWritten) {
  for (const auto& [train, val, test] : {std::tuple{"Train", "Val", "Test"},
                                         {"training", "valid", "testing"},
                                         {"TRAIN", "Validation", "Testing"},
                                         {"train", "dev", "test"},
                                         {"train_set", "val-set", "testset"},
                                         {"train ", "Validation data", "test"}}) {
    const Scratch root;
    for (const char* split : {train, val, test}) {
      root.write(std::string(split) + "/a/0.png", tiny_png());
      root.write(std::string(split) + "/b/1.png", tiny_png());
    }
    const auto set = open_dataset(root.path());
    EXPECT_EQ(set->classes(), (Texts{"a", "b"})) << train;
    EXPECT_EQ(count_of(*set, Split::train), 2) << train;
    EXPECT_EQ(count_of(*set, Split::val), 2) << val;
    EXPECT_EQ(count_of(*set, Split::test), 2) << test;
  }
}

TEST(SplitFolders, WhatLiesBesideThemIsNamed) {
  const Scratch root;
  for (const char* name : {"train/a/0.png", "val/a/1.png", "masks/0.png", "masks/deep/1.png", "labels.csv"})
    root.write(name, tiny_png());
  const auto set = open_dataset(root.path());
  EXPECT_EQ(set->classes(), Texts{"a"});
  EXPECT_EQ(set->size(), 2);
  EXPECT_EQ(set->left_out_text(),
            "3 files are left out: 1 .csv (labels.csv), 2 beside the splits (masks/0.png)");
}

TEST(SplitFolders, AreClassesWhenTheyHoldPicturesThemselves) {
  const Scratch root;  // vehicles
  for (const char* name : {"car/0.png", "train/0.png", "test/0.png"}) root.write(name, tiny_png());
  EXPECT_EQ(open_dataset(root.path())->classes(), (Texts{"car", "test", "train"}));
  const Scratch one;  // one name alone beside others says nothing
  for (const char* name : {"car/x/0.png", "train/x/0.png"}) one.write(name, tiny_png());
  EXPECT_EQ(open_dataset(one.path())->classes(), (Texts{"car", "train"}));
}

TEST(TableText, BlanksMarksAndCarriageReturnsMeanNothing) {
  const Scratch root;
  for (const char* name : {"0.png", "1.png", "2.png"}) root.write(name, tiny_png());
  root.write(
      "m.csv",
      bytes_of("\xef\xbb\xbf path ,label, patient,split \r\n0.png, cat ,P1 , train\r\n1.png,cat,P1,train\r\n"
               "2.png,\" cat | dog \", P2,val\r\n"));
  const auto set = open_dataset(root / "m.csv");
  EXPECT_EQ(set->classes(), (Texts{"cat", "dog"}));
  EXPECT_EQ(set->info(0).patient, set->info(1).patient);
  EXPECT_EQ(set->info(2).labels, (std::vector<int>{0, 1}));
  EXPECT_EQ(count_of(*set, Split::train), 2);
}

TEST(TableText, LabelFilesOfEverySystem) {
  const Scratch root;
  for (const char* name : {"images/0.png", "images/1.png", "images/2.png"}) root.write(name, tiny_png());
  root.write("labels/0.txt", bytes_of("\xef\xbb\xbf"
                                      "cat\r\n"));
  root.write("labels/1.txt", bytes_of(" cat\t\r\r"));
  root.write("labels/2.txt", bytes_of("cat"));
  EXPECT_EQ(open_dataset(root.path())->classes(), Texts{"cat"});
}

TEST(TableText, TheRowNumbersOfPandasAreNoMistake) {
  const Scratch root;
  for (const char* name : {"0.png", "1.png"}) root.write(name, tiny_png());
  root.write("m.csv", bytes_of(",path,label\n0,0.png,cat\n1,1.png,dog\n"));
  EXPECT_EQ(open_dataset(root / "m.csv")->classes(), (Texts{"cat", "dog"}));
  root.write("n.csv", bytes_of("path,,label\n0.png,0,cat\n"));
  EXPECT_EQ(message_of<FormatError>([&] { open_dataset(root / "n.csv"); }),
            "csv: " + (root / "n.csv") + ":1: a column has no name");
}

TEST(TableText, ComesThroughPipesOfAnyName) {
  const Scratch root;
  root.write("0.png", tiny_png());
  const std::string pipe = root / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(pipe) << "path,label\n0.png,cat\n"; });
  const auto beside = open_dataset(pipe);
  writer.join();
  EXPECT_EQ(beside->info(0).path, root / "0.png");
  int ends[2];  // what `<(sort table.csv)` and /dev/stdin are
  ASSERT_EQ(::pipe(ends), 0);
  const std::string text = "path,label\n" + (root / "0.png") + ",cat\n";
  ASSERT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  ::close(ends[1]);
  DatasetOptions anywhere;
  anywhere.allow_outside = true;
  const auto set = open_dataset(cat("/dev/fd/", ends[0]), anywhere);
  ::close(ends[0]);
  EXPECT_EQ(set->info(0).path, root / "0.png");
  EXPECT_EQ(set->root(), ".");
}

TEST(TableText, LabelsAreUtf8) {
  const Scratch root;
  root.write("0.png", tiny_png());
  root.write("m.csv", bytes_of("path,label\n0.png,caf\xe9\n"));
  EXPECT_EQ(message_of<DataError>([&] { open_dataset(root / "m.csv"); }),
            "dataset: " + (root / "m.csv") +
                ":2: label 'caf\\xe9' is not text in UTF-8; convert the table, or rename the folder");
  root.write("n.csv", bytes_of("path,label\n0.png,caf\xc3\xa9\n"));
  EXPECT_EQ(open_dataset(root / "n.csv")->classes(), Texts{"caf\xc3\xa9"});
}

TEST(Extensions, ScannersNameTheirFilesAsTheyLike) {
  const Scratch root;
  root.write("a/0.png", tiny_png());
  root.write("a/1", tiny_png());
  root.write("a/2.jpg", tiny_png());  // a PNG
  const auto set = open_dataset(root.path());
  const auto problems = check_dataset(*set, inspect_samples(*set, 1));
  Texts wrong;
  for (const Problem& p : problems)
    if (p.kind == "wrong-extension") wrong.push_back(p.text);
  EXPECT_EQ(wrong, Texts{"a/2.jpg is a PNG file"});
}
