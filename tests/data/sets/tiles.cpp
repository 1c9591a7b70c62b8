// Films in tiles, two sets as one, and two sets that must be apart.
#include "data/sets/boxes/tiles.h"

#include "data/sets/boxes/join.h"
#include "data/sets/overlap.h"
#include "tests/data/messages.h"

namespace gadolin::test {
namespace {

TEST(Tiles, CoverAPictureAndOverlap) {
  const TileOptions o = tiles_from("64:0.25", "--tile");
  EXPECT_EQ(text_of(o), "64:0.25");
  const auto tiles = tiles_of(100, 64, o);
  EXPECT_EQ(tiles, (std::vector<Box>{{0, 0, 64, 64}, {36, 0, 64, 64}}));
  EXPECT_EQ(tiles_of(40, 200, o).front(), (Box{0, 0, 40, 64}));
  for (int width = 1; width < 400; width += 7) {
    int reached = 0;
    for (const Box& t : tiles_of(width, 10, o)) {
      EXPECT_LE(t.x, std::max(0, reached - (reached > 0 ? 16 : 0))) << width;
      reached = t.x + t.width;
    }
    EXPECT_EQ(reached, width);
  }
  for (const char* text : {"", "63", "64:1", "64:x", "64.5", "20000", "64:nan"})
    EXPECT_EQ(
        message_of<UsageError>([&] { tiles_from(text, "--tile"); }),
        std::string("--tile ") + text +
            " is none; use SIDE or SIDE:OVERLAP, such as 1024:0.2: 64 to 16384 pixels, and a share from 0 "
            "to 0.9");
}

TEST(Tiles, HoldThePixelsAndBoxesOfTheirFilm) {
  const Scratch dir;
  const Image film = pattern(150, 90, 1);
  dir.write("a.png", encode_png(film));
  const std::string table = dir.write("boxes.csv",
                                      "path,x1,y1,x2,y2,class,patient,split\na.png,50,10,90,30,mass,p,train\n"
                                      "a.png,100,70,140,85,mass,p,train\n");
  const auto set = open_box_table(table);
  const TiledSet tiles(*set, {.side = 80, .overlap = 0.1});
  ASSERT_EQ(tiles.size(), 4);
  EXPECT_EQ(&tiles.films().classes()[0], &tiles.films().classes()[0]);
  EXPECT_EQ(tiles.films().size(), 1);
  for (std::int64_t t = 0; t < 4; ++t) {
    const Box& at = tiles.tile(t);
    const Image part = tiles.image(t);
    ASSERT_EQ(part.width, at.width);
    for (int y = 0; y < at.height; ++y)
      for (int x = 0; x < at.width; ++x)
        ASSERT_EQ(part.row<std::uint8_t>(y)[x], film.row<std::uint8_t>(at.y + y)[at.x + x]);
    EXPECT_EQ(tiles.patient(t), "p");
    EXPECT_EQ(tiles.info(t).split, Split::train);
  }
  EXPECT_EQ(tiles.name(1), "a.png tile 2");
  // The first box has three quarters in the first tile and half in the second, which begins at 70.
  EXPECT_EQ(tiles.picture(0).boxes.at(0).box, (ObjectBox{50, 10, 80, 30, 0}));
  EXPECT_FALSE(tiles.picture(0).boxes[0].crowd);
  EXPECT_EQ(tiles.picture(1).boxes.at(0).box, (ObjectBox{0, 10, 20, 30, 0}));
  EXPECT_FALSE(tiles.picture(1).boxes[0].crowd) << "just half";
  const auto half = tiles.subset(std::vector<std::int64_t>{3});
  EXPECT_EQ(half->image(0), tiles.image(3)) << "a subset knows its tiles";
  const TiledSet bare(*set, 0, 150, 90, {.side = 80, .overlap = 0.1});
  EXPECT_EQ(bare.image(2), tiles.image(2));
  dir.write("classes/a/1.png", encode_png(pattern(80, 80, 1)));
  dir.write("classes/b/1.png", encode_png(pattern(80, 80, 1)));
  const auto plain = open_dataset(dir / "classes");
  const TiledSet of_dataset(*plain, 0, 80, 80, {.side = 64});
  EXPECT_EQ(of_dataset.size(), 4);
  EXPECT_EQ(message_of<ValueError>([&] { of_dataset.films(); }), "tiles: the films have no boxes");
}

TEST(JoinedBoxes, KeepSplitsAndPlaces) {
  const Scratch dir;
  for (const char* name : {"a.png", "b.png"}) dir.write(name, encode_png(pattern(20, 20, 1)));
  const auto a = open_box_table(dir.write("a.csv", "a.png,1,1,9,9,mass\n")),
             b = open_box_table(dir.write("b.csv", "b.png,2,2,9,9,mass\nb.png,3,3,9,9,mass\n"));
  a->set_split(0, Split::train);
  b->set_split(0, Split::val);
  const auto both = joined(*a, *b);
  ASSERT_EQ(both->size(), 2);
  EXPECT_EQ(both->info(1).split, Split::val);
  EXPECT_EQ(both->picture(1).boxes.size(), 2u);
  EXPECT_EQ(both->place(both->picture(1).boxes[1].origin), dir / "b.csv" + ":2");
  EXPECT_EQ(both->counts().boxes, 3);
  const auto other = open_box_table(dir.write("c.csv", "b.png,2,2,9,9,calc\n"));
  expect_says<DataError>(
      dir, [&] { joined(*a, *other); },
      "boxes: DIR has 1 classes and DIR 1, or others; give both the same --class-file");
}

TEST(Overlap, PatientsAndEqualFiles) {
  const Scratch dir;
  dir.write("a.png", encode_png(pattern(20, 20, 1)));
  dir.write("same.png", encode_png(pattern(20, 20, 1)));
  dir.write("b.png", encode_png(pattern(21, 20, 1)));
  const auto set = [&](const std::string& name, const std::string& rows) {
    return open_box_table(dir.write(name, "path,x1,y1,x2,y2,class,patient\n" + rows));
  };
  const auto a = set("1.csv", "a.png,1,1,9,9,mass,p1\n"), b = set("2.csv", "b.png,1,1,9,9,mass,p2\n"),
             p = set("3.csv", "b.png,1,1,9,9,mass,p1\n"), same = set("4.csv", "same.png,1,1,9,9,mass,\n");
  EXPECT_EQ(require_apart(*a, *b, "one", "two"), "one and two: patients in both: 0, equal files in both: 0");
  EXPECT_EQ(require_apart(*b, *same, "one", "two"),
            "one and two: patients in both: 0, equal files in both: 0; 1 pictures name no patient");
  expect_says<DataError>(
      dir, [&] { require_apart(*a, *p, "one", "two"); },
      "data: one and two are not apart: patients in both: 1, equal files in both: 0 (a.png "
      "and b.png), so what is measured would be too good; divide with gadolin data split");
  expect_says<DataError>(
      dir, [&] { require_apart(*a, *same, "one", "two"); },
      "data: one and two are not apart: patients in both: 0, equal files in both: 1 (a.png "
      "and same.png), so what is measured would be too good; divide with gadolin data split");
}

}  // namespace
}  // namespace gadolin::test
