// Rules and thresholds as text: what a command line takes and what a checkpoint keeps.
#include <charconv>
#include <cmath>
#include <limits>

#include "io/json.h"
#include "tasks/thresholds.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

using Kind = ThresholdRule::Kind;
constexpr const char* names[] = {"youden", "f1", "sensitivity", "specificity"};

bool has_share(Kind kind) { return kind == Kind::sensitivity || kind == Kind::specificity; }

double count_of(const Json& entry, const char* key, const std::string& place) {
  const auto found = entry.find(key);
  const bool good = found != entry.end() && found->is_number() && found->get<double>() >= 0;
  require<FormatError>(good, place, ": ", key, " is not a number of samples");
  return found->get<double>();
}

Threshold read_entry(const std::string& label, const Json& entry, const std::string& place) {
  require<FormatError>(
      entry.is_object() && entry.contains("rule") && entry["rule"].is_string() && entry.contains("threshold"),
      place, ": it has no rule or no threshold");
  Threshold t{label, {}, std::numeric_limits<double>::quiet_NaN(), ""};
  try {
    t.rule = threshold_rule(entry["rule"].get<std::string>());
  } catch (const UsageError& e) {
    fail<FormatError>(place, ": ", e.what());
  }
  t.positives = count_of(entry, "positives", place);
  t.negatives = count_of(entry, "negatives", place);
  const Json& value = entry["threshold"];
  if (value.is_number()) {
    t.value = value.get<double>();
  } else if (value == "inf" || value == "-inf") {
    t.value = (value == "inf" ? 1 : -1) * std::numeric_limits<double>::infinity();
  } else {
    const bool reasoned = value.is_null() && entry.contains("undefined") && entry["undefined"].is_string() &&
                          !entry["undefined"].get<std::string>().empty();
    require<FormatError>(reasoned, place, ": threshold ", value.dump(),
                         " is neither a number nor null with a reason");
    t.undefined = entry["undefined"].get<std::string>();
  }
  return t;
}

}  // namespace

ThresholdRule threshold_rule(const std::string& text) {
  const std::size_t colon = text.find(':');
  ThresholdRule rule;
  bool known = false;
  for (std::uint8_t i = 0; i < 4; ++i) {
    if (text.substr(0, colon) != names[i]) continue;
    rule.kind = static_cast<Kind>(i);
    known = has_share(rule.kind) == (colon != std::string::npos);
  }
  if (known && has_share(rule.kind)) {
    const char *begin = text.data() + colon + 1, *end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(begin, end, rule.at);
    known = error == std::errc() && stop == end && rule.at > 0 && rule.at <= 1;
  }
  require<UsageError>(known, "threshold rule '", text,
                      "': it is youden, f1, sensitivity:SHARE or specificity:SHARE, with a share above 0 and "
                      "at most 1");
  return rule;
}

std::string text_of(const ThresholdRule& rule) {
  const std::string name = names[static_cast<int>(rule.kind)];
  if (!has_share(rule.kind)) return name;
  char digits[32];  // the shortest that reads back as the same number
  return name + ":" + std::string(digits, std::to_chars(digits, digits + sizeof digits, rule.at).ptr);
}

std::string thresholds_to_json(const std::vector<Threshold>& thresholds) {
  Json all = Json::object();
  for (const Threshold& t : thresholds) {
    Json entry = {{"rule", text_of(t.rule)}, {"threshold", nullptr}};
    if (std::isfinite(t.value)) entry["threshold"] = t.value;
    if (std::isinf(t.value)) entry["threshold"] = t.value > 0 ? "inf" : "-inf";
    if (!t.defined()) entry["undefined"] = t.undefined;
    entry["positives"] = t.positives;
    entry["negatives"] = t.negatives;
    require<ValueError>(!all.contains(t.label), "thresholds: label '", t.label, "' is there twice");
    all[t.label] = std::move(entry);
  }
  return all.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<Threshold> thresholds_from_json(const std::string& text, const std::string& place) {
  // Labels that come twice would hide one another.
  std::vector<std::string> labels;
  bool twice = false;
  const Json all = Json::parse(
      text,
      [&](int depth, Json::parse_event_t event, Json& parsed) {
        if (event == Json::parse_event_t::key && depth == 1) {
          const std::string label = parsed.get<std::string>();
          twice = twice || std::find(labels.begin(), labels.end(), label) != labels.end();
          labels.push_back(label);
        }
        return true;
      },
      false);
  require<FormatError>(all.is_object() && !twice, place, ": not one JSON object with each label once");
  std::vector<Threshold> thresholds;
  for (const auto& [label, entry] : all.items())
    thresholds.push_back(read_entry(label, entry, place + ": " + label));
  return thresholds;
}

}  // namespace gadolin
