// What users of other detectors complained of, with the inputs that they met: training, readers, scores. The
// list of them with all their tests is docs/complaints.md.
#include <gtest/gtest.h>

#include <filesystem>

#include "data/image/image.h"
#include "io/csv.h"
#include "io/text.h"
#include "tensor/check.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

bool tells(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Films of one size with one box each, three for training and one to look at.
class BoxedFilms : public Scratch {
 public:
  BoxedFilms(int width, int height, const std::string& box) {
    std::string rows = "path,x1,y1,x2,y2,class,split\n";
    for (int i = 0; i < 4; ++i) {
      const std::string name = cat("film", i, ".png");
      Image film(width, height, 1);
      film.pixels[static_cast<std::size_t>(i)] = 9;
      write(name, encode_png(film));
      rows += cat(name, ",", box, ",mass,", i < 3 ? "train" : "val", "\n");
    }
    write("boxes.csv", rows);
  }
  Outcome train(const std::vector<std::string>& more) const {
    std::vector<std::string> args{
        "train", path() + "/boxes.csv", "--task",    "detection", "--model",  "retinanet_resnet18_fpn",
        "--out", path() + "/run",       "--workers", "0",         "--device", "cpu"};
    args.insert(args.end(), more.begin(), more.end());
    return run_here(args);
  }
};
const std::vector<std::string> narrow{"--net-option", "width=4", "--net-option", "channels=32",
                                      "--batch-size", "2",       "--max-steps",  "1"};

// A1: boxes that no anchor overlaps, at the size of training, are counted before the first step; so many
// stop.
TEST(BoxComplaints, A1BoxesWithoutAnAnchorAreRefusedBeforeTheFirstStep) {
  struct Met {
    int width, height;
    const char* box;
    const char* size;
    const char* says;
  };
  for (const Met& met : {Met{2000, 2000, "500,500,530,530", "800", "3 of 3 with sides of 8 to 16"},
                         Met{300, 300, "10,10,36,210", "300", "3 of 3 with sides of 64 to 96"},
                         Met{40, 160, "5,5,35,155", "224", "3 of 3 with sides of 96 to 192"},
                         // a row of calcifications, a point, a line of one pixel
                         Met{400, 300, "20,20,220,30", "300", "3 of 3 with sides of 32 to 64"},
                         Met{512, 512, "100,100,101.5,101.5", "512", "3 of 3 with sides of 0 to 8"},
                         Met{512, 512, "0,100,512,101", "512", "3 of 3 with sides of 16 to 32"}}) {
    const BoxedFilms films(met.width, met.height, met.box);
    const Outcome run = films.train({"--input-size", met.size});
    EXPECT_EQ(run.code, 3) << met.box;
    EXPECT_EQ(
        last_line(run, films.path()),
        cat("detection: 3 of 3 boxes have no anchor that overlaps them by 0.5 (", met.says,
            " pixels behind the pipeline), so nothing would be learnt of them; use a larger --input-size, "
            "other --net-option anchor_sizes than 32/64/128/256/512, other anchor_ratios, or "
            "--net-option rescue=best [GD-DATA-001]"));
    EXPECT_FALSE(std::filesystem::exists(films.path() + "/run"));
  }
}

TEST(BoxComplaints, A1TheBestAnchorLearnsThemWhenAsked) {
  const BoxedFilms films(96, 64, "20,20,30,30");
  std::vector<std::string> options = narrow;
  options.insert(options.end(), {"--input-size", "64", "--net-option", "rescue=best"});
  const Outcome run = films.train(options);
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(tells(run.out, "8 to 16                 3               0  0.000         0.098\n")) << run.out;
  const CsvTable log = read_csv(films.path() + "/run/metrics.csv");
  EXPECT_EQ(log.rows.back()[static_cast<std::size_t>(log.column("train_unmatched"))], "1");
  EXPECT_GT(std::stod(log.rows.back()[static_cast<std::size_t>(log.column("train_box"))]), 0);
}

// Truths and detections of four pictures as COCO writes them.
class CocoScore : public Scratch {
 public:
  using Corners = std::array<double, 4>;  // x, y, width, height
  static std::string entry(int image, const Corners& b, int category, const std::string& more) {
    return cat(R"({"image_id": )", image, R"(, "category_id": )", category, R"(, "bbox": [)", b[0], ", ",
               b[1], ", ", b[2], ", ", b[3], "], ", more, "}");
  }
  Outcome score(const std::string& truth, const std::string& found,
                const std::vector<std::string>& more = {}) {
    write("truth.json", R"({"images": [{"id": 1, "file_name": "a"}, {"id": 2, "file_name": "b"}],
      "categories": [{"id": 1, "name": "mass"}, {"id": 2, "name": "cyst"}, {"id": 3, "name": "node"}],
      "annotations": [)" + truth +
                            "]}");
    write("found.json", "[" + found + "]");
    std::vector<std::string> args{
        "data", "score", "--annotations", *this / "truth.json", "--detections", *this / "found.json"};
    args.insert(args.end(), more.begin(), more.end());
    return run_here(args);
  }
};

// A2: an AP of 0 ends with its cause.
TEST(BoxComplaints, A2AnApOfZeroNamesItsCause) {
  struct Planted {
    double from[4], to[4];  // x, y, width, height of what is found: each row times the truth's numbers
    int shift;
    const char* says;
  };
  CocoScore dir;
  const CocoScore::Corners truths[] = {
      {30, 200, 40, 60}, {400, 90, 70, 30}, {120, 300, 50, 90}, {600, 20, 30, 80}};
  const auto with = [&](const std::function<CocoScore::Corners(const CocoScore::Corners&)>& move, int shift) {
    std::string truth, found;
    for (int i = 0; i < 4; ++i) {
      const std::string comma = i == 0 ? "" : ", ";
      const CocoScore::Corners& b = truths[i];
      truth += comma + CocoScore::entry(1 + i % 2, b, 1 + i % 2, cat(R"("id": )", i + 1));
      found += comma + CocoScore::entry(1 + i % 2, move(b), 1 + i % 2 + shift, R"("score": 0.9)");
    }
    const Outcome run = dir.score(truth, found);
    EXPECT_EQ(run.code, 0) << run.err;
    const std::size_t at = run.out.find("why nothing is found: ");
    return at == std::string::npos ? "no cause: " + run.out : run.out.substr(at + 22);
  };
  using C = CocoScore::Corners;
  EXPECT_TRUE(with(
                  [](const C& b) {
                    return C{b[1], b[0], b[3], b[2]};
                  },
                  0)
                  .starts_with("x and y are exchanged: "));
  EXPECT_TRUE(
      with(
          [](const C& b) {
            return C{b[0] * 0.3, b[1] * 0.3, b[2] * 0.3, b[3] * 0.3};
          },
          0)
          .starts_with("the boxes have another scale than the truth: times 3.333 in x and 3.333 in y"));
  EXPECT_TRUE(with(
                  [](const C& b) {
                    return C{b[0] / 800, b[1] / 800, b[2] / 800, b[3] / 800};
                  },
                  0)
                  .starts_with("the boxes are shares of the picture, 0 to 1, not pixels"));
  EXPECT_TRUE(with([](const C& b) { return b; }, 1)
                  .starts_with("100.0 % of the truths are found by boxes of other "
                               "classes: "));
  EXPECT_TRUE(with([](const C&) { return C{700, 700, 9, 9}; }, 0).starts_with("the boxes lie elsewhere: "));
  // Corners written as if they were width and height.
  EXPECT_TRUE(with(
                  [](const C& b) {
                    return C{b[0], b[1], b[0] + b[2], b[1] + b[3]};
                  },
                  0)
                  .starts_with("the boxes lie elsewhere: "));
  EXPECT_TRUE(with([](const C& b) { return b; }, 0).starts_with("no cause: "));
}

// C1: a file of results that is empty is a result.
TEST(BoxComplaints, C1NothingFoundIsAnApOfZero) {
  CocoScore dir;
  const std::string truth = CocoScore::entry(1, {10, 10, 30, 30}, 1, R"("id": 1)");
  for (const std::vector<std::string>& how : {std::vector<std::string>{}, {"--froc"}, {"--voc"}}) {
    Outcome run = dir.score(truth, "", how);
    EXPECT_EQ(run.code, 0) << run.err;
    EXPECT_TRUE(tells(run.out, "why nothing is found: there are no detections, of any score\n")) << run.out;
    // No truth either; all on a picture without truth; of a class without truth.
    for (const std::string& found : {std::string(), CocoScore::entry(2, {1, 1, 9, 9}, 1, R"("score": 0.5)"),
                                     CocoScore::entry(1, {10, 10, 30, 30}, 3, R"("score": 0.5)")}) {
      EXPECT_EQ(dir.score(truth, found, how).code, 0);
      EXPECT_EQ(dir.score("", found, how).code, 0);
    }
  }
  EXPECT_TRUE(tells(dir.score(truth, "").out, "note: no detections\n"));
}

// C6: ids are names. pycocotools never finds an annotation with the id 0.
TEST(BoxComplaints, C6AnnotationsWithAnyIdAreFound) {
  CocoScore dir;
  const CocoScore::Corners one{10, 10, 50, 50}, other{200, 10, 50, 50};
  const std::string found = CocoScore::entry(1, one, 1, R"("score": 0.9)") + ", " +
                            CocoScore::entry(1, other, 1, R"("score": 0.8)");
  struct Ids {
    const char *first, *second, *note;
  };
  for (const Ids& ids :
       {Ids{"0", "1", "1 annotation has the id 0, which pycocotools never counts as found"},
        Ids{"0", "0", "2 annotations have the id 0"}, Ids{"7", "7", "1 annotation has the id of another"},
        Ids{"\"0\"", "\"12\"", "1 annotation has the id 0"}, Ids{"-3", "9000000000000000", ""}}) {
    const Outcome run = dir.score(CocoScore::entry(1, one, 1, std::string(R"("id": )") + ids.first) + ", " +
                                      CocoScore::entry(1, other, 1, std::string(R"("id": )") + ids.second),
                                  found);
    EXPECT_TRUE(tells(run.out, "AP                                          1.0000\n")) << run.out;
    EXPECT_TRUE(tells(run.out, std::string("note: ") + ids.note) == (*ids.note != '\0')) << run.out;
  }
}

// B1: what rounding puts outside is clipped and counted, more is told with file and line before training.
TEST(BoxComplaints, B1BoxesAHairOutside) {
  struct Met {
    const char *box, *says;
  };
  for (const Met& met :
       {Met{"10,10,641,470", "; 4 boxes clipped by at most a pixel"},
        Met{"-1,-0.4,600,480.999", "; 4 boxes clipped by at most a pixel"},
        Met{"0,0,640,480", "4 rows with boxes: 4 boxes of 1 class in 4 pictures, 0 of them without boxes\n"},
        Met{"10,10,641.01,470", "leaves the picture of 640 x 480 pixels by 1.01; at most 1 pixel is clipped"},
        Met{"0.1,0.2,1.003,0.9", "looks like shares of the picture; needed are pixels of 640 x 480"},
        Met{"10,10,640,1e3", "leaves the picture of 640 x 480 pixels by 520"}}) {
    const BoxedFilms films(640, 480, met.box);
    const Outcome run = run_here({"data", "check", films.path() + "/boxes.csv"});
    EXPECT_TRUE(tells(run.out, met.says)) << run.out;
    const bool wrong = tells(run.out, "error    row: ");
    EXPECT_EQ(run.code, wrong ? 3 : 0);
    if (wrong) {
      EXPECT_TRUE(tells(run.out, films.path() + "/boxes.csv:2: the box ")) << run.out;
    }
  }
}

// B6: a wrong row costs itself alone.
TEST(BoxComplaints, B6AWrongRowLeavesItsPicture) {
  BoxedFilms films(40, 30, "1,2,9,8");
  for (const char* wrong : {"20,8,10,12", "5,5,5,20", "1,2,3", "1,2,3,nan", "1,2,3,4px"}) {
    films.write("two.csv",
                cat("film0.png,1,2,9,8,mass\nfilm0.png,", wrong, ",mass\nfilm0.png,3,4,20,21,mass\n"));
    Outcome run = run_here({"data", "stats", films.path() + "/two.csv"});
    EXPECT_EQ(run.code, 3) << wrong;
    EXPECT_TRUE(tells(run.err, films.path() + "/two.csv:2: ")) << run.err;
    run = run_here({"data", "stats", films.path() + "/two.csv", "--skip-wrong"});
    EXPECT_EQ(run.code, 0) << run.err;
    EXPECT_TRUE(tells(run.err, "two.csv:2: ")) << run.err;
    EXPECT_TRUE(tells(run.err + run.out, "2 boxes of 1 class in 1 picture")) << run.out << run.err;
    EXPECT_TRUE(tells(run.err + run.out, "1 wrong row is left out")) << run.out << run.err;
  }
}

// A6: classes are names; there is no background, and a number that is none of theirs is named with its line.
TEST(BoxComplaints, A6NoBackground) {
  BoxedFilms films(40, 30, "1,2,9,8");
  const auto says = [&](const std::string& table, const std::string& classes) {
    films.write("t.csv", table);
    films.write("classes.csv", classes);
    return last_line(
        run_here({"data", "stats", films.path() + "/t.csv", "--class-file", films.path() + "/classes.csv"}),
        films.path());
  };
  const std::string mass = "film0.png,1,2,9,8,mass\n";
  EXPECT_EQ(
      says(mass, "mass,1\n"),
      "classes: DIR/classes.csv: id 0 is missing before 1 ('mass'); ids go from 0 to 0, without a background "
      "[GD-DATA-001]");
  EXPECT_EQ(says("film0.png,1,2,9,8,1\n", "mass,0\n"),
            "boxes: DIR/t.csv:1: class '1' is not among the 1 classes [GD-DATA-001]");
  EXPECT_EQ(says(mass + "film0.png,1,2,9,8,background\n", "mass,0\n"),
            "boxes: DIR/t.csv:2: class 'background' is not among the 1 classes [GD-DATA-001]");
  EXPECT_EQ(says("film0.png,1,2,9,8,Mass\n", "mass,0\n"),
            "boxes: DIR/t.csv:1: class 'Mass' is not among the 1 classes; is it mass? [GD-DATA-001]");
  EXPECT_EQ(says(mass, "__background__,0\nmass,1\n"), "no error: ")
      << "a class of that name is one like any other";
}

}  // namespace
}  // namespace gadolin::test
