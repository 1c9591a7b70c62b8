// gadolin mammography cases: films of one woman as one case, which is found when any of its films is.
#include <filesystem>
#include <map>

#include "apps/mammography/commands.h"
#include "apps/mammography/firing.h"
#include "tensor/check.h"

namespace gadolin::mammography {
namespace {

struct CasesFlags {
  FiringFlags firing;
  std::string by = "name";
};

// The first two parts of a file's name between hyphens: "_ACD_-00000" of "_ACD_-00000-0004_0.jpg".
std::string case_of(const std::string& path) {
  const std::string name = std::filesystem::path(path).stem().string();
  const std::size_t first = name.find('-');
  return name.substr(0, first == std::string::npos ? first : name.find('-', first + 1));
}

struct Case {
  std::int64_t films = 0, found = 0;
};

void count_cases(Session& session, CasesFlags f) {
  require<UsageError>(f.by == "name" || f.by == "patient", "--by ", f.by, " is unknown; use name or patient");
  const auto readers = readers_of(session, f.firing.reading);
  const DetectionTask& task = readers->task();
  const FiringRule rule = firing_rule(f.firing, task);
  const auto films = films_of(session, f.firing, task);
  session.say(text_of(rule, task));
  std::map<std::string, Case> cases;
  std::int64_t silent = 0;
  for (std::int64_t i = 0; i < films->size(); ++i) {
    const SampleInfo& info = films->info(i);
    require<DataError>(f.by == "name" || !info.patient.empty(), "mammography cases: ", printable(info.name),
                       " names no patient; use --by name, or --patient-until");
    const auto found = readers->found(*films, i, session.device());
    const bool fired = fires(found, films->picture(i), rule);
    Case& one = cases[f.by == "name" ? case_of(info.name) : info.patient];
    ++one.films;
    one.found += fired;
    silent += !fired;
    if (!fired) session.say("image without detection: " + info.name);
    if (!f.firing.reading.draw.empty())
      draw_film(f.firing.reading.draw, cat(i, "_", std::filesystem::path(info.name).stem().string()),
                films->image(i), films->picture(i).boxes, scoring(found, rule.score), task.classes());
  }
  std::int64_t missed = 0;
  for (const auto& [name, one] : cases) {
    if (one.found > 0) continue;
    ++missed;
    session.say(
        cat("case without detection: ", name, " (", one.films, one.films == 1 ? " image)" : " images)"));
  }
  const double ratio =
      static_cast<double>(std::ssize(cases) - missed) / static_cast<double>(std::ssize(cases));
  session.say(cat("images: ", films->size(), ", without detection: ", silent, "\ncases: ", cases.size(),
                  ", without detection: ", missed, "\ncase ratio: ", fixed(ratio, 4)));
  session.metric("images", films->size());
  session.metric("images_without_detection", silent);
  session.metric("cases", cases.size());
  session.metric("cases_without_detection", missed);
  session.metric("case_ratio", ratio);
}

}  // namespace

void add_cases(Program& program, CLI::App* group) {
  const auto f = std::make_shared<CasesFlags>();
  CLI::App* app = program.add(
      group, "cases", "Films grouped to cases: which films and which cases have no detection",
      [f](Session& s) { count_cases(s, *f); },
      "gadolin mammography cases csv films/boxes.csv --model runs/mammo/checkpoints/best.gdck");
  add_firing_flags(app, f->firing, false);
  app->add_option("--by", f->by,
                  "name: the first two parts of the file's name between hyphens; patient: the table's column")
      ->capture_default_str();
}

}  // namespace gadolin::mammography
