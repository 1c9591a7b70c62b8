// The pictures of boxes: of any kind, turned by EXIF or not, and into batches.
#include <gtest/gtest.h>

#include <cstring>

#include "data/dicom/dictionary.h"
#include "data/image/header.h"
#include "data/sets/boxes/box_check.h"
#include "data/sets/collation.h"
#include "data/sets/loader.h"
#include "tests/data/sets/boxes_parts.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

// EXIF as cameras write it: a directory of one entry.
std::vector<std::uint8_t> turned_jpeg(const Image& image, int orientation) {
  std::vector<std::uint8_t> file = encode_jpeg(image, 95);
  const std::uint8_t exif[] = {
      0xff, 0xe1, 0, 34, 'E', 'x', 'i',  'f', 0, 0, 'M', 'M', 0, 42, 0,
      0,    0,    8, 0,  1,   1,   0x12, 0,   3, 0, 0,   0,   1, 0,  static_cast<std::uint8_t>(orientation),
      0,    0,    0, 0,  0,   0};
  file.insert(file.begin() + 2, std::begin(exif), std::end(exif));
  return file;
}

TEST(Boxes, ExifTurnsBoxesToTheStoredPixels) {
  // A white mark at x 4..10, y 2..6 of the stored pixels.
  Image image(40, 20, 1);
  for (int y = 2; y < 6; ++y)
    for (int x = 4; x < 10; ++x) image.row<std::uint8_t>(y)[x] = 255;
  const ObjectBox stored{4, 2, 10, 6, 0};
  // Corners of the mark in the picture as it is shown, by the definition of each orientation.
  const ObjectBox shown[9] = {{},
                              {4, 2, 10, 6, 0},
                              {30, 2, 36, 6, 0},
                              {30, 14, 36, 18, 0},
                              {4, 14, 10, 18, 0},
                              {2, 4, 6, 10, 0},
                              {14, 4, 18, 10, 0},
                              {14, 30, 18, 36, 0},
                              {2, 30, 6, 36, 0}};
  for (int o = 1; o <= 8; ++o) {
    const Scratch dir;
    dir.write("a.jpg", turned_jpeg(image, o));
    EXPECT_EQ(read_image_header(read_bytes(dir / "a.jpg"), "a.jpg").orientation, o);
    EXPECT_EQ(read_image(dir / "a.jpg").width, 40) << "pictures are taken as they are stored";
    const auto row = [](const ObjectBox& b, bool across, bool sizes) {
      return cat("path,x1,y1,x2,y2,class", sizes ? ",width,height" : "", "\na.jpg,", b.x1, ",", b.y1, ",",
                 b.x2, ",", b.y2, ",m", sizes ? (across ? ",20,40" : ",40,20") : "", "\n");
    };
    DatasetOptions options;
    for (const bool on_shown : {false, true}) {
      options.boxes_on_shown = on_shown;
      if (o >= 5) {  // the table's size tells
        dir.write("t.csv", row(shown[o], true, true));
        const auto set = open_box_table(dir / "t.csv", options);
        EXPECT_EQ(boxes_of(*set, 0)[0], stored) << o;
        EXPECT_EQ(set->counts().turned, 1);
        EXPECT_NE(set->summary().find("; 1 box turned to stored pixels (EXIF orientation)"),
                  std::string::npos);
        const auto problems = check_boxes(*set, inspect_samples(*set, 1));
        ASSERT_EQ(problems.size(), 2u);
        EXPECT_EQ(problems[1].kind, "box-orientation");
        EXPECT_EQ(problems[1].text, cat("a.jpg has the EXIF orientation ", o,
                                        "; its pixels are taken as they are stored, and boxes lie on them"));
        dir.write("t.csv", row(stored, false, true));
        EXPECT_EQ(boxes_of(*open_box_table(dir / "t.csv", options), 0)[0], stored) << o;
      }
      dir.write("t.csv", row(on_shown ? shown[o] : stored, false, false));
      const auto open = open_box_table(dir / "t.csv", options);
      EXPECT_EQ(boxes_of(*open, 0)[0], stored) << o;
      // Where sizes cannot tell, as with orientation 3, people are told what was taken for granted.
      const auto problems = check_boxes(*open, inspect_samples(*open, 1));
      if (o == 1) {
        EXPECT_TRUE(problems.empty());
        continue;
      }
      EXPECT_EQ(
          problems.back().text,
          cat("a.jpg has the EXIF orientation ", o,
              "; its pixels are taken as they are stored, and boxes lie on them",
              on_shown ? "" : "; if they were drawn on the picture as it is shown, give --boxes-on-shown"));
      ASSERT_EQ(open->notes().size(), on_shown ? 0u : 1u);
      if (on_shown) continue;
      EXPECT_EQ(
          open->notes()[0],
          "1 picture with boxes is shown turned or mirrored by EXIF, and sizes do not tell on what boxes "
          "were drawn; they are taken to lie on stored pixels, else give --boxes-on-shown");
    }
  }
}

