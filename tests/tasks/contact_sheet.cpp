// Sheets of pictures: sizes, where tiles lie, boxes at the tile's scale, sheets of nothing.
#include "tasks/contact_sheet.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

Image filled(int width, int height, std::uint8_t value) {
  Image image(width, height, 1);
  std::fill(image.pixels.begin(), image.pixels.end(), value);
  return image;
}

TEST(ContactSheet, LaysTilesInAGrid) {
  ContactSheet sheet("five films", 100);
  for (int i = 0; i < 5; ++i)
    sheet.add(filled(200, 400, static_cast<std::uint8_t>(50 + i)), {}, {"film", "two of three found"});
  ASSERT_EQ(sheet.size(), 5u);
  const Image image = sheet.image();
  EXPECT_EQ(image.width, 8 + 3 * 108);
  EXPECT_EQ(image.height, 8 + 28 + 2 * (108 + 2 * 12 + 4));
  for (int i = 0; i < 5; ++i) {
    const int x = 8 + i % 3 * 108 + 50, y = 36 + i / 3 * 136 + 50;
    EXPECT_EQ(image.row<std::uint8_t>(y)[3 * x], 50 + i) << i;
    EXPECT_EQ(image.row<std::uint8_t>(y)[3 * (x - 40)], 0) << i;  // a film is narrower than its tile
  }
  EXPECT_EQ(sheet.image(5).width, 8 + 5 * 108);
  EXPECT_EQ(sheet.image(99).width, 8 + 5 * 108);
}

TEST(ContactSheet, DrawsBoxesWhereTheyLieInThePicture) {
  ContactSheet sheet("", 100);
  const DrawnBox box{{0, 0, 200, 400}, 0, 1, "", false, Colour{1, 0, 0}};
  sheet.add(filled(400, 400, 9), {&box, 1}, {});
  const Image image = sheet.image();
  const auto red = [&](int x, int y) { return image.row<std::uint8_t>(y)[3 * x] == 255; };
  EXPECT_TRUE(red(8, 58) && red(8 + 49, 58) && !red(8 + 60, 58) && !red(8 + 25, 58));
}

TEST(ContactSheet, OfNothingSaysSo) {
  const Image image = ContactSheet("missed").image();
  EXPECT_TRUE(std::ranges::any_of(image.pixels, [](int v) { return v > 200; }));
  EXPECT_EQ(message_of<ValueError>([] { ContactSheet("", 15); }),
            "contact_sheet: a tile of 15 pixels is too small; use 16 or more");
}

}  // namespace
}  // namespace gadolin::test
