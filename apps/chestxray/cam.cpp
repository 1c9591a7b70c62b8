// gadolin chestxray cam: where in a film the net sees a finding.
#include "apps/chestxray/commands.h"
#include "apps/chestxray/seed_checkpoint.h"
#include "apps/program/ranges.h"
#include "apps/run/cams.h"

namespace gadolin::chestxray {

void add_cam(Program& program, CLI::App* group) {
  const auto o = std::make_shared<CamCommand>();
  CLI::App* app = program.add(
      group, "cam", "Where in chest X-rays the net sees a finding, painted over them",
      [o](Session& s) {
        CamCommand run = *o;
        const OpenedCheckpoint checkpoint(o->checkpoint, s);
        run.checkpoint = checkpoint.path();
        run.target_option = "--finding";
        write_cams(s, run);
      },
      "gadolin chestxray cam film.png --ckpt runs/chest/checkpoints/best.gdck --finding Effusion --out cams");
  app->add_option("files", o->files, "Films (PNG, JPEG, DICOM), folders of them, or .txt lists of paths")
      ->required();
  app->add_option("--ckpt,--checkpoint", o->checkpoint,
                  "A checkpoint, the folder of a run, or a .pth of the original program")
      ->required();
  app->add_option("--out", o->out, "Folder for NAME.cam.png")->required();
  app->add_option("--finding,--class", o->target, "Its name; default the likeliest one");
  app->add_option("--layer", o->layer, "Layer to look at; the last one with more than one place by default");
  app->add_option("--alpha", o->alpha, "How much the colour covers, 0 to 1")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  app->add_flag("--npy", o->npy, "Write the maps as NAME.cam.npy too");
  app->add_flag("--overwrite", o->overwrite, "Remove the overlays of an earlier call in --out");
}

}  // namespace gadolin::chestxray
