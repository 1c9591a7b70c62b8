// Sets with boxes from each form into each other one, and what is looked at before training.
#include "data/sets/boxes/write_boxes.h"

#include <gtest/gtest.h>

#include "data/sets/boxes/box_check.h"
#include "tests/data/sets/boxes_parts.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

std::unique_ptr<DetectionSet> opened(const std::string& path, const DatasetOptions& options = {}) {
  std::unique_ptr<Dataset> set = open_dataset(path, options);
  auto* boxes = dynamic_cast<DetectionSet*>(set.get());
  EXPECT_TRUE(boxes) << path;
  set.release();
  return std::unique_ptr<DetectionSet>(boxes);
}

void expect_same_boxes(const DetectionSet& got, const DetectionSet& want, const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  EXPECT_EQ(got.classes(), want.classes()) << what;
  for (std::int64_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(got.info(i).split, want.info(i).split) << what;
    EXPECT_EQ(got.read(i).file, want.read(i).file) << what << ": pictures are copied byte for byte";
    const auto a = boxes_of(got, i), b = boxes_of(want, i);
    ASSERT_EQ(a.size(), b.size()) << what;
    for (std::size_t k = 0; k < b.size(); ++k) {
      EXPECT_EQ(a[k].label, b[k].label);
      EXPECT_NEAR(a[k].x1, b[k].x1, 1e-9);
      EXPECT_NEAR(a[k].y1, b[k].y1, 1e-9);
      EXPECT_NEAR(a[k].x2, b[k].x2, 1e-9);
      EXPECT_NEAR(a[k].y2, b[k].y2, 1e-9);
    }
  }
}

TEST(BoxWriters, EachFormIntoEachOther) {
  const BoxFolder dir;
  dir.write("c.PGM", "P5 40 30 255\n" + std::string(1200, 'x'));
  dir.table(
      "path,x1,y1,x2,y2,class,patient,split\n"
      "a.png,1,2.25,3.5,4,mass,p1,train\na.png,0,0,40,30,cyst,p1,train\nb.png,,,,,,p2,train\n"
      "c.PGM,5.7000000001,6,39.5,29,mass,p3,val\n");
  const auto want = opened(dir / "boxes.csv");
  const BoxForm forms[] = {BoxForm::table, BoxForm::voc, BoxForm::coco};
  const char* names[] = {"csv", "voc", "coco"};
  for (int from = 0; from < 3; ++from) {
    const std::string first = dir / (std::string("from-") + names[from]);
    EXPECT_EQ(box_form(names[from]), forms[from]);
    const auto lost = write_boxes(first, *want, forms[from]);
    EXPECT_EQ(lost.size(), from == 1 ? 1u : 0u);
    const auto middle = opened(first + (from == 0 ? "/boxes.csv" : ""));
    expect_same_boxes(*middle, *want, first);
    EXPECT_EQ(middle->patient(0), from == 1 ? "" : "p1");
    for (int to = 0; to < 3; ++to) {
      const std::string second = first + "-to-" + names[to];
      write_boxes(second, *middle, forms[to]);
      expect_same_boxes(*opened(second + (to == 0 ? "/boxes.csv" : "")), *want, second);
    }
  }
  EXPECT_EQ(box_form("tfrecord"), std::nullopt);
}

TEST(BoxWriters, SetsWithoutSplits) {
  const BoxFolder dir;
  dir.table("a.png,1,2,3,4,mass\nb.png,,,,,\n");
  const auto want = opened(dir / "boxes.csv");
  write_boxes(dir / "voc", *want, BoxForm::voc);
  write_boxes(dir / "coco", *want, BoxForm::coco);
  expect_same_boxes(*opened(dir / "voc"), *want, "voc");
  expect_same_boxes(*opened(dir / "coco"), *want, "coco");
}

TEST(BoxWriters, TellWhatAFormCannotHold) {
  const BoxFolder dir;
  dir.coco(R"({"id": 5, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4], "area": 7.5, "iscrowd": 1},
              {"id": 6, "image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0})");
  const auto coco = opened(dir / "set.json");
  const auto table = write_boxes(dir / "t", *coco, BoxForm::table);
  ASSERT_EQ(table.size(), 1u);
  EXPECT_EQ(table[0], "1 crowd is an ordinary box in a table");
  EXPECT_TRUE(write_boxes(dir / "c", *coco, BoxForm::coco).empty());
  const auto again = opened(dir / "c");
  EXPECT_TRUE(again->picture(0).boxes[0].crowd);
  EXPECT_EQ(again->picture(0).boxes[0].area, 7.5);
  EXPECT_EQ(again->class_ids(), (std::vector<std::int64_t>{3, 7}));
  dir.voc(voc_object(voc_corners("3", "4", "9", "8"), "<name>mass &lt;b&gt;</name><difficult>1</difficult>"));
  DatasetOptions options;
  options.patient_until = ".";
  const auto voc = opened(dir.path(), options);
  const auto lost = write_boxes(dir / "v", *voc, BoxForm::voc);
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0], "patients are not named in Pascal VOC");
  EXPECT_EQ(opened(dir / "v")->classes()[0], "mass <b>");
  EXPECT_TRUE(opened(dir / "v")->picture(0).boxes[0].difficult);
  EXPECT_EQ(write_boxes(dir / "w", *voc, BoxForm::coco)[0],
            "1 difficult or truncated box is an ordinary one in COCO");
}

