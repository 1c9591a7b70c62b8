// Pictures with boxes: what the three forms hold, and what is made of rows that are nearly right.
#include <gtest/gtest.h>

#include <cmath>

#include "data/sets/split.h"
#include "tests/data/sets/boxes_parts.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

TEST(Boxes, TableWithoutHeader) {
  const BoxFolder dir;
  dir.table("b.png,1,2,30,20,cyst\na.png,,,,,\n\nb.png, 5.5 ,6e0,7.25,8,mass\r\n");
  const auto set = open_dataset(dir / "boxes.csv");
  const auto& boxes = dynamic_cast<const DetectionSet&>(*set);
  ASSERT_EQ(boxes.size(), 2);
  EXPECT_EQ(boxes.name(0), "b.png") << "pictures in the order in which they appear";
  EXPECT_EQ(boxes.classes(), (std::vector<std::string>{"cyst", "mass"}));
  EXPECT_EQ(boxes_of(boxes, 0), (std::vector<ObjectBox>{{1, 2, 30, 20, 0}, {5.5, 6, 7.25, 8, 1}}));
  EXPECT_TRUE(boxes_of(boxes, 1).empty());
  EXPECT_EQ(boxes.labels(0), (std::vector<int>{0, 1}));
  EXPECT_TRUE(boxes.labels(1).empty());
  EXPECT_EQ(boxes.place(boxes.picture(0).boxes[1].origin), (dir / "boxes.csv") + ":4");
  EXPECT_EQ(boxes.picture(0).boxes[0].area, 29 * 18);
  EXPECT_EQ(boxes.summary(),
            "2 rows with boxes: 2 boxes of 2 classes in 2 pictures, 1 of them without boxes");
  const Sample sample = boxes.sample(0);
  EXPECT_EQ(sample.get<std::vector<ObjectBox>>("boxes").size(), 2u);
  EXPECT_FALSE(sample.get<StoredImage>("image").file.empty());
}

TEST(Boxes, TableWithHeaderOfOtherOrderAndWords) {
  const BoxFolder dir;
  dir.table(
      "Filename,class,xmin,xmax,ymin,ymax,width,height,note,patient_id,split\n"
      "a.png,mass,1,20,2,10,40,30,x,p1,training\nb.png,,,,,,40,30,,p2,test\n");
  const auto set = open_box_table(dir / "boxes.csv");
  EXPECT_EQ(boxes_of(*set, 0), (std::vector<ObjectBox>{{1, 2, 20, 10, 0}}));
  EXPECT_EQ(set->info(0).patient, "p1");
  EXPECT_EQ(set->info(0).split, Split::train);
  EXPECT_EQ(set->info(1).split, Split::test);
  EXPECT_TRUE(set->notes().empty());
}

TEST(Boxes, ClassFileGivesTheNumbers) {
  const BoxFolder dir;
  dir.table("a.png,1,2,3,4,cyst\n");
  DatasetOptions options;
  options.class_file = dir.write("classes.csv", "name,id\nmass,0\ncyst,1\n");
  const auto set = open_box_table(dir / "boxes.csv", options);
  EXPECT_EQ(set->classes(), (std::vector<std::string>{"mass", "cyst"}));
  EXPECT_EQ(boxes_of(*set, 0)[0].label, 1);
}

TEST(Boxes, UpToAPixelOutsideIsClippedAndCounted) {
  const BoxFolder dir;
  dir.table("a.png,-1,-0.5,40,30.5,mass\nb.png,0,0,41,30,mass\nb.png,0,0,40,30,mass\n");
  const auto set = open_box_table(dir / "boxes.csv");
  for (const MarkedPicture* p : {&set->picture(0), &set->picture(1)})
    for (const MarkedBox& b : p->boxes) EXPECT_EQ(b.box, (ObjectBox{0, 0, 40, 30, 0}));
  EXPECT_EQ(set->counts().clipped, 2);
  EXPECT_NE(set->summary().find("; 2 boxes clipped by at most a pixel"), std::string::npos);
}

