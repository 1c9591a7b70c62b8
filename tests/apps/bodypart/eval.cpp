// gadolin bodypart eval and classify: every record once, tables for lists and records, and what all three
// commands refuse.
#include <algorithm>
#include <cmath>

#include "data/dicom/dictionary.h"
#include "tests/apps/bodypart/records.h"
#include "train/checkpoint.h"

using namespace gadolin;
using namespace gadolin::test;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

using BodypartEval = BodypartRecords;

std::vector<std::string> joined(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST_F(BodypartEval, EachPictureOnce) {
  const std::vector<std::string> usual{"--checkpoint_path", path("run"),   "--dataset_dir",
                                       path("records"),     "--resamples", "50",
                                       "--workers",         "0",           "--json"};
  const Outcome run = bodypart(
      "eval",
      joined(usual, {"--eval_dir", path("eval"), "--batch_size", "5", "--moving_average_decay", "0.5",
                     "--model_name", "vgg_a", "--preprocessing_name", "vgg", "--eval_image_size", "32"}));
  const json metrics = done(run)["metrics"];
  EXPECT_EQ(metrics["samples"], tested_);
  for (const char* name : {"accuracy", "balanced_accuracy", "macro_f1", "top_2_accuracy"}) {
    const double value = metrics[name]["value"], low = metrics[name]["low"], high = metrics[name]["high"];
    EXPECT_TRUE(value >= 0 && value <= 1) << name;
    EXPECT_TRUE(low <= value && value <= high) << name << " " << low << " " << value << " " << high;
  }
  EXPECT_GE(metrics["top_2_accuracy"]["value"].get<double>(), metrics["accuracy"]["value"].get<double>());
  const CsvTable confusion = read_csv(path("eval/confusion.csv"));
  EXPECT_EQ(confusion.header.size(), 5u);
  ASSERT_EQ(confusion.rows.size(), 4u);
  double all = 0, right = 0;
  for (std::size_t t = 0; t < 4; ++t) {
    EXPECT_EQ(confusion.rows[t][0], confusion.header[t + 1]);
    for (std::size_t p = 0; p < 4; ++p) all += std::stod(confusion.rows[t][p + 1]);
    right += std::stod(confusion.rows[t][t + 1]);
  }
  EXPECT_EQ(all, static_cast<double>(tested_));
  EXPECT_NEAR(right / all, metrics["accuracy"]["value"].get<double>(), 1e-12);
  const json stored = json::parse(contents_of(path("eval/metrics.json")));
  EXPECT_EQ(stored["per_class"].size(), 4u);
  EXPECT_EQ(stored["confusion"][0][0].get<double>(), std::stod(confusion.rows[0][1]));
  EXPECT_TRUE(fs::exists(path("eval/report/index.html")));
  // The size of the batches decides nothing but the speed.
  const json other = done(bodypart("eval", usual))["metrics"];
  EXPECT_EQ(other["accuracy"], metrics["accuracy"]);
  EXPECT_EQ(done(bodypart("eval", joined(usual, {"--batch_size", "4", "--max_num_batches",
                                                 "2"})))["metrics"]["samples"],
            8);
  EXPECT_EQ(done(bodypart("eval", joined(usual, {"--dataset_split_name", "all"})))["metrics"]["samples"], 96);
  const Outcome words = bodypart("eval", {"--checkpoint_path", path("run"), "--dataset_dir", path("records"),
                                          "--resamples", "0", "--workers", "0"});
  EXPECT_NE(words.out.find("precision"), std::string::npos) << words.out;
}

TEST_F(BodypartEval, TablesOfLists) {
  const std::string png =
      path("set/images/") + fs::directory_iterator(path("set/images"))->path().filename().string();
  std::vector<std::string> files{png};
  const std::string dicom = fixture(
      "dicom/ct-transfer-syntaxes/CTImage.dcm_JPEGProcess14SV1TransferSyntax_1.2.840.10008.1.2.4.70.dcm");
  if (dicom_available() && fs::exists(dicom)) files.push_back(dicom);
  files.push_back(fixture("images/large.jpg"));
  std::string list;
  for (const std::string& file : files) list += file + "\r\n\n";
  scratch_->write("list.txt", list);
  const std::vector<std::string> usual{"--checkpoint_path", path("run"), "--infile",
                                       path("list.txt"),    "--workers", "0"};
  const Outcome printed = bodypart("classify", usual);
  ASSERT_EQ(printed.code, 0) << printed.err;
  const auto rows = table_of(printed.out, '\t');
  ASSERT_EQ(rows.size(), files.size() + 1);
  EXPECT_EQ(rows[0],
            (std::vector<std::string>{"image", "class0", "class1", "class2", "class3", "predicted_class"}));
  for (std::size_t i = 0; i < files.size(); ++i) {
    const auto& row = rows[i + 1];
    ASSERT_EQ(row.size(), 6u);
    EXPECT_EQ(row[0], files[i]);
    double total = 0;
    for (std::size_t k = 1; k <= 4; ++k) total += std::stod(row[k]);
    EXPECT_NEAR(total, 1, 1e-6);
    for (std::size_t k = 1; k <= 4; ++k) EXPECT_LE(std::stod(row[k]), std::stod(row[1 + std::stoul(row[5])]));
    // As gadolin predict sees it alone.
    const Outcome alone =
        run_here({"predict", files[i], "--checkpoint", path("run/checkpoints/last.gdck"), "--json"});
    const json event = json::parse(alone.out.substr(0, alone.out.find('\n')));
    std::size_t k = 0;
    for (const auto& [name, p] : event["probabilities"].items())
      EXPECT_NEAR(p.get<double>(), std::stod(row[++k]), 1e-5) << name;
  }
  const auto classes = open_dataset(path("records"))->classes();
  const Outcome named =
      bodypart("classify", joined(usual, {"--names", "--delimiter", ",", "--outfile", path("out.csv"),
                                          "--batch_size", "2", "--num_classes", "4"}));
  ASSERT_EQ(named.code, 0) << named.err;
  const CsvTable table = read_csv(path("out.csv"));
  EXPECT_EQ(std::vector<std::string>(table.header.begin() + 1, table.header.begin() + 5), classes);
  EXPECT_EQ(table.rows.at(0).at(5), classes[std::stoul(rows[1][5])]);
  // One that cannot be read costs its own row only.
  scratch_->write("broken.png", "\x89PNG\r\n\x1a\n");
  scratch_->write("list.txt", path("broken.png") + "\n" + path("nowhere.png") + "\n" + png + "\n");
  const Outcome some = bodypart("classify", joined(usual, {"--outfile", path("some.tsv")}));
  EXPECT_EQ(some.code, 3);
  EXPECT_EQ(table_of(contents_of(path("some.tsv")), '\t').size(), 2u);
  EXPECT_EQ(last_line(some, scratch_->path()),
            "bodypart classify: 2 of 3 pictures could not be read (decode: DIR/broken.png is a damaged PNG, "
            "at byte 8 "
            "of 8: the file was cut short) [GD-DATA-042]");
}

TEST_F(BodypartEval, TablesOfRecords) {
  const Outcome run =
      bodypart("classify", {"--checkpoint_path", path("run/checkpoints"), "--tfrecord", "--infile",
                            path("records/test-dicom.tfrecord"), "--workers", "0", "--json"});
  EXPECT_EQ(done(run)["metrics"]["images"], tested_);
  const auto set = open_dataset(path("records"))->subset(Split::test);
  const json first = json::parse(run.out.substr(0, run.out.find('\n')));
  EXPECT_EQ(first["event"], "prediction");
  EXPECT_EQ(first["image"], set->info(0).name);
  EXPECT_EQ(first["probabilities"].size(), 4u);
}

// --- what is refused ---------------------------------------------------------------------------------------

TEST_F(BodypartEval, MistakesOfTrain) {
  const auto refused = [&](const std::vector<std::string>& args, const std::string& want, int code = 2) {
    expect_refused(train("mistake", args), code, want);
    EXPECT_FALSE(fs::exists(path("mistake"))) << want;
    fs::remove_all(path("mistake"));
  };
  refused({"--trainer", "keras"},
          "bodypart train: --trainer keras is unknown; use slim or resnet [GD-USAGE-001]");
  refused({"--resnet_size", "50"},
          "bodypart train: --resnet-size is an option of --trainer resnet, not of slim [GD-USAGE-001]");
  refused({"--trainer", "resnet", "--optimizer", "adam"},
          "bodypart train: --optimizer is an option of --trainer slim, not of resnet [GD-USAGE-001]");
  refused(
      {"--use_synthetic_data"},
      "bodypart train: --use-synthetic-data is an option of --trainer resnet, not of slim [GD-USAGE-001]");
  refused({"--model_name", "mobilenet_v1"},
          "bodypart train: --model-name mobilenet_v1 is not offered; use inception_v1, inception_v3, "
          "inception_v4, inception_resnet_v2, resnet_v1_50, "
          "resnet_v1_101, resnet_v1_152, resnet_v1_200, resnet_v2_50, resnet_v2_101, resnet_v2_152, "
          "resnet_v2_200, vgg_a, vgg_16, vgg_19, or gadolin "
          "train for other nets [GD-USAGE-001]");
  refused({"--preprocessing_name", "cifarnet"},
          "bodypart train: --preprocessing-name cifarnet is unknown; use inception, vgg or the name of a net "
          "[GD-USAGE-001]");
  refused({"--optimizer", "lion"},
          "bodypart train: --optimizer lion is unknown; use adadelta, adagrad, adam, ftrl, momentum, sgd or "
          "rmsprop [GD-USAGE-001]");
  refused({"--learning_rate_decay_type", "cosine"},
          "bodypart train: --learning-rate-decay-type cosine is unknown; use fixed, polynomial or "
          "exponential [GD-USAGE-001]");
  refused({"--learning_rate_decay_type", "polynomial", "--learning_rate", "0.00001"},
          "bodypart train: --end-learning-rate 0.0001 is above --learning-rate 1e-05 [GD-USAGE-001]");
  refused({"--num_epochs_per_decay", "0"},
          "bodypart train: --num-epochs-per-decay 0 is not in 1e-06..1000000 [GD-USAGE-001]");
  refused({"--opt_epsilon", "nan"},
          "bodypart train: --opt-epsilon nan is not in 1e-12..1000000 [GD-USAGE-001]");
  refused({"--num_clones", "2"},
          "bodypart train: --num-clones 2 asks for 2 devices, and 1 process trains; start it with gadolin "
          "launch -n 2 -- bodypart train ... [GD-USAGE-001]");
  refused({"--dataset_dir", ""},
          "bodypart train: --dataset-dir is missing; give the folder that convert-data wrote [GD-USAGE-001]");
  refused({"--model_name", "resnet_v1_50", "--net-option", "width=4", "--trainable_scopes", "nothing"},
          "--trainable-scopes nothing: nothing in the net that learns is called so; gadolin summary shows "
          "the names "
          "[GD-USAGE-001]");
  refused(
      {"--model_name", "resnet_v1_50", "--net-option", "width=4", "--checkpoint_exclude_scopes",
       "resnet_v1_50/logits/weights"},
      "scopes: resnet_v1_50/logits/weights names no layer of resnet50; use Slim's scopes down to a layer, or "
      "names of gadolin summary [GD-USAGE-001]");
  refused({"--model_name", "vgg_16", "--checkpoint_path", path("run")},
          "bodypart train: DIR/run/checkpoints/step-6.gdck is of vgg11, not of vgg16; name that net, or "
          "choose another folder [GD-USAGE-001]");
  refused({"--checkpoint_path", path("set")},
          "checkpoint: DIR/set holds no checkpoints; is it the folder of a run? [GD-FILE-001]", 6);
  refused({"--batch_norm_decay", "1"},
          "bodypart train: --batch-norm-decay 1 is not in [0, 1) [GD-USAGE-001]");
  refused({"--net-option", "width"},
          "--net-option width is not NAME=VALUE, such as transform_input=true [GD-USAGE-001]");
}

TEST_F(BodypartEval, MistakesOfTheNativeTrainer) {
  const auto refused = [&](std::vector<std::string> args, const std::string& want) {
    args.insert(args.begin(), {"--trainer", "resnet"});
    expect_refused(train("mistake", args), 2, want);
    EXPECT_FALSE(fs::exists(path("mistake"))) << want;
  };
  refused({"--version", "3"}, "bodypart train: --version 3 is unknown; use 1 or 2 [GD-USAGE-001]");
  refused({"--resnet_size", "20"},
          "bodypart train: --resnet-size 20 is unknown; use 18, 34, 50, 101, 152 or 200 [GD-USAGE-001]");
  refused({"--train_epochs", "0"},
          "bodypart train: --train-epochs 0 and --epochs-between-evals 1 must be above 0 [GD-USAGE-001]");
  refused({"--stop_threshold", "98"},
          "bodypart train: --stop-threshold 98 is no accuracy; use 0 (never) to 1 [GD-USAGE-001]");
  refused({"--loss_scale", "-1"}, "bodypart train: --loss-scale -1 is not in 0..1e9 [GD-USAGE-001]");
  refused({"--data_format", "nchw"},
          "bodypart train: --data-format nchw is unknown; use auto, channels_first or channels_last "
          "[GD-USAGE-001]");
  refused(
      {"--num_gpus", "2"},
      "bodypart train: --num-gpus 2 asks for 2 devices, and 1 process trains; start it with gadolin launch "
      "-n 2 -- bodypart train ... [GD-USAGE-001]");
  refused(
      {"--multi_gpu"},
      "bodypart train: --multi-gpu asks for 2 devices, and 1 process trains; start it with gadolin launch "
      "-n 2 -- bodypart train ... [GD-USAGE-001]");
  refused({"--benchmark_log_dir", "logs"},
          "bodypart train: --benchmark-log-dir has no meaning here; numbers are in metrics.csv of the run, "
          "and in the "
          "final event of --json [GD-USAGE-001]");
  for (const char* option : {"--gcp_project", "--bigquery_data_set", "--bigquery_run_table",
                             "--bigquery_run_status_table", "--bigquery_metric_table"}) {
    refused({option, "name"},
            "bodypart train: --gcp-project and --bigquery options would upload results, and nothing leaves "
            "this machine; leave them "
            "out [GD-USAGE-001]");
  }
  refused({"--hooks", "ProfilerHook"},
          "bodypart train: --hooks ProfilerHook is TensorFlow's profiler; use gadolin bench model, or nsys "
          "[GD-USAGE-001]");
  refused({"--hooks", "LoggingTensorHook,MyHook"},
          "bodypart train: --hooks MyHook is unknown; use LoggingTensorHook, ExamplesPerSecondHook or "
          "LoggingMetricHook [GD-USAGE-001]");
  refused({"--data_dir", ""},
          "bodypart train: --data-dir is missing; give the folder that convert-data wrote, or "
          "--use-synthetic-data [GD-USAGE-001]");
  if (cuda_device_count() > 0) {
    refused({"--num_gpus", "0", "--device", "cuda"},
            "bodypart train: --num-gpus 0 with --device cuda contradict each other; use --device cpu "
            "[GD-USAGE-001]");
  }
}

TEST_F(BodypartEval, MistakesOfEvalAndClassify) {
  const auto eval = [&](const std::vector<std::string>& args, const std::string& want, int code = 2) {
    expect_refused(bodypart("eval", joined({"--checkpoint_path", path("run"), "--dataset_dir",
                                            path("records"), "--workers", "0"},
                                           args)),
                   code, want);
  };
  eval({"--top_k", "3"},
       "bodypart eval: --top-k 3 of 4 classes says next to nothing; at most 2 is possible [GD-USAGE-001]");
  eval({"--batch_size", "0"}, "--batch-size 0 is not in 1..1000000 [GD-USAGE-001]");
  eval({"--model_name", "vgg_16"},
       "bodypart eval: DIR/run/checkpoints/step-6.gdck is of vgg11, not of --model-name vgg_16; leave the "
       "option out "
       "[GD-USAGE-001]");
  eval({"--eval_image_size", "64"},
       "bodypart eval: DIR/run/checkpoints/step-6.gdck prepares pictures by rgb,resize:37,center-crop:32,"
       "normalize:0.48501961/0.45796078/0.40760784:0.00392156862745098; leave --preprocessing-name and "
       "--eval-image-size out [GD-USAGE-001]");
  scratch_->write("ab/a/1.png", encode_png(pattern(8, 8, 1)));
  scratch_->write("ab/b/2.png", encode_png(pattern(8, 8, 1)));
  std::string names;
  const auto records = open_dataset(path("records"));
  for (const std::string& name : records->classes()) names += (names.empty() ? "" : ", ") + name;
  expect_refused(bodypart("eval", {"--checkpoint_path", path("run"), "--dataset_dir", path("ab")}), 3,
                 "bodypart eval: DIR/ab has the classes a, b, the checkpoint knows " + names +
                     "; is --labels-offset as in training? [GD-DATA-001]");
  ASSERT_EQ(slim("plain", {"--max_number_of_steps", "1"}).code, 0);
  expect_refused(bodypart("eval", {"--checkpoint_path", path("plain"), "--dataset_dir", path("records"),
                                   "--moving_average_decay", "0.9"}),
                 2,
                 "bodypart eval: DIR/plain/checkpoints/step-1.gdck holds no averages of weights; leave "
                 "--moving-average-decay out [GD-USAGE-001]");

  const auto classify = [&](const std::string& infile, const std::vector<std::string>& args,
                            const std::string& want, int code = 2) {
    expect_refused(bodypart("classify", joined({"--checkpoint_path", path("run"), "--infile", infile}, args)),
                   code, want);
  };
  scratch_->write("empty.txt", "\n\n");
  scratch_->write("some.txt", "a.png\n");
  classify(path("empty.txt"), {},
           "bodypart classify: DIR/empty.txt lists no pictures; one path a line is needed [GD-DATA-001]", 3);
  classify(path("records/test-dicom.tfrecord"), {},
           "bodypart classify: --infile DIR/records/test-dicom.tfrecord is named as TFRecords are; add "
           "--tfrecord [GD-USAGE-001]");
  classify(path("ab/a/1.png"), {},
           "bodypart classify: --infile DIR/ab/a/1.png is no list of pictures; write their paths into a text "
           "file, one a line [GD-USAGE-001]");
  classify(path("some.txt"), {"--delimiter", "ab"},
           "bodypart classify: --delimiter 'ab' is not one character [GD-USAGE-001]");
  classify(path("some.txt"), {"--batch_size", "0"}, "--batch-size 0 is not in 1..1000000 [GD-USAGE-001]");
  classify(path("some.txt"), {"--num_classes", "7"},
           "bodypart classify: DIR/run/checkpoints/step-6.gdck knows 4 classes, not --num-classes 7; leave "
           "the option out [GD-USAGE-001]");
  Checkpoint several = load_checkpoint(path("plain/checkpoints/last.gdck"));
  several.facts["multi_label"] = "1";
  save_checkpoint(path("several.gdck"), several);
  expect_refused(
      bodypart("classify", {"--checkpoint_path", path("several.gdck"), "--infile", path("some.txt")}), 2,
      "bodypart classify: DIR/several.gdck gives several labels a picture; use gadolin predict "
      "[GD-USAGE-001]");
}

}  // namespace