TEST(BoxWriters, SidesGoAlong) {
  const BoxFolder dir;
  dir.write("c.png", encode_png(pattern(40, 30, 1)));
  dir.table(
      "path,x1,y1,x2,y2,class,patient,Laterality\na.png,1,2,3,4,mass,p,LEFT\na.png,5,2,8,4,mass,p,\n"
      "b.png,,,,,,p,r\nc.png,,,,,,p,\n");
  const auto set = opened(dir / "boxes.csv");
  const auto sides = [](const DetectionSet& s) {
    std::string all;
    for (std::int64_t i = 0; i < s.size(); ++i) all += s.picture(i).side + "|";
    return all;
  };
  EXPECT_EQ(sides(*set), "L|R||");
  write_box_table(dir / "again.csv", *set);
  EXPECT_EQ(sides(*opened(dir / "again.csv")), "L|R||");
  EXPECT_EQ(opened(dir / "again.csv")->fingerprint(), set->fingerprint());
  EXPECT_TRUE(write_boxes(dir / "coco", *set, BoxForm::coco).empty());
  EXPECT_EQ(sides(*opened(dir / "coco")), "L|R||");
  const auto lost = write_boxes(dir / "voc", *set, BoxForm::voc);
  ASSERT_EQ(lost.size(), 2u);
  EXPECT_EQ(lost[1], "sides are not named in Pascal VOC");
  dir.coco("", R"({"id": 1, "name": "mass"})", R"({"id": 1, "file_name": "a.png", "side": "both"})");
  EXPECT_EQ(
      said<DataError>(dir, [&] { opened(dir / "set.json"); }),
      "boxes: DIR/set.json:1: images[0]: side 'both' is neither L nor R; correct it, or give the column "
      "another name");
}

TEST(BoxWriters, TableBesideItsPictures) {
  const BoxFolder dir;
  dir.table("a.png,1,2,3,4,mass\nb.png,,,,,\n");
  const auto set = opened(dir / "boxes.csv");
  set->set_split(1, Split::test);
  write_box_table(dir / "split.csv", *set);
  EXPECT_EQ(opened(dir / "split.csv")->info(1).split, Split::test);
  EXPECT_EQ(opened(dir / "split.csv")->name(0), "a.png");
}

TEST(BoxChecks, OddBoxesAndSizes) {
  const BoxFolder dir;
  dir.table(
      "path,x1,y1,x2,y2,class,width,height\na.png,1,2,3,4,mass,40,30\na.png,1,2,3,4,mass,40,30\n"
      "b.png,1,2,3,4,mass,30,40\n");
  const auto set = opened(dir / "boxes.csv");
  const auto facts = inspect_samples(*set, 1);
  const std::string file = dir / "boxes.csv";
  std::vector<std::string> says;
  for (const Problem& p : check_boxes(*set, facts)) says.push_back(p.kind + ": " + p.text);
  ASSERT_EQ(says.size(), 3u);
  EXPECT_EQ(
      says[0],
      "box-note: 1 picture has another size than the table says (b.png: 30 x 40, the file has 40 x 30)");
  EXPECT_EQ(says[1], "box-twice: " + file + ":3 repeats the box of " + file + ":2");
  EXPECT_EQ(says[2], "box-size: b.png has 40 x 30 pixels, " + file + ":4 says 30 x 40");
  expect_says<ValueError>(
      dir, [&] { check_boxes(*set, {}); }, "check_boxes: facts of 0 samples for a set of 2");
}

TEST(BoxChecks, Stats) {
  const BoxFolder dir;
  dir.table("a.png,0,0,10,20,mass\na.png,0,0,39,29,cyst\nb.png,,,,,\n");
  const BoxStats s = box_stats(*opened(dir / "boxes.csv"));
  EXPECT_EQ(s.boxes, 2);
  EXPECT_EQ(s.empty_pictures, 1);
  EXPECT_EQ(s.per_picture.most, 2);
  EXPECT_EQ(s.width.least, 10);
  EXPECT_EQ(s.height.most, 29);
  EXPECT_EQ(s.ratio.most, 2);
  EXPECT_EQ(s.by_area, (std::array<std::int64_t, 3>{1, 1, 0}));
  EXPECT_EQ(s.class_boxes[1][0], 1);
}

}  // namespace
