// gadolin pipeline run: the steps of a file, those alone that have to run.
#include <chrono>
#include <filesystem>

#include "apps/commands.h"
#include "apps/pipeline/plan.h"
#include "apps/pipeline/step_process.h"
#include "apps/program/events.h"
#include "apps/program/work_lock.h"
#include "io/atomic_file.h"
#include "io/bytes.h"
#include "tensor/check.h"
#include "train/progress.h"
#include "train/signals.h"

namespace gadolin {
namespace pipeline {
namespace fs = std::filesystem;
namespace {

void remove_outputs(const Step& step) {
  for (const std::string& output : step.outputs) {
    std::error_code error;
    fs::remove_all(output, error);
    if (error) fail_file("pipeline", output, error.value());
  }
}

std::string memory_text(std::int64_t bytes) { return bytes > 0 ? human_bytes(bytes) : "-"; }

void show_plan(Session& session, const Plan& plan) {
  const std::vector<Plan::Foretold> all = plan.foretell();
  std::vector<std::vector<std::string>> shown{{"step", "", "why", "time", "memory"}};
  double seconds = 0;
  std::int64_t to_run = 0, unknown = 0, most = 0;
  bool other_options = false;
  Json steps = Json::object();
  for (std::size_t i = plan.begin(); i < plan.end(); ++i) {
    const auto& [why, forecast] = all[i];
    const bool runs = !why.empty(), known = runs && forecast.known, other = known && !forecast.same_options;
    shown.push_back({plan.steps()[i].name, runs ? "would run" : "up to date", printable(why),
                     !runs   ? ""
                     : known ? duration_text(forecast.seconds) + (other ? "*" : "")
                             : "not known yet",
                     !runs   ? ""
                     : known ? memory_text(forecast.memory) + (other ? "*" : "")
                             : "not known yet"});
    steps[plan.steps()[i].name] = {{"state", runs ? "would run" : "up to date"}, {"why", why}};
    if (known) {
      steps[plan.steps()[i].name]["seconds"] = forecast.seconds;
      steps[plan.steps()[i].name]["peak_bytes"] = forecast.memory;
    }
    to_run += runs;
    unknown += runs && !known;
    seconds += forecast.seconds;
    most = std::max(most, forecast.memory);
    other_options = other_options || other;
  }
  session.say(format_table(shown, true));
  session.say(cat(to_run, " of ", plan.end() - plan.begin(), " steps would run",
                  to_run == unknown ? "" : ", in " + duration_text(seconds) + " and " + memory_text(most),
                  to_run == unknown || unknown == 0 ? "" : cat(" without the ", unknown, " not known yet")));
  if (other_options) session.say("* from runs with other options");
  session.metric("steps", steps);
  session.metric("would_run", to_run);
}

class Runner {
 public:
  Runner(Session& session, const Plan& plan, int lock) : session_(session), plan_(plan), lock_(lock) {}

  void run() {
    std::int64_t ran = 0;
    for (std::size_t i = plan_.begin(); i < plan_.end(); ++i) ran += step(i);
    session_.metric("steps", steps_);
    session_.metric("ran", ran);
    session_.say(cat(ran, " of ", plan_.end() - plan_.begin(), " steps ran"));
  }

