// A ResNet on a folder with one subfolder a class (or a manifest CSV): the whole training program.
//   example_resnet_folder FOLDER [EPOCHS] [PIXELS]
#include <gadolin/gadolin.h>

#include <cstdio>
#include <cstdlib>

using namespace gadolin;

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FOLDER [EPOCHS] [PIXELS]\n", argv[0]);
    return 2;
  }
  const int epochs = argc > 2 ? std::atoi(argv[2]) : 4;
  const std::string pixels = argc > 3 ? argv[3] : "64";
  const Device device = cuda_available() ? cuda : cpu;
  manual_seed(0);

  const auto all = open_dataset(argv[1]);
  assign_splits(*all, {.train = 0.8, .val = 0, .test = 0.2});  // by patient where patients are known
  const auto train_set = all->subset(Split::train), test_set = all->subset(Split::test);
  const std::string size = pixels + "x" + pixels;
  DataLoader train(*train_set, Pipeline("grey,resize:" + size + ",hflip,normalize:0.5:0.25"),
                   {.batch_size = 16, .shuffle = true, .drop_last = true, .device = device});
  DataLoader test(*test_set, Pipeline("grey,resize:" + size + ",normalize:0.5:0.25"),
                  {.batch_size = 32, .device = device});

  ResNet net = resnet18({.input_channels = 1, .num_classes = all->num_classes(), .width = 32});
  net.to(device);
  Optimizer optimizer(net.parameters(), {.rule = Rule::adamw, .lr = 2e-3, .weight_decay = 0.01});
  const Schedule schedule("one-cycle", {.lr = 2e-3, .total_steps = epochs * train.batches()});
  std::int64_t step = 0;
  double accuracy = 0;
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    net.train();
    for (const Batch& batch : train) {
      optimizer.set_lr(schedule.lr_at(step++));
      optimizer.zero_grad();
      cross_entropy(net(batch["image"]), batch["label"]).backward();
      optimizer.step();
    }
    net.eval();
    const NoGrad guard;
    ConfusionMatrix confusion(all->num_classes());
    for (const Batch& batch : test) {
      const auto truth = batch["label"].to_vector<std::int64_t>();
      const auto guess = argmax(net(batch["image"]), 1).to_vector<std::int64_t>();
      for (std::size_t i = 0; i < truth.size(); ++i) confusion.add(truth[i], guess[i]);
    }
    accuracy = gadolin::accuracy(confusion);
    std::printf("epoch %d  test accuracy %.4f  macro F1 %.4f\n", epoch, accuracy, macro_f1(confusion));
  }
  const double goal = 1.5 / all->num_classes();
  std::printf("goal: accuracy above %.2f, half as much again as chance\n", goal);
  return accuracy > goal ? 0 : 1;
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return static_cast<int>(error.exit_code());
}
