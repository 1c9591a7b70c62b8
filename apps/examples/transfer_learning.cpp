// Transfer learning: weights of one task as the start of another. A small ResNet learns four made-up shapes
// and is stored; its trunk, frozen, then serves a task with other classes: only the new last layer learns.
//   example_transfer_learning [FOLDER to work in]
#include <gadolin/gadolin.h>

#include <cstdio>
#include <filesystem>

using namespace gadolin;

namespace {

const Pipeline pipeline("grey,resize:32x32,normalize:0.5:0.25");

double fit(Layer& net, const Dataset& set, int epochs, double lr) {
  DataLoader loader(set, pipeline, {.batch_size = 20, .shuffle = true, .drop_last = true});
  Optimizer optimizer(net.parameters(), {.rule = Rule::adam, .lr = lr});
  net.train();
  for (int epoch = 0; epoch < epochs; ++epoch) {
    for (const Batch& batch : loader) {
      optimizer.zero_grad();
      cross_entropy(net(batch["image"]), batch["label"]).backward();
      optimizer.step();
    }
  }
  net.eval();
  const NoGrad guard;
  double right = 0;
  DataLoader all(set, pipeline, {.batch_size = 50});
  for (const Batch& batch : all) {
    right += sum(eq(argmax(net(batch["image"]), 1), batch["label"]).to(DType::fp32)).item();
  }
  return right / static_cast<double>(set.size());
}

std::unique_ptr<Dataset> shapes(const std::string& folder, int classes, std::uint64_t seed) {
  write_synth(folder, {.samples = 200, .patients = 60, .classes = classes, .size = 32, .seed = seed});
  return open_dataset(folder);
}

}  // namespace

int main(int argc, char** argv) try {
  const std::filesystem::path folder = argc > 1 ? argv[1] : "runs/transfer";
  std::filesystem::create_directories(folder);
  manual_seed(0);
  const ResNetOptions options{.input_channels = 1, .num_classes = 4, .width = 16, .small_input = true};
  ResNet source = resnet18(options);
  const double learnt = fit(source, *shapes((folder / "source").string(), 4, 1), 3, 3e-3);
  std::printf("first task, 4 classes: accuracy %.3f\n", learnt);
  save(source, folder / "trunk.safetensors");

  ResNetOptions wider = options;
  wider.num_classes = 6;
  ResNet target = resnet18(wider);
  const LoadReport report = load(target, folder / "trunk.safetensors", {.exclude = {"fc"}});
  std::printf("%zu tensors loaded, %zu of the new head left as they start\n", report.loaded.size(),
              report.excluded.size());
  target.set_trainable({"fc"});  // batch norms of the trunk keep their statistics too
  const Tensor before = target.parameters().front().tensor.detach().clone();
  const double transferred = fit(target, *shapes((folder / "target").string(), 6, 2), 6, 1e-2);
  const bool untouched = before.to_vector<float>() == target.parameters().front().tensor.to_vector<float>();
  std::printf("second task, 6 classes, only the last layer learns: accuracy %.3f; trunk %s\n", transferred,
              untouched ? "unchanged" : "CHANGED");
  return untouched && transferred > 2.0 / 6 ? 0 : 1;
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return static_cast<int>(error.exit_code());
}
