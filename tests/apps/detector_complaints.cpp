// What users of other detectors complained of, tried on one small trained detector. The list of complaints
// with all their tests is docs/complaints.md.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "data/image/image.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/json.h"
#include "io/text.h"
#include "tests/apps/in_process.h"
#include "tests/tasks/detection/bright_squares.h"

namespace gadolin::test {
namespace {

// What one short training leaves behind, for the rows below.
class TrainedDetector : public testing::Test {
 protected:
  struct Made {
    BrightSquares films{16};
    std::string run = films.path() + "/run";
    Outcome trained = run_here({"train",        films.table(),
                                "--task",       "detection",
                                "--model",      "retinanet_resnet18_fpn",
                                "--net-option", "width=4",
                                "--net-option", "channels=32",
                                "--net-option", "anchor_sizes=12/20/32/64/128",
                                "--net-option", "score=0.001",
                                "--net-option", "most=20",
                                "--input-size", "64",
                                "--batch-size", "4",
                                "--max-steps",  "2",
                                "--out",        run,
                                "--workers",    "0",
                                "--device",     "cpu"});
  };
  static Made& made() {
    static Made one;
    return one;
  }
  static std::string checkpoint(const std::string& name = "last") {
    return made().run + "/checkpoints/" + name + ".gdck";
  }
  static void SetUpTestSuite() { ASSERT_EQ(made().trained.code, 0) << made().trained.err; }
};

// A3: what training writes is what the other commands take.
TEST_F(TrainedDetector, A3EachFileOfATrainingIsTaken) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(made().run + "/checkpoints")) {
    ++files;
    EXPECT_EQ(run_here({"predict", made().films.path() + "/film0.png", "--checkpoint", entry.path()}).code, 0)
        << entry.path();
    EXPECT_EQ(run_here({"eval", made().films.table(), "--checkpoint", entry.path(), "--split", "test"}).code,
              0)
        << entry.path();
  }
  EXPECT_GE(files, 3);
}

// C3: the same boxes alone and in any batch, in eval and predict.
TEST_F(TrainedDetector, C3BoxesDoNotDependOnTheBatch) {
  Scratch dir;
  std::string rows = "path,x1,y1,x2,y2,class\n";
  const std::pair<int, int> sizes[] = {{100, 60}, {266, 160}, {64, 64}, {60, 100}, {65, 64}, {40, 160}};
  for (const auto& [width, height] : sizes) {
    const std::string name = cat(width, "x", height, ".png");
    dir.write(name, encode_png(pattern(width, height, 1)));
    rows += cat(name, ",5,5,25,25,bright\n");
  }
  dir.write("boxes.csv", rows);
  std::string want;
  for (const char* batch : {"1", "2", "6"}) {
    const Outcome run = run_here({"eval", dir / "boxes.csv", "--checkpoint", checkpoint(), "--split", "all",
                                  "--out", dir / batch, "--batch-size", batch, "--resamples", "0"});
    ASSERT_EQ(run.code, 0) << run.err;
    const std::string found = contents_of(dir / (std::string(batch) + "/detections.csv"));
    if (want.empty()) want = found;
    EXPECT_EQ(found, want) << "batches of " << batch;
  }
  const CsvTable table = read_csv(dir / "1/detections.csv");
  ASSERT_GE(table.rows.size(), 6u) << "something is found in each";
  const auto boxes_in = [](const nlohmann::json& event) {
    std::vector<std::string> all;
    for (const auto& one : event.at("boxes")) {
      std::string row;
      for (const auto& corner : one.at("box")) row += exact_text(corner.get<double>()) + ",";
      all.push_back(row + one.at("class").get<std::string>() + "," +
                    exact_text(one.at("score").get<double>()));
    }
    return all;
  };
  for (const auto& [width, height] : sizes) {
    const std::string name = cat(width, "x", height, ".png");
    std::vector<std::string> evaluated;
    for (const auto& row : table.rows) {
      if (row[0] != name) continue;
      std::string text = row[1];
      for (std::size_t c = 2; c < row.size(); ++c) text += "," + row[c];
      evaluated.push_back(text);
    }
    const Outcome alone = run_here({"predict", dir / name, "--checkpoint", checkpoint(), "--json"});
    bool seen = false;
    for (const auto& event : events(alone)) {
      if (!event.contains("boxes")) continue;
      EXPECT_EQ(boxes_in(event), evaluated) << name;
      seen = true;
    }
    EXPECT_TRUE(seen) << alone.out << alone.err;
  }
}

// B4: categories are joined by name; ids with gaps, from 0, other ones than in training.
TEST_F(TrainedDetector, B4OtherIdsOfTheSameNames) {
  const std::string folder = made().films.path() + "/coco";
  ASSERT_EQ(run_here({"data", "convert", made().films.table(), folder, "--format", "coco"}).code, 0);
  const auto evaluated = [&](int bright, int dim, const std::string& name) {
    for (const auto& entry : std::filesystem::directory_iterator(folder + "/annotations")) {
      Json json = Json::parse(contents_of(entry.path()));
      std::map<int, int> now;
      for (Json& category : json.at("categories")) {
        const int before = category.at("id").get<int>();
        category["id"] = now[before] = category.at("name") == "bright" ? bright : dim;
      }
      for (Json& one : json.at("annotations")) one["category_id"] = now.at(one.at("category_id").get<int>());
      write_file_atomically(entry.path(), json.dump());
    }
    const std::string out = made().films.path() + "/" + name;
    const Outcome run = run_here(
        {"eval", folder, "--checkpoint", checkpoint(), "--split", "all", "--out", out, "--resamples", "0"});
    EXPECT_EQ(run.code, 0) << run.err;
    return Json::parse(contents_of(out + "/metrics.json")).at("per_class");
  };
  const Json plain = evaluated(3, 7, "plain");
  EXPECT_EQ(evaluated(7, 3, "swapped"), plain);
  EXPECT_EQ(evaluated(0, 90, "gaps"), plain);
  EXPECT_EQ(evaluated(1, 0, "from_zero"), plain);
}

}  // namespace
}  // namespace gadolin::test
