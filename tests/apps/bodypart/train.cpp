// gadolin bodypart train: both families of flags on the one run, and the golden numbers of A1's rates.
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/bodypart/records.h"
#include "apps/bodypart/slim_models.h"
#include "apps/bodypart/train_flags.h"
#include "io/weights.h"
#include "layers/init.h"
#include "tasks/slim_weights.h"
#include "tests/apps/bodypart/records.h"
#include "train/checkpoint.h"

using namespace gadolin;
using namespace gadolin::test;
namespace bp = gadolin::bodypart;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

using BodypartTraining = BodypartRecords;

// --- training ----------------------------------------------------------------------------------------------

TEST_F(BodypartTraining, SlimEvaluatesEverySoManyStepsAndGoesOn) {
  EXPECT_EQ(steps_of("run"), (std::vector<std::string>{"4", "6"}));
  const auto facts = load_checkpoint_facts(last("run"));
  EXPECT_EQ(facts.at("model"), "vgg11");
  EXPECT_EQ(facts.at("schedule"), cat("exponential:0.94:", trained_ * 2 / 8, "s"));
  EXPECT_EQ(facts.at("train_pipeline"),
            "rgb,random-resize:37:73,random-crop:32,hflip:0.5,"
            "normalize:0.48501961/0.45796078/0.40760784:0.00392156862745098");
  const std::string log = contents_of(path("run/train.log"));
  for (const char* step :
       {"step 2: loss = ", "step 4: loss = ", "step 6: loss = ", " sec/step)  lr 0.01  accuracy "}) {
    EXPECT_NE(log.find(step), std::string::npos) << step << " is not in\n" << log;
  }
  EXPECT_EQ(log.find("step 3: "), std::string::npos);
  // The next cycle, with a checkpoint that is passed over and is not even there.
  fs::copy(path("run"), path("cycle"), fs::copy_options::recursive);
  const Outcome more =
      slim("cycle", {"--max_number_of_steps", "9", "--eval-every", "4", "--moving_average_decay", "0.5",
                     "--checkpoint_path", path("nothing.gdck")});
  ASSERT_EQ(more.code, 0) << more.err;
  EXPECT_NE(more.err.find("is passed over"), std::string::npos) << more.err;
  EXPECT_EQ(steps_of("cycle"), (std::vector<std::string>{"4", "6", "8", "9"}));
  ASSERT_EQ(
      slim("whole", {"--max_number_of_steps", "9", "--eval-every", "4", "--moving_average_decay", "0.5"})
          .code,
      0);
  EXPECT_EQ(steps_of("whole"), (std::vector<std::string>{"4", "8", "9"}));
  for (const auto& [name, tensor] : load_checkpoint(last("whole")).tensors) {
    if (name.rfind("trainer.", 0) == 0) continue;
    EXPECT_EQ(load_checkpoint(last("cycle")).tensor(name).to_vector<double>(), tensor.to_vector<double>())
        << name;
    if (name.size() % 7 == 0) break;  // a few are as telling as all
  }
  expect_refused(train("run", {"--model_name", "resnet_v1_101", "--max_number_of_steps", "9"}), 2,
                 "bodypart train: DIR/run is of vgg11, not of resnet101; name that net, or choose another "
                 "folder [GD-USAGE-001]");
}

TEST_F(BodypartTraining, ConfigTomlGivesTheSameRun) {
  const Outcome again =
      run_here({"bodypart", "train", "--config", path("run/config.toml"), "--train_dir", path("again")});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(load_checkpoint(last("again")).tensor("model.classifier.6.weight").to_vector<double>(),
            load_checkpoint(last("run")).tensor("model.classifier.6.weight").to_vector<double>());
}

TEST_F(BodypartTraining, EveryRuleAndDecayLearns) {
  for (const char* name : {"sgd", "momentum", "adam", "adadelta", "adagrad", "ftrl"}) {
    const Outcome run = slim(cat("rule-", name),
                             {"--max_number_of_steps", "2", "--optimizer", name, "--learning_rate_decay_type",
                              "polynomial", "--label_smoothing", "0.1", "--eval_every", "1", "--json"});
    EXPECT_EQ(run.code, 0) << name << run.err;
    EXPECT_EQ(load_checkpoint_facts(last(cat("rule-", name))).at("schedule"),
              cat("polynomial:1:", trained_ * 2 / 8, "s"));
    EXPECT_NE(
        load_checkpoint(last(cat("rule-", name))).tensor("model.classifier.6.weight").to_vector<double>(),
        load_checkpoint(path(cat("rule-", name)) + "/checkpoints/step-1.gdck")
            .tensor("model.classifier.6.weight")
            .to_vector<double>())
        << name;
  }
}

