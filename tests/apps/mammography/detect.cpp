// gadolin mammography evaluate, detect, sweep, ensemble and cases on a detector of bright squares.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/mammography/film_set.h"
#include "apps/mammography/preparation.h"
#include "data/dicom/dicom.h"
#include "io/csv.h"
#include "tensor/check.h"
#include "tests/apps/mammography/detector_run.h"
#include "tests/data/messages.h"
#include "train/checkpoint.h"

namespace gadolin::test {
namespace {
namespace fs = std::filesystem;
using Arguments = std::vector<std::string>;

// Trained once for all tests: two epochs of a few steps find something, if little.
class MammographyDetect : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    films_ = new ApartSquares(24);
    const Outcome run =
        run_here(squares_training(films_->table(), films_->path() + "/run",
                                  {"--epochs", "2", "--steps", "10", "--optimizer", "adamw", "--lr", "0.002",
                                   "--warmup-epochs", "0", "--weight-decay", "0.01", "--net-option",
                                   "score=0", "--net-option", "most=20", "--net-option", "group_norm=true"}));
    ASSERT_EQ(run.code, 0) << run.err;
  }
  static void TearDownTestSuite() {
    delete films_;
    films_ = nullptr;
  }
  static std::string model(int epoch = 2) {
    return films_->path() + "/run/resnet18_csv_0" + std::to_string(epoch) + ".gdck";
  }
  static Outcome call(Arguments args) {
    args.insert(args.begin(), "mammography");
    args.insert(args.end(), {"--device", "cpu"});
    return run_here(args);
  }
  static std::string said(Arguments args) { return last_line(call(std::move(args)), films_->path()); }
  static ApartSquares* films_;
};
ApartSquares* MammographyDetect::films_ = nullptr;

TEST_F(MammographyDetect, EvaluatePrintsTheOriginalsLinesAndFroc) {
  const Outcome run = call({"evaluate", "csv", films_->table(), model(), "--resamples", "20", "--out",
                            films_->path() + "/test", "--save-path", films_->path() + "/drawn",
                            "--weighted-average", "--backbone", "resnet18"});
  ASSERT_EQ(run.code, 0) << run.err;
  for (const char* part :
       {"3 samples of test, retinanet_resnet18_fpn", " instances of class bright with average precision: ",
        "mAP using the weighted average of precisions among classes: ", "\nmAP: ", "false alarms a film",
        "AUC of patients", "validation pictures: sensitivity "})
    EXPECT_TRUE(says(run.out, part)) << part << "\n" << run.out;
  EXPECT_TRUE(fs::exists(films_->path() + "/test/report/index.html"));
  EXPECT_FALSE(says(run.out, "breast")) << run.out;
  CsvTable sides = read_csv(films_->table());
  sides.header.push_back("side");
  for (auto& row : sides.rows) row.push_back(row[0] == "film7.png" ? "" : "L");
  const Outcome known = call({"evaluate", "csv", films_->write("sides.csv", to_csv(sides)), model(),
                              "--resamples", "20", "--out", films_->path() + "/sides"});
  ASSERT_EQ(known.code, 0) << known.err;
  EXPECT_TRUE(says(known.out, "AUC of 2 breasts (films of unknown side left out: 1)")) << known.out;
  EXPECT_TRUE(says(contents_of(films_->path() + "/sides/metrics.json"), "\"breast_auc\""));
  EXPECT_EQ(std::distance(fs::directory_iterator(films_->path() + "/drawn"), fs::directory_iterator()), 3);
  EXPECT_EQ(said({"evaluate", "csv", films_->table()}),
            "mammography evaluate: csv needs data and behind them a checkpoint, such as "
            "snapshots/resnet50_csv_50.gdck [GD-USAGE-001]");
  EXPECT_EQ(said({"evaluate", "csv", films_->table(), model(), "--backbone", "vgg16"}),
            "mammography evaluate: DIR/run/resnet18_csv_02.gdck is of retinanet_resnet18_fpn, not of the "
            "backbone vgg16; leave --backbone out [GD-USAGE-001]");
  EXPECT_EQ(said({"evaluate", "csv", films_->table(), model(), "--image-min-side", "800"}),
            "mammography evaluate: DIR/run/resnet18_csv_02.gdck sees pictures by "
            "grey,fit:64:96,normalize:0.5:0.25; leave --image-min-side, --image-max-side and --no-resize out "
            "[GD-USAGE-001]");
  EXPECT_EQ(
      said({"evaluate", "csv", films_->table(), model(), "--config",
            films_->write("a.ini", "[anchor_parameters]\nratios = 1 2\n")}),
      "mammography evaluate: DIR/run/resnet18_csv_02.gdck has anchor_ratios [0.5,1.0,2.0], not those of "
      "DIR/a.ini; leave --config out [GD-USAGE-001]");
  EXPECT_EQ(said({"evaluate", "csv", films_->table(), model(), "--hit", "near"}),
            "--hit near is unknown; use iou or centre [GD-USAGE-001]");
}