TEST(Boxes, WrongRowsAreLeftOutByNameAndTheirPicturesStay) {
  const BoxFolder dir;
  dir.table(
      "a.png,1,2,3,4,mass\na.png,35,2,30,4,mass\nb.png,1,2,3,x,mass\nc.png,1,2,3,4,mass\na.png,1,2,5,9,"
      "mass\n");
  std::vector<std::string> problems;
  DatasetOptions options;
  options.problems = &problems;
  const auto set = open_box_table(dir / "boxes.csv", options);
  ASSERT_EQ(set->size(), 2);
  EXPECT_EQ(set->picture(0).boxes.size(), 2u);
  EXPECT_TRUE(set->picture(1).boxes.empty());
  ASSERT_EQ(problems.size(), 3u);
  EXPECT_NE(problems[0].find("boxes.csv:3: y2 is"), std::string::npos) << problems[0];
  EXPECT_NE(problems[1].find("boxes.csv:4: read: "), std::string::npos) << problems[1];
  EXPECT_NE(problems[2].find("boxes.csv:2: the box 35 2 30 4"), std::string::npos) << problems[2];
  const BoxCounts& c = set->counts();
  EXPECT_EQ(c.rows, 5);
  EXPECT_EQ(c.boxes, 2);
  EXPECT_EQ(c.wrong, 3);
  EXPECT_EQ(
      set->summary(),
      "5 rows with boxes: 2 boxes of 1 class in 2 pictures, 1 of them without boxes; 3 wrong rows are left "
      "out");
}

TEST(Boxes, NothingThatIsLeftIsAnError) {
  const BoxFolder dir;
  dir.table("c.png,1,2,3,4,mass\n");
  std::vector<std::string> problems;
  DatasetOptions options;
  options.problems = &problems;
  expect_says<DataError>(
      dir, [&] { open_box_table(dir / "boxes.csv", options); }, "boxes: DIR has no usable pictures");
}

TEST(Boxes, AManifestIsNoTableOfBoxes) {
  const BoxFolder dir;
  EXPECT_FALSE(is_box_table(dir.write("m.csv", "path,labels\na.png,x\n")));
  EXPECT_FALSE(is_box_table(dir.write("m.csv", "path,patient,labels,split,age,sex\na.png,p,x,train,1,m\n")));
  EXPECT_FALSE(is_box_table(dir.write("m.csv", "")));
  EXPECT_TRUE(is_box_table(dir.write("m.csv", "\na.png,1,2,3,4,x\n")));
  EXPECT_TRUE(is_box_table(dir.write("m.csv", "a.png,,,,,\n")));
  EXPECT_TRUE(is_box_table(dir.write("m.csv", "sep=;\r\na.png;1;2;3;4;x\r\n")));
  EXPECT_EQ(boxes_of(*open_box_table(dir / "m.csv"), 0)[0].x2, 3);
  EXPECT_TRUE(is_box_table(dir.write("m.csv", "image,xmin,ymin,xmax,ymax,label\n")));
}