TEST_F(BodypartTraining, CheckpointsOfBothTrainersAreOne) {
  const std::vector<std::string> fifty{"--model_name", "resnet_v1_50", "--net-option", "width=4"};
  std::vector<std::string> first = fifty, second = fifty;
  first.insert(first.end(), {"--max_number_of_steps", "1"});
  ASSERT_EQ(train("fifty", first).code, 0);
  // Slim's into the native trainer, all of it but the head; the net's options come along.
  const Outcome native =
      train("native", {"--trainer", "resnet", "--train_epochs", "1", "--checkpoint_path", path("fifty"),
                       "--checkpoint_exclude_scopes", "fc", "--export_dir", path("exported"), "--hooks",
                       "LoggingTensorHook,ExamplesPerSecondHook", "--json"});
  EXPECT_EQ(done(native)["metrics"]["steps"], trained_ / 8);  // what does not fill a batch is dropped
  EXPECT_NE(native.err.find("weights of "), std::string::npos) << native.err;
  EXPECT_NE(native.err.find(", 2 left as they start"), std::string::npos) << native.err;
  // And back, with nothing but the head learning; by Slim's name for it.
  second.insert(second.end(),
                {"--max_number_of_steps", "2", "--checkpoint_path", path("native/checkpoints/best.gdck"),
                 "--trainable_scopes", "resnet_v1_50/logits", "--num_clones", "1", "--num_readers", "4"});
  const Outcome back = train("back", second);
  ASSERT_EQ(back.code, 0) << back.err;
  const auto before = load_checkpoint(path("native/checkpoints/best.gdck")),
             after = load_checkpoint(last("back"));
  EXPECT_EQ(after.tensor("model.layer4.2.conv3.weight").to_vector<double>(),
            before.tensor("model.layer4.2.conv3.weight").to_vector<double>());
  EXPECT_NE(after.tensor("model.fc.weight").to_vector<double>(),
            before.tensor("model.fc.weight").to_vector<double>());
  for (const std::string& checkpoint : {path("fifty"), path("native"), path("exported/model.gdck")}) {
    const json eval = done(bodypart("eval", {"--checkpoint_path", checkpoint, "--dataset_dir",
                                             path("records"), "--json", "--resamples", "0"}));
    EXPECT_EQ(eval["metrics"]["samples"], tested_);
  }
  EXPECT_EQ(load_checkpoint(path("exported/model.gdck")).tensors.count("optimizer.control"), 0u);
}

TEST_F(BodypartTraining, TheNativeTrainersEnds) {
  EXPECT_EQ(done(resnet("threshold",
                        {"--train_epochs", "5", "--stop_threshold", "0.01", "--json"}))["metrics"]["epoch"],
            1);
  EXPECT_EQ(done(resnet("between", {"--train_epochs", "3", "--epochs_between_evals", "2",
                                    "--json"}))["metrics"]["epoch"],
            3);
  EXPECT_EQ(steps_of("between").size(), 2u);
  const json half = done(resnet("half", {"--max_train_steps", "1", "--version", "2", "--dtype", "fp16",
                                         "--data_format", "channels_first", "--intra_op_parallelism_threads",
                                         "1", "--inter_op_parallelism_threads", "1", "--json"}));
  EXPECT_EQ(half["metrics"]["steps"], 1);
  EXPECT_EQ(load_checkpoint(last("half")).tensor("optimizer.control").to_vector<double>()[2], 128)
      << "the loss scale";
  const json zeros = done(bodypart("train", {"--trainer",
                                             "resnet",
                                             "--use_synthetic_data",
                                             "--model_dir",
                                             path("zeros"),
                                             "--max_train_steps",
                                             "2",
                                             "--batch_size",
                                             "2",
                                             "--train_image_size",
                                             "32",
                                             "--net-option",
                                             "width=4",
                                             "--resnet_size",
                                             "18",
                                             "--num_gpus",
                                             "0",
                                             "--device",
                                             "cpu",
                                             "--workers",
                                             "0",
                                             "--json"}));
  EXPECT_EQ(zeros["metrics"]["steps"], 2);
  EXPECT_EQ(load_checkpoint_facts(last("zeros")).at("classes"), R"(["0","1","2","3","4","5","6"])");
}

TEST_F(BodypartTraining, WithoutAnEndASignalIsIt) {
  const std::vector<std::string> args{"bodypart",
                                      "train",
                                      "--train_dir",
                                      path("endless"),
                                      "--dataset_dir",
                                      path("records"),
                                      "--model_name",
                                      "vgg_a",
                                      "--train_image_size",
                                      "32",
                                      "--net-option",
                                      "width_divisor=16",
                                      "--batch_size",
                                      "8",
                                      "--workers",
                                      "0",
                                      "--save_interval_secs",
                                      "0.001",
                                      "--batch_norm_decay",
                                      "0.5"};
  const Outcome stopped =
      run_program(args, {.signal = SIGINT, .after = 0, .once = path("endless/checkpoints/step-2.gdck")});
  EXPECT_EQ(stopped.code, 75) << stopped.err;
  std::string said = stopped.err.substr(stopped.err.rfind("gadolin: "));
  const std::size_t at = said.find("at step ") + 8;
  const std::int64_t step = std::stoll(said.substr(at));
  said.erase(at, said.find(';', at) - at);
  EXPECT_EQ(said.substr(0, said.find(" [GD")),
            "gadolin: train: stopped by SIGINT at step ; run the same command again to continue");
  EXPECT_GE(step, 2);
  std::vector<std::string> more = args;
  more.insert(more.end(), {"--max_number_of_steps", std::to_string(step + 1)});
  const Outcome again = run_here(more);
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.err.find("resuming from "), std::string::npos);
  EXPECT_EQ(load_checkpoint_facts(last("endless")).at("step"), std::to_string(step + 1));
}

