// What the readers of boxes say about each wrong row, word for word.
#include <gtest/gtest.h>

#include "tests/data/sets/boxes_parts.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

struct WrongRows {
  std::string rows, says;
};

TEST(BoxMistakes, Tables) {
  const BoxFolder dir;
  dir.write("text.png", "no picture");
  const WrongRows all[] = {
      {"", "boxes: DIR/boxes.csv is empty; needed are rows path,x1,y1,x2,y2,class"},
      {"path,x1,y1,x2,y2,class\n", "boxes: DIR/boxes.csv has a header and no rows"},
      {"a.png,1,2,3,4,mass\n\na.png,1,2,3,4\n",
       "boxes: DIR/boxes.csv:3: 5 columns; needed are path,x1,y1,x2,y2,class, separated by commas, and "
       "path,,,,, for a picture without boxes"},
      {"a.png,1,2,3,4,mass,left\n",
       "boxes: DIR/boxes.csv:1: 7 columns; needed are path,x1,y1,x2,y2,class, separated by commas, and "
       "path,,,,, for a picture without boxes"},
      {"path,x1,y1,x2,y2,class,side\na.png,1,2,3,4,mass,up\n",
       "boxes: DIR/boxes.csv:2: side 'up' is neither L nor R; correct it, or give the column another name"},
      {"path,x1,y1,x2,y2,class,side\na.png,1,2,3,4,mass,L\na.png,5,6,7,8,mass,right\n",
       "boxes: DIR/boxes.csv:3: a.png is of side L and of side R"},
      {"a.png;1;2;3;4;mass\n",
       "boxes: DIR/boxes.csv:1: 1 column; needed are path,x1,y1,x2,y2,class, separated by commas, and "
       "path,,,,, for a picture without boxes"},
      {"path,x1,y1,x2,class\n",
       "boxes: DIR/boxes.csv:1: the header has no column y2; needed are path, x1, y1, x2, y2 and class"},
      {"path,x1,xmin,y1,x2,y2,class\n", "boxes: DIR/boxes.csv:1: the header names x1 twice"},
      {"path,x1,y1,x2,y2,class\na.png,1,2,3,4\n", "boxes: DIR/boxes.csv:2: 5 columns, the header has 6"},
      {",1,2,3,4,mass\n", "boxes: DIR/boxes.csv:1: the path is empty"},
      {"a.png,1,2,,4,mass\n",
       "boxes: DIR/boxes.csv:1: 1 of the four corners are empty; give all of them, or none and no class for "
       "a "
       "picture without boxes"},
      {"a.png,1,2,3,4,\n", "boxes: DIR/boxes.csv:1: the box has no class"},
      {"a.png,,,,,mass\n",
       "boxes: DIR/boxes.csv:1: class 'mass' has no box; a picture without boxes has an empty class too"},
      {"a.png,1,two,3,4,mass\n", "boxes: DIR/boxes.csv:1: y1 is 'two', not a number"},
      {"a.png,1,2,3x,4,mass\n", "boxes: DIR/boxes.csv:1: x2 is '3x', not a number"},
      {"a.png,nan,2,3,4,mass\n", "boxes: DIR/boxes.csv:1: x1 is nan; needed is a finite number"},
      {"a.png,1,2,inf,4,mass\n", "boxes: DIR/boxes.csv:1: x2 is inf; needed is a finite number"},
      {"a.png,0,0,0,0,mass\n",
       "boxes: DIR/boxes.csv:1: the box 0 0 0 0 is none; a picture without boxes has no box, in a table "
       "empty "
       "fields: path,,,,,"},
      {"a.png,20,10,15,12,mass\n",
       "boxes: DIR/boxes.csv:1: the box 20 10 15 12 looks like x, y, width, height; needed are the corners "
       "x1, "
       "y1, x2, y2"},
      {"a.png,5,2,5,9,mass\n",
       "boxes: DIR/boxes.csv:1: the box 5 2 5 9 looks like x, y, width, height; needed are the corners x1, "
       "y1, "
       "x2, y2"},
      {"a.png,35,2,35,9,mass\n",
       "boxes: DIR/boxes.csv:1: the box 35 2 35 9 has no width; x2 must be above x1, y2 above y1"},
      {"a.png,5,25,9,25,mass\n",
       "boxes: DIR/boxes.csv:1: the box 5 25 9 25 has no height; x2 must be above x1, y2 above y1"},
      {"a.png,35,25,30,20,mass\n",
       "boxes: DIR/boxes.csv:1: the box 35 25 30 20 has its corners swapped; x2 must be above x1, y2 above "
       "y1"},
      {"a.png,35,10,30,20,mass\n",
       "boxes: DIR/boxes.csv:1: the box 35 10 30 20 has its corners swapped in x; x2 must be above x1, y2 "
       "above "
       "y1"},
      {"a.png,5,25,9,20,mass\n",
       "boxes: DIR/boxes.csv:1: the box 5 25 9 20 has its corners swapped in y; x2 must be above x1, y2 "
       "above "
       "y1"},
      {"a.png,5,2,42,9,mass\n",
       "boxes: DIR/boxes.csv:1: the box 5 2 42 9 leaves the picture of 40 x 30 pixels by 2; at most 1 pixel "
       "is "
       "clipped"},
      {"a.png,-3,2,4,9,mass\n",
       "boxes: DIR/boxes.csv:1: the box -3 2 4 9 leaves the picture of 40 x 30 pixels by 3; at most 1 pixel "
       "is "
       "clipped"},
      {"a.png,50,2,60,9,mass\n",
       "boxes: DIR/boxes.csv:1: the box 50 2 60 9 lies outside the picture of 40 x 30 pixels"},
      {"a.png,40,2,41,9,mass\n",
       "boxes: DIR/boxes.csv:1: the box 40 2 41 9 has nothing inside the picture of 40 x 30 pixels"},
      {"a.png,5,20,9,38,mass\n",
       "boxes: DIR/boxes.csv:1: the box 5 20 9 38 leaves the picture of 40 x 30 pixels and would fit with x "
       "and "
       "y exchanged; is the order y1, x1, y2, x2?"},
      {"a.png,0.1,0.2,0.5,1.003,mass\n",
       "boxes: DIR/boxes.csv:1: the box 0.1 0.2 0.5 1.003 looks like shares of the picture; needed are "
       "pixels "
       "of 40 x 30"},
      {"c.png,1,2,3,4,mass\n", "boxes: DIR/boxes.csv:1: read: DIR/c.png: no such file or directory"},
      {"text.png,1,2,3,4,mass\n",
       "boxes: DIR/boxes.csv:1: decode: text.png is not a JPEG, PNG, BMP, PNM or DICOM file"},
      {"../a.png,1,2,3,4,mass\n",
       "boxes: DIR/boxes.csv:1: DIR/../a.png leaves the folder DIR; allow it with --allow-outside"},
      {"a.png,1,2,3,4,mass\na.png,,,,,\n",
       "boxes: DIR/boxes.csv:2: a.png is said to have no boxes, but has one in line 1"},
      {"a.png,,,,,\na.png,1,2,3,4,mass\n",
       "boxes: DIR/boxes.csv:2: a.png is said to have no boxes in line 1"},
      {"a.png,,,,,\na.png,,,,,\n",
       "boxes: DIR/boxes.csv:2: a.png is said to have no boxes in line 1 already"},
      {"a.png,1,2,3,4,ma\xff\n",
       "boxes: DIR/boxes.csv:1: class 'ma\\xff' is not text in UTF-8; convert the table"},
      {"path,x1,y1,x2,y2,class,split\na.png,1,2,3,4,mass,trian\n",
       "boxes: DIR/boxes.csv:2: split 'trian' is not train, val or test"},
      {"path,x1,y1,x2,y2,class,split\na.png,1,2,3,4,mass,train\na.png,1,2,3,5,mass,val\n",
       "boxes: DIR/boxes.csv:3: a.png is in train and in val"},
      {"path,x1,y1,x2,y2,class,patient\na.png,1,2,3,4,mass,p1\na.png,1,2,3,5,mass,p2\n",
       "boxes: DIR/boxes.csv:3: a.png belonged to another patient before"},
      {"path,x1,y1,x2,y2,class,width\na.png,1,2,3,4,mass,0\n",
       "boxes: DIR/boxes.csv:2: width 0 is no size of a picture"},
      {"path,x1,y1,x2,y2,class,height\na.png,1,2,3,4,mass,30\na.png,1,2,3,5,mass,31\n",
       "boxes: DIR/boxes.csv:3: height 31 of a.png was 30 before"},
  };
  for (const WrongRows& wrong : all) {
    dir.table(wrong.rows);
    EXPECT_EQ(said<DataError>(dir, [&] { open_box_table(dir / "boxes.csv"); }).substr(0, wrong.says.size()),
              wrong.says)
        << wrong.rows;
  }
  dir.table("a.png,\"1,2,3,4,mass\n");
  expect_says<FormatError>(
      dir, [&] { open_box_table(dir / "boxes.csv"); }, "csv: DIR/boxes.csv:2: a quote is not closed");
}