TEST(Boxes, VocTakesOneOffAndKeepsFractionsAndFlags) {
  const BoxFolder dir;
  dir.voc(voc_object(voc_corners("3", "4.5", "9", "8.25"),
                     "<name>mass</name><truncated>1</truncated><difficult>0</difficult>") +
              voc_object("<ymin>1.1e1</ymin><xmin>2</xmin><ymax>21</ymax><xmax>40.70000076293945</xmax>",
                         "<name> cyst </name><difficult>1</difficult>"),
          "<size><width>40</width><height>30</height></size>\n");
  dir.write("Annotations/b.xml", "<annotation><filename>other.jpg</filename></annotation>");
  const auto set = open_voc(dir.path());
  ASSERT_EQ(set->size(), 2);
  EXPECT_EQ(set->classes(), (std::vector<std::string>{"cyst", "mass"}));
  const auto& all = set->picture(0).boxes;
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].box, (ObjectBox{2, 3.5, 8, 7.25, 1}));
  EXPECT_TRUE(all[0].truncated && !all[0].difficult);
  EXPECT_EQ(all[1].box, (ObjectBox{1, 10, 39.70000076293945, 20, 0}));
  EXPECT_TRUE(all[1].difficult && !all[1].truncated);
  EXPECT_TRUE(set->picture(1).boxes.empty()) << "an annotation without size and objects";
  DatasetOptions options;
  options.skip_difficult = true;
  EXPECT_EQ(open_voc(dir.path(), options)->picture(0).boxes.size(), 1u);
  options.skip_truncated = true;
  const auto none = open_voc(dir.path(), options);
  EXPECT_TRUE(none->picture(0).boxes.empty());
  EXPECT_NE(none->summary().find("; 2 boxes passed over as difficult or truncated"), std::string::npos);
}

TEST(Boxes, VocListsAreSplits) {
  const BoxFolder dir;
  dir.voc("");
  dir.write("Annotations/b.xml", "<annotation/>");
  dir.write("ImageSets/Main/train.txt", "b\n");
  dir.write("ImageSets/Main/val.txt", "a -1\r\n");
  dir.write("ImageSets/Main/other.txt", "a\n");
  const auto set = open_dataset(dir.path());
  EXPECT_EQ(set->name(0), "b.png");
  EXPECT_EQ(set->info(0).split, Split::train);
  EXPECT_EQ(set->info(1).split, Split::val);
  DatasetOptions options;
  options.part = "other";
  EXPECT_EQ(open_dataset(dir.path(), options)->size(), 1);
}

TEST(Boxes, CocoJoinsIdsInAnyOrder) {
  const BoxFolder dir;
  dir.write("set.json", R"({"annotations": [
      {"id": 11, "image_id": "2", "category_id": 7, "bbox": ["1.5", 2, 10, "4"], "area": 20.5, "iscrowd": 0,
       "segmentation": {"counts": [1, 2, {"id": 4}], "size": [30, 40]}},
      {"id": 12, "image_id": 1, "category_id": 3, "bbox": [0, 0, 40, 30], "area": 1, "iscrowd": 1},
      {"id": 13, "image_id": 1, "category_id": 3, "bbox": [0, 0, 0.5, 30], "area": 1, "iscrowd": 0}],
    "info": {"id": 3}, "licenses": [{"id": 1, "name": "x"}],
    "images": [{"id": 2, "file_name": "a.png", "patient": "p"},
      {"id": 1, "file_name": "b.png", "width": 30, "height": 40}],
    "categories": [{"id": 7, "name": "mass"}, {"id": 3, "name": "cyst"}]})");
  const auto set = open_dataset(dir / "set.json");
  const auto& boxes = dynamic_cast<const DetectionSet&>(*set);
  ASSERT_EQ(boxes.size(), 2);
  EXPECT_EQ(boxes.classes(), (std::vector<std::string>{"cyst", "mass"})) << "by rising id";
  EXPECT_EQ(boxes.class_ids(), (std::vector<std::int64_t>{3, 7}));
  EXPECT_EQ(boxes_of(boxes, 0), (std::vector<ObjectBox>{{1.5, 2, 11.5, 6, 1}}));
  EXPECT_EQ(boxes.picture(0).boxes[0].area, 20.5);
  EXPECT_EQ(boxes.picture(0).id, 2);
  EXPECT_EQ(boxes.info(0).patient, "p");
  EXPECT_EQ(boxes.place(boxes.picture(0).boxes[0].origin), (dir / "set.json") + ":2: annotations[0]");
  EXPECT_TRUE(boxes.picture(1).boxes[0].crowd);
  EXPECT_TRUE(boxes.sample(1).get<std::vector<ObjectBox>>("boxes").empty()) << "nobody learns from a crowd";
  EXPECT_EQ(boxes.counts().thin, 1);
  ASSERT_EQ(boxes.notes().size(), 1u);
  EXPECT_EQ(boxes.notes()[0],
            "1 picture has another size than the table says (b.png: 30 x 40, the file has 40 x 30)");
}