TEST_F(MammographyDetect, AThresholdIsChosenOnValidationKeptAndPrinted) {
  const std::string tuned = films_->path() + "/tuned.gdck";
  const Outcome run = call(
      {"evaluate", "csv", films_->table(), model(), "--split", "val", "--resamples", "0", "--save", tuned});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(says(run.out, "boxes are shown from score ")) << run.out;
  const auto kept = nlohmann::json::parse(load_checkpoint_facts(tuned).at("score_threshold"));
  EXPECT_EQ(kept["pictures"], 3);
  const Outcome shown = call({"detect", films_->path() + "/film0.png", "--model", tuned, "--json"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  const auto answer = events(shown, "prediction").at(0);
  EXPECT_EQ(answer["score_threshold"], kept["value"]);
  for (const auto& box : answer["boxes"]) EXPECT_GE(box["score"], kept["value"]);
  EXPECT_TRUE(says(shown.err, "chosen on 3 validation pictures")) << shown.err;
  EXPECT_EQ(said({"evaluate", "csv", films_->table(), model(), "--split", "day"}),
            "--split day is unknown; use train, val, test or all [GD-USAGE-001]");
}

TEST_F(MammographyDetect, DetectWritesTablesAndDrawings) {
  const std::string out = films_->path() + "/found.csv", list = films_->path() + "/found.json";
  const Arguments args{"detect",
                       films_->path() + "/film0.png",
                       films_->path() + "/film1.png",
                       "--model",
                       model(),
                       "--score-threshold",
                       "0"};
  Arguments table = args, json = args;
  table.insert(table.end(), {"--out", out, "--draw", films_->path() + "/shown"});
  json.insert(json.end(), {"--out", list});
  const Outcome run = call(table);
  ASSERT_EQ(run.code, 0) << run.err;
  ASSERT_EQ(call(json).code, 0);
  const CsvTable rows = read_csv(out);
  EXPECT_EQ(rows.header, (Arguments{"path", "x1", "y1", "x2", "y2", "class", "score"}));
  ASSERT_FALSE(rows.rows.empty());
  EXPECT_TRUE(fs::exists(films_->path() + "/shown/film0.png"));
  const auto said_json = nlohmann::json::parse(contents_of(list));
  ASSERT_EQ(said_json.size(), 2u);
  EXPECT_EQ(said_json[0]["boxes"].size() + said_json[1]["boxes"].size(), rows.rows.size());
  // A film mirrored in the net's eye, and two models: fused boxes lie where those of one do.
  Arguments fused = args;
  fused[4] = model() + "," + model();
  fused.insert(fused.end(), {"--views", "identity,hflip", "--json"});
  const Outcome both = call(fused);
  ASSERT_EQ(both.code, 0) << both.err;
  EXPECT_EQ(events(both, "prediction").size(), 2u);
  EXPECT_EQ(said({"detect", films_->path() + "/film0.png", "--model", model(), "--out", "found.txt"}),
            "mammography detect: --out found.txt is no table; use csv or json to print one, or a file that "
            "ends so [GD-USAGE-001]");
  EXPECT_EQ(
      said({"detect", films_->path() + "/none.png", "--model", model()}),
      "mammography detect: 1 of 1 films could not be read (read: DIR/none.png cannot be opened: No such file "
      "or directory) [GD-DATA-042]");
  fs::create_directory(films_->path() + "/empty");
  EXPECT_EQ(said({"detect", films_->path() + "/empty", "--model", model()}),
            "mammography detect: no films to look at [GD-USAGE-001]");
}

TEST_F(MammographyDetect, AClassifierIsRefusedWithBothKinds) {
  const Scratch dir;
  for (const char* name : {"a/1.png", "a/2.png", "a/3.png", "b/1.png", "b/2.png", "b/3.png"})
    dir.write(std::string("set/") + name, encode_png(pattern(12, 12, 1)));
  ASSERT_EQ(
      run_here({"train", dir / "set", "--out", dir / "run", "--input-size", "8", "--width", "4", "--epochs",
                "1", "--batch-size", "2", "--workers", "0", "--device", "cpu", "--shares", "0.4/0.3/0.3"})
          .code,
      0);
  EXPECT_EQ(
      said({"detect", films_->path() + "/film0.png", "--model", dir / "run/checkpoints/last.gdck"}),
      "detect: " + (dir / "run/checkpoints/last.gdck") +
          " is of the task classification, and detection is needed; gadolin predict takes it, or train a "
          "detector [GD-CKPT-033]");
  // Its trunk is that of a detector to begin with, if that stands on the same net.
  const auto begin = [&](const Arguments& more) {
    Arguments args =
        squares_training(films_->table(), dir / "detector",
                         {"--imagenet-weights", dir / "run/checkpoints/last.gdck", "--net-option", "width=4",
                          "--epochs", "1", "--steps", "1", "--no-evaluation"});
    args.insert(args.end(), more.begin(), more.end());
    return run_here(args);
  };
  EXPECT_EQ(
      last_line(begin({"--backbone", "resnet34"}), dir.path()),
      "--init-from DIR/run/checkpoints/last.gdck is no detector, and not the classifier that the trunk is "
      "of; 80 names of the trunk are missing, such as layer1.2.conv1.weight; give weights of the net that "
      "the detector is named after [GD-CKPT-003]");
  const Outcome begun = begin({});
  EXPECT_EQ(begun.code, 0) << begun.err;
  EXPECT_TRUE(says(begun.err, "weights only, of ")) << begun.err;
}

TEST_F(MammographyDetect, SweepChoosesOnValidation) {
  const Outcome run = call({"sweep", films_->path() + "/run", "csv", films_->table(), "--test"});
  ASSERT_EQ(run.code, 0) << run.err;
  for (const char* part :
       {"val and test: patients in both: 0", "resnet18_csv_01.gdck", "resnet18_csv_02.gdck",
        "chosen on validation films by mAP: ", "on test films: mAP "})
    EXPECT_TRUE(says(run.out, part)) << part << "\n" << run.out;
  EXPECT_EQ(said({"sweep", films_->path() + "/nothing", "csv", films_->table()}),
            "mammography sweep: DIR/nothing holds no .gdck files; name the --snapshot-path of a training "
            "[GD-FILE-001]");
  EXPECT_EQ(said({"sweep", films_->path() + "/run", "csv", films_->table(), "--by", "luck"}),
            "--by luck is unknown; use mAP, sensitivity or auc [GD-USAGE-001]");
  std::string rows = "path,x1,y1,x2,y2,class,split\nfilm0.png,1,1,20,20,bright,train\n";
  EXPECT_EQ(said({"sweep", films_->path() + "/run", "csv", films_->write("t.csv", rows)}),
            "mammography sweep: DIR/t.csv has no validation films to choose on; give --splits, such as "
            "split.csv of the run [GD-DATA-001]");
  rows += "film1.png,1,1,20,20,dim,val\n";
  EXPECT_EQ(said({"sweep", films_->path() + "/run", "csv", films_->write("t.csv", rows), "--test"}),
            "mammography sweep: DIR/t.csv has no test films; leave --test out [GD-DATA-001]");
}

TEST_F(MammographyDetect, EnsemblesGoOnWithWhatNoModelFiredOn) {
  const auto count = [&](const Arguments& more) {
    Arguments args{"ensemble", "csv", films_->table(), "--model", model(1) + "," + model(), "--json"};
    args.insert(args.end(), more.begin(), more.end());
    const Outcome run = call(args);
    EXPECT_EQ(run.code, 0) << run.err;
    return done(run)["metrics"];
  };
  // Four of the 24 films are normal.
  const auto abnormal = count({"--mode", "abnormal"}), normal = count({"--mode", "normal"});
  EXPECT_EQ(abnormal["total"], 20);
  EXPECT_EQ(normal["total"], 4);
  EXPECT_EQ(normal["normal_ratio"].get<double>(), normal["silent"].get<double>() / 4);
  EXPECT_EQ(count({"--mode", "normal", "--score-threshold", "1"})["normal_ratio"], 1.0);
  EXPECT_EQ(count({"--mode", "abnormal", "--score-threshold", "0"})["silent"], 0);
  // Where a detection must lie on its annotation, no more films are found.
  const auto centre = count({"--mode", "abnormal", "--where", "centre"}),
             iou = count({"--mode", "abnormal", "--where", "iou", "--class", "bright"});
  EXPECT_GE(centre["silent"], abnormal["silent"]);
  EXPECT_GE(iou["silent"], abnormal["silent"]);
  count({"--mode", "normal", "--fuse"});
  const Outcome shown = call({"ensemble", "csv", films_->table(), "--model", model(), "--mode", "normal"});
  EXPECT_TRUE(says(shown.out, "a film is fired on by one bright of score 0.1 or more, wherever it lies"))
      << shown.out;
  EXPECT_TRUE(says(shown.out, "total images: 4\nimages without detection: ")) << shown.out;
  EXPECT_TRUE(says(shown.out, "normal ratio: ")) << shown.out;
  const Arguments plain{"ensemble", "csv", films_->table(), "--model", model(), "--mode"};
  const auto wrong = [&](const Arguments& more) {
    Arguments args = plain;
    args.insert(args.end(), more.begin(), more.end());
    return said(args);
  };
  EXPECT_EQ(wrong({"odd"}), "--mode odd is unknown; use abnormal or normal [GD-USAGE-001]");
  EXPECT_EQ(
      wrong({"normal", "--where", "iou"}),
      "mammography ensemble: --where iou needs annotations, which normal films have none of; leave it out "
      "[GD-USAGE-001]");
  EXPECT_EQ(wrong({"abnormal", "--where", "there"}),
            "--where there is unknown; use any, centre or iou [GD-USAGE-001]");
  EXPECT_EQ(
      wrong({"abnormal", "--class", "dark"}),
      "--class dark is no class of the model, whose first is bright; gadolin mammography detect shows the "
      "others [GD-USAGE-001]");
  EXPECT_EQ(said({"ensemble", "csv", films_->write("n.csv", "film4.png,,,,,\n"), "--model", model(), "--mode",
                  "abnormal"}),
            "mammography ensemble: no film of DIR/n.csv is abnormal; choose the other --mode, or other data "
            "[GD-DATA-001]");
}

TEST_F(MammographyDetect, CasesAreFoundByAnyOfTheirFilms) {
  for (const char* name : {"_A_-0-1.png", "_A_-0-2.png", "_A_-1-1.png"})
    fs::copy_file(films_->path() + "/film4.png", films_->path() + "/" + name);
  const std::string table = films_->write(
      "cases.csv",
      "path,x1,y1,x2,y2,class,patient\n_A_-0-1.png,,,,,,p\n_A_-0-2.png,,,,,,p\n_A_-1-1.png,,,,,,p\n");
  const Outcome run = call({"cases", "csv", table, "--model", model(), "--score-threshold", "1"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(says(run.out, "image without detection: _A_-0-2.png\n")) << run.out;
  EXPECT_TRUE(says(run.out,
                   "case without detection: _A_-0 (2 images)\n"
                   "case without detection: _A_-1 (1 image)\n"
                   "images: 3, without detection: 3\ncases: 2, without detection: 2\n"
                   "case ratio: 0.0000\n"))
      << run.out;
  const Outcome whole = call(
      {"cases", "csv", table, "--model", model(), "--score-threshold", "0", "--by", "patient", "--json"});
  EXPECT_EQ(done(whole)["metrics"]["cases"], 1);
  EXPECT_EQ(done(whole)["metrics"]["cases_without_detection"], 0);
  EXPECT_EQ(said({"cases", "csv", table, "--model", model(), "--by", "day"}),
            "--by day is unknown; use name or patient [GD-USAGE-001]");
  EXPECT_EQ(
      said({"cases", "csv", films_->write("u.csv", "film0.png,1,1,20,20,bright\nfilm1.png,1,1,20,20,dim\n"),
            "--model", model(), "--by", "patient"}),
      "mammography cases: film0.png names no patient; use --by name, or --patient-until "
      "[GD-DATA-001]");
}

// What `gadolin train` and `eval` take of sets with boxes, beside this group.
TEST_F(MammographyDetect, GenericCommandsTakeTheOptionsOfBoxes) {
  const auto eval = [&](const std::string& table, const Arguments& more) {
    Arguments args{"eval",        table, "--checkpoint", model(), "--split", "all",
                   "--resamples", "0",   "--device",     "cpu"};
    args.insert(args.end(), more.begin(), more.end());
    return run_here(args);
  };
  const std::string gone =
      films_->write("gone.csv", "film0.png,1,1,20,20,bright\ngone.png,1,1,20,20,bright\n");
  EXPECT_NE(eval(gone, {}).code, 0);
  const Outcome rest = eval(gone, {"--bad-samples", "skip", "--out", films_->path() + "/rest"});
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_TRUE(says(rest.err, "left out: ")) << rest.err;
  const auto metrics = nlohmann::json::parse(contents_of(films_->path() + "/rest/metrics.json"));
  EXPECT_EQ(metrics["samples"], 1);
  EXPECT_EQ(metrics["wrong_rows"].size(), 1u);
  EXPECT_EQ(eval(films_->write("wrong.csv", "film0.png,1,1,20,20,bright\nfilm1.png,9,9,3,3,bright\n"),
                 {"--skip-wrong", "--views", "identity,hflip", "--patient-until", "0"})
                .code,
            0);
  // A split that is written elsewhere names its films by whole paths, and says so.
  const std::string split = films_->path() + "/elsewhere/split.csv";
  fs::create_directory(films_->path() + "/elsewhere");
  ASSERT_EQ(run_here({"data", "split", films_->table(), "--out", split}).code, 0);
  EXPECT_EQ(read_csv(split).header.back(), "outside");
  EXPECT_EQ(eval(split, {}).code, 0);
  const auto train = [&](const Arguments& more) {
    Arguments args{"train",   films_->table(),          "--task", "detection",
                   "--model", "retinanet_resnet18_fpn", "--out",  films_->path() + "/other"};
    args.insert(args.end(), more.begin(), more.end());
    return last_line(run_here(args), films_->path());
  };
  EXPECT_EQ(train({"--multi-label"}),
            "--multi-label is for classifiers; a detector finds any number of objects, so leave it out "
            "[GD-USAGE-001]");
  const std::string normal = films_->write("normal.csv", "film4.png,,,,,\n"),
                    tuned = films_->path() + "/no.gdck";
  EXPECT_EQ(last_line(eval(films_->table(), {"--thresholds", "youden", "--save", tuned}), films_->path()),
            "eval: of a detector --save takes --thresholds f1, the score with the largest F1 [GD-USAGE-001]");
  EXPECT_EQ(last_line(eval(normal, {"--thresholds", "f1", "--save", tuned}), films_->path()),
            "eval: no lesion is found, so there is no score to choose; train longer [GD-DATA-001]");
}

// The same numbers reach the net, whether it is given the film or the picture that convert made of it; boxes
// of a film lie on the film.
TEST_F(MammographyDetect, AFilmGivesTheBitsOfItsPicture) {
  if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  const Scratch dir;
  ASSERT_EQ(run_here({"data", "synth", "mammo", dir / "archive", "--patients", "1", "--size", "160"}).code,
            0);
  ASSERT_EQ(
      run_here({"mammography", "convert", dir / "archive", dir / "films", "--findings", "mass,cluster"}).code,
      0);
  Checkpoint tuned = load_checkpoint(model());
  tuned.facts["preparation"] =
      mammography::to_text(mammography::read_preparation(dir / "films/preparation.json"));
  save_checkpoint(dir / "tuned.gdck", tuned);
  int films = 0;
  for (const auto& [view, of_film] :
       {std::pair{"L_CC", "L_CC"}, {"R_CC", "R_CC"}, {"L_MLO", "L_ML"}, {"R_MLO", "R_ML"}}) {
    std::string film, picture;
    for (const auto& file : fs::recursive_directory_iterator(dir.path())) {
      const std::string name = file.path().filename().string();
      if (name.ends_with(".dcm") && says(name, cat("_", of_film, "_"))) film = file.path().string();
      if (name.ends_with(".png") && says(name, view)) picture = file.path().string();
    }
    ASSERT_FALSE(film.empty() || picture.empty()) << view;
    ++films;
    const mammography::FilmSet both({film, picture}, {"a"}, tuned.facts["preparation"]);
    EXPECT_EQ(both.image(0), both.image(1)) << view;
    const auto boxes = [&](const std::string& file) {
      const Outcome run =
          call({"detect", file, "--model", dir / "tuned.gdck", "--score-threshold", "0", "--json"});
      EXPECT_EQ(run.code, 0) << run.err;
      return events(run, "prediction").at(0)["boxes"];
    };
    const auto on_film = boxes(film), on_picture = boxes(picture);
    ASSERT_EQ(on_film.size(), on_picture.size());
    const Affine back = both.map(0).inverse();
    for (std::size_t k = 0; k < on_film.size(); ++k) {
      EXPECT_EQ(on_film[k]["score"], on_picture[k]["score"]);
      const auto corner = [&](const nlohmann::json& box, std::size_t at) {
        return box["box"][at].get<double>();
      };
      EXPECT_NEAR(corner(on_film[k], 0), back({corner(on_picture[k], 0), 0}).x, 1e-3);
      EXPECT_NEAR(corner(on_film[k], 3), back({0, corner(on_picture[k], 3)}).y, 1e-3);
    }
    if (films > 1) continue;  // gadolin predict knows nothing of films
    const Arguments predict{"predict", picture, "--checkpoint", dir / "tuned.gdck", "--device", "cpu"};
    EXPECT_EQ(run_here(predict).code, 0);
    fs::copy_file(film, dir / "film.dcm");
    Arguments both_kinds = predict;
    both_kinds.insert(both_kinds.begin() + 2, dir / "film.dcm");
    EXPECT_EQ(last_line(run_here(both_kinds), dir.path()),
              "predict: DIR/film.dcm is DICOM, and DIR/tuned.gdck learnt from films that were cut and "
              "windowed; gadolin mammography detect does that to a film, so use it instead [GD-USAGE-001]");
    fs::remove(dir / "film.dcm");
  }
  EXPECT_EQ(films, 4);
}

TEST_F(MammographyDetect, CocoAndPascal) {
  for (const auto& [form, command] : {std::pair{"coco", "coco"}, std::pair{"voc", "pascal"}}) {
    const std::string folder = films_->path() + "/" + form, run = folder + "-run";
    ASSERT_EQ(run_here({"data", "convert", films_->table(), folder, "--format", form}).code, 0);
    Arguments args = squares_training(folder, run, {"--epochs", "1", "--steps", "2", "--compute-val-loss"});
    args[2] = command;
    const Outcome trained = run_here(args);
    ASSERT_EQ(trained.code, 0) << trained.err;
    EXPECT_GE(read_csv(run + "/metrics.csv").find("val_loss"), 0);
    const std::string snapshot = run + "/resnet18_" + command + "_01.gdck";
    const Outcome eval =
        call({"evaluate", command, folder, snapshot, "--resamples", "0", "--out", run + "/test"});
    ASSERT_EQ(eval.code, 0) << eval.err;
    EXPECT_TRUE(says(eval.out, "3 samples of test")) << eval.out;
    EXPECT_EQ(fs::exists(run + "/test/test_bbox_results.json"), std::string(form) == "coco");
  }
}

}  // namespace
}  // namespace gadolin::test
