// Features of a layer: which layer, order, bad samples, files that can be mapped, messages.
#include "tasks/features.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "io/csv.h"
#include "io/npy.h"
#include "nets/registry.h"
#include "nets/resnet.h"
#include "nets/vgg.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/data/scratch.h"

namespace gadolin {
namespace {

using test::message_of;
using test::Scratch;

TEST(LayerTap, GivesTheValueOfALayer) {
  manual_seed(2);
  ResNet net = resnet18({.num_classes = 3, .width = 4});
  net.eval();
  const NoGrad guard;
  const Tensor x = randn({2, 3, 64, 64});
  const Tensor layer4 = LayerTap(net, "layer4")(x).feature, embedding = LayerTap(net, "embedding")(x).feature;
  EXPECT_EQ(layer4.shape(), (Shape{2, 32, 2, 2}));
  EXPECT_EQ(embedding.shape(), (Shape{2, 32}));
  EXPECT_EQ(embedding.to_vector<float>(), LayerTap(net, "fc:input")(x).feature.to_vector<float>());
  const std::vector<double> means = mean(layer4, {2, 3}).to_vector<double>(),
                            pooled = embedding.to_vector<double>();
  for (std::size_t i = 0; i < means.size(); ++i) {
    if (!(std::abs(means[i] - pooled[i]) <= 1e-6)) ADD_FAILURE() << i << ": " << means[i] << " " << pooled[i];
  }
  const LayerTap::Result whole = LayerTap(net, "fc")(x);
  EXPECT_EQ(whole.feature.to_vector<float>(), whole.output.to_vector<float>());
  // What goes into VGG's first linear layer is its fifth pooling, flattened.
  VGGOptions narrow;
  narrow.width_divisor = 16;
  VGG vgg(11, narrow);
  vgg.eval();
  EXPECT_EQ(LayerTap(vgg, "classifier.0:input")(randn({1, 3, 224, 224})).feature.shape(),
            (Shape{1, 32 * 49}));
}

class Extracts : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 150; ++i) {
      SampleInfo info;
      info.name = info.path = dir_ / cat("p", i, ".png");
      info.patient = cat("a,", i / 3);
      info.labels = {i % 2};
      write_png(info.path, test::pattern(20 + i % 3, 24, 1));
      samples_.push_back(info);
    }
    net_.eval();
  }
  Dataset set() const { return Dataset({"no", "yes"}, false, samples_, ""); }
  Scratch dir_;
  std::vector<SampleInfo> samples_;
  Pipeline pipeline_{"grey,resize:32x32"};
  ResNet net_ = resnet18({.input_channels = 1, .num_classes = 2, .width = 2});
};

TEST_F(Extracts, InOrderForAnyNumberOfWorkers) {
  const Dataset data = set();
  std::vector<std::string> files;
  for (const int workers : {0, 3}) {
    const std::string folder = dir_ / cat("w", workers);
    net_.train();
    const FeatureResult got = write_features(folder, net_, data, pipeline_,
                                             {.batch_size = 16, .workers = workers}, {.layer = "layer3"});
    EXPECT_TRUE(net_.training());
    EXPECT_EQ(got.rows, 150);
    EXPECT_EQ(got.row, (Shape{8, 2, 2}));
    for (const char* name : {"/features.npy", "/index.csv"})
      files.push_back(read_file(folder + name, 1 << 24));
  }
  EXPECT_TRUE(files[0] == files[2]);
  EXPECT_TRUE(files[1] == files[3]);
  const Tensor mapped = map_npy(dir_ / "w0/features.npy"), loaded = load_npy(dir_ / "w0/features.npy");
  ASSERT_EQ(mapped.shape(), (Shape{150, 8, 2, 2}));
  EXPECT_EQ(mapped.to_vector<float>(), loaded.to_vector<float>());
  // Row 149 alone is row 149.
  net_.eval();
  const auto last = data.subset(std::vector<std::int64_t>{149});
  DataLoader one(*last, pipeline_, {.batch_size = 1, .workers = 0});
  Batch batch;
  one.next(batch);
  const NoGrad guard;
  const std::vector<double> alone = LayerTap(net_, "layer3")(batch["image"]).feature.to_vector<double>();
  const std::vector<double> row = mapped.select(0, 149).to_vector<double>();
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (!(std::abs(row[i] - alone[i]) <= 1e-5)) ADD_FAILURE() << i << ": " << row[i] << " " << alone[i];
  }
  const CsvTable index = read_csv(dir_ / "w0/index.csv");
  EXPECT_EQ(index.header, (std::vector<std::string>{"row", "path", "patient", "label", "split"}));
  ASSERT_EQ(index.rows.size(), 150u);
  EXPECT_EQ(index.rows[149], (std::vector<std::string>{"149", samples_[149].path, "a,49", "yes", ""}));
}

