// One call each: weights into a file and back, what a net says about a picture.
#include "tasks/predict.h"

#include <gtest/gtest.h>

#include "data/image/image.h"
#include "tasks/classification.h"
#include "tasks/evaluate.h"
#include "tasks/inputs.h"
#include "tensor/random.h"
#include "tests/data/scratch.h"
#include "train/checkpoint.h"
#include "train/save.h"

namespace gadolin {
namespace {

std::unique_ptr<ClassificationTask> new_classifier(std::uint64_t seed) {
  manual_seed(seed);
  const NetOptions options{
      {"num_classes", 3.0}, {"input_channels", 1.0}, {"width", 4.0}, {"small_input", true}};
  return std::make_unique<ClassificationTask>("resnet18", options, std::vector<std::string>{"a", "b", "c"},
                                              false, Pipeline("grey,resize:8x8,normalize:0.5:0.25"));
}

TEST(OneCall, WeightsGoIntoAFileAndBack) {
  const test::Scratch dir;
  for (const char* name : {"net.safetensors", "net.pth", "net.PT", "net.gdck", "net"}) {
    const auto task = new_classifier(1), other = new_classifier(2);
    save(task->net(), dir / name);
    const LoadReport report = load(other->net(), dir / name);
    EXPECT_EQ(report.loaded.size(), task->net().state().size()) << name;
    const auto want = task->net().state(), got = other->net().state();
    for (std::size_t i = 0; i < want.size(); ++i)
      EXPECT_EQ(got[i].tensor.to_vector<double>(), want[i].tensor.to_vector<double>())
          << name << " " << want[i].name;
  }
  const auto task = new_classifier(1);
  EXPECT_EQ(load(task->net(), dir / "net.pth", {.exclude = {"fc"}}).excluded.size(), 2u);
}

TEST(OneCall, APictureIsPredictedAsByThePredictor) {
  const test::Scratch dir;
  const std::string film = dir.write("film.png", encode_png(test::pattern(12, 10, 1)));
  const auto task = new_classifier(1);
  task->net().train();
  const std::vector<ClassProbability> said = predict(*task, film);
  EXPECT_TRUE(task->net().training()) << "the net is left as it was";
  ASSERT_EQ(said.size(), 3u);
  double total = 0;
  for (const ClassProbability& c : said) total += c.probability;
  EXPECT_NEAR(total, 1, 1e-6);
  EXPECT_TRUE(said[0].probability >= said[1].probability && said[1].probability >= said[2].probability);
  task->net().eval();
  const auto set = file_set({film}, task->classes());
  const std::vector<double> want =
      task->class_probabilities(task->predict(one_sample(*set, 0, task->pipeline(), cpu)), 0);
  for (const ClassProbability& c : said)
    EXPECT_EQ(c.probability, want[static_cast<std::size_t>(c.name[0] - 'a')]);
  // The same from a checkpoint.
  Checkpoint checkpoint;
  for (const Parameter& p : task->net().state()) checkpoint.tensors["model." + p.name] = p.tensor.detach();
  task->describe(checkpoint);
  save_checkpoint(dir / "best.gdck", checkpoint);
  const std::vector<ClassProbability> again = predict(dir / "best.gdck", film);
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_EQ(again[k].name, said[k].name);
    EXPECT_EQ(again[k].probability, said[k].probability);
  }
  EXPECT_THROW(predict(*task, dir / "none.png"), FileError);
}

}  // namespace
}  // namespace gadolin