TEST(Boxes, CocoDefaultsAreOneNote) {
  const BoxFolder dir;
  dir.coco(R"({"id": 5, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]},
              {"id": 5, "image_id": 2, "category_id": 3, "bbox": [1, 2, 3, 4]},
              {"image_id": 2, "category_id": 3, "bbox": [1, 2, 3, 4]})");
  const auto set = open_coco(dir / "set.json");
  EXPECT_EQ(set->picture(0).boxes[0].area, 12);
  EXPECT_FALSE(set->picture(0).boxes[0].crowd);
  EXPECT_EQ(set->picture(1).boxes.size(), 2u);
  ASSERT_EQ(set->notes().size(), 2u);
  const std::string file = dir / "set.json";
  EXPECT_EQ(set->notes()[0], file +
                                 ": annotations 3 without area (width x height is taken), 3 without iscrowd "
                                 "(0 is taken), 1 without id (its number is taken)");
  EXPECT_EQ(set->notes()[1], file + ": 1 annotation has the id of another (5); all are kept");
}

// Complaint B7 of other detectors: tools that do not know a size write -1; ids come as text.
TEST(Boxes, CocoSizesThatAreNotKnown) {
  const BoxFolder dir;
  dir.coco(
      R"({"id": "5", "image_id": "1", "category_id": "3", "bbox": ["1", 2, 3, 4], "area": 12,
               "iscrowd": 0},
              {"id": 6, "image_id": 2, "category_id": 3, "bbox": [1, 2, 39, 28], "area": 12,
               "iscrowd": "0"})",
      R"({"id": "3", "name": "mass"})",
      R"({"id": "1", "file_name": "a.png", "width": -1, "height": -1},
              {"id": 2, "file_name": "b.png", "width": 0, "height": 30})");
  const auto set = open_coco(dir / "set.json");
  EXPECT_EQ(set->picture(0).width, 40);
  EXPECT_EQ(boxes_of(*set, 1)[0], (ObjectBox{1, 2, 40, 30, 0}));
  EXPECT_EQ(set->picture(0).boxes[0].id, 5);
  EXPECT_EQ(set->notes(), std::vector<std::string>{
                              (dir / "set.json") +
                              ": 2 images have a width or height of 0 or -1; that of the file is taken"});
}

TEST(Boxes, CocoFieldsThatAreNull) {
  const BoxFolder dir;
  dir.coco(
      R"({"id": null, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4], "area": null,
               "iscrowd": null, "segmentation": null},
              {"id": 6, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4], "area": 12,
               "iscrowd": false})",
      R"({"id": 3, "name": "mass", "supercategory": null})",
      R"({"id": 1, "file_name": "a.png", "width": null, "height": null, "license": null})");
  const auto set = open_coco(dir / "set.json");
  EXPECT_EQ(set->picture(0).boxes.size(), 2u);
  EXPECT_EQ(set->picture(0).boxes[0].area, 12);
  EXPECT_EQ(set->notes(),
            std::vector<std::string>{
                (dir / "set.json") +
                ": annotations 1 without area (width x height is taken), 1 without iscrowd (0 is "
                "taken), 1 without id (its number is taken)"});
}

// Complaint B2: fractions as two files of VOC2012 have them, and other ways to write a number.
TEST(Boxes, VocNumbersOfEveryForm) {
  for (const auto& [text, want] : {std::pair("45.70000076293945", 44.70000076293945),
                                   {"1.2e1", 11.0},
                                   {" 12 ", 11.0},
                                   {"+7", 6.0},
                                   {".5", 0.0},
                                   {"007", 6.0}}) {
    const BoxFolder dir;
    dir.write("JPEGImages/c.png", encode_png(pattern(64, 64, 1)));
    dir.write("Annotations/c.xml",
              "<annotation>" + voc_object(voc_corners("3", text, "60.25", "61")) + "</annotation>");
    const auto set = open_voc(dir.path());
    EXPECT_EQ(set->picture(0).boxes[0].box.y1, want) << text;
  }
}

