// gadolin cam: where in a picture the net sees a class, painted over the picture.
#include <algorithm>
#include <filesystem>
#include <utility>

#include "apps/commands.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "io/atomic_file.h"
#include "io/npy.h"
#include "tasks/cam.h"
#include "tasks/inputs.h"
#include "tasks/overlay.h"
#include "tasks/predictor.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

struct CamOptions {
  std::vector<std::string> files;
  std::string checkpoint, out, layer, target;
  double alpha = 0.6;
  bool npy = false, overwrite = false;
};

// A class by its name or its number from 0.
int class_of(const std::string& text, const std::vector<std::string>& classes) {
  const auto named = std::find(classes.begin(), classes.end(), text);
  if (named != classes.end()) return static_cast<int>(named - classes.begin());
  const bool number = !text.empty() && text.size() < 7 &&
                      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  std::string known;
  for (std::size_t i = 0; i < classes.size() && i < 20; ++i) known += (i ? ", " : "") + classes[i];
  require<UsageError>(number && std::stoul(text) < classes.size(), "--class ", text,
                      " is unknown; known are ", known, classes.size() > 20 ? ", ..." : "",
                      " and their numbers from 0");
  return std::stoi(text);
}

// Overlays of an earlier call would be taken for those of this one.
std::vector<std::filesystem::path> earlier_overlays(const CamOptions& o) {
  check_output_folder("cam: --out", o.out, o.files);
  std::vector<std::filesystem::path> old;
  if (!std::filesystem::is_directory(o.out)) return old;
  for (const auto& entry : std::filesystem::directory_iterator(o.out)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".cam.png") || name.ends_with(".cam.npy")) old.push_back(entry.path());
  }
  require<UsageError>(old.empty() || o.overwrite, "cam: --out ", printable(o.out), " holds ", old.size(),
                      old.size() == 1 ? " file" : " files",
                      " of an earlier call; name another folder, or add --overwrite to remove them");
  return old;
}

void cam(Session& session, const CamOptions& o) {
  Predictor predictor(load_task(o.checkpoint, session.device()), {.compute = session.compute()});
  const Task& task = predictor.task();
  const int wanted = o.target.empty() ? -1 : class_of(o.target, task.classes());
  const std::vector<std::string> files = expand_files(o.files, true);
  require<UsageError>(!files.empty(), "cam: no files to look at");
  const auto set = file_set(files, task.classes());
  const auto old = earlier_overlays(o);
  bool begun = false;
  // A call that can do nothing changes nothing.
  const auto begin = [&] {
    if (std::exchange(begun, true)) return;
    make_folders("cam", o.out);
    for (const auto& path : old) std::filesystem::remove(path);
  };
  std::vector<std::vector<std::string>> rows{{"path", "class", "probability", "overlay"}};
  const std::vector<std::string> names = distinct_stems(files);
  std::string layer = o.layer, first_error;
  std::int64_t failed = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    try {
      const auto number = static_cast<std::int64_t>(i);
      const Batch batch = task.one(*set, number, session.device());
      const std::vector<double> p = task.class_probabilities(predictor.run(batch), 0);
      const auto top = static_cast<int>(std::max_element(p.begin(), p.end()) - p.begin());
      const int target = wanted >= 0 ? wanted : top;
      const Tensor heat = predictor.with([&](Task& own) {
        const auto evidence = [&] { return own.evidence(batch, target); };
        if (layer.empty()) layer = cam_layer(own.net(), evidence);
        return grad_cam(own.net(), evidence, layer).select(0, 0);
      });
      begin();
      const std::string name = o.out + "/" + names[i] + ".cam";
      write_png(name + ".png",
                overlay(set->image(number), seen_sample(*set, number, task.pipeline()), heat, o.alpha));
      if (o.npy) save_npy(name + ".npy", heat);
      const std::string& label = task.classes()[static_cast<std::size_t>(target)];
      const double probability = p[static_cast<std::size_t>(target)];
      rows.push_back({files[i], label, fixed(probability, 4), name + ".png"});
      session.event({{"event", "cam"},
                     {"path", files[i]},
                     {"class", label},
                     {"probability", probability},
                     {"predicted", task.classes()[static_cast<std::size_t>(top)]},
                     {"layer", layer},
                     {"overlay", name + ".png"}});
    } catch (const Error& error) {
      if (error.exit_code() != Exit::data && error.exit_code() != Exit::file) throw;
      if (begun && dynamic_cast<const FileError*>(&error) && !std::filesystem::is_directory(o.out)) throw;
      ++failed;
      if (first_error.empty()) first_error = error.message();
      session.log(error.what());
      session.event({{"event", "bad_sample"},
                     {"file", files[i]},
                     {"code", error.code()},
                     {"message", error.message()}});
    }
  }
  session.say(format_table(rows));
  session.metric("files", files.size());
  session.metric("failed", failed);
  session.metric("layer", layer);
  if (begun) session.output("folder", o.out);
  require<DataError, 42>(failed == 0, "cam: ", failed, " of ", files.size(), " files could not be done (",
                         first_error, ")");
}

}  // namespace

void add_cam(Program& program) {
  const auto o = std::make_shared<CamOptions>();
  CLI::App* app = program.add(
      "cam", "Grad-CAM: what in a picture speaks for a class, as overlays", [o](Session& s) { cam(s, *o); },
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
