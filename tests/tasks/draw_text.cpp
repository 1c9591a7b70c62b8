// Words on pictures: every letter shows and differs from the others, widths are those that are drawn.
#include "tasks/draw_text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

Image drawn_text(const std::string& text, int dot) {
  Image image(text_width(text, dot) + 2, text_height(dot) + 2, 3);
  draw_text(image, 1, 1, text, {1, 1, 1}, dot);
  return image;
}

TEST(DrawText, EveryLetterIsItsOwn) {
  std::set<std::vector<std::uint8_t>> seen;
  for (char c = '!'; c <= '~'; ++c) {
    const Image image = drawn_text(std::string(1, c), 1);
    EXPECT_TRUE(std::ranges::any_of(image.pixels, [](int v) { return v != 0; })) << c;
    std::vector<std::uint8_t> key{static_cast<std::uint8_t>(image.width)};
    key.insert(key.end(), image.pixels.begin(), image.pixels.end());
    EXPECT_TRUE(seen.insert(key).second) << c;
    // As wide as it says: both outer columns are dotted, nothing stands beside them.
    for (int y = 0; y < image.height; ++y) {
      EXPECT_EQ(image.row<std::uint8_t>(y)[0], 0) << c;
      EXPECT_EQ(image.row<std::uint8_t>(y)[3 * (image.width - 1)], 0) << c;
    }
  }
}

TEST(DrawText, DotsGrow) {
  const Image one = drawn_text("mass 0.93", 1), three = drawn_text("mass 0.93", 3);
  for (int y = 1; y + 1 < one.height; ++y)
    for (int x = 1; x + 1 < one.width; ++x)
      ASSERT_EQ(three.row<std::uint8_t>(3 * y - 1)[3 * (3 * x - 1)], one.row<std::uint8_t>(y)[3 * x]) << x;
}

TEST(DrawText, IsShortenedToTheRoomThereIs) {
  EXPECT_EQ(shortened("calcification", 1000), "calcification");
  const std::string cut = shortened("calcification", 40);
  EXPECT_EQ(cut, "calcific..");
  EXPECT_LE(text_width(cut), 40);
  EXPECT_EQ(shortened("calcification", 3), "");
  EXPECT_EQ(shortened("", 0), "");
  EXPECT_EQ(text_width(""), 0);
  // A letter of UTF-8 is one box, and is not cut in two.
  EXPECT_EQ(text_width("\xC3\xA9"), 5);
  EXPECT_EQ(shortened("\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9", 14), "\xC3\xA9..");
}

TEST(DrawText, StaysInsideThePicture) {
  Image image(10, 6, 3);
  draw_text(image, -4, -3, "WWWWW", {1, 1, 1}, 4);
  fill_box(image, {-5, -5, 100, 8}, {1, 0, 0});
  EXPECT_EQ(image.row<std::uint8_t>(2)[0], 255);
}

}  // namespace
}  // namespace gadolin::test
