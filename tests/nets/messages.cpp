// What nets say about options and inputs that do not fit, word for word.
#include <gtest/gtest.h>

#include "layers/init.h"
#include "nets/densenet.h"
#include "nets/inception.h"
#include "nets/registry.h"
#include "nets/vgg.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;

TEST(NetMessages, OptionsThatDoNotExist) {
  EXPECT_EQ(message_of<ValueError>([] { densenet_options(122); }),
            "densenet: depth 122 is not one of 121, 161, 169, 201");
  EXPECT_EQ(message_of<ValueError>([] { VGG(12); }), "vgg: depth 12 is not one of 11, 13, 16, 19");
  EXPECT_EQ(message_of<UsageError>([] {
              make_net("vgg16", {{"dropout", 2.0}});
            }),
            "vgg16: option dropout must be a number from 0 to 1");
  EXPECT_EQ(message_of<UsageError>([] {
              make_net("vgg16", {{"dropout", true}});
            }),
            "vgg16: option dropout must be a number from 0 to 1");
}

TEST(NetMessages, InputsThatDoNotFit) {
  const SkipInitialValues quick;
  InceptionOptions options;
  options.width_divisor = 16;
  InceptionV3 net(options);
  EXPECT_EQ(message_of<ShapeError>([&] {
              net(zeros({1, 3, 200, 299}));
            }),
            "AuxLogits: inception: the auxiliary head needs features of 17 x 17, not 10 x 17; use images of "
            "299 x 299 or aux_logits = false");
  options.transform_input = true;
  options.input_channels = 1;
  InceptionV3 grey(options);
  EXPECT_EQ(message_of<ShapeError>([&] {
              grey(zeros({1, 1, 299, 299}));
            }),
            "transform_input: input [1, 1, 299, 299] has not the three channels of ImageNet's statistics");
}

}  // namespace
}  // namespace gadolin