TEST(BoxMistakes, ClassFiles) {
  const BoxFolder dir;
  dir.table("a.png,1,2,3,4,mass\n");
  const WrongRows all[] = {
      {"", "classes: DIR/classes.csv lists no classes; needed are lines name,id"},
      {"name,id\nmass\n", "classes: DIR/classes.csv:2: 1 column; needed is name,id"},
      {"mass,0,red\n", "classes: DIR/classes.csv:1: 3 columns; needed is name,id"},
      {",0\n", "classes: DIR/classes.csv:1: the name is empty"},
      {"mass,one\n", "classes: DIR/classes.csv:1: id 'one' is not a whole number"},
      {"mass,0.5\n", "classes: DIR/classes.csv:1: id '0.5' is not a whole number"},
      {"mass,-1\n", "classes: DIR/classes.csv:1: id -1 is below 0; ids count from 0, without a background"},
      {"mass,0\nmass,1\n", "classes: DIR/classes.csv:2: class 'mass' is listed twice"},
      {"mass,0\ncyst,0\n", "classes: DIR/classes.csv:2: id 0 is that of class 'mass' already"},
      {"mass,1\n",
       "classes: DIR/classes.csv: id 0 is missing before 1 ('mass'); ids go from 0 to 0, without a "
       "background"},
      {"mass,0\ncyst,2\n",
       "classes: DIR/classes.csv: id 1 is missing before 2 ('cyst'); ids go from 0 to 1, without a "
       "background"},
      {"ma\xff,0\n", "classes: DIR/classes.csv:1: class 'ma\\xff' is not text in UTF-8; convert the file"},
      {"masses,0\n", "boxes: DIR/boxes.csv:1: class 'mass' is not among the 1 classes; is it masses?"},
  };
  for (const WrongRows& wrong : all) {
    DatasetOptions options;
    options.class_file = dir.write("classes.csv", wrong.rows);
    EXPECT_EQ(said<DataError>(dir, [&] { open_box_table(dir / "boxes.csv", options); }), wrong.says);
  }
  DatasetOptions options;
  options.classes = {"mass", "mass"};
  expect_says<DataError>(
      dir, [&] { open_box_table(dir / "boxes.csv", options); }, "boxes: class 'mass' is listed twice");
}