TEST(Boxes, CocoFoldersAreJoinedByName) {
  const BoxFolder dir;
  dir.pictures("images/train2017/");
  dir.pictures("images/val2017/");
  const auto json = [](int id, int other) {
    return R"({"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": )" + std::to_string(id) +
           R"(, "name": "mass"}, {"id": )" + std::to_string(other) +
           R"(, "name": "cyst"}], "annotations": [{"id": 1, "image_id": 1, "category_id": 3,
           "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}]})";
  };
  dir.write("annotations/instances_train2017.json", json(3, 7));
  dir.write("annotations/instances_val2017.json", json(7, 3));
  dir.write("annotations/captions_val2017.json", "no JSON");
  const auto set = open_coco(dir.path());
  ASSERT_EQ(set->size(), 2);
  EXPECT_EQ(set->info(0).name, "train2017/a.png");
  EXPECT_EQ(set->info(0).split, Split::train);
  EXPECT_EQ(set->info(1).split, Split::val);
  EXPECT_EQ(boxes_of(*set, 0)[0].label, 0);
  EXPECT_EQ(boxes_of(*set, 1)[0].label, 1);
  EXPECT_EQ(set->class_ids(), (std::vector<std::int64_t>{3, 7}));
  ASSERT_EQ(set->notes().size(), 1u);
  EXPECT_NE(set->notes()[0].find(": 2 categories have another id than in "), std::string::npos);
  EXPECT_NE(set->notes()[0].find("; joined by name"), std::string::npos);
  DatasetOptions options;
  options.part = "val2017";
  options.classes = {"cyst", "mass", "ring"};  // as a net was trained
  const auto val = open_coco(dir.path(), options);
  EXPECT_EQ(boxes_of(*val, 0)[0].label, 0);
  EXPECT_EQ(val->class_ids(), (std::vector<std::int64_t>{3, 7, -1}));
}

TEST(Boxes, PatientsByNameAndSplitByPatient) {
  const BoxFolder dir;
  std::string rows;
  for (int i = 0; i < 12; ++i) {
    const std::string name = cat("p", i / 3, "_", i, ".png");
    dir.write(name, encode_png(pattern(40, 30, 1)));
    rows += cat(name, i % 2 ? ",,,,,\n" : ",1,2,9,8,mass\n");
  }
  dir.table(rows);
  DatasetOptions options;
  options.patient_until = "_";
  const auto set = open_dataset(dir / "boxes.csv", options);
  EXPECT_EQ(set->patient(4), "p1");
  assign_splits(*set, {.train = 0.5, .val = 0.25, .test = 0.25});
  EXPECT_TRUE(patient_leaks(*set).empty());
  const auto part = set->subset(Split::val);
  const auto& boxes = dynamic_cast<const DetectionSet&>(*part);
  EXPECT_EQ(boxes.size(), 3);
  EXPECT_EQ(boxes.picture(0).boxes.size() + boxes.picture(1).boxes.size() + boxes.picture(2).boxes.size(),
            boxes.labels(0).size() + boxes.labels(1).size() + boxes.labels(2).size());
}

TEST(Boxes, FingerprintSeesBoxes) {
  const BoxFolder dir;
  dir.table("a.png,1,2,3,4,mass\n");
  const std::string before = open_box_table(dir / "boxes.csv")->fingerprint();
  dir.table("a.png,1,2,3,4.5,mass\n");
  EXPECT_NE(open_box_table(dir / "boxes.csv")->fingerprint(), before);
}

}  // namespace
