// gadolin mammography ensemble: several detectors, one after the other, each on the films that none before it
// fired on; or fused.
#include <algorithm>
#include <filesystem>

#include "apps/mammography/commands.h"
#include "apps/mammography/firing.h"
#include "tasks/inputs.h"
#include "tensor/check.h"

namespace gadolin::mammography {
namespace {

struct EnsembleFlags {
  FiringFlags firing;
  std::string mode;
  bool fuse = false;
};

void ensemble(Session& session, EnsembleFlags f) {
  require<UsageError>(f.mode == "abnormal" || f.mode == "normal", "--mode ", f.mode,
                      " is unknown; use abnormal or normal");
  const bool normal = f.mode == "normal";
  require<UsageError>(!normal || f.firing.where == "any", "mammography ensemble: --where ", f.firing.where,
                      " needs annotations, which normal films have none of; leave it out");
  const auto readers = readers_of(session, f.firing.reading);
  const DetectionTask& task = readers->task();
  const FiringRule rule = firing_rule(f.firing, task);
  const auto all = films_of(session, f.firing, task);
  std::vector<std::int64_t> left;
  for (std::int64_t i = 0; i < all->size(); ++i)
    if (all->picture(i).boxes.empty() == normal) left.push_back(i);
  if (const std::int64_t others = all->size() - std::ssize(left); others > 0)
    session.log(cat(others, normal ? " films with annotations are" : " films without annotations are",
                    " not asked about in --mode ", f.mode));
  require<DataError>(!left.empty(), "mammography ensemble: no film of ", f.firing.data.paths[0], " is ",
                     f.mode, "; choose the other --mode, or other data");
  const std::int64_t total = std::ssize(left);
  session.say(text_of(rule, task));
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < all->size(); ++i) names.push_back(all->info(i).name);
  const std::vector<std::string> stems = distinct_stems(names);
  std::vector<std::vector<std::string>> rows{{"model", "films seen", "fired on", "left"}};
  const std::size_t stages = f.fuse ? 1 : readers->size();
  for (std::size_t k = 0; k < stages; ++k) {
    const std::int64_t seen = std::ssize(left);
    std::vector<std::int64_t> silent;
    for (const std::int64_t i : left) {
      const auto found = f.fuse ? readers->found(*all, i, session.device())
                                : readers->found_by(k, *all, i, session.device());
      const MarkedPicture& film = all->picture(i);
      if (!fires(found, film, rule)) silent.push_back(i);
      if (!f.firing.reading.draw.empty())  // a later model's boxes replace those of an earlier one
        draw_film(f.firing.reading.draw, stems[static_cast<std::size_t>(i)], all->image(i), film.boxes,
                  scoring(found, rule.score), task.classes());
    }
    rows.push_back({f.fuse ? cat(readers->size(), " fused")
                           : std::filesystem::path(f.firing.reading.models[k]).filename().string(),
                    std::to_string(seen), std::to_string(seen - std::ssize(silent)),
                    std::to_string(silent.size())});
    left = std::move(silent);
  }
  session.say(format_table(rows));
  const std::int64_t silent = std::ssize(left);
  for (const std::int64_t i : left)
    if (!normal) session.say("without detection: " + all->info(i).name);
  const double share = static_cast<double>(normal ? silent : total - silent) / static_cast<double>(total);
  session.say(cat("total images: ", total, "\nimages without detection: ", silent, "\n",
                  normal ? "normal ratio: " : "detected ratio: ", fixed(share, 4)));
  session.metric("total", total);
  session.metric("silent", silent);
  session.metric(normal ? "normal_ratio" : "detected_ratio", share);
}

}  // namespace

void add_ensemble(Program& program, CLI::App* group) {
  const auto f = std::make_shared<EnsembleFlags>();
  CLI::App* app = program.add(
      group, "ensemble", "Several detectors in a row on abnormal or normal films, or fused",
      [f](Session& s) { ensemble(s, *f); },
      "gadolin mammography ensemble csv films/boxes.csv --model a.gdck,b.gdck --mode abnormal");
  app->add_option("--mode", f->mode,
                  "abnormal: films with annotations, found when any model fires; normal: films without, and "
                  "the share that no model fires on")
      ->required();
  app->add_flag("--fuse", f->fuse, "All models at once, their boxes fused, instead of one after the other");
  add_firing_flags(app, f->firing, true);
}

}  // namespace gadolin::mammography