TEST(BoxMistakes, VocObjects) {
  const std::string fits = voc_corners("3", "4", "9", "8");
  const WrongRows all[] = {
      {"<object><name>mass</name>", "boxes: DIR/Annotations/a.xml:2: no XML: Start-end tags mismatch"},
      {voc_object(fits, ""), "boxes: DIR/Annotations/a.xml:2: the object has no <name>"},
      {voc_object(fits, "<name>ma\xff</name>"),
       "boxes: DIR/Annotations/a.xml:2: class 'ma\\xff' is not text in UTF-8; convert the file"},
      {"<object><name>mass</name></object>", "boxes: DIR/Annotations/a.xml:2: the object has no <bndbox>"},
      {"<object><name>mass</name><bndbox/><bndbox/></object>",
       "boxes: DIR/Annotations/a.xml:2: the object has two <bndbox>"},
      {voc_object("<xmin>3</xmin><ymin>4</ymin><xmax>9</xmax>"),
       "boxes: DIR/Annotations/a.xml:3: <bndbox> has no <ymax>"},
      {voc_object(voc_corners("3", "", "9", "8")), "boxes: DIR/Annotations/a.xml:3: ymin is empty"},
      {voc_object(voc_corners("3", "4", "9", "x")),
       "boxes: DIR/Annotations/a.xml:3: ymax is 'x', not a number"},
      {voc_object(voc_corners("3", "4", "1e999", "9")),
       "boxes: DIR/Annotations/a.xml:3: xmax is '1e999', not a number"},
      {voc_object(voc_corners("39", "4", "33", "9")),
       "boxes: DIR/Annotations/a.xml:3: the box 38 3 32 8 has its corners swapped in x; x2 must be above x1, "
       "y2 "
       "above y1"},
      {voc_object(voc_corners("3", "4", "49", "9")),
       "boxes: DIR/Annotations/a.xml:3: the box 2 3 48 8 leaves the picture of 40 x 30 pixels by 8; at most "
       "1 "
       "pixel is clipped"},
      {voc_object(fits, "<name>mass</name><difficult>maybe</difficult>"),
       "boxes: DIR/Annotations/a.xml:2: difficult is 'maybe', not 0 or 1"},
      {voc_object(fits, "<name>mass</name><truncated>2</truncated>"),
       "boxes: DIR/Annotations/a.xml:2: truncated is '2', not 0 or 1"},
      {"<size><width>-4</width></size>", "boxes: DIR/Annotations/a.xml:2: width -4 is no size of a picture"},
      {"<size>\n<height>tall</height></size>",
       "boxes: DIR/Annotations/a.xml:3: height is 'tall', not a number"},
  };
  for (const WrongRows& wrong : all) {
    const BoxFolder dir;
    dir.voc(wrong.rows);
    EXPECT_EQ(said<DataError>(dir, [&] { open_voc(dir.path()); }), wrong.says);
  }
}

