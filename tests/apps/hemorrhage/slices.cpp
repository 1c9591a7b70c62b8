// The pictures and tables that train and extract-features read: what is held against what, and the order.
#include "apps/hemorrhage/slices.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "apps/hemorrhage/learn.h"
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
  dir.write("ct/train_metadata.csv", std::string(head) + "ID_1,p,s,,3\n");
  says("hemorrhage: DIR/ct/train_metadata.csv:2: SeriesInstanceUID is empty");
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
  const auto keys = hemorrhage::read_slice_keys(path);
  EXPECT_NEAR(keys.at("a").position, 2 * 0.25881904510252074 + 3 * 0.9659258262890683, 1e-12);
  EXPECT_EQ(keys.at("b").position, 7.5);
  EXPECT_EQ(keys.at("c").position, 3);
  EXPECT_EQ(hemorrhage::image_id("a/b/ID_1.jpg"), "ID_1");
  EXPECT_EQ(hemorrhage::loss_kind("masked_bin_loss"), "bin");
  EXPECT_EQ(hemorrhage::loss_kind("l2"), "l2");
}

}  // namespace
}  // namespace gadolin::test
