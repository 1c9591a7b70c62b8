// Anchors as ini files of Keras RetinaNet have them.
#include "apps/mammography/anchor_file.h"

#include <gtest/gtest.h>

#include "tests/data/messages.h"

namespace gadolin::test {
namespace {

TEST(MammographyAnchors, FilesOfTheOriginal) {
  const auto options = [](const std::string& text) {
    return mammography::anchor_options_of_text(text, "a.ini");
  };
  EXPECT_EQ(
      options("# small lesions\n[anchor_parameters]\nsizes   = 16 32 64 128 256\nstrides = 8 16 32 64 128\n"
              "ratios  = 0.5 1 2\nscales  = 1 1.2 1.6\n\n[pyramid_levels]\nlevels = 3 4 5 6 7\n"),
      (std::vector<std::string>{"anchor_sizes=16/32/64/128/256", "anchor_strides=8/16/32/64/128",
                                "anchor_ratios=0.5/1/2", "anchor_scales=1/1.2/1.6"}));
  const auto wrong = [&](const std::string& text) { return message_of<UsageError>([&] { options(text); }); };
  EXPECT_EQ(wrong("[anchors]\n"),
            "config: a.ini:1: [anchors] is unknown; use [anchor_parameters] and [pyramid_levels], and give "
            "options of the program as a TOML file in front of the command");
  EXPECT_EQ(wrong("sizes = 1\n"),
            "config: a.ini:1: sizes = 1 is not KEY = NUMBERS in a section; begin with [anchor_parameters]");
  EXPECT_EQ(wrong("[anchor_parameters]\nsize = 1\n"),
            "config: a.ini:2: size is unknown in [anchor_parameters]; use sizes, strides, ratios and scales");
  EXPECT_EQ(wrong("[pyramid_levels]\nsizes = 1\n"),
            "config: a.ini:2: sizes is unknown in [pyramid_levels]; use levels");
  EXPECT_EQ(wrong("[anchor_parameters]\nratios = 1\nratios = 2\n"),
            "config: a.ini:3: ratios was given in line 2 already; leave one out");
  EXPECT_EQ(wrong("[anchor_parameters]\nratios = 1 wide\n"),
            "config: a.ini:2: wide in ratios is no number above 0; write numbers with blanks between them");
  EXPECT_EQ(wrong("[anchor_parameters]\nratios =\n"),
            "config: a.ini:2: ratios is empty; write numbers with blanks between them");
  EXPECT_EQ(wrong("[anchor_parameters]\nsizes = 16 32 64\n"),
            "config: a.ini:2: sizes has 3 numbers, and the net has 5 levels; give one for each");
  EXPECT_EQ(wrong("[pyramid_levels]\nlevels = 2 3 4\n"),
            "config: a.ini:2: levels 2/3/4 are not those of the net; use 3 4 5 6 7");
  EXPECT_EQ(wrong("\n"),
            "config: a.ini has no anchors; write [anchor_parameters] and sizes = 16 32 64 128 256");
}

}  // namespace
}  // namespace gadolin::test