TEST(BoxMistakes, VocFolders) {
  const BoxFolder dir;
  const auto says = [&](const std::string& part = "") {
    DatasetOptions options;
    options.part = part;
    return said<DataError>(dir, [&] { open_voc(dir.path(), options); });
  };
  EXPECT_EQ(says(),
            "boxes: DIR has no folder Annotations; Pascal VOC has Annotations/ID.xml and JPEGImages/ID.jpg");
  std::filesystem::create_directories(dir / "Annotations");
  EXPECT_EQ(says(), "boxes: DIR has no folder JPEGImages and no images");
  std::filesystem::create_directories(dir / "JPEGImages");
  EXPECT_EQ(says(), "boxes: DIR lists no pictures");
  dir.write("Annotations/a.xml", "<xml/>");
  EXPECT_EQ(says(), "boxes: a.xml: a has no picture in DIR/JPEGImages");
  dir.pictures("JPEGImages/");
  EXPECT_EQ(says(),
            "boxes: DIR/Annotations/a.xml:1: there is no <annotation>; is it an annotation of Pascal VOC?");
  dir.voc("");
  dir.write("JPEGImages/a.jpg", "twice");
  EXPECT_EQ(says(), "boxes: a.xml: a has two pictures, a.jpg and a.png");
  std::filesystem::remove(dir / "JPEGImages/a.jpg");
  dir.write("ImageSets/Main/train.txt", "a  1\n\nc -1\n");
  EXPECT_EQ(says(), "boxes: DIR/ImageSets/Main/train.txt:3: c has no annotation DIR/Annotations/c.xml");
  dir.write("ImageSets/Main/train.txt", "a\na\n");
  EXPECT_EQ(says(), "boxes: DIR/ImageSets/Main/train.txt:2: a is listed twice");
  EXPECT_EQ(
      says("trainval"),
      "boxes: DIR/ImageSets/Main/trainval.txt does not exist; give a list of ImageSets/Main by its name "
      "without .txt");
  dir.write("ImageSets/Main/val.txt", "\n");
  EXPECT_EQ(says("val"), "boxes: DIR/ImageSets/Main/val.txt lists no pictures");
}

TEST(BoxMistakes, CocoAnnotations) {
  const BoxFolder dir;
  const auto with = [](const std::string& fields) { return "{\"id\": 5, " + fields + "}"; };
  const std::string ids = "\"image_id\": 1, \"category_id\": 3, ";
  const std::string place = "boxes: DIR/set.json:5: annotations[0]";
  const WrongRows all[] = {
      {with("\"category_id\": 3, \"bbox\": [1, 2, 3, 4]"), place + " has no image_id"},
      {with("\"image_id\": 1, \"bbox\": [1, 2, 3, 4]"), place + " has no category_id"},
      {with("\"image_id\": 1, \"category_id\": 3"), place + " has no bbox"},
      {with(ids + "\"bbox\": [1, 2, 3]"), place + ": bbox is not a list of four numbers x, y, width, height"},
      {with(ids + "\"bbox\": 7"), place + ": bbox is not a list of four numbers x, y, width, height"},
      {with(ids + "\"bbox\": [1, 2, 3, null]"), place + ": a number of bbox is no number"},
      {with(ids + "\"bbox\": [1, 2, 3, \"x\"]"), place + ": a number of bbox is 'x', not a number"},
      {with(ids + "\"bbox\": [1, 2, -1, 4]"),
       place + ": width -1 and height 4 are not above 0; a box is x, y, width, height"},
      {with(ids + "\"bbox\": [20, 10, 35, 25]"),
       place +
           ": the box leaves the picture of 40 x 30 pixels and looks like corners, 20 10 35 25; needed are "
           "x, y, width, height"},
      {with("\"image_id\": 9, \"category_id\": 3, \"bbox\": [1, 2, 3, 4]"),
       place + ": image_id 9 is not among the images"},
      {with("\"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 2, 3, 4]"),
       place + ": category_id 1 is not among the categories"},
      {with("\"image_id\": 1.5, \"category_id\": 1, \"bbox\": [1, 2, 3, 4]"),
       place + ": image_id 1.5 is not a whole number"},
      {with("\"image_id\": 9007199254740993, \"category_id\": 1, \"bbox\": [1, 2, 3, 4]"),
       place + ": image_id 9.007199e+15 is too large; whole numbers up to 9000000000000000 are read"},
      {with("\"image_id\": [1], \"category_id\": 1, \"bbox\": [1, 2, 3, 4]"),
       place + ": image_id is no number"},
      {with(ids + "\"bbox\": [1, 2, 3, 4], \"iscrowd\": 2"), place + ": iscrowd is 2, not 0 or 1"},
      {with(ids + "\"bbox\": [1, 2, 3, 4], \"area\": -2"), place + ": area -2 is below 0"},
  };
  for (const WrongRows& wrong : all) {
    dir.coco(wrong.rows);
    EXPECT_EQ(said<DataError>(dir, [&] { open_coco(dir / "set.json"); }), wrong.says);
  }
}

