// gadolin train, and the other commands of this folder.
#include "apps/commands.h"
#include "apps/run/train_options.h"
#include "apps/train/commands.h"

namespace gadolin {

void add_train_command(Program& program) {
  const auto o = std::make_shared<TrainCommand>();
  CLI::App* app = program.add(
      "train", "Train a net on a data set: a classifier of images, or what --task names",
      [o, &program](Session& s) {
        run_training(s, *o, [&](const Settled& settled) { return program.effective_config(settled); });
      },
      "gadolin train examples/data/cxr-nih14-small/view.csv --input-size 112 --epochs 12 --out runs/view");
  add_train_options(app, *o);
}

void add_train(Program& program) {
  add_train_command(program);
  add_eval_command(program);
  add_predict_command(program);
  add_lr_find_command(program);
}

}  // namespace gadolin