TEST_F(BodypartTraining, WeightsOfSlimItself) {
  const std::string slim_file = fixture("tf/resnet_v1_50.v2.ckpt");
  const std::int64_t width = read_weights(slim_file).tensors.at("resnet_v1_50/conv1/weights").size(3);
  const std::vector<std::string> words{"bodypart",
                                       "train",
                                       "--model_name",
                                       "resnet_v1_50",
                                       "--train_dir",
                                       path("tf"),
                                       "--dataset_dir",
                                       path("records"),
                                       "--train_image_size",
                                       "32",
                                       "--net-option",
                                       cat("width=", width),
                                       "--batch_size",
                                       "8",
                                       "--workers",
                                       "0",
                                       "--max_number_of_steps",
                                       "1",
                                       "--checkpoint_path",
                                       slim_file,
                                       "--checkpoint_exclude_scopes",
                                       "resnet_v1_50/logits",
                                       "--trainable_scopes",
                                       "resnet_v1_50/logits"};
  const Outcome run = run_here(words);
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.err.find("of the training, not of the net: global_step"), std::string::npos) << run.err;
  const std::string net_options = load_checkpoint_facts(last("tf")).at("net_options");
  EXPECT_NE(net_options.find("\"stride_in_last_unit\":true"), std::string::npos) << net_options;
  const Tensor theirs = read_weights(slim_file).tensors.at("resnet_v1_50/conv1/weights");
  const Tensor ours = load_checkpoint(last("tf")).tensor("model.conv1.weight");
  EXPECT_EQ(ours.to_vector<float>(),
            theirs.permute({3, 2, 0, 1}).contiguous(MemoryFormat::contiguous).to_vector<float>());
}

TEST_F(BodypartTraining, LabelsMayStartLater) {
  const auto set = open_dataset(path("records"));
  std::vector<SampleInfo> samples;
  const auto files = open_dataset(path("set/manifest.csv"));
  for (std::int64_t i = 0; i < files->size(); ++i) {
    SampleInfo info = files->info(i);
    info.labels[0] += 1;
    info.split = Split::none;
    samples.push_back(info);
  }
  std::vector<std::string> names = files->classes();
  names.insert(names.begin(), "background");
  fs::create_directories(path("offset"));
  write_tfrecords(path("offset/all.tfrecord"), Dataset(names, false, samples, files->root()));
  write_class_names(path("offset/labels.txt"), names);
  const auto shifted = bp::open_records("x", "dicom", path("offset"), 1);
  EXPECT_EQ(shifted->classes(), files->classes());
  for (std::int64_t i = 0; i < shifted->size(); ++i)
    EXPECT_EQ(shifted->info(i).labels[0] + 1, samples[static_cast<std::size_t>(i)].labels[0]);
  EXPECT_EQ(shifted->image(3), files->image(3));
  const auto all = bp::open_training_records("x", "dicom", path("offset"), 1, "train");
  EXPECT_EQ(all->subset(Split::train)->size(), files->size());
  const auto validation = bp::open_training_records("x", "dicom", path("records"), 0, "validation");
  EXPECT_EQ(validation->subset(Split::train)->size(), set->subset(Split::val)->size());
  EXPECT_FALSE(validation->has_split(Split::val));
  std::string first;
  for (std::int64_t i = set->size(); i-- > 0;)
    first = set->info(i).labels[0] == 0 ? set->info(i).name : first;
  EXPECT_EQ(message_of<DataError>([&] { bp::open_records("x", "dicom", path("records"), 1); }),
            "x: " + first + " has label 0, below --labels-offset 1");
  EXPECT_EQ(message_of<UsageError>([&] { bp::open_records("x", "dicom", path("records"), 3); }),
            "x: --labels-offset 3 leaves fewer than two of 4 classes");
  EXPECT_EQ(message_of<UsageError>([&] { bp::open_records("x", "mnist", path("records"), 0); }),
            "x: --dataset-name mnist is unknown; it must be dicom");
  fs::create_directories(path("only"));
  fs::copy_file(path("records/test-dicom.tfrecord"), path("only/test-dicom.tfrecord"));
  fs::copy_file(path("records/labels.txt"), path("only/labels.txt"));
  EXPECT_EQ(message_of<DataError>([&] { bp::open_training_records("x", "dicom", path("only"), 0, "train"); }),
            "x: " + path("only") + " has no samples of --dataset-split-name train");
  scratch_->write("two.csv", "path,labels\nset/images/none.png,a|b\n");
  scratch_->write("set/images/none.png", encode_png(pattern(4, 4, 1)));
  EXPECT_EQ(message_of<DataError>([&] { bp::open_records("x", "dicom", path("two.csv"), 0); }),
            "x: " + path("two.csv") + " has several labels a picture; one is needed");
}

}  // namespace