TEST(BoxMistakes, CocoListsAndFiles) {
  const BoxFolder dir;
  const auto says = [&](const std::string& path) { return said<Error>(dir, [&] { open_coco(path); }); };
  const std::string fits = R"({"id": 5, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]})";
  EXPECT_EQ(says(dir.coco(fits, R"({"id": 3})")), "boxes: DIR/set.json:3: categories[0] has no name");
  EXPECT_EQ(says(dir.coco(fits, R"({"name": "mass"})")), "boxes: DIR/set.json:3: categories[0] has no id");
  EXPECT_EQ(says(dir.coco(fits, R"({"id": 3, "name": "mass"}, {"id": 3, "name": "cyst"})")),
            "boxes: DIR/set.json:3: categories[1]: id 3 is that of category 'mass' already");
  EXPECT_EQ(says(dir.coco(fits, R"({"id": 3, "name": "mass"}, {"id": 4, "name": "mass"})")),
            "boxes: DIR/set.json:3: categories[1]: category 'mass' is listed twice");
  const std::string mass = R"({"id": 3, "name": "mass"})";
  EXPECT_EQ(says(dir.coco(fits, mass, R"({"id": 1})")), "boxes: DIR/set.json:1: images[0] has no file_name");
  EXPECT_EQ(says(dir.coco(fits, mass, R"({"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "b.png"})")),
            "boxes: DIR/set.json:1: images[1]: id 1 is that of a.png already");
  EXPECT_EQ(says(dir.coco(fits, mass, R"({"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "a.png"})")),
            "boxes: DIR/set.json:1: images[1]: a.png is that of images[0] already");
  EXPECT_EQ(says(dir.coco(fits, mass, R"({"id": 1, "file_name": "a.png", "width": -2})")),
            "boxes: DIR/set.json:1: images[0]: width -2 is no size of a picture");
  EXPECT_EQ(says(dir.coco(fits, mass, R"({"id": 1, "file_name": "c.png"})")),
            "boxes: DIR/set.json:1: read: DIR/c.png: no such file or directory");
  EXPECT_EQ(says(dir.write("x.json", "{\"images\": [],\n \"categories\": [5]}")),
            "boxes: DIR/x.json:2: an entry of categories is no object");
  EXPECT_EQ(says(dir.write("x.json", "{\"images\": {}}")), "boxes: DIR/x.json:1: images is no list");
  EXPECT_EQ(says(dir.write("x.json", "{\"images\": [], \"categories\": []}")),
            "boxes: DIR/x.json has no list annotations");
  EXPECT_EQ(says(dir.write("x.json", "{\"images\": [],\n\"annotations\": [}")),
            "boxes: DIR/x.json:2: no JSON, at byte 32 after '\"annotations\": [}'");
  EXPECT_EQ(
      says(dir.write("x.json", "5")),
      "boxes: DIR/x.json:1: neither an object of COCO with images, annotations and categories nor a list "
      "of results");
  EXPECT_EQ(says(dir.write("x.json", "[]")),
            "boxes: DIR/x.json is a list, as results are; needed is an object with images, annotations and "
            "categories");
  EXPECT_EQ(says(dir.path()), "boxes: DIR/annotations holds no instances_NAME.json");
}

}  // namespace
