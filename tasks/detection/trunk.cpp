#include "tasks/detection/trunk.h"

#include <algorithm>
#include <set>

#include "tensor/check.h"

namespace gadolin {
namespace {

const std::string trunk = "backbone.body.";

std::string part_of(const std::string& name) { return name.substr(0, name.find('.')); }

}  // namespace

bool has_no_detector(const State& weights) {
  return !weights.empty() && std::none_of(weights.begin(), weights.end(), [](const auto& entry) {
    return entry.first.starts_with("backbone.") || entry.first.starts_with("head.");
  });
}

TrunkWeights trunk_of_classifier(const RetinaNet& net, const State& weights, const std::string& source) {
  TrunkWeights result;
  std::set<std::string> names, parts;
  std::vector<std::string> missing, foreign;
  for (const Parameter& p : net.state()) {
    if (!p.name.starts_with(trunk)) continue;
    const std::string name = p.name.substr(trunk.size());
    names.insert(name);
    parts.insert(part_of(name));
    const auto found = weights.find(name);
    if (found != weights.end())
      result.state[p.name] = found->second;
    else if (!name.ends_with("num_batches_tracked"))
      missing.push_back(name);
  }
  for (const auto& entry : weights) {
    if (names.count(entry.first) > 0) continue;
    (parts.count(part_of(entry.first)) > 0 ? foreign : result.left).push_back(entry.first);
  }
  if (missing.empty() && foreign.empty()) return result;
  std::string told;
  if (!missing.empty())
    told = cat("; ", missing.size(), " names of the trunk are missing, such as ", missing[0]);
  if (!foreign.empty()) told += cat("; ", foreign.size(), " names are left over, such as ", foreign[0]);
  fail<CheckpointError, 3>("--init-from ", source,
                           " is no detector, and not the classifier that the trunk is of", told,
                           "; give weights of the net that the detector is named after");
}

}  // namespace gadolin
