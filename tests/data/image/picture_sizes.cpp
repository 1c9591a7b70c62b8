// Sizes of pictures behind a pipeline: step fit, and what is said before a picture is read.
#include <gtest/gtest.h>

#include "data/image/transforms.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

// As torchvision's detectors and Keras RetinaNet resize.
TEST(Pipeline, FitKeepsTheShapeWithinTwoSides) {
  const Pipeline pipeline("fit:80:133");
  EXPECT_EQ(pipeline.text(), "fit:80:133");
  EXPECT_EQ(Pipeline("fit:80:133:bicubic").text(), "fit:80:133:bicubic");
  EXPECT_FALSE(pipeline.output_size());
  const std::pair<int, int> cases[][2] = {{{200, 100}, {133, 66}},  // the longer side decides
                                          {{100, 200}, {66, 133}}, {{100, 100}, {80, 80}},
                                          {{60, 90}, {80, 120}},   {{133, 80}, {133, 80}},
                                          {{4000, 1}, {133, 1}}};
  for (const auto& [from, to] : cases) {
    EXPECT_EQ(pipeline.size_of(from.first, from.second), to);
    const Image image = pipeline.apply(Image(from.first, from.second, 1), {});
    EXPECT_EQ((std::pair{image.width, image.height}), to);
  }
}

// What is said before a picture is read holds behind the steps.
TEST(Pipeline, SizesAreKnownBeforehand) {
  for (const char* text :
       {"grey", "resize:30", "resize:40x20", "fit:50:70", "central-fraction:0.6", "center-crop:20",
        "random-crop:24:3", "random-resized-crop:32", "hflip:1,rotate:20,resize:64,gamma:1:2",
        "central-fraction:0.9,fit:30:40,vflip", "affine:5:0.1"}) {
    const Pipeline pipeline(text);
    for (const auto& [width, height] : {std::pair{90, 61}, {61, 90}, {33, 33}}) {
      const Image image = pipeline.apply(Image(width, height, 1), {7, 1, 2});
      EXPECT_EQ(pipeline.size_of(width, height), (std::pair{image.width, image.height})) << text;
    }
  }
  EXPECT_EQ(Pipeline("random-resize:20:40").size_of(100, 50), (std::pair{80, 40}));  // the largest
}

TEST(Pipeline, FitRefusesSidesInTheWrongOrder) {
  EXPECT_EQ(test::message_of<UsageError>([] { Pipeline("fit:9:8"); }),
            "transform: 'fit:9:8': the shorter side comes first; write fit:S:LONGEST[:bilinear|bicubic]");
  EXPECT_EQ(test::message_of<ValueError>([] { Fit(9, 8); }), "fit: the shorter side comes first");
}

}  // namespace
}  // namespace gadolin
