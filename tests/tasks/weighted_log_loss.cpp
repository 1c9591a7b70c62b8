// The weighted log loss against the worked example of its specification, and at its edges.
#include "tasks/weighted_log_loss.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tensor/check.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;

const std::vector<std::string> hemorrhages{"epidural",     "intraparenchymal", "intraventricular",
                                           "subarachnoid", "subdural",         "any"};
const std::vector<double> ones_and_two{1, 1, 1, 1, 1, 2};

TEST(WeightedLogLoss, TheWorkedExample) {
  const std::vector<double> p{.01, .02, .7, .05, .1, .8};
  const std::vector<std::uint8_t> y{0, 0, 1, 0, 0, 1};
  EXPECT_EQ(usual_label_weights(hemorrhages), ones_and_two);
  const double terms[] = {.010050, .020203, .356675, .051293, .105361, .223144};
  for (std::size_t k = 0; k < 6; ++k) {
    std::vector<double> only(6, 0.0);
    only[k] = 1;
    EXPECT_NEAR(weighted_log_loss(p, y, only), terms[k], 5e-7) << hemorrhages[k];
  }
  EXPECT_NEAR(6 * weighted_log_loss(p, y, std::vector<double>(6, 1.0)), 0.766725, 5e-7);
  EXPECT_NEAR(7 * weighted_log_loss(p, y, ones_and_two), 0.989869, 5e-7);
  EXPECT_NEAR(weighted_log_loss(p, y, ones_and_two), 0.141410, 5e-7);
}

TEST(WeightedLogLoss, ClipsAndLeavesOutWhatIsNotKnown) {
  const std::vector<double> wrong{1, 0}, w{1, 2};
  const std::vector<std::uint8_t> y{0, 1};
  EXPECT_NEAR(weighted_log_loss(wrong, y, w), -std::log(1e-15), 1e-9);
  EXPECT_NEAR(weighted_log_loss(std::vector<double>{0, 1}, y, w), -std::log1p(-1e-15), 1e-18);
  // The second sample is unknown in one label, the third in both.
  const std::vector<double> p{.5, .5, .5, .25, .1, .1};
  const std::vector<std::uint8_t> some{0, 1, unknown_label, 1, unknown_label, unknown_label};
  const auto each = weighted_log_losses(p, some, w);
  ASSERT_EQ(each.size(), 3u);
  EXPECT_NEAR(each[0], std::log(2), 1e-12);
  EXPECT_NEAR(each[1], std::log(4), 1e-12);
  EXPECT_TRUE(std::isnan(each[2]));
  EXPECT_NEAR(weighted_log_loss(p, some, w), std::log(8) / 2, 1e-12);
  const std::vector<double> drawn{3, 1, 7};
  EXPECT_NEAR(weighted_log_loss(p, some, w, drawn), (3 * std::log(2) + std::log(4)) / 4, 1e-12);
  EXPECT_TRUE(std::isnan(mean_of_known({})));
}

TEST(WeightedLogLoss, Messages) {
  const std::vector<std::uint8_t> y{0, 1};
  const std::vector<double> p{.5, .5}, nan{.5, NAN}, above{.5, 1.5};
  EXPECT_EQ(message_of<ShapeError>([&] {
              weighted_log_loss(p, y, std::vector<double>{1, 1, 1});
            }),
            "weighted_log_loss: 2 probabilities and 2 labels of 3 weights; there must be a row of weights' "
            "length a sample");
  EXPECT_EQ(message_of<ValueError>([&] {
              weighted_log_loss(p, y, std::vector<double>{1, NAN});
            }),
            "weighted_log_loss: the weight nan of a label is no finite number from 0 on");
  EXPECT_EQ(message_of<ValueError>([&] {
              weighted_log_loss(p, y, std::vector<double>{0, 0});
            }),
            "weighted_log_loss: the weights of all labels are 0");
  EXPECT_EQ(message_of<NumericError>([&] {
              weighted_log_loss(nan, y, std::vector<double>{1, 1});
            }),
            "weighted_log_loss: the probability of label 1 of sample 0 is nan, not one from 0 to 1");
  EXPECT_EQ(message_of<NumericError>([&] {
              weighted_log_loss(above, y, std::vector<double>{1, 1});
            }),
            "weighted_log_loss: the probability of label 1 of sample 0 is 1.5, not one from 0 to 1");
}

}  // namespace
}  // namespace gadolin
