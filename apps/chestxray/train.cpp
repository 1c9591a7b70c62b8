// gadolin chestxray train: findings of chest X-rays, on the one training run.
#include "apps/chestxray/commands.h"
#include "apps/run/train_options.h"

namespace gadolin::chestxray {

void add_train(Program& program, CLI::App* group) {
  const auto o = std::make_shared<TrainCommand>();
  o->net.model = "densenet121";
  CLI::App* app = program.add(
      group, "train", "A net that names findings of chest X-rays",
      [o, &program](Session& s) {
        run_training(s, *o, [&](const Settled& settled) { return program.effective_config(settled); });
      },
      "gadolin chestxray train films.csv --out runs/chest");
  add_train_options(app, *o);
}

}  // namespace gadolin::chestxray
