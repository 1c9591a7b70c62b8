#include "apps/pipeline/order.h"

#include <algorithm>
#include <filesystem>

#include "io/bytes.h"
#include "tensor/check.h"

namespace gadolin::pipeline {
namespace fs = std::filesystem;
namespace {

std::string full_path(const std::string& path) {
  std::string full = fs::absolute(path).lexically_normal().string();
  while (full.size() > 1 && full.back() == '/') full.pop_back();
  return full;
}
bool meet(const std::string& a, const std::string& b) { return lies_in(a, b) || lies_in(b, a); }
bool any_holds(const std::vector<std::string>& folders, const std::string& path) {
  return std::any_of(folders.begin(), folders.end(), [&](const auto& f) { return lies_in(path, f); });
}

// Outputs are removed before a step runs anew: nothing else may lie in them.
void check_outputs(const std::vector<Step>& steps, const std::string& place) {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    for (std::size_t k = 0; k < step.outputs.size(); ++k) {
      const std::string& output = step.outputs[k];
      require<UsageError>(!lies_in(".", output), place, ": step ", step.name, " makes ", printable(output),
                          ", in which this pipeline runs; name what it makes there");
      for (const std::string& input : step.inputs)
        require<UsageError>(!meet(input, output), place, ": step ", step.name, " reads ", printable(input),
                            " and makes ", printable(output), "; let it write elsewhere");
      for (std::size_t j = i; j < steps.size(); ++j)
        for (std::size_t m = j == i ? k + 1 : 0; m < steps[j].outputs.size(); ++m)
          require<UsageError>(!meet(output, steps[j].outputs[m]), place, ": step ", step.name, " makes ",
                              printable(output), " and step ", steps[j].name, " makes ",
                              printable(steps[j].outputs[m]), "; a file is made by one step");
    }
  }
}

// A file of another step that is named in the command and nowhere else would not be waited for.
void check_named(const std::vector<Step>& steps, const std::string& place) {
  for (const Step& step : steps)
    for (const std::string& word : step.arguments) {
      const std::size_t equals = word.starts_with("-") ? word.find('=') : std::string::npos;
      const std::string path = equals == word.npos ? word : word.substr(equals + 1);
      if (path.empty() || path.starts_with("-") || any_holds(step.inputs, path)) continue;
      for (const Step& other : steps)
        require<UsageError>(&other == &step || !any_holds(other.outputs, path), place, ": step ", step.name,
                            " names ", printable(path), ", which step ", other.name,
                            " makes; add it to its inputs");
    }
}

// a -> b -> a, from steps that all wait.
std::string circle(const std::vector<Step>& steps, const std::vector<bool>& placed) {
  std::vector<std::size_t> way;
  std::size_t at = static_cast<std::size_t>(std::find(placed.begin(), placed.end(), false) - placed.begin());
  while (std::find(way.begin(), way.end(), at) == way.end()) {
    way.push_back(at);
    at = *std::find_if(steps[at].after.begin(), steps[at].after.end(), [&](auto s) { return !placed[s]; });
  }
  std::string text = steps[at].name;
  for (std::size_t i = way.size(); i-- > 0;) {
    text += " -> " + steps[way[i]].name;
    if (way[i] == at) break;
  }
  return text;
}

}  // namespace

bool lies_in(const std::string& path, const std::string& folder) {
  const std::string inner = full_path(path), outer = full_path(folder);
  return inner == outer || inner.starts_with(outer == "/" ? outer : outer + "/");
}

std::vector<Step> in_order(std::vector<Step> steps, const std::string& place) {
  check_outputs(steps, place);
  check_named(steps, place);
  for (Step& step : steps)
    for (std::size_t j = 0; j < steps.size(); ++j) {
      const bool reads = std::any_of(step.inputs.begin(), step.inputs.end(), [&](const std::string& input) {
        return std::any_of(steps[j].outputs.begin(), steps[j].outputs.end(),
                           [&](const std::string& output) { return meet(input, output); });
      });
      if (reads) step.after.push_back(j);
    }
  std::vector<Step> sorted;
  std::vector<bool> placed(steps.size(), false);
  std::vector<std::size_t> number(steps.size());
  while (sorted.size() < steps.size()) {
    std::size_t next = 0;
    const auto waits = [&](const Step& step) {
      return std::any_of(step.after.begin(), step.after.end(), [&](std::size_t j) { return !placed[j]; });
    };
    while (next < steps.size() && (placed[next] || waits(steps[next]))) ++next;
    require<UsageError>(next < steps.size(), place, ": steps wait for one another: ",
                        next < steps.size() ? std::string() : circle(steps, placed),
                        "; one of them must read something else");
    placed[next] = true;
    number[next] = sorted.size();
    sorted.push_back(steps[next]);
  }
  for (Step& step : sorted)
    for (std::size_t& j : step.after) j = number[j];
  return sorted;
}

}  // namespace gadolin::pipeline
