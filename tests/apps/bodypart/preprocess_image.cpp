// gadolin bodypart preprocess-image: where pictures go, what is reported, and every mistake.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/bodypart/preprocess/preprocess.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;
namespace fs = std::filesystem;

namespace {

class BodypartPreprocess : public testing::Test {
 protected:
  void SetUp() override {
    dir_.write("films/images/a.png", encode_png(pattern(40, 30, 1)));
    dir_.write("films/images/left/a.png", encode_png(pattern(20, 30, 3)));
    dir_.write("films/images/left/b.c.png", encode_png(pattern(20, 30, 1, 16)));
    dir_.write("films/images/notes.txt", "not a picture");
  }
  Outcome call(const std::vector<std::string>& more, bool with_folder = true) {
    std::vector<std::string> args{"bodypart", "preprocess-image", "--device", "cpu"};
    if (with_folder) args.insert(args.end(), {"-d", dir_ / "films/images"});
    args.insert(args.end(), more.begin(), more.end());
    return run_here(args);
  }
  void expect_refused(const std::vector<std::string>& more, int code, const std::string& want) {
    const Outcome run = call(more);
    EXPECT_EQ(last_line(run, dir_.path()), want);
    EXPECT_EQ(run.code, code) << want;
    EXPECT_FALSE(fs::exists(dir_ / "films/preprocessed_images_bit")) << want;
    EXPECT_EQ(leftovers(dir_.path()), std::vector<std::string>()) << want;
  }
  Scratch dir_;
};

TEST_F(BodypartPreprocess, EachMethodHasItsFolderAndKeepsSubfolders) {
  for (const PreprocessMethod& m : preprocess_methods()) {
    const Outcome run = call({"-p", m.name, "--json", "--seed", "5"});
    ASSERT_EQ(run.code, 0) << run.err;
    for (const char* name : {"a.png", "left/a.png", "left/b.c.png"}) {
      const Image from = read_image(dir_ / cat("films/images/", name), {.reduce_to_8bit = true});
      EXPECT_EQ(read_image(dir_ / cat("films/", m.folder, "/", name)),
                preprocess(from, {m.kind, 4, 5, Emit::mask}))
          << m.name << " " << name;
    }
    std::istringstream lines(run.out);
    nlohmann::json event;
    int pictures = 0;
    for (std::string line; std::getline(lines, line);) {
      event = nlohmann::json::parse(line);
      if (event.at("event") == "picture") ++pictures;
    }
    EXPECT_EQ(pictures, 3);
    const auto& metrics = event.at("metrics");
    EXPECT_EQ(metrics.at("value"), 4);
    EXPECT_EQ(metrics.at("written"), 3);
    std::uintmax_t in = 0, out = 0;
    for (const char* name : {"a.png", "left/a.png", "left/b.c.png"}) {
      in += fs::file_size(dir_ / cat("films/images/", name));
      out += fs::file_size(dir_ / cat("films/", m.folder, "/", name));
    }
    EXPECT_EQ(metrics.at("bytes_in"), in);
    EXPECT_EQ(metrics.at("bytes_out"), out);
    const int most = metrics.at("most_levels");
    EXPECT_LE(most, m.kind == PreprocessKind::bitwise_downsampling  ? 16
                    : m.kind == PreprocessKind::target_segmentation ? 2
                                                                    : 256)
        << m.name;
  }
  EXPECT_EQ(leftovers(dir_.path()), std::vector<std::string>());
}

TEST_F(BodypartPreprocess, ValuesAreClampedAndSaid) {
  const Outcome run = call({"-p", "bitwise_downsampling", "-v", "99", "--out", dir_ / "here"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.err.find("--value 99 is outside 1 to 8 of bitwise_downsampling: 8 is used"),
            std::string::npos)
      << run.err;
  EXPECT_EQ(read_image(dir_ / "here/a.png"), read_image(dir_ / "films/images/a.png"));
  EXPECT_NE(run.out.find("3 pictures by bitwise_downsampling 8 in "), std::string::npos) << run.out;
  EXPECT_NE(run.out.find(" levels used, "), std::string::npos) << run.out;
  EXPECT_NE(call({"-p", "color_quantization", "-v", "-3", "--out", dir_ / "two"})
                .err.find("-3 is outside 2 to 10 of color_quantization: 2 is used"),
            std::string::npos);
}

TEST_F(BodypartPreprocess, JpegAndMaskedPictures) {
  ASSERT_EQ(call({"-p", "target_segmentation", "--emit", "masked", "--format", "jpg"}).code, 0);
  EXPECT_EQ(read_image(dir_ / "films/preprocessed_images_seg/left/a.jpg").channels, 3);
  ASSERT_EQ(call({"-p", "target_segmentation", "--emit", "masked", "--out", dir_ / "masked"}).code, 0);
  EXPECT_EQ(read_image(dir_ / "masked/left/a.png"),
            preprocess(read_image(dir_ / "films/images/left/a.png"),
                       {PreprocessKind::target_segmentation, 4, 0, Emit::masked}));
}

TEST_F(BodypartPreprocess, Mistakes) {
  expect_refused({"-p", "blur"}, 2,
                 "preprocess: method 'blur' is unknown; use bitwise_downsampling, contrast_enhancing, "
                 "color_quantization or target_segmentation [GD-USAGE-001]");
  const std::vector<std::string> bits{"-p", "bitwise_downsampling"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), bits.begin(), bits.end());
    return more;
  };
  expect_refused(with({"--format", "gif"}), 2,
                 "preprocess-image: --format gif is unknown; use png or jpg [GD-USAGE-001]");
  expect_refused(with({"--emit", "both"}), 2,
                 "preprocess-image: --emit both is unknown; use mask or masked [GD-USAGE-001]");
  expect_refused(
      with({"--emit", "masked"}), 2,
      "preprocess-image: --emit masked is for target_segmentation, not bitwise_downsampling [GD-USAGE-001]");
  expect_refused(with({"--out", dir_ / "films/images/left"}), 2,
                 "preprocess-image: --out DIR/films/images/left is in the folder of the pictures, "
                 "DIR/films/images; choose one beside it [GD-USAGE-001]");
  const Outcome gone = call({"-d", dir_ / "gone", "-p", "bitwise_downsampling"}, false);
  EXPECT_EQ(last_line(gone, dir_.path()), "preprocess-image: DIR/gone is not a folder [GD-USAGE-001]");
  EXPECT_EQ(gone.code, 2);
  fs::create_directories(dir_ / "bare/images");
  EXPECT_EQ(last_line(call({"-d", dir_ / "bare/images", "-p", "bitwise_downsampling"}, false), dir_.path()),
            "preprocess-image: DIR/bare/images holds no pictures; put JPEG, PNG, BMP, PNM or DICOM files "
            "there [GD-DATA-001]");
  dir_.write("films/images/a.jpg", encode_jpeg(pattern(9, 9, 1)));
  expect_refused(bits, 3,
                 "preprocess-image: DIR/films/images/a.jpg and DIR/films/images/a.png would both become "
                 "a.png; rename one [GD-DATA-001]");
}

TEST_F(BodypartPreprocess, DamagedPicturesAreCountedAndTheOthersWritten) {
  dir_.write("films/images/bad.png", "nothing");
  const Outcome run = call({"-p", "contrast_enhancing"});
  EXPECT_EQ(run.code, 3);
  EXPECT_EQ(last_line(run, dir_.path()),
            "preprocess-image: 1 pictures could not be read (decode: DIR/films/images/bad.png is not a JPEG, "
            "PNG, BMP, PNM or DICOM file) [GD-DATA-001]");
  EXPECT_TRUE(fs::exists(dir_ / "films/preprocessed_images_contrast/left/a.png"));
  EXPECT_FALSE(fs::exists(dir_ / "films/preprocessed_images_contrast/bad.png"));
}

}  // namespace
