// The lines of a pipeline's file as steps.
#include "apps/pipeline/steps.h"

#include <algorithm>
#include <sstream>

#include "apps/pipeline/order.h"
#include "apps/program/command_words.h"
#include "apps/program/toml_lines.h"
#include "io/atomic_file.h"
#include "io/bytes.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::pipeline {
namespace {

// The words of a command line, as a shell takes them apart; blanks in quotes do not part.
std::vector<std::string> words_of(const std::string& line, const std::string& where) {
  std::vector<std::string> words;
  std::string word;
  bool begun = false;
  char quote = 0;
  for (const char c : line) {
    if (quote != 0 && c == quote) {
      quote = 0;
    } else if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
      begun = true;
    } else if (quote == 0 && (c == ' ' || c == '\t')) {
      if (begun) words.push_back(std::exchange(word, ""));
      begun = false;
    } else {
      word += c;
      begun = true;
    }
  }
  require<UsageError>(quote == 0, where, "a quote of run does not end; close it");
  if (begun) words.push_back(word);
  return words;
}

// Text with the value in the place of each {name}.
std::string filled(const std::string& text, const Values& values, const std::string& where) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t end = text[i] == '{' ? text.find('}', i) : std::string::npos;
    if (end == std::string::npos) {
      out += text[i];
      continue;
    }
    const std::string name = dashes(text.substr(i + 1, end - i - 1));
    const auto found = values.find(name);
    require<UsageError>(found != values.end(), where, "there is no value {", printable(name),
                        "}; give it in the section [values], or with --set ", printable(name), "=...");
    out += found->second;
    i = end;
  }
  return out;
}

bool is_name(const std::string& text) {
  return !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == text.npos;
}

// Without the words of `command`, "data synth openi".
std::vector<std::string> without(std::vector<std::string> words, const std::string& command) {
  std::istringstream names(command);
  for (std::string name; names >> name;) {
    const auto at = std::find_if(words.begin(), words.end(),
                                 [&](const std::string& word) { return dashes(word) == name; });
    if (at != words.end()) words.erase(at);
  }
  return words;
}

std::string one_value(const TomlLine& line, const std::string& where) {
  require<UsageError>(line.values.size() == 1, where, line.name, " is one value; leave out the brackets");
  return line.values[0];
}

void take(Step& step, const TomlLine& line, const Values& values, const std::string& where) {
  if (line.name == "run") {
    std::string whole;
    for (const std::string& part : line.values) whole += filled(part, values, where) + " ";
    step.words = words_of(whole, where);
    if (!step.words.empty() && step.words[0] == "gadolin") step.words.erase(step.words.begin());
    require<UsageError>(!step.words.empty(), where, "run names no command; write run = \"data stats films\"");
    require<UsageError>(step.words[0] != "pipeline", where,
                        "a step runs no pipeline; write its steps into this file");
  } else if (line.name == "inputs" || line.name == "outputs") {
    for (const std::string& path : line.values) {
      const std::string full = filled(path, values, where);
      require<UsageError>(!full.empty(), where, "a path of ", line.name, " is empty; leave it out");
      (line.name == "inputs" ? step.inputs : step.outputs).push_back(full);
    }
  } else if (line.name == "resume") {
    const std::string value = one_value(line, where);
    require<UsageError>(value == "true" || value == "false", where, "resume is true or false, not ",
                        printable(value), "; write resume = true");
    step.resume = value == "true";
  } else {
    const std::string near = nearest(line.name, {"run", "inputs", "outputs", "resume"});
    fail<UsageError>(where, "a step has no ", printable(line.name), "; ",
                     near.empty() ? "it has run, inputs, outputs and resume" : "did you mean " + near + "?");
  }
}

Values values_of(const std::vector<TomlLine>& lines, const std::vector<std::string>& set,
                 const std::string& place) {
  Values values;
  for (const TomlLine& line : lines) {
    if (line.section != "values") continue;
    const std::string where = cat(place, ":", line.number, ": ");
    require<UsageError>(values.emplace(line.name, one_value(line, where)).second, where, printable(line.name),
                        " has a value already; leave one out");
  }
  for (const std::string& pair : set) {
    const std::size_t equals = pair.find('=');
    const std::string name = dashes(pair.substr(0, equals));
    const auto found = equals == pair.npos ? values.end() : values.find(name);
    require<UsageError>(found != values.end(), "pipeline: --set ", printable(pair), " is not NAME=VALUE of ",
                        printable(place.substr(10)), "'s [values]; change a name that stands there");
    found->second = pair.substr(equals + 1);
  }
  return values;
}

}  // namespace

std::vector<Step> read_steps(const std::string& file, const std::vector<std::string>& set,
                             const std::vector<std::string>& common, Program& program) {
  const std::string place = "pipeline: " + printable(file);
  const std::vector<TomlLine> lines = toml_lines(read_file(file, 1 << 20), place);
  const Values values = values_of(lines, set, place);
  std::vector<Step> steps;
  std::map<std::string, int> at;  // where a key stands
  for (const TomlLine& line : lines) {
    if (line.section == "values") continue;
    const std::string where = cat(place, ":", line.number, ": ");
    require<UsageError>(is_name(line.section), where, line.section.empty() ? "no step" : "[",
                        printable(line.section), line.section.empty() ? "" : "]",
                        " is the section of this line; a step is named by a line like [train-net]");
    const auto same = [&](const Step& step) { return step.name == line.section; };
    auto step = std::find_if(steps.begin(), steps.end(), same);
    if (step == steps.end())
      step = steps.insert(steps.end(), Step{line.section, {}, {}, {}, {}, false, "", {}});
    const auto [before, first] = at.emplace(line.section + "." + line.name, line.number);
    require<UsageError>(first, where, line.name, " of ", line.section, " was given in line ", before->second,
                        " already; leave one out, or give the step another name");
    take(*step, line, values, where);
    if (line.name != "run") continue;
    std::vector<std::string> words = common;
    words.insert(words.end(), step->words.begin(), step->words.end());
    step->words = words;
    try {
      const Program::Request request = program.request_of(words);
      step->options = request.options;
      step->arguments = without(words, request.command);
    } catch (UsageError& error) {
      error.add_place(cat(place, ":", line.number));
      throw;
    }
  }
  require<UsageError>(!steps.empty(), place, ": there is no step; docs/pipeline.md shows one");
  for (const Step& step : steps) {
    require<UsageError>(!step.words.empty(), place, ": step ", step.name,
                        " has no command; write run = \"data stats films\"");
    require<UsageError>(!step.outputs.empty(), place, ": step ", step.name,
                        " makes nothing; name its outputs, so that it can be told whether it ran");
  }
  return in_order(std::move(steps), place);
}

std::size_t step_named(const std::vector<Step>& steps, const std::string& name, const std::string& option) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].name == dashes(name)) return i;
    names.push_back(steps[i].name);
  }
  const std::string near = nearest(dashes(name), names);
  fail<UsageError>("pipeline: ", option, " ", printable(name), " is no step; ",
                   near.empty() ? "the steps are " + joined(names) : "did you mean " + near + "?");
}

}  // namespace gadolin::pipeline