TEST_F(Extracts, PooledAndInSixteenBits) {
  const Dataset data = set();
  write_features(dir_ / "a", net_, data, pipeline_, {}, {.layer = "layer3"});
  write_features(dir_ / "b", net_, data, pipeline_, {},
                 {.layer = "layer3", .pool = true, .dtype = DType::fp16});
  const Tensor b = map_npy(dir_ / "b/features.npy");
  EXPECT_EQ(b.dtype(), DType::fp16);
  ASSERT_EQ(b.shape(), (Shape{150, 8}));
  const std::vector<double> wanted = mean(map_npy(dir_ / "a/features.npy"), {2, 3}).to_vector<double>(),
                            got = b.to_vector<double>();
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (!(std::abs(got[i] - wanted[i]) <= 1e-3 * (1 + std::abs(wanted[i]))))
      ADD_FAILURE() << i << ": " << got[i] << " " << wanted[i];
  }
}

TEST_F(Extracts, LeavesOutWhatCannotBeRead) {
  const Dataset data = set();
  dir_.write("p7.png", "no picture");
  const FeatureResult got = write_features(dir_ / "skip", net_, data, pipeline_,
                                           {.batch_size = 4, .bad_samples = BadSamples::skip}, {});
  EXPECT_EQ(got.rows, 149);
  ASSERT_EQ(got.bad.size(), 1u);
  EXPECT_EQ(got.bad[0].name, samples_[7].name);
  const CsvTable index = read_csv(dir_ / "skip/index.csv");
  ASSERT_EQ(index.rows.size(), 149u);
  EXPECT_EQ(index.rows[6][1], samples_[6].path);
  EXPECT_EQ(index.rows[7][1], samples_[8].path);
  EXPECT_EQ(index.rows[7][0], "7");
  EXPECT_EQ(map_npy(dir_ / "skip/features.npy").size(0), 149);
  // Without skipping, the file is named and nothing appears.
  const std::string message = message_of<FormatError>(
      [&] { write_features(dir_ / "fail", net_, data, pipeline_, {.batch_size = 4}, {}); });
  EXPECT_NE(message.find("p7.png"), std::string::npos) << message;
  EXPECT_TRUE(std::filesystem::is_empty(dir_ / "fail"));
}

TEST_F(Extracts, Messages) {
  const Dataset data = set();
  const auto said = [&](const LoaderOptions& loader, const FeatureOptions& options) {
    return message_of<UsageError>([&] {
      extract_features(net_, data, pipeline_, loader, options,
                       [](const Tensor&, const std::vector<std::int64_t>&) {});
    });
  };
  EXPECT_EQ(said({}, {.dtype = DType::int64}), "features: cannot be int64, only fp32 or fp16");
  EXPECT_EQ(said({.shuffle = true}, {}), "features: the loader must take every sample in order");
  EXPECT_EQ(said({}, {.layer = "layer4.0.bn3"}),
            "layer: layer4.0.bn3 is not in the net; near are layer4.0.bn1, layer4.0.bn2, layer1.0.bn1, or "
            "embedding; gadolin summary shows all names");
  const auto v3 = make_net("inception_v3", {{"width_divisor", 16.0}});
  v3->eval();
  const NoGrad guard;
  EXPECT_EQ(message_of<UsageError>([&] {
              LayerTap(*v3, "AuxLogits")(zeros({1, 3, 96, 96}));
            }),
            "layer: AuxLogits does not run in a forward pass; gadolin summary shows those that do");
  struct Sum : Layer {
    Tensor forward(const Tensor& x) override { return sum(x); }
    const char* kind() const override { return "Sum"; }
  };
  struct Holder : Layer {
    Sum& all = add("all", Sum());
    Tensor forward(const Tensor& x) override { return all(x); }
    const char* kind() const override { return "Holder"; }
  } holder;
  EXPECT_EQ(message_of<ShapeError>([&] {
              extract_features(holder, data, pipeline_, {.batch_size = 4}, {.layer = "all"},
                               [](const Tensor&, const std::vector<std::int64_t>&) {});
            }),
            "features: all gives [] for 4 samples");
}

}  // namespace
}  // namespace gadolin
