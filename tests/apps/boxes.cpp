// data check, stats, split, convert and score with boxes, as a user starts them.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "data/image/image.h"
#include "data/sets/dataset.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

struct BoxCommands : Scratch {
  BoxCommands() {
    for (int i = 0; i < 12; ++i) {
      const std::string name = "p" + std::to_string(i / 2) + "_" + std::to_string(i) + ".png";
      Image image = pattern(40, 30, 1);
      image.pixels[0] = static_cast<std::uint8_t>(i);
      write(name, encode_png(image));
      rows += name + (i % 3 == 2 ? ",,,,,\n" : ",1,2,9.5,8," + std::string(i % 2 ? "mass" : "cyst") + "\n");
    }
  }
  std::string table() const { return write("boxes.csv", rows); }
  std::string rows;
};

TEST(BoxCommandsRun, CheckAndStats) {
  const BoxCommands dir;
  Outcome run = run_here({"data", "check", dir.table()});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("8 rows with boxes: 8 boxes of 2 classes in 12 pictures, 4 of them without boxes\n"),
            std::string::npos)
      << run.out;
  dir.write("boxes.csv", dir.rows + "p0_0.png,20,10,15,12,mass\n");
  run = run_here({"data", "check", dir / "boxes.csv"});
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.out.find("error    row: boxes: " + (dir / "boxes.csv") +
                         ":13: the box 20 10 15 12 looks like x, y, width, height"),
            std::string::npos)
      << run.out;
  EXPECT_NE(run.out.find("; 1 wrong row is left out\n"), std::string::npos) << run.out;
  run = run_here({"data", "stats", dir / "boxes.csv"});
  EXPECT_EQ(run.code, 3) << "a wrong row stops";
  run = run_here({"data", "stats", dir / "boxes.csv", "--skip-wrong", "--patient-until", "_"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.err.find("left out: boxes: "), std::string::npos) << run.err;
  EXPECT_NE(run.out.find("boxes a picture                  0 to 1, median 1\n"), std::string::npos)
      << run.out;
  EXPECT_NE(run.out.find("patients                          6\n"), std::string::npos) << run.out;
}

TEST(BoxCommandsRun, CheckOfAnchors) {
  const BoxCommands dir;
  const std::vector<std::string> check{"data", "check", dir.table(), "--anchors", "--input-size", "64"};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> all = check;
    all.insert(all.end(), more.begin(), more.end());
    return run_here(all);
  };
  Outcome run = with({"--sheet", dir / "sheet.png", "--net-option", "anchor_sizes=12/24/48/96/192"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("with an anchor"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("sheet: " + (dir / "sheet.png")), std::string::npos) << run.out;
  EXPECT_EQ(read_image(dir / "sheet.png").width, 8 + 5 * 248);
  run = with({"--augment", "random-crop:20,hflip"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("cut away or made too loose by the pipeline"), std::string::npos) << run.out;
  EXPECT_EQ(last_line(with({"--augment", "strong"}), dir.path()),
            "--augment strong is unknown; use none, light, standard or a list of steps [GD-USAGE-001]");
  EXPECT_EQ(last_line(run_here({"data", "check", dir.table(), "--sheet", dir / "s.png"}), dir.path()),
            "data check: --sheet and --net-option are about anchors; add --anchors [GD-USAGE-001]");
  dir.write("manifest.csv", "path,labels\np0_0.png,a\n");
  EXPECT_EQ(last_line(run_here({"data", "check", dir / "manifest.csv", "--anchors"}), dir.path()),
            "data check: --anchors is for sets with boxes; leave it out [GD-USAGE-001]");
}

TEST(BoxCommandsRun, SplitByPatientAndConvert) {
  const BoxCommands dir;
  Outcome run = run_here({"data", "split", dir.table(), "--patient-until", "_", "--shares", "0.5/0.25/0.25",
                          "--out", dir / "split.csv"});
  EXPECT_EQ(run.code, 0) << run.err;
  const auto set = open_dataset(dir / "split.csv");
  EXPECT_TRUE(set->has_split(Split::val));
  EXPECT_EQ(set->patient(5), "p2");
  run = run_here({"data", "split", dir / "boxes.csv"});
  EXPECT_EQ(last_line(run, dir.path()),
            "data split: DIR/boxes.csv is no manifest, so the splits need a place; give --out manifest.csv "
            "[GD-USAGE-001]");
  for (const std::string form : {"coco", "voc", "csv"}) {
    run = run_here({"data", "convert", dir / "split.csv", dir / form, "--format", form});
    EXPECT_EQ(run.code, 0) << run.err;
    const auto again = open_dataset(dir / (form == "csv" ? "csv/boxes.csv" : form));
    EXPECT_EQ(again->size(), 12);
    EXPECT_EQ(again->class_counts(), set->class_counts());
  }
  run = run_here({"data", "convert", dir / "boxes.csv", dir / "out"});
  EXPECT_EQ(
      last_line(run, dir.path()),
      "data convert: DIR/boxes.csv has boxes, which --format tfrecord does not hold; use csv, voc or coco "
      "[GD-USAGE-001]");
  dir.write("manifest.csv", "path,labels\np0_0.png,a\n");
  run = run_here({"data", "convert", dir / "manifest.csv", dir / "out", "--format", "coco"});
  EXPECT_EQ(last_line(run, dir.path()),
            "data convert: DIR/manifest.csv has no boxes; use --format tfrecord or manifest [GD-USAGE-001]");
}

TEST(BoxCommandsRun, Score) {
  const std::string truth = fixture("coco/truth.json"), found = fixture("coco/results.json");
  Outcome run = run_here({"data", "score", "--annotations", truth, "--detections", found});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("AP                           0.5046\n"), std::string::npos) << run.out;
  run = run_here({"data", "score", "--annotations", truth, "--detections", found, "--json"});
  const nlohmann::json done =
      nlohmann::json::parse(run.out.substr(run.out.rfind('\n', run.out.size() - 2) + 1));
  EXPECT_NEAR(done.at("metrics").at("ARl").get<double>(), 0.5642905982905982, 1e-9);
  run = run_here({"data", "score", "--annotations", truth, "--detections", found, "--voc"});
  EXPECT_NE(run.out.find("mAP by instances"), std::string::npos) << run.out;
}

TEST(BoxCommandsRun, ScoreOfNothing) {
  const Scratch dir;
  const std::string truth =
      dir.write("t.json", R"({"images": [{"id": 1, "file_name": "a_1"}, {"id": 2, "file_name": "b_1"}],
      "categories": [{"id": 3, "name": "m"}], "annotations": [{"id": 1, "image_id": 1, "category_id": 3,
      "bbox": [5, 5, 9, 9]}]})");
  const Outcome run = run_here({"data", "score", "--annotations", truth, "--detections",
                                dir.write("r.json", "[]"), "--froc", "--patient-until", "_"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("note: no detections\n"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("why nothing is found: there are no detections, of any score\n"), std::string::npos)
      << run.out;
  EXPECT_NE(run.out.find("1 lesions in 2 pictures, 1 of them normal; false alarms over all 2 and, of normal "
                         "pictures, over 1\n"),
            std::string::npos)
      << run.out;
  const std::string normals = dir.write("n.json", R"({"images": [{"id": 1, "file_name": "a"}],
      "categories": [{"id": 3, "name": "m"}], "annotations": []})");
  const Outcome none = run_here({"data", "score", "--annotations", normals, "--detections", dir / "r.json"});
  EXPECT_NE(none.out.find("not defined: no truth"), std::string::npos) << none.out;
}

}  // namespace
