// A multi-layer perceptron on small grey pictures: handwritten digits from MNIST's IDX files or, without,
// shapes that are made up on the spot.
//   example_mlp_digits [FOLDER with *-idx3-ubyte(.gz)] [EPOCHS]
#include <gadolin/gadolin.h>

#include <cstdio>
#include <cstdlib>
#include <string>

using namespace gadolin;

namespace {

double accuracy(Layer& net, DataLoader& loader) {
  const NoGrad guard;
  net.eval();
  double right = 0, seen = 0;
  for (const Batch& batch : loader) {
    right += sum(eq(argmax(net(batch["image"]), 1), batch["label"]).to(DType::fp32)).item();
    seen += static_cast<double>(batch.size());
  }
  net.train();
  return right / seen;
}

}  // namespace

int main(int argc, char** argv) try {
  manual_seed(0);
  std::string folder = argc > 1 ? argv[1] : "";
  const int epochs = argc > 2 ? std::atoi(argv[2]) : 8;
  const bool made_up = folder.empty();
  if (made_up) {
    folder = "runs/shapes";
    write_synth(folder, {.samples = 3000, .patients = 600, .classes = 3, .size = 28});
    std::printf("no folder given: made-up discs, squares and crosses in %s\n", folder.c_str());
  }
  const auto all = open_dataset(folder);
  assign_splits(*all, {.train = 0.8, .val = 0, .test = 0.2});
  const auto train_set = all->subset(Split::train), test_set = all->subset(Split::test);
  const Pipeline pipeline("grey,resize:28x28,normalize:0.3:0.3");
  DataLoader train(*train_set, pipeline, {.batch_size = 32, .shuffle = true, .drop_last = true});
  DataLoader test(*test_set, pipeline, {.batch_size = 100});

  Sequential net(Flatten(), Linear(28 * 28, 128), ReLU(), Dropout(0.2), Linear(128, all->num_classes()));
  Optimizer optimizer(net.parameters(), {.rule = Rule::adam, .lr = 1e-3});
  double result = 0;
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    double loss_sum = 0;
    for (const Batch& batch : train) {
      optimizer.zero_grad();
      const Tensor loss = cross_entropy(net(batch["image"]), batch["label"]);
      loss.backward();
      optimizer.step();
      loss_sum += loss.item();
    }
    result = accuracy(net, test);
    const double loss = loss_sum / static_cast<double>(train.batches());
    std::printf("epoch %d  loss %.4f  test accuracy %.4f\n", epoch, loss, result);
  }
  const double goal = made_up ? 0.5 : 0.8;  // shapes anywhere in the picture are hard without convolutions
  std::printf("goal: accuracy above %.2f, chance is %.2f\n", goal, 1.0 / all->num_classes());
  return result > goal ? 0 : 1;  // NaN misses it too
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return static_cast<int>(error.exit_code());
}
