// The benchmark commands at tiny sizes on the CPU: what they print, what they check, what they refuse.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/bench/bench.h"
#include "apps/bench/startup.h"
#include "apps/bench/steps.h"
#include "apps/bench/timing.h"
#include "io/npy.h"
#include "io/safetensors.h"
#include "layers/loss.h"
#include "layers/winograd.h"
#include "nets/retinanet.h"
#include "tensor/autograd.h"
#include "tensor/check.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;
using nlohmann::json;

namespace {

Outcome bench(std::vector<std::string> args) {
  args.insert(args.begin(), "bench");
  args.insert(args.end(), {"--device", "cpu", "--json"});
  return run_here(args);
}
const std::vector<std::string> tiny_net{"model", "resnet18", "--input", "3x32x32",   "--batch",
                                        "2",     "--steps",  "2",       "--warm-up", "1"};
Outcome bench_tiny(std::vector<std::string> more) {
  std::vector<std::string> args = tiny_net;
  args.insert(args.end(), more.begin(), more.end());
  return bench(args);
}

// --- operations --------------------------------------------------------------------------------------------

TEST(BenchOp, TheTableHoldsEveryFamilyAndConvolutionOnce) {
  const Outcome run = bench({"op", "--list", "--batch", "2", "--dtype", "bf16"});
  ASSERT_EQ(run.code, 0) << run.err;
  std::map<std::string, int> families;
  std::set<std::string> names;
  for (const json& c : events(run, "op")) {
    ++families[c["family"]];
    EXPECT_TRUE(names.insert(c["name"]).second) << c["name"];
    EXPECT_GT(c["bytes"].get<double>(), 0) << c["name"];
    EXPECT_EQ(c["flops"].get<double>() > 0,
              c["family"] == "conv" || c["family"] == "linear" || c["family"] == "recurrent")
        << c["name"];
  }
  const int ways = detail::winograd_lanes() ? 4 * 3 * 3 : 0;  // of the 3x3 without stride, a pass each
  EXPECT_EQ(families["conv"], 23 * 3 - 1 + ways);  // three passes, but none for the pictures' gradient
  for (const char* family : {"elementwise", "softmax", "dropout", "norm", "pool", "resize", "ingest", "loss",
                             "boxes", "update", "linear", "recurrent"}) {
    EXPECT_GT(families[family], 0) << family;
  }
  // A 3x3 convolution of 64 channels at 56 x 56: 2 * 2 * 64 * 64 * 9 * 56^2 operations; x, w, y of two bytes.
  for (const json& c : events(run, "op")) {
    if (c["name"] != "conv 3x3 64 -> 64 at 56 forward") continue;
    EXPECT_EQ(c["flops"], 2.0 * 2 * 64 * 64 * 9 * 56 * 56);
    EXPECT_EQ(c["bytes"], 2.0 * (2.0 * 2 * 64 * 56 * 56 + 64 * 64 * 9));
  }
}

TEST(BenchOp, CasesOfEveryFamilyRunAndGiveShares) {
  std::vector<std::string> args{"op", "--batch", "1", "--blocks", "2", "--block-ms", "0"};
  for (const char* name : {"elementwise: ", "softmax: ", "dropout: ", "norm: ", "pool: ", "resize: ",
                           "ingest: ", "loss: ", "boxes: ", "linear: ", "recurrent: lstm", "update: sgd of",
                           "update: weight", "conv: conv 1x1 64 -> 64"}) {
    args.push_back(name);
  }
  const Outcome run = bench(args);
  ASSERT_EQ(run.code, 0) << run.err;
  ASSERT_EQ(events(run, "ceilings").size(), 1u);
  EXPECT_GT(events(run, "ceilings")[0]["read_gbps"].get<double>(), 0);
  std::map<std::string, int> families;
  for (const json& row : events(run, "op")) {
    ++families[row["family"]];
    EXPECT_GT(row["min_ms"].get<double>(), 0) << row;
    EXPECT_LE(row["min_ms"], row["median_ms"]) << row;
    EXPECT_LE(row["median_ms"], row["max_ms"]) << row;
    EXPECT_GT(row["share"].get<double>(), 0) << row;
    EXPECT_NEAR(row["gbps"].get<double>(), row["bytes"].get<double>() / row["median_ms"].get<double>() / 1e6,
                1e-6 * row["gbps"].get<double>());
  }
  EXPECT_EQ(families.size(), 13u);
  EXPECT_EQ(families["conv"], 3);
  EXPECT_EQ(families["update"], 2);
}

// Every pass of a convolution that has several ways: one of them is chosen, the one that promises the least.
TEST(BenchOp, WaysOfAConvolutionStandBesideTheChosenOne) {
  const Outcome run =
      bench({"op", "conv 3x3 512 -> 512 at 7", "--batch", "1", "--blocks", "1", "--block-ms", "0"});
  ASSERT_EQ(run.code, 0) << run.err;
  std::map<std::string, std::pair<double, double>> least;  // of the ways, and of the chosen ones
  for (const json& row : events(run, "op")) {
    const std::string name = row["name"], pass = name.substr(0, name.find(','));
    auto& of = least.try_emplace(pass, 1e9, 1e9).first->second;
    if (pass == name) continue;
    const double predicted = row["predicted"];
    EXPECT_EQ(predicted == 1, name.ends_with(", direct")) << name << predicted;
    of.first = std::min(of.first, predicted);
    if (row["chosen"]) of.second = std::min(of.second, predicted);
  }
  EXPECT_EQ(least.size(), 3u);
  for (const auto& [pass, of] : least) EXPECT_EQ(of.first, of.second) << pass;
}

// --- nets --------------------------------------------------------------------------------------------------

TEST(BenchModel, ATrainingRowCarriesWhatAComparisonNeeds) {
  const Outcome run = bench_tiny({"--losses", "3", "--blocks", "2", "--seed", "5"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto rows = events(run, "model"), losses = events(run, "loss");
  ASSERT_EQ(rows.size(), 1u);
  const json& row = rows[0];
  EXPECT_EQ(row["suite"], "model");
  EXPECT_EQ(row["net"], "resnet18");
  EXPECT_EQ(row["framework"], "gadolin");
  EXPECT_EQ(row["mode"], "train");
  EXPECT_EQ(row["variant"], "eager");
  EXPECT_EQ(row["dtype"], "fp32");
  EXPECT_EQ(row["batch"], 2);
  EXPECT_EQ(row["input"], "3x32x32");
  EXPECT_EQ(row["seed"], 5);
  EXPECT_EQ(row["steps"], 3 + 1 + 4);  // the losses are the warm-up; one shows what memory a step takes
  EXPECT_FALSE(row["versions"]["gadolin"].get<std::string>().empty());
  EXPECT_GT(row["peak_mb"].get<double>(), 11.2e6 * 4 / (1 << 20));  // at least the weights
  EXPECT_LE(row["peak_mb"], row["reserved_mb"]);
  EXPECT_NEAR(row["img_s"].get<double>() * row["median_ms"].get<double>(), 2000, 1e-6);
  ASSERT_EQ(losses.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(losses[i]["step"], i + 1);
  EXPECT_EQ(events(run).back()["metrics"]["median_ms"], row["median_ms"]);
  EXPECT_EQ(events(run).back()["metrics"]["loss"], row["loss"]);
}

TEST(BenchModel, WeightsAndBatchFromFilesGiveTheLossesOfATrainingStep) {
  const Scratch dir;
  manual_seed(11);
  const auto net = make_net("resnet18", {{"num_classes", 1000.0}});
  TensorMap weights;
  for (const Parameter& p : net->state()) weights[p.name] = p.tensor.detach();
  save_safetensors(dir / "w.safetensors", weights);
  const Tensor bytes = mul(rand({3, 3, 40, 40}, 1, 2), 255).to(DType::uint8);
  const Tensor images = add(mul(bytes.to(DType::fp32), 1 / 127.5), -1),
               labels = tensor({7, 999, 0}, {3}, DType::int64);
  save_npy(dir / "bytes.npy", bytes);
  save_npy(dir / "x.npy", images);
  save_npy(dir / "y.npy", labels);
  // Two steps by hand.
  net->train();
  Optimizer optimizer(net->parameters(),
                      {.rule = Rule::sgd, .lr = 0.02, .momentum = 0.5, .weight_decay = 0.01});
  std::vector<double> want;
  for (int i = 0; i < 2; ++i) {
    optimizer.zero_grad();
    const Tensor loss = cross_entropy((*net)(images.contiguous(MemoryFormat::channels_last)), labels);
    want.push_back(loss.item());
    loss.backward();
    optimizer.step();
  }
  for (const char* file : {"x.npy", "bytes.npy"}) {
    const Outcome run = bench({"model",        "resnet18", "--weights",      dir / "w.safetensors",
                               "--batch-file", dir / file, "--labels-file",  dir / "y.npy",
                               "--losses",     "2",        "--lr",           "0.02",
                               "--momentum",   "0.5",      "--weight-decay", "0.01",
                               "--steps",      "1",        "--warm-up",      "0"});
    ASSERT_EQ(run.code, 0) << run.err;
    const auto losses = events(run, "loss");
    ASSERT_EQ(losses.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i)
      EXPECT_NEAR(losses[i]["loss"].get<double>(), want[i], 2e-4 * want[i]) << file << " step " << i;
    EXPECT_EQ(events(run, "model")[0]["batch"], 3);
    EXPECT_EQ(events(run, "model")[0]["input"], "3x40x40");
  }
  const auto refused = [&](std::vector<std::string> args, const std::string& why) {
    args.insert(args.begin(), {"bench", "model", "resnet18", "--device", "cpu"});
    const Outcome run = run_here(args);
    EXPECT_EQ(run.code, 2);
    EXPECT_EQ(last_line(run, dir.path()), why);
  };
  refused({"--batch-file", dir / "y.npy"}, "bench: DIR/y.npy is [3]; [N, C, H, W] is needed [GD-USAGE-001]");
  refused({"--batch-file", dir / "x.npy", "--batch", "4"},
          "bench: DIR/x.npy holds 3 pictures, --batch is 4 [GD-USAGE-001]");
  refused({"--labels-file", dir / "y.npy", "--input", "3x32x32", "--batch", "2"},
          "bench: DIR/y.npy is [3] for 2 pictures [GD-USAGE-001]");
  refused({"--mode", "infer", "--losses", "2"},
          "bench model: --losses are of training; use --mode train [GD-USAGE-001]");
}

TEST(BenchModel, DetectorsTrainAndFindBoxes) {
  const std::vector<std::string> tiny{
      "model", "retinanet_resnet18_fpn", "--batch", "1", "--steps", "1", "--warm-up", "1"};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> args = tiny;
    args.insert(args.end(), more.begin(), more.end());
    return args;
  };
  const Outcome run = bench(with({"--input", "3x64x64", "--losses", "1"}));
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(events(run, "model")[0]["net"], "retinanet_resnet18_fpn");
  EXPECT_GT(events(run, "loss")[0]["loss"].get<double>(), 0);
  // From bytes to boxes, with weights that find some.
  const Scratch dir;
  manual_seed(3);
  const auto net = make_detector("retinanet_resnet18_fpn", {{"prior", 0.3}});
  TensorMap weights;
  for (const Parameter& p : net->state()) weights[p.name] = p.tensor.detach();
  save_safetensors(dir / "w.safetensors", weights);
  const Tensor bytes = mul(rand({2, 3, 64, 96}, 1, 2), 255).to(DType::uint8);
  save_npy(dir / "bytes.npy", bytes);
  Outcome found = bench({"model", "retinanet_resnet18_fpn", "--mode", "infer", "--weights",
                         dir / "w.safetensors", "--batch-file", dir / "bytes.npy", "--steps", "1"});
  ASSERT_EQ(found.code, 0) << found.err;
  EXPECT_EQ(events(found, "model")[0]["input"], "3x64x96");
  EXPECT_EQ(events(found, "model")[0]["batch"], 2);

  const auto refused = [&](const Tensor& boxes) {
    save_npy(dir / "boxes.npy", boxes);
    std::vector<std::string> args = with({"--input", "3x64x64", "--labels-file", dir / "boxes.npy"});
    args.insert(args.begin(), "bench");
    const Outcome wrong = run_here(args);
    EXPECT_EQ(wrong.code, 2);
    return last_line(wrong, dir.path());
  };
  EXPECT_EQ(refused(zeros({1, 5})),
            "bench: DIR/boxes.npy is [1, 5] for 1 pictures; a detector needs [N, M, 5]: x1 y1 x2 y2 class "
            "[GD-USAGE-001]");
  EXPECT_EQ(refused(tensor({0, 0, 9, 9, 91}, {1, 1, 5})),
            "bench: DIR/boxes.npy: box 0 of picture 0 has the class 91; there are 0 to 90, and -1 for none "
            "behind the last box [GD-USAGE-001]");
  EXPECT_EQ(refused(tensor({0, 0, 0, 0, -1, 0, 0, 9, 9, 1}, {1, 2, 5})),
            "bench: DIR/boxes.npy: box 1 of picture 0 stands behind one of class -1; put those last "
            "[GD-USAGE-001]");
}

TEST(BenchModel, SixteenBitsTrain) {
  for (const char* dtype : {"bf16", "fp16"}) {  // fp16: steps that only find the loss scale are warm-up
    const Outcome run = bench_tiny({"--dtype", dtype});
    ASSERT_EQ(run.code, 0) << dtype << run.err << run.out;
    EXPECT_TRUE(std::isfinite(events(run, "model")[0]["loss"].get<double>()));
  }
}

TEST(BenchModel, LatencyIsOfSingleCalls) {
  const Outcome run = bench({"model", "resnet18", "--input", "3x32x32", "--latency", "--calls", "7"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto rows = events(run, "model");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["suite"], "latency");
  EXPECT_EQ(rows[0]["mode"], "infer");
  EXPECT_EQ(rows[0]["batch"], 1);
  EXPECT_EQ(rows[0]["calls"], 7);
  EXPECT_LE(rows[0]["min_ms"], rows[0]["p50_ms"]);
  EXPECT_LE(rows[0]["p50_ms"], rows[0]["p90_ms"]);
  EXPECT_LE(rows[0]["p90_ms"], rows[0]["p99_ms"]);
  EXPECT_LE(rows[0]["p99_ms"], rows[0]["max_ms"]);
}

TEST(BenchModel, WeightsThatDoNotMoveAreAnError) {
  const Outcome run = bench_tiny({"--lr", "0"});
  EXPECT_EQ(run.code, 5);
  EXPECT_EQ(last_line(run, "DIR"),
            "bench: training changed 0 of 62 parameters; the numbers would mean nothing [GD-NUMERIC-001]");
}

TEST(BenchModel, FingerprintsTellWhatMoved) {
  const NoGrad guard;
  Tensor a = rand({3, 4}, 1, 1), b = rand({2, 3, 4, 4}, 1, 2).contiguous(MemoryFormat::channels_last),
         c = rand({5}, 1, 3);
  for (Tensor* t : {&a, &b, &c}) t->requires_grad_();
  const std::vector<Parameter> parameters{{"a", a}, {"b", b}, {"c", c}};
  const auto before = fingerprints(parameters);
  a.select(0, 2).select(0, 3).add_(tensor({1e-6}, {}));
  EXPECT_EQ(message_of<NumericError>([&] { require_moved(before, fingerprints(parameters)); }),
            "bench: training changed 1 of 3 parameters; the numbers would mean nothing");
  b.select(1, 2).fill_(0);
  EXPECT_NO_THROW(require_moved(before, fingerprints(parameters)));
  c.select(0, 4).fill_(std::nan(""));
  EXPECT_EQ(message_of<NumericError>([&] { require_moved(before, fingerprints(parameters)); }),
            "bench: c is not finite after training; use a smaller --lr");
}

// --- start-up ----------------------------------------------------------------------------------------------

TEST(BenchStartup, PartsAddUpAndTheCpuOpensNoGpuLibrary) {
  const Outcome run = run_program({"bench", "startup", "--model", "resnet18", "--input", "3x32x32", "--batch",
                                   "2", "--runs", "2", "--device", "cpu", "--json"});
  ASSERT_EQ(run.code, 0) << run.err << run.out;
  const json last = events(run).back()["metrics"];
  EXPECT_EQ(last["libraries"], json::array());
  EXPECT_GT(last["first_step_s"].get<double>(), 0);
  for (const int number : {1, 2}) {
    double sum = 0;
    std::vector<std::string> parts;
    for (const json& event : events(run, "startup")) {
      if (event["run"] != number) continue;
      EXPECT_GE(event["seconds"].get<double>(), 0) << event;
      sum += event["seconds"].get<double>();
      EXPECT_NEAR(event["at"].get<double>(), sum, 1e-6) << event;
      parts.push_back(event["part"]);
      if (parts.back() == "first step") {
        EXPECT_GE(sum, last["first_step_min_s"].get<double>() - 1e-6);
        EXPECT_LE(sum, last["first_step_max_s"].get<double>() + 1e-6);
      }
    }
    EXPECT_EQ(parts, (std::vector<std::string>{"exec and loading", "options and driver", "net on the host",
                                               "batch", "first step", "second step"}));
  }
}

TEST(BenchStartup, AMistakeInTheMeasuredProcessIsReportedAsOnesOwn) {
  const Scratch dir;
  const Outcome run = run_program({"bench", "startup", "--model", "resnet18", "--weights", dir / "none.pth",
                                   "--runs", "1", "--device", "cpu"});
  EXPECT_EQ(run.code, 6);
  EXPECT_EQ(last_line(run, dir.path()),
            "read: DIR/none.pth: no such file or directory; check the path; folders above it must exist "
            "[GD-FILE-001]");
  EXPECT_EQ(run_here({"bench", "startup", "--model", "resnet", "--device", "cpu"}).code, 2);

  EXPECT_EQ(message_of<ValueError>([] {
              events_of({"{\"event\":\"startup\"}\nnot json\n", 139});
            }),
            "bench startup: the measured process ended early with code 139");
  EXPECT_EQ(message_of<ValueError>([] {
              events_of({"", 0});
            }),
            "bench startup: the measured process ended early with code 0");
  EXPECT_EQ(events_of({"text\n{\"event\":\"startup\"}\n{\"event\":\"done\"}\n", 0}).size(), 2u);
  try {
    events_of({"{\"event\":\"error\",\"code\":\"GD-CKPT-031\",\"message\":\"m\",\"hint\":\"h\"}\n", 6});
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "GD-CKPT-031");
    EXPECT_STREQ(error.what(), "m; h");
    EXPECT_EQ(error.exit_code(), Exit::file);
  }
}

TEST(BenchStartup, LibrariesAreFoundAmongMappedFiles) {
  EXPECT_EQ(gpu_libraries("7f00-7f01 r-xp 00000000 08:01 12 /usr/lib/libcuda.so.550.1\n7f00-7f01 r--p 0 "
                          "08:01 12 /usr/lib/libcuda.so.550.1\n"
                          "7f02-7f03 r-xp 0 08:01 13 /opt/x/libcudnn_graph.so.9\n7f04-7f05 rw-p 0 00:00 "
                          "0\n7f04-7f05 rw-p 0 00:00 0 [stack]\n"
                          "7f06-7f07 r-xp 0 08:01 14 /usr/lib/libc.so.6\n7f06-7f07 r-xp 0 08:01 14 "
                          "/usr/lib/libOpenCL.so.1\n"),
            (std::vector<std::string>{"libcuda.so.550.1", "libcudnn_graph.so.9"}));
}

// --- times -------------------------------------------------------------------------------------------------

TEST(BenchTiming, PercentilesAreOfTheNearestRank) {
  const std::vector<double> v{5, 1, 4, 2, 3};
  EXPECT_EQ(percentile(v, 0.5), 3);
  EXPECT_EQ(percentile(v, 0.9), 5);
  EXPECT_EQ(percentile(v, 0.2), 1);
  EXPECT_EQ(percentile(v, 0), 1);
  const Timing t = summarize_times(v);
  EXPECT_EQ(t.median, 3);
  EXPECT_EQ(t.least, 1);
  EXPECT_EQ(t.most, 5);
}

TEST(BenchTiming, BlocksHaveAtLeastSoManyCalls) {
  int calls = 0;
  EXPECT_EQ(time_blocks(cpu, 3, 4, 0, [&] { ++calls; }).size(), 3u);
  EXPECT_EQ(calls, 1 + 3 * 4);
  EXPECT_EQ(time_each(cpu, 6, [&] { ++calls; }).size(), 6u);
  EXPECT_EQ(calls, 1 + 3 * 4 + 6);
}

}  // namespace
