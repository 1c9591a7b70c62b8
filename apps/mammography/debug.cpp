// gadolin mammography debug: films as training sees them, with what their anchors learn.
#include <filesystem>
#include <map>

#include "apps/mammography/anchor_file.h"
#include "apps/mammography/commands.h"
#include "apps/mammography/marked_data.h"
#include "apps/mammography/random_transform.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "apps/run/train_parts.h"
#include "io/atomic_file.h"
#include "tasks/detection/anchor_picture.h"
#include "tasks/net_options.h"
#include "tensor/check.h"

namespace gadolin::mammography {
namespace {

namespace fs = std::filesystem;

struct DebugFlags {
  MarkedData data;
  bool anchors = false, annotations = false, display_name = false, random_transform = false;
  bool no_resize = false, no_gui = false, flatten = false;
  std::string output_dir = ".", preset = "modern", config, split = "all";
  std::vector<std::string> net_options;
  int min_side = 0, max_side = 0;
  std::int64_t most = 0;
};

// films/a.dcm -> films/a_debug.png below the output folder, or without its folders.
std::string debug_name(const std::string& name, bool flatten) {
  fs::path path(name);
  const bool jpeg = has_ending(name, ".jpg") || has_ending(name, ".jpeg");
  const std::string file = path.stem().string() + "_debug" + (jpeg ? path.extension().string() : ".png");
  if (flatten || path.is_absolute() || name.find("..") != std::string::npos) return file;
  return (path.parent_path() / file).string();
}

DetectorSettings debug_settings(const DebugFlags& f) {
  NetOptions options;
  add_net_option(options, "preset=" + f.preset);
  if (!f.config.empty())
    for (const std::string& text : anchor_options(f.config)) add_net_option(options, text);
  for (const std::string& text : f.net_options) add_net_option(options, text);
  return take_settings(options);
}

std::string debug_steps(const DebugFlags& f, int channels) {
  const bool legacy = f.preset == "legacy";
  const int least = f.min_side > 0 ? f.min_side
                    : legacy       ? 600
                                   : 800,
            most = std::max(f.max_side > 0 ? f.max_side
                            : legacy       ? 1024
                                           : 1333,
                            least);
  return cat(channels == 1 ? "grey" : "rgb", f.no_resize ? "" : cat(",fit:", least, ":", most),
             f.random_transform ? random_transform_steps(channels) : "");
}

void debug(Session& session, const DebugFlags& f) {
  check_output_folder("mammography debug: --output-dir", f.output_dir);
  const DetectorSettings settings = debug_settings(f);
  const auto films = open_marked(session, f.data);
  std::string split = f.split;
  const auto set = part_of(*films, split);
  const Pipeline pipeline(debug_steps(f, channels_of(*set)));
  const std::int64_t count = f.most > 0 ? std::min(f.most, set->size()) : set->size();
  std::map<std::string, std::string> source;  // of each name that is written
  for (std::int64_t i = 0; i < count; ++i) {
    const auto [known, fresh] = source.emplace(debug_name(set->name(i), f.flatten), set->name(i));
    require<UsageError>(fresh, "mammography debug: ", printable(known->second), " and ",
                        printable(set->name(i)), " would both be written as ", printable(known->first),
                        f.flatten ? "; leave out --flatten-output" : "; give the films names of their own");
  }
  std::int64_t boxes = 0, without = 0, dropped = 0, failed = 0;
  std::string first_error;
  for (std::int64_t i = 0; i < count; ++i) {
    try {
      const AnchorPicture picture =
          anchor_picture(*set, i, pipeline, {session.common().seed, 0, static_cast<std::uint64_t>(i)},
                         settings, {f.anchors, f.annotations, f.display_name ? set->name(i) : std::string()});
      const fs::path path = fs::path(f.output_dir) / debug_name(set->name(i), f.flatten);
      make_folders("mammography debug", path.parent_path().string());
      if (has_ending(path.string(), ".png"))
        write_png(path.string(), picture.image);
      else
        write_jpeg(path.string(), picture.image, 95);
      boxes += picture.boxes;
      without += picture.without_anchor;
      dropped += picture.dropped;
      session.log(cat(path.string(), ": ", picture.boxes, picture.boxes == 1 ? " box, " : " boxes, ",
                      picture.without_anchor, " without an anchor, ", picture.anchors, " anchors",
                      picture.dropped > 0 ? cat(", ", picture.dropped, " boxes dropped") : std::string()));
    } catch (const Error& error) {
      if (error.exit_code() != Exit::data && error.exit_code() != Exit::file) throw;
      ++failed;
      if (first_error.empty()) first_error = error.message();
      session.log(error.what());
    }
  }
  session.say(cat(count - failed, " films in ", f.output_dir, ": ", boxes, boxes == 1 ? " box, " : " boxes, ",
                  without, " of them without an anchor at this size",
                  dropped > 0 ? cat("; ", dropped, " more were cut away or made too loose") : std::string()));
  session.metric("films", count);
  session.metric("boxes", boxes);
  session.metric("without_anchor", without);
  session.metric("dropped", dropped);
  session.metric("failed", failed);
  session.output("folder", f.output_dir);
  require<DataError, 42>(failed == 0, "mammography debug: ", failed, " of ", count,
                         " films could not be read (", first_error, ")");
}

}  // namespace

std::string random_transform_steps(int channels) {
  return cat(",random-transform:0.1:0.1:0.1:0.9:1.1:0.5:0.5,contrast:0.1,brightness-shift:0.1",
             channels == 1 ? "" : ",hue:0.05,saturation:0.05");
}

void add_debug(Program& program, CLI::App* group) {
  const auto f = std::make_shared<DebugFlags>();
  CLI::App* app = program.add(
      group, "debug", "Films as training sees them: their boxes, and the anchors that learn them",
      [f](Session& s) { debug(s, *f); },
      "gadolin mammography debug csv films/boxes.csv --anchors --show-annotations --output-dir seen");
  add_marked_data(app, f->data, false);
  app->add_flag("--anchors", f->anchors, "Draw the anchors that learn an object");
  app->add_flag("--show-annotations", f->annotations,
                "Draw the boxes: a whole green line has an anchor, a broken orange one has none");
  app->add_flag("--display-name", f->display_name, "Write the film's name on it");
  app->add_flag("--random-transform", f->random_transform,
                "Turn, shift, shear, scale and flip, as in training");
  app->add_flag("--no-resize", f->no_resize, "Films as large as they are");
  app->add_option("--image-min-side", f->min_side, "Shorter side; 0: 800, of --preset legacy 600")
      ->check(between(0, 16384))
      ->capture_default_str();
  app->add_option("--image-max-side", f->max_side, "Longer side at most; 0: 1333, of --preset legacy 1024")
      ->check(between(0, 16384))
      ->capture_default_str();
  app->add_flag("--no-gui", f->no_gui, "Accepted: films are always written to files, no window is opened");
  app->add_option("--output-dir", f->output_dir, "Folder to write to")->capture_default_str();
  app->add_flag("--flatten-output", f->flatten, "Without the folders that films lie in");
  app->add_option("--preset", f->preset, "modern, legacy or torchvision: anchors and which of them learn")
      ->capture_default_str();
  app->add_option("--config", f->config, "Ini file with [anchor_parameters]");
  app->add_option("--net-option", f->net_options, "NAME=VALUE, as for train: anchor_sizes, rescue ...");
  app->add_option("--split", f->split, "train, val, test or all")->capture_default_str();
  app->add_option("--most", f->most, "Only the first films; 0: all")
      ->check(between(0, 1000000))
      ->capture_default_str();
}

}  // namespace gadolin::mammography