 private:
  bool step(std::size_t i) {
    const Step& step = plan_.steps()[i];
    const std::string head =
        cat("[", i - plan_.begin() + 1, "/", plan_.end() - plan_.begin(), "] ", step.name);
    Plan::Look look = plan_.look(i);
    steps_[step.name] = {{"state", look.why.empty() ? "up to date" : "ran"}, {"why", look.why}};
    tell(step, look.why.empty() ? "up to date" : "begins", look.why);
    if (look.why.empty()) {
      session_.say(head + ": up to date");
      return false;
    }
    session_.say(head + ": " + printable(look.why));
    for (const auto& [path, print] : look.inputs)
      require<DataError>(print.there, "pipeline: step ", step.name, " reads ", printable(path),
                         ", which the steps before it have not made; correct their outputs");
    Record& record = look.record;
    const bool goes_on = step.resume && look.same_work;
    if (!goes_on && record.state != Record::State::none) {
      record.state = Record::State::clearing;
      record.write(plan_.record_file(i));
      remove_outputs(step);
    }
    record.state = Record::State::running;
    record.program = this_program();
    record.command = step.words;
    record.options = step.options;
    record.inputs = look.inputs;
    record.outputs.clear();
    record.metrics = Json::object();
    record.write(plan_.record_file(i));
    const StepRun run = work(step);
    for (const std::string& output : step.outputs) {
      record.outputs[output] = fingerprint(output);
      require<DataError>(record.outputs[output].there, "pipeline: step ", step.name,
                         " ended and has not made ", printable(output), "; correct its outputs in the file");
    }
    record.state = Record::State::done;
    record.metrics = run.last.is_object() ? run.last.value("metrics", Json::object()) : Json::object();
    Took took{step.options, {}, run.seconds, run.peak_bytes};
    for (const auto& [path, print] : look.inputs) took.bytes[path] = print.bytes;
    record.history.push_back(took);
    record.write(plan_.record_file(i));
    steps_[step.name]["seconds"] = run.seconds;
    steps_[step.name]["peak_bytes"] = run.peak_bytes;
    tell(step, "ended", "", run.seconds, run.peak_bytes);
    session_.say(cat(head, ": ", duration_text(run.seconds), ", ", memory_text(run.peak_bytes)));
    return true;
  }

  StepRun work(const Step& step) {
    const Common& common = session_.common();
    std::vector<std::string> words = step.words;
    if (common.quiet) words.emplace_back("--quiet");
    if (common.verbose) words.emplace_back("--verbose");
    StepRun run = run_step(words, common.json, lock_, [&](const Json& event) {
      session_.event({{"event", "of_step"}, {"step", step.name}, {"said", event}});
    });
    check_end("pipeline: step " + step.name, run);
    return run;
  }

  void tell(const Step& step, const char* state, const std::string& why, double seconds = 0,
            std::int64_t peak = 0) {
    Json event{{"event", "step"}, {"step", step.name}, {"state", state}};
    if (!why.empty()) event["why"] = why;
    if (peak > 0) event.update({{"seconds", seconds}, {"peak_bytes", peak}});
    session_.event(event);
  }

  Session& session_;
  const Plan& plan_;
  int lock_;
  Json steps_ = Json::object();
};

void run_pipeline(Session& session, Program& program, const PlanOptions& o) {
  const Plan plan(program, o);
  session.output("records", plan.folder());
  if (o.dry_run) return show_plan(session, plan);
  // One pipeline works in a folder of records at a time. A step holds the lock too, so that one whose
  // pipeline was killed a moment ago has gone before the next begins.
  make_folders("pipeline", plan.folder());
  const WorkLock lock("pipeline", plan.folder(), plan.folder() + "/lock");
  remove_stale_temporaries(plan.folder(), std::time(nullptr) + 1);
  Runner(session, plan, lock.file()).run();
}

}  // namespace
}  // namespace pipeline

void add_pipeline(Program& program) {
  CLI::App* group = program.group("pipeline", "Steps that read one another's files, run as far as needed");
  const auto o = std::make_shared<pipeline::PlanOptions>();
  CLI::App* app = program.add(
      group, "run", "The steps of a file whose inputs, options or outputs are not those of their last run",
      [o, &program](Session& s) { pipeline::run_pipeline(s, program, pipeline::PlanOptions(*o)); },
      "gadolin pipeline run rsna.toml --dry-run");
  app->add_option("file", o->file, "Steps with run, inputs and outputs (docs/pipeline.md)")->required();
  app->add_flag("--dry-run", o->dry_run,
                "Run nothing; say what would run, why, how long, in how much memory");
  app->add_option("--set", o->set, "NAME=VALUE in the place of one of the file's [values]; may be repeated");
  app->add_option("--from", o->from, "Begin with this step; what earlier ones made is taken as it is");
  app->add_option("--until", o->until, "End with this step");
  app->add_option("--force", o->force, "Run this step in any case; may be repeated");
  app->add_option("--records", o->records, "Folder for a record of each step [FILE.records]");
  app->add_option("--earlier", o->earlier,
                  "Folder of records of another run, for --dry-run to foretell from");
  app->add_flag("--any-version", o->any_version, "Keep what another version of the program made");
}

}  // namespace gadolin
