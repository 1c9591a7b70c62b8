#include "apps/run/scored.h"

#include <algorithm>
#include <map>
#include <set>

#include "data/sets/boxes/detection_set.h"
#include "io/sha256.h"
#include "io/text.h"

namespace gadolin {
namespace {

// Letters up to the last '/' that all names share.
std::size_t shared_folders(const Dataset& set) {
  if (set.size() == 0) return 0;
  std::string shared = set.info(0).name;
  shared.resize(shared.rfind('/') + 1);  // npos + 1 is 0
  for (std::int64_t i = 0; i < set.size() && !shared.empty(); ++i) {
    const std::string& name = set.info(i).name;
    while (!shared.empty() && !name.starts_with(shared)) {
      shared.pop_back();
      shared.resize(shared.rfind('/') + 1);
    }
  }
  return shared.size();
}

// A sample as the hash sees it.
std::string truth_of(const Dataset& set, std::int64_t i, const std::string& name) {
  std::string text = name + "\n" + set.info(i).patient;
  for (const int label : set.info(i).labels) text += "\n" + set.classes()[static_cast<std::size_t>(label)];
  const auto* boxes = dynamic_cast<const DetectionSet*>(&set);
  if (boxes == nullptr) return text + "\n\n";
  for (const MarkedBox& b : boxes->picture(i).boxes)
    text += cat("\n", exact_text(b.box.x1), " ", exact_text(b.box.y1), " ", exact_text(b.box.x2), " ",
                exact_text(b.box.y2), " ", set.classes()[static_cast<std::size_t>(b.box.label)],
                b.crowd ? " crowd" : "", b.difficult ? " difficult" : "");
  return text + "\n\n";
}

}  // namespace

std::string without_root(std::string text, const Dataset& set) {
  if (set.root().empty()) return text;
  const std::string folder = set.root() + "/";
  for (std::size_t at; (at = text.find(folder)) != std::string::npos;) text.erase(at, folder.size());
  return text;
}

Json scored_json(const Dataset& whole, const Dataset& set, const std::vector<BadSample>& bad) {
  const std::size_t skip = shared_folders(whole);
  const auto short_name = [&](const std::string& name) { return name.substr(std::min(skip, name.size())); };
  std::map<std::string, std::string> scored;  // by name: what the hash sees
  std::set<std::string> measured;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    const std::string name = short_name(set.info(i).name);
    scored[name] = truth_of(set, i, name);
    measured.insert(set.info(i).name);
  }
  Sha256 hash;
  Json names = Json::array();
  for (const auto& [name, text] : scored) {
    hash.update(text);
    names.push_back(name);
  }
  std::map<std::string, std::string> why;
  for (const BadSample& b : bad) why[b.name] = without_root(b.reason, whole);
  std::map<std::string, Json> left;  // by reason
  for (std::int64_t i = 0; i < whole.size(); ++i) {
    const SampleInfo& info = whole.info(i);
    if (measured.contains(info.name)) continue;
    const auto found = why.find(info.name);
    const std::string reason = found != why.end()          ? found->second
                               : info.split == Split::none ? "not asked for"
                                                           : cat("of the split ", split_name(info.split));
    left[reason].push_back(short_name(info.name));
  }
  Json json{{"scored", {{"sha256", hash.hex()}, {"names", std::move(names)}}}, {"left_out", Json::array()}};
  for (auto& [reason, list] : left)
    json["left_out"].push_back({{"reason", reason}, {"names", std::move(list)}});
  if (const auto* boxes = dynamic_cast<const DetectionSet*>(&whole)) {
    const BoxCounts& c = boxes->counts();
    json["boxes"] = {{"rows", c.rows},
                     {"boxes", c.boxes},
                     {"wrong", c.wrong},
                     {"thin", c.thin},
                     {"passed_over", c.passed_over},
                     {"clipped", c.clipped},
                     {"turned", c.turned}};
  }
  return json;
}

}  // namespace gadolin