TEST(Boxes, HeadersTellSizes) {
  const auto size = [](const std::vector<std::uint8_t>& bytes) {
    const ImageHeader h = read_image_header(bytes, "x");
    return std::pair(h.width, h.height);
  };
  const auto want = std::pair(37, 21);
  EXPECT_EQ(size(encode_png(pattern(37, 21, 1, 16))), want);
  EXPECT_EQ(size(encode_jpeg(pattern(37, 21, 3))), want);
  const std::string pgm = "P5 # film\n37 21\n255\n",
                    bmp("BM\0\0\0\0\0\0\0\0\0\0\0\0\x28\0\0\0\x25\0\0\0\xeb\xff\xff\xff", 26);
  EXPECT_EQ(size({pgm.begin(), pgm.end()}), want);
  EXPECT_EQ(size({bmp.begin(), bmp.end()}), want);
  EXPECT_EQ(message_of<FormatError>([&] {
              size({0xff, 0xd8, 0xff, 0xd9});
            }),
            "decode: x: its header tells no size");
  for (std::size_t n = 1; n < 60; ++n) {  // cut anywhere, no byte behind the end is read
    for (std::vector<std::uint8_t> bytes : {encode_png(pattern(9, 9, 1)), turned_jpeg(pattern(9, 9, 1), 6)}) {
      bytes.resize(std::min(n, bytes.size()));
      bytes.shrink_to_fit();
      try {
        read_image_header(bytes, "x");
      } catch (const FormatError&) {
      }
    }
  }
}

TEST(Boxes, PicturesOfAnyKind) {
  const BoxFolder dir;
  dir.write("sixteen.png", encode_png(pattern(37, 21, 1, 16)));
  dir.write("film.pgm", "P5 50 40 4095\n" + std::string(4000, '\1'));
  std::string rows = "sixteen.png,1,2,37,21,mass\nfilm.pgm,0,0,50,40,mass\n";
  if (dicom_available()) {
    std::filesystem::copy(fixture("dicom/pydicom/JPEGLSNearLossless_08.dcm"), dir / "slice.dcm");
    const Image image = read_image(dir / "slice.dcm");
    const ImageHeader header = read_image_header(read_bytes(dir / "slice.dcm"), "slice.dcm");
    EXPECT_EQ(header.width, image.width);
    EXPECT_EQ(header.height, image.height);
    rows += cat("slice.dcm,0,0,", image.width, ",", image.height, ",mass\n");
  }
  dir.table(rows);
  const auto set = open_box_table(dir / "boxes.csv");
  EXPECT_EQ(set->image(0).bits, 16);
  for (std::int64_t i = 0; i < set->size(); ++i) {
    EXPECT_EQ(set->picture(i).boxes.size(), 1u);
    EXPECT_EQ(set->image(i).width, set->picture(i).width);
  }
}

TEST(Boxes, RealPictureOfBloodCells) {
  const auto set = open_voc(fixture("boxes/bccd"));
  EXPECT_EQ(set->summary(),
            "18 rows with boxes: 18 boxes of 3 classes in 1 picture, 0 of them without boxes");
}

TEST(Boxes, IntoBatches) {
  const BoxFolder dir;
  dir.table("a.png,10,5,30,20,mass\na.png,0,0,20,10,cyst\nb.png,,,,,\n");
  const auto set = open_box_table(dir / "boxes.csv");
  DetectionCollation collation(Pipeline("resize:80x60"));
  const auto use = [&](std::int64_t i) {
    SampleUse u;
    u.name = set->name(i);
    return u;
  };
  collation.learn(set->sample(0), use(0), DType::fp32, cpu);
  const auto draft = collation.begin({0, 1});
  for (std::int64_t i = 0; i < 2; ++i) draft->put(i, set->sample(i), use(i));
  const std::vector<Tensor> batch = collation.finish(draft->tensors());
  EXPECT_EQ(batch[3].to_vector<int>(), (std::vector<int>{2, 0}));
  const auto boxes = batch[1].to_vector<float>();
  EXPECT_EQ(std::vector<float>(boxes.begin(), boxes.begin() + 8),
            (std::vector<float>{20, 10, 60, 40, 0, 0, 40, 20}));
  EXPECT_EQ(batch[2].to_vector<int>()[0], 1) << "mass, behind cyst";
}

}  // namespace
