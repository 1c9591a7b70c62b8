// gadolin cam: where in a picture the net sees a class, painted over the picture.
#include "apps/commands.h"
#include "apps/program/ranges.h"
#include "apps/run/cams.h"

namespace gadolin {

void add_cam(Program& program) {
  const auto o = std::make_shared<CamCommand>();
  CLI::App* app = program.add(
      "cam", "Grad-CAM: what in a picture speaks for a class, as overlays",
      [o](Session& s) { write_cams(s, *o); },
      "gadolin cam film.jpg --checkpoint runs/view/checkpoints/best.gdck --out cams");
  app->add_option("files", o->files, "Images, folders of images, or .txt lists of paths")->required();
  app->add_option("--checkpoint", o->checkpoint,
                  "A checkpoint of a classifier, such as best.gdck; detectors show boxes instead (predict)")
      ->required();
  app->add_option("--out", o->out, "Folder for NAME.cam.png")->required();
  app->add_option(
      "--layer", o->layer,
      "Layer to look at, a path of gadolin summary; the last one with more than one place by default");
  app->add_option("--class", o->target, "Name or number; the predicted class by default");
  app->add_option("--alpha", o->alpha, "How much the colour covers, 0 to 1")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  app->add_flag("--overwrite", o->overwrite, "Remove the overlays of an earlier call in --out");
  app->add_flag("--npy", o->npy, "Write the maps as NAME.cam.npy too");
}

}  // namespace gadolin
