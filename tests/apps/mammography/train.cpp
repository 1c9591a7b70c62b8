// gadolin mammography train: snapshots and going on from them, what is said before and after, flags.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "data/sets/boxes/detection_set.h"
#include "io/csv.h"
#include "tests/apps/mammography/detector_run.h"
#include "train/checkpoint.h"

namespace gadolin::test {
namespace {
namespace fs = std::filesystem;

TEST(MammographyTrain, SnapshotsGoOnBitForBit) {
  const ApartSquares films(24);
  const std::string whole = films.path() + "/whole", half = films.path() + "/half",
                    rest = films.path() + "/rest";
  const std::vector<std::string> length{"--epochs",        "4", "--steps", "3", "--schedule", "plateau:0.1:0",
                                        "--warmup-epochs", "0"};
  const Outcome all = run_here(squares_training(films.table(), whole, length));
  ASSERT_EQ(all.code, 0) << all.err;
  EXPECT_TRUE(says(all.out, "train and val: patients in both: 0, equal files in both: 0")) << all.out;
  EXPECT_TRUE(says(all.out, "memory of a step: about ")) << all.out;
  EXPECT_TRUE(says(all.out, " instances of class bright with average precision: ")) << all.out;
  EXPECT_TRUE(says(all.out, "\nmAP: ")) << all.out;
  EXPECT_TRUE(says(all.err, "beginning with random weights; ")) << all.err;
  for (const char* name : {"resnet18_csv_01.gdck", "resnet18_csv_04.gdck", "checkpoints/last.gdck"})
    EXPECT_TRUE(fs::exists(whole + "/" + name)) << name;
  EXPECT_EQ(read_csv(whole + "/metrics.csv").rows.size(), 4u);

  // Two epochs, and the other two in another folder.
  auto shorter = length;
  shorter[1] = "2";
  ASSERT_EQ(run_here(squares_training(films.table(), half, shorter)).code, 0);
  auto later = length;
  later.insert(later.end(), {"--snapshot", half + "/resnet18_csv_02.gdck"});
  const Outcome on = run_here(squares_training(films.table(), rest, later));
  ASSERT_EQ(on.code, 0) << on.err;
  EXPECT_TRUE(says(on.err, "epoch 2, its step, optimiser and rate")) << on.err;
  const Checkpoint a = load_checkpoint(whole + "/resnet18_csv_04.gdck"),
                   b = load_checkpoint(rest + "/resnet18_csv_04.gdck");
  for (const auto& [name, tensor] : a.tensors)
    ASSERT_EQ(tensor.to_vector<double>(), b.tensor(name).to_vector<double>()) << name;
  for (const char* fact : {"epoch", "step", "schedule"}) EXPECT_EQ(a.fact(fact), b.fact(fact)) << fact;

  auto wrong = later;
  wrong.insert(wrong.end(), {"--initial-epoch", "3"});
  EXPECT_EQ(last_line(run_here(squares_training(films.table(), films.path() + "/no", wrong)), films.path()),
            "mammography train: --snapshot DIR/half/resnet18_csv_02.gdck stands at epoch 2, not at "
            "--initial-epoch 3; leave that out [GD-USAGE-001]");
  // Weights alone begin anew.
  auto only = shorter;
  only[1] = "1";
  only.insert(only.end(), {"--weights", half + "/resnet18_csv_02.gdck", "--no-evaluation", "--no-snapshots"});
  const Outcome anew = run_here(squares_training(films.table(), films.path() + "/anew", only));
  ASSERT_EQ(anew.code, 0) << anew.err;
  EXPECT_TRUE(says(anew.err, "weights only, of ")) << anew.err;
  EXPECT_TRUE(says(anew.out, "no evaluations, so no best checkpoint")) << anew.out;
  EXPECT_FALSE(fs::exists(films.path() + "/anew/resnet18_csv_01.gdck"));
}

TEST(MammographyTrain, ABackgroundIsDrawnTheSameWhoeverDraws) {
  const ApartSquares films(24);  // of 18 for training 3 have no square
  const auto run = [&](const std::string& out, const std::vector<std::string>& more) {
    auto args = squares_training(films.table(), films.path() + out,
                                 {"--background-share", "0.1", "--no-evaluation", "--schedule", "constant",
                                  "--warmup-epochs", "0", "--epochs"});
    args.insert(args.end(), more.begin(), more.end());
    return run_here(args);
  };
  const Outcome whole = run("/whole", {"2", "--workers", "2"});
  ASSERT_EQ(whole.code, 0) << whole.err;
  EXPECT_TRUE(says(whole.err,
                   "train: an epoch takes 15 samples with a class or a box, and 2 of the 3 without, for a "
                   "background of 0.1"))
      << whole.err;
  const std::string first = films.path() + "/whole/resnet18_csv_01.gdck";
  const Outcome on = run("/rest", {"2", "--snapshot", first});
  ASSERT_EQ(on.code, 0) << on.err;
  const Checkpoint a = load_checkpoint(films.path() + "/whole/resnet18_csv_02.gdck"),
                   b = load_checkpoint(films.path() + "/rest/resnet18_csv_02.gdck");
  for (const auto& [name, tensor] : a.tensors)
    ASSERT_EQ(tensor.to_vector<double>(), b.tensor(name).to_vector<double>()) << name;
  EXPECT_EQ(last_line(run("/whole", {"3", "--snapshot", first, "--background-share", "0.2"}), films.path()),
            "resume: the run in DIR/whole was begun with --background-share 0.1, now it is 0.2; go on with "
            "--background-share 0.1, or begin a new run with --init-from [GD-USAGE-001]");
}

TEST(MammographyTrain, ARateThatFellToNothingIsTold) {
  const ApartSquares films(16);
  const Outcome run = run_here(squares_training(
      films.table(), films.path() + "/run",
      {"--epochs", "9", "--steps", "1", "--lr", "1e-12", "--reduce-lr-patience", "1", "--reduce-lr-factor",
       "0.01", "--warmup-epochs", "0", "--early-stop", "0", "--no-evaluation", "--no-snapshots"}));
  ASSERT_EQ(run.code, 0) << run.err;
  const std::string said = "below a thousandth of 1e-12";
  const std::size_t first = run.err.find(said);
  ASSERT_NE(first, std::string::npos) << run.err;
  EXPECT_EQ(run.err.find(said, first + 1), std::string::npos) << run.err;
}

TEST(MammographyTrain, ValidationAnnotationsMustBeApart) {
  const ApartSquares films(16);
  std::string train = "path,x1,y1,x2,y2,class,patient\n", val = train, twin = train;
  for (const auto& row : read_csv(films.table()).rows) {
    const std::string line =
        row[0] + "," + row[1] + "," + row[2] + "," + row[3] + "," + row[4] + "," + row[5];
    if (row[7] == "train") train += line + "," + row[6] + "\n";
    if (row[7] == "val") val += line + "," + row[6] + "\n";
    if (row[0] == "film0.png" || row[7] == "val")
      twin += (row[0] == "film0.png" ? "twin.png" + line.substr(9) : line) + "," + "v" + row[6] + "\n";
  }
  fs::copy_file(films.path() + "/film0.png", films.path() + "/twin.png");
  const std::string a = films.write("train.csv", train), v = films.write("val.csv", val),
                    t = films.write("twin.csv", twin);
  const auto with = [&](const std::string& annotations) {
    return run_here(squares_training(a, films.path() + "/run",
                                     {"--val-annotations", annotations, "--epochs", "1", "--steps", "1"}));
  };
  EXPECT_EQ(last_line(with(a), films.path()).substr(0, 83),
            "data: DIR/train.csv and DIR/train.csv are not apart: patients in both: 6, equal fil");
  EXPECT_EQ(last_line(with(t), films.path()),
            "data: DIR/train.csv and DIR/twin.csv are not apart: patients in both: 0, equal files in both: 1 "
            "(film0.png and twin.png), so what is measured would be too good; divide with gadolin data split "
            "[GD-DATA-001]");
  const Outcome good = with(v);
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_TRUE(says(good.out, "val.csv: patients in both: 0, equal files in both: 0")) << good.out;
}

TEST(MammographyTrain, Tiles) {
  const ApartSquares films(16, 160, 128);
  const std::string run = films.path() + "/run";
  std::vector<std::string> args =
      squares_training(films.table(), run, {"--epochs", "1", "--tile", "96:0.25"});
  std::erase_if(args,
                [](const std::string& a) { return a.starts_with("--image") || a == "64" || a == "96"; });
  const Outcome trained = run_here(args);
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_TRUE(says(trained.err, "16 films in 64 tiles; the mAP of epochs is that of tiles")) << trained.err;
  EXPECT_EQ(load_checkpoint_facts(run + "/resnet18_csv_01.gdck").at("tiles"), "96:0.25");
  // split.csv names films, not tiles.
  DatasetOptions outside;
  outside.allow_outside = true;
  EXPECT_EQ(open_box_table(run + "/split.csv", outside)->size(), 16);
  const Outcome eval = run_here({"mammography", "evaluate", "csv", films.table(),
                                 run + "/resnet18_csv_01.gdck", "--resamples", "0", "--device", "cpu"});
  ASSERT_EQ(eval.code, 0) << eval.err;
  EXPECT_TRUE(says(eval.out, "2 samples of test, retinanet_resnet18_fpn, 1 net, views identity")) << eval.out;
}

// The clipped gradients of a first step of Adam, which its first moments are a tenth of: the largest norm of
// one tensor's, and the norm of all.
std::pair<double, double> gradient_norms(const std::string& checkpoint) {
  double most = 0, all = 0;
  for (const auto& [name, tensor] : load_checkpoint(checkpoint).tensors) {
    if (!name.starts_with("optimizer.") || !name.ends_with(".1")) continue;
    double squares = 0;
    for (const float m : tensor.to_vector<float>()) squares += 100.0 * m * m;
    most = std::max(most, squares);
    all += squares;
  }
  return {std::sqrt(most), std::sqrt(all)};
}

TEST(MammographyTrain, Presets) {
  const ApartSquares films(16);
  const auto facts = [&](const std::vector<std::string>& more) {
    auto args = squares_training(films.table(), films.path() + "/run",
                                 {"--epochs", "1", "--steps", "1", "--overwrite", "--random-transform"});
    args.insert(args.end(), more.begin(), more.end());
    const Outcome run = run_here(args);
    EXPECT_EQ(run.code, 0) << run.err;
    return load_checkpoint_facts(films.path() + "/run/resnet18_csv_01.gdck");
  };
  const auto modern = facts({"--preset", "modern", "--config",
                             films.write("anchors.ini",
                                         "[anchor_parameters]\nsizes = 12 20 32 64 128\n"
                                         "strides = 8 16 32 64 128\nratios = 1\nscales = 1 1.5\n")});
  EXPECT_TRUE(says(modern.at("detector"), "\"anchor_ratios\":[1.0],\"anchor_scales\":[1.0,1.5]"));
  EXPECT_EQ(modern.at("train_pipeline"),
            "grey,fit:64:96,random-transform:0.1:0.1:0.1:0.9:1.1:0.5:0.5,contrast:0.1,brightness-shift:0.1,"
            "normalize:0.5:0.25");
  const std::string snapshot = films.path() + "/run/resnet18_csv_01.gdck";
  const auto [largest, together] = gradient_norms(snapshot);
  EXPECT_NEAR(largest, 0.001, 1e-6) << "each tensor was to be clipped";
  EXPECT_GT(together, 0.002);
  const auto legacy = facts({"--preset", "legacy"});
  EXPECT_TRUE(says(legacy.at("detector"), "\"suppression_by_class\":false"));
  EXPECT_TRUE(says(legacy.at("detector"), "\"best_class\":true"));
  EXPECT_TRUE(says(legacy.at("net_options"), "\"legacy\":true"));
  const auto [largest_of_old, together_of_old] = gradient_norms(snapshot);
  EXPECT_NEAR(together_of_old, 0.001, 1e-6) << "the whole gradient was to be clipped";
  EXPECT_LT(largest_of_old, 0.001);
}

TEST(MammographyTrain, Messages) {
  const ApartSquares films(8);
  const auto said = [&](const std::vector<std::string>& more) {
    return last_line(run_here(squares_training(films.table(), films.path() + "/run", more)), films.path());
  };
  EXPECT_EQ(said({"--preset", "old"}), "--preset old is unknown; use sgd, modern or legacy [GD-USAGE-001]");
  EXPECT_EQ(said({"--no-weights", "--weights", "a.gdck"}),
            "mammography train: --weights and --no-weights exclude each other; leave all but one out "
            "[GD-USAGE-001]");
  EXPECT_EQ(
      said({"--multi-gpu", "2"}),
      "mammography train: --multi-gpu 2 asks for 2 devices, and 1 process trains; start it with gadolin "
      "launch -n 2 -- mammography train ... [GD-USAGE-001]");
  EXPECT_EQ(said({"--gpu", "1"}),
            "mammography train: --gpu 1 is not the device of this run, cpu; choose it with --device cuda:1 "
            "[GD-USAGE-001]");
  EXPECT_EQ(said({"--initial-epoch", "3"}),
            "mammography train: --initial-epoch 3 belongs to a run that goes on; name its --snapshot "
            "[GD-USAGE-001]");
  EXPECT_EQ(said({"--group-method", "shape"}),
            "--group-method shape is unknown; use ratio, random or none [GD-USAGE-001]");
  EXPECT_EQ(said({"--background-share", "1.5"}),
            "--background-share 1.5 is no share of an epoch; use 0 to 0.99, or all [GD-USAGE-001]");
  for (const char* share : {"1", "-0.1", "nan", "none", "0.5x"})
    EXPECT_TRUE(says(said({"--background-share", share}), " is no share of an epoch; ")) << share;
  EXPECT_EQ(said({"--background-share", "0.5", "--group-method", "none"}),
            "mammography train: --background-share draws films anew every epoch, and --group-method none has "
            "its own order; leave one out [GD-USAGE-001]");
  EXPECT_EQ(said({"--val-annotations", "v.csv", "--splits", "s.csv"}),
            "mammography train: --val-annotations and --splits exclude each other; leave one out "
            "[GD-USAGE-001]");
  EXPECT_EQ(said({"--no-resize"}),
            "mammography train: --no-resize and --image-min-side or --image-max-side exclude each other; "
            "leave one out [GD-USAGE-001]");
  EXPECT_EQ(
      said({"--no-evaluation", "--weighted-average"}),
      "mammography train: --no-evaluation leaves nothing for --compute-val-loss and --weighted-average; "
      "leave them out [GD-USAGE-001]");
  EXPECT_EQ(said({"--image-min-side", "100"}),
            "mammography train: --image-max-side 96 is less than the shorter side, 100; give a smaller "
            "--image-min-side too [GD-USAGE-001]");
  EXPECT_EQ(said({"--tensorboard-freq", "day"}),
            "--tensorboard-freq day is unknown; use epoch, batch or a number of steps [GD-USAGE-001]");
  EXPECT_EQ(said({"--tile", "32"}),
            "--tile 32 is none; use SIDE or SIDE:OVERLAP, such as 1024:0.2: 64 to 16384 pixels, and a share "
            "from 0 to 0.9 [GD-USAGE-001]");
  const auto set = films.set();
  EXPECT_TRUE(message_of<UsageError>([&] {
                trainable_kind("detection")
                    .begin(
                        {"retinanet_resnet18_fpn", {{"anchor_size", 3.0}}, *set, Pipeline("grey"), {}, cpu});
              }).starts_with("detection: --net-option anchor_size is unknown; known are "));
  EXPECT_TRUE(says(said({"--net-option", "anchor_size=3"}), "anchor_sizes, anchor_strides, "));
  EXPECT_EQ(said({"--net-option", "num_classes=3"}),
            "detection: num_classes is not for --net-option: the data decide; leave it out [GD-USAGE-001]");
  EXPECT_EQ(said({"--net-option", "input_channels=3"}),
            "--net-option input_channels is not for here: the pictures decide; use --channels "
            "[GD-USAGE-001]");
  const auto data = [&](const std::vector<std::string>& words) {
    std::vector<std::string> args{"mammography", "train", "--snapshot-path", films.path() + "/run"};
    args.insert(args.end(), words.begin(), words.end());
    return last_line(run_here(args), films.path());
  };
  EXPECT_EQ(data({"kitti", "a"}),
            "mammography: data of the form kitti is unknown; use csv, coco or pascal "
            "[GD-USAGE-001]");
  EXPECT_EQ(data({"coco", "a", "b"}),
            "mammography: coco takes one folder, not 2 paths; leave the others out [GD-USAGE-001]");
  EXPECT_EQ(data({"pascal", "a", "--val-annotations", "v.csv"}),
            "mammography train: --val-annotations is for csv; pascal has its validation set in its folder "
            "[GD-USAGE-001]");
  EXPECT_EQ(data({"csv", "a", "b", "--class-file", "c"}),
            "mammography: --class-file c and b are two files of classes; leave one out [GD-USAGE-001]");
  EXPECT_FALSE(fs::exists(films.path() + "/run"));
  // A run is not begun on top of another.
  ASSERT_EQ(run_here(squares_training(films.table(), films.path() + "/run",
                                      {"--epochs", "1", "--steps", "1", "--no-evaluation"}))
                .code,
            0);
  EXPECT_EQ(said({}),
            "mammography train: DIR/run already holds a run; go on with --snapshot "
            "DIR/run/checkpoints/last.gdck, or add --overwrite, or choose another --snapshot-path "
            "[GD-USAGE-001]");
  EXPECT_EQ(said({"--backbone", "resnet34", "--snapshot", films.path() + "/run/resnet18_csv_01.gdck"}),
            "mammography train: DIR/run/resnet18_csv_01.gdck is of retinanet_resnet18_fpn, not of "
            "retinanet_resnet34_fpn; choose its --backbone [GD-USAGE-001]");
}

TEST(MammographyTrain, SplitsMustHaveWhatIsNeeded) {
  const ApartSquares films(8);
  const auto said = [&](const std::string& rows) {
    const std::string table = films.write("t.csv", "path,x1,y1,x2,y2,class,patient,split\n" + rows);
    return last_line(run_here(squares_training(table, films.path() + "/run")), films.path());
  };
  EXPECT_EQ(said("film0.png,1,1,20,20,a,p,val\n"),
            "mammography train: DIR/t.csv has pictures of val or test but none of train; correct its splits "
            "[GD-DATA-001]");
  EXPECT_EQ(said("film0.png,1,1,20,20,a,p,train\n"),
            "mammography train: DIR/t.csv has no validation pictures; give --val-annotations or splits, or "
            "--no-evaluation [GD-DATA-001]");
  EXPECT_TRUE(says(said("film0.png,1,1,20,20,a,p,train\nfilm1.png,1,1,20,20,a,p,val\n"),
                   "data: train and val are not apart: patients in both: 1, "));
}

}  // namespace
}  // namespace gadolin::test
