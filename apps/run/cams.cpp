#include "apps/run/cams.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "apps/program/output.h"
#include "io/atomic_file.h"
#include "io/npy.h"
#include "tasks/cam.h"
#include "tasks/classification.h"
#include "tasks/inputs.h"
#include "tasks/overlay.h"
#include "tasks/predictor.h"
#include "tasks/sequences/sequences.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

// Outputs that may be looked at; those that were never trained say nothing.
bool is_trained(const Task& task, std::size_t k) {
  const auto* classifier = dynamic_cast<const ClassificationTask*>(&task);
  return classifier == nullptr || classifier->trained(k);
}

// A class by its name or its number from 0.
int class_of(const std::string& text, const std::string& option, const Task& task) {
  const std::vector<std::string>& classes = task.classes();
  const auto named = std::find(classes.begin(), classes.end(), text);
  const auto place = static_cast<std::size_t>(named - classes.begin());
  if (named != classes.end() && is_trained(task, place)) return static_cast<int>(place);
  const bool number = !text.empty() && text.size() < 7 &&
                      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  std::string known;
  for (std::size_t i = 0; i < classes.size() && i < 20; ++i)
    if (is_trained(task, i)) known += (known.empty() ? "" : ", ") + classes[i];
  require<UsageError>(number && std::stoul(text) < classes.size() && is_trained(task, std::stoul(text)),
                      option, " ", text, " is unknown; known are ", known, classes.size() > 20 ? ", ..." : "",
                      " and their numbers from 0");
  return std::stoi(text);
}

// Overlays of an earlier call would be taken for those of this one.
std::vector<std::filesystem::path> earlier_overlays(const CamCommand& o) {
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

// The likeliest class, of several labels one of those that count in means ("No Finding" has no place).
int likeliest(const Task& task, std::vector<double> p) {
  if (const auto* labels = dynamic_cast<const ClassificationTask*>(&task); labels && labels->multi_label()) {
    const auto& apart = labels->apart();
    for (std::size_t k = 0; k < p.size(); ++k)
      if (!labels->trained(k) || std::find(apart.begin(), apart.end(), task.classes()[k]) != apart.end())
        p[k] = -1;
  }
  return static_cast<int>(std::max_element(p.begin(), p.end()) - p.begin());
}

}  // namespace

void write_cams(Session& session, const CamCommand& o) {
  Predictor predictor(load_task(o.checkpoint, session.device()), {.compute = session.compute()});
  require<UsageError>(dynamic_cast<const SequenceTask*>(&predictor.task()) == nullptr,
                      "cam: ", printable(o.checkpoint),
                      " is a net of series and sees no pictures; gadolin eval draws the slices that carried "
                      "its decisions");
  const Task& task = predictor.task();
  const int wanted = o.target.empty() ? -1 : class_of(o.target, o.target_option, task);
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
      const int top = likeliest(task, p);
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

}  // namespace gadolin
