#include "apps/pipeline/plan.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "io/bytes.h"
#include "io/text.h"
#include "tensor/check.h"
#include "train/run_dir.h"

namespace gadolin::pipeline {
namespace fs = std::filesystem;
namespace {

// Common options that the pipeline itself was given are those of every step, unless it has its own.
std::vector<std::string> handed_on(Program& program) {
  std::vector<std::string> words;
  for (const char* name : {"--device", "--dtype", "--seed", "--threads", "--backend", "--tune"}) {
    const CLI::Option* option = program.app().get_option_no_throw(name);
    if (option->count() == 0) continue;
    words.emplace_back(name);
    words.push_back(option->results().back());
  }
  return words;
}

// Without what changes no result.
std::string that_matter(const std::string& options) {
  std::string kept;
  std::istringstream lines(options);
  for (std::string line; std::getline(lines, line);) {
    const std::string name = line.substr(0, line.find('='));
    if (name != "threads" && name != "json" && name != "quiet" && name != "verbose") kept += line + "\n";
  }
  return kept;
}

std::string without_place(const std::string& difference) {  // "hemorrhage.train.epochs: 2 -> 3"
  const std::size_t colon = difference.find(": ");
  return difference.substr(difference.rfind('.', colon) + 1);
}

bool makes(const Step& step, const std::string& path) {
  return std::any_of(step.outputs.begin(), step.outputs.end(),
                     [&](const auto& output) { return lies_in(path, output) || lies_in(output, path); });
}

}  // namespace

Plan::Plan(Program& program, const PlanOptions& o) : any_version_(o.any_version) {
  steps_ = read_steps(o.file, o.set, handed_on(program), program);
  for (Step& step : steps_) step.options = that_matter(step.options);
  end_ = steps_.size();
  if (!o.from.empty()) begin_ = step_named(steps_, o.from, "--from");
  if (!o.until.empty()) end_ = step_named(steps_, o.until, "--until") + 1;
  require<UsageError>(begin_ < end_, "pipeline: --from ", o.from, " comes after --until ", o.until,
                      "; exchange them");
  for (const std::string& name : o.force) forced_.insert(step_named(steps_, name, "--force"));
  folder_ = o.records.empty() ? fs::path(o.file).stem().string() + ".records" : o.records;
  earlier_ = o.earlier;
  std::error_code error;
  require<UsageError>(earlier_.empty() || fs::is_directory(earlier_, error), "pipeline: --earlier ",
                      printable(earlier_), " is no folder; name the .records of another run");
  for (const Step& step : steps_)
    for (const std::string& output : step.outputs)
      require<UsageError>(!lies_in(folder_, output) && !lies_in(output, folder_) && !lies_in(o.file, output),
                          "pipeline: step ", step.name, " makes ", printable(output),
                          ", which is the pipeline's own; name another place");
  check_sources();
}

// What nobody makes must be there before the first step begins, not hours later.
void Plan::check_sources() const {
  std::error_code error;
  for (std::size_t i = begin_; i < end_; ++i)
    for (const std::string& input : steps_[i].inputs) {
      const auto maker =
          std::find_if(steps_.begin(), steps_.end(), [&](const Step& s) { return makes(s, input); });
      if (maker == steps_.end()) {
        require<UsageError>(fs::exists(input, error), "pipeline: step ", steps_[i].name, " reads ",
                            printable(input),
                            ", which is not there, and no step makes it; put it there, or "
                            "correct the path");
        continue;
      }
      require<UsageError>(
          maker - steps_.begin() >= static_cast<std::ptrdiff_t>(begin_) || fs::exists(input, error),
          "pipeline: step ", steps_[i].name, " reads ", printable(input), ", which step ", maker->name,
          " has not made; leave out --from, or begin with that step");
    }
}

std::string Plan::why(std::size_t i, const Look& look) const {
  const Step& step = steps_[i];
  const Record& record = look.record;
  std::error_code error;
  if (record.state == Record::State::none) {
    for (const std::string& output : step.outputs)
      require<UsageError>(!fs::exists(output, error), "pipeline: step ", step.name, " makes ",
                          printable(output),
                          ", which is there, and no run of this pipeline made it; move it "
                          "away, or let the step write elsewhere");
    return "has not run";
  }
  if (record.state != Record::State::done) return "did not end";
  if (forced_.contains(i)) return "--force";
  if (!any_version_ && record.program != this_program())
    return "program " + record.program + " -> " + this_program();
  if (record.options != step.options) {
    const auto changes = config_differences(record.options, step.options);
    return "option " + (changes.empty() ? "order" : without_place(changes[0])) +
           (changes.size() > 1 ? cat(" and ", changes.size() - 1, " more") : "");
  }
  for (const auto& [path, print] : look.inputs) {
    const auto before = record.inputs.find(path);
    if (before == record.inputs.end()) return "new input " + path;
    if (!(before->second == print)) return "changed input " + path;
  }
  if (record.inputs.size() != look.inputs.size()) return "fewer inputs";
  for (const std::string& path : step.outputs) {
    const auto before = record.outputs.find(path);
    if (before == record.outputs.end()) return "new output " + path;
    const Fingerprint now = fingerprint(path);
    if (!now.there) return "missing output " + path;
    if (!(before->second == now)) return "changed output " + path;
  }
  return "";
}

Plan::Look Plan::look(std::size_t i) const {
  Look look;
  look.record = Record::read(record_file(i));
  look.inputs = fingerprints(steps_[i].inputs);
  look.why = why(i, look);
  look.same_work = look.record.state == Record::State::running && look.record.inputs == look.inputs &&
                   look.record.options == steps_[i].options && look.record.program == this_program();
  return look;
}

std::vector<Plan::Foretold> Plan::foretell() const {
  std::vector<Foretold> all(steps_.size());
  std::vector<double> growth(steps_.size(), 1);  // of what a step reads, since the last known run
  for (std::size_t i = begin_; i < end_; ++i) {
    Foretold& step = all[i];
    const Look now = look(i);
    step.why = now.why;
    for (const std::size_t before : steps_[i].after)
      if (step.why.empty() && !all[before].why.empty()) step.why = "after " + steps_[before].name;
    if (step.why.empty()) continue;
    std::vector<Took> history = now.record.history;
    if (!earlier_.empty()) {
      const std::vector<Took> more = Record::read(earlier_ + "/" + steps_[i].name + ".json").history;
      history.insert(history.begin(), more.begin(), more.end());
    }
    if (history.empty()) continue;
    std::map<std::string, std::int64_t> bytes;
    double before = 0, after = 0;
    for (const auto& [path, print] : now.inputs) {
      const auto known = history.back().bytes.find(path);
      const double then = known == history.back().bytes.end() ? 0 : static_cast<double>(known->second);
      double size = print.there ? static_cast<double>(print.bytes) : then;
      for (const std::size_t j : steps_[i].after)
        if (!all[j].why.empty() && makes(steps_[j], path)) size = then * growth[j];
      bytes[path] = static_cast<std::int64_t>(size);
      before += then;
      after += size;
    }
    growth[i] = before > 0 ? after / before : 1;
    step.forecast = forecast(history, steps_[i].options, bytes);
  }
  return all;
}

}  // namespace gadolin::pipeline
