// The pictures and tables that train and extract-features read: what is held against what, and the order.
#include "apps/hemorrhage/slices.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "apps/hemorrhage/learn.h"
#include "apps/hemorrhage/legacy.h"
#include "tests/apps/hemorrhage/toy_head_cts.h"
#include "tests/apps/program.h"

namespace gadolin::test {
namespace {

namespace fs = std::filesystem;

TEST(HemorrhageSlices, EveryTableIsHeldAgainstThePictures) {
  const Scratch dir;
  write_toy_head_cts(dir, "ct", {4, 1, 16});
  const auto says = [&](const std::string& want) {
    std::string text = message_of<DataError>([&] { hemorrhage::open_slices(dir / "ct", "train"); });
    for (std::size_t at; (at = text.find(dir.path())) != std::string::npos;)
      text.replace(at, dir.path().size(), "DIR");
    EXPECT_EQ(text, want);
  };
  const auto slices = hemorrhage::open_slices(dir / "ct", "train");
  EXPECT_EQ(slices.set->size(), std::ssize(slices.keys));
  EXPECT_TRUE(slices.labelled);
  EXPECT_EQ(slices.set->image(0).width, 16);
  const std::string metadata = contents_of(dir / "ct/train_metadata.csv"),
                    labels = contents_of(dir / "ct/reshaped_stage_2_train.csv"), id = slices.set->name(0),
                    last = metadata.substr(metadata.rfind('\n', metadata.size() - 2));
  const auto without = [&](const std::string& text, const std::string& image) {
    const std::size_t at = text.find(image), end = text.find('\n', at);
    return text.substr(0, at) + text.substr(end + 1);
  };
  dir.write("ct/train_metadata.csv", without(metadata, id));
  says("hemorrhage: the picture " + id +
       " is not in DIR/ct/train_metadata.csv; make that again with hemorrhage create-metadata");
  dir.write("ct/train_metadata.csv",
            metadata + metadata.substr(metadata.find("\n") + 1, 200)
                           .substr(0, metadata.substr(metadata.find("\n") + 1).find('\n') + 1));
  const std::string first = metadata.substr(metadata.find('\n') + 1, 9);
  says("hemorrhage: DIR/ct/train_metadata.csv:" +
       cat(std::count(metadata.begin(), metadata.end(), '\n') + 1) + ": image " + first + " is listed twice");
  const char* const head =
      "SOPInstanceUID,PatientID,StudyInstanceUID,SeriesInstanceUID,ImagePositionPatient\n";
  dir.write("ct/train_metadata.csv", std::string(head) + "ID_1,p,s,t,nowhere\n");
  says(
      "hemorrhage: DIR/ct/train_metadata.csv:2: ImagePositionPatient is 'nowhere', not the coordinates of a "
      "slice");
  dir.write("ct/train_metadata.csv", std::string(head) + ",p,s,t,3\n");
  says("hemorrhage: DIR/ct/train_metadata.csv:2: the image has no name");
  dir.write("ct/train_metadata.csv", metadata);
  dir.write("ct/reshaped_stage_2_train.csv", without(labels, id));
  says("hemorrhage: the picture " + id +
       " has no labels in DIR/ct/reshaped_stage_2_train.csv; make that again with hemorrhage process-labels");
  dir.write("ct/reshaped_stage_2_train.csv", labels);
  fs::copy_file(dir / ("ct/stage_2_train/" + id + ".png"), dir / ("ct/stage_2_train/" + id + ".x.png"));
  says("hemorrhage: DIR/ct has two pictures of " + id + "; remove one, or extract into an empty folder");
  const std::string line = labels.substr(labels.find('\n') + 1, 30).substr(0, 9);
  dir.write("ct/reshaped_stage_2_train.csv", labels + line + ",0,0,0,0,0,0\n");
  const std::string line_number = cat(std::count(labels.begin(), labels.end(), '\n') + 1);
  says("labels: DIR/ct/reshaped_stage_2_train.csv:" + line_number + ": image " + line + " is listed twice");
  dir.write("ct/reshaped_stage_2_train.csv", labels);
  fs::remove_all(dir / "ct/stage_2_train");
  says(
      "hemorrhage: DIR/ct has neither TFRecords in train/ nor pictures in stage_2_train/; make them with "
      "hemorrhage img-extract and create-tf-records");
  fs::create_directories(dir / "ct/stage_2_train");
  says("hemorrhage: DIR/ct/stage_2_train holds no .jpg or .png; make them with hemorrhage img-extract");
}

// A gantry tilted by 15 degrees: z alone is not the place along the normal (complaints G7).
TEST(HemorrhageSlices, PlacesAreProjectionsOnTheNormal) {
  const Scratch dir;
  const std::string path =
      dir.write("m.csv",
                "SOPInstanceUID,PatientID,StudyInstanceUID,SeriesInstanceUID,ImagePositionPatient,"
                "ImageOrientationPatient\n"
                "a,p,s,t,1\\2\\3,1\\0\\0\\0\\0.9659258262890683\\-0.25881904510252074\n"
                "b,p,s,t,7.5,\n"
                "c,p,s,t,\"[1, 2, 3]\",\"['1', '0', '0', '0', '1', '0']\"\n");
  const auto keys = hemorrhage::read_slice_table(path).keys;
  EXPECT_NEAR(keys.at("a").position, 2 * 0.25881904510252074 + 3 * 0.9659258262890683, 1e-12);
  EXPECT_EQ(keys.at("b").position, 7.5);
  EXPECT_EQ(keys.at("c").position, 3);
  EXPECT_EQ(hemorrhage::image_id("a/b/ID_1.jpg"), "ID_1");
  EXPECT_EQ(hemorrhage::loss_kind("masked_bin_loss"), "bin");
  EXPECT_EQ(hemorrhage::loss_kind("l2"), "l2");
}

// As create-metadata writes it: by the name of the file, a series that was scanned twice is two, a copy is
// left out, and so is what has no place.
TEST(HemorrhageSlices, PassesCopiesAndImagesWithoutAPlace) {
  const Scratch dir;
  write_toy_head_cts(dir, "ct", {2, 1, 16});
  const auto before = hemorrhage::open_slices(dir / "ct", "train");
  ASSERT_GT(before.set->size(), 4);
  std::string table =
      "ImgID,SOPInstanceUID,PatientID,StudyInstanceUID,SeriesInstanceUID,ImagePositionPatient,Pass,"
      "SlicePosition,SameAs\n";
  const auto id = [&](std::int64_t i) { return before.set->name(i); };
  table += "ID_unread,,,,,,1,,\n";
  for (std::int64_t i = 0; i < before.set->size(); ++i)
    table += cat(id(i), ",ID_same,p,s,t,", i == 1 ? "" : "1\\2\\9", ",", i % 2 + 1, ",",
                 i == 1 ? "" : cat(100 - i), ",", i == 3 ? id(2) : "", "\n");
  dir.write("ct/train_metadata.csv", table);
  const auto read = hemorrhage::read_slice_table(dir / "ct/train_metadata.csv");
  EXPECT_EQ(read.placeless, (std::vector<std::string>{"ID_unread", id(1)}));
  ASSERT_EQ(read.same_as.size(), 1u);
  EXPECT_EQ(read.same_as.at(id(3)), id(2));
  EXPECT_EQ(read.keys.at(id(0)).series, "t");
  EXPECT_EQ(read.keys.at(id(5)).series, "t pass 2");
  EXPECT_EQ(read.keys.at(id(5)).position, 95);
  auto slices = hemorrhage::open_slices(dir / "ct", "train");
  ASSERT_EQ(slices.set->size(), before.set->size() - 2);
  ASSERT_EQ(slices.notes.size(), 2u);
  EXPECT_EQ(slices.notes[0], "1 pictures are left out: another image has the same bytes");
  EXPECT_EQ(slices.notes[1], "1 pictures are left out: " + (dir / "ct/train_metadata.csv") +
                                 " gives them no series or no position");
  EXPECT_GT(slices.set->name(0), "");
  EXPECT_EQ(slices.keys.front().series, "t");
  EXPECT_EQ(slices.keys.back().series, "t pass 2");
  // As the original: the scans of a patient are one, in the order of their places.
  hemorrhage::join_patients(slices, 4);
  ASSERT_EQ(slices.set->size(), 4);
  EXPECT_EQ(slices.set->name(0), id(before.set->size() - 1));
  EXPECT_EQ(slices.set->name(3), id(0));
  EXPECT_EQ(slices.keys[0].series, "p");
}

// 73 slices of which 60 are kept (apps-spec 8.5).
TEST(HemorrhageSlices, PicksAsTheOriginalDid) {
  const auto picked = hemorrhage::evenly_picked(73, 60);
  ASSERT_EQ(picked.size(), 60u);
  const std::vector<std::int64_t> first{0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 12, 13}, last{68, 69, 70, 72};
  EXPECT_TRUE(std::equal(first.begin(), first.end(), picked.begin()));
  EXPECT_TRUE(std::equal(last.begin(), last.end(), picked.end() - 4));
  EXPECT_EQ(hemorrhage::evenly_picked(3, 60), (std::vector<std::int64_t>{0, 1, 2}));
  EXPECT_EQ(hemorrhage::evenly_picked(9, 1), std::vector<std::int64_t>{0});
}

}  // namespace
}  // namespace gadolin::test
