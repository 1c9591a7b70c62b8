#include "tasks/subgroups.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "io/bytes.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

constexpr const char* not_told = "not told";
constexpr std::size_t most_groups = 12;

// What a column is about; empty: nothing that is grouped by.
std::string subject_of(std::string name) {
  std::erase_if(name, [](char c) { return c == ' ' || c == '_' || c == '-'; });
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (name.starts_with("patient")) name.erase(0, 7);
  if (name == "gender") return "sex";
  if (name == "viewposition") return "view";
  return name == "sex" || name == "age" || name == "view" || name == "site" ? name : "";
}

std::string band_of(const std::string& text) {
  const double age = age_in_years(text);
  if (std::isnan(age)) return not_told;
  constexpr const char* bands[] = {"0 to 19", "20 to 39", "40 to 59", "60 to 79"};
  return age < 80 ? bands[static_cast<int>(age / 20)] : "80 and above";
}

Predictions people_of(const Predictions& p, const std::vector<std::size_t>& places) {
  Predictions part;
  part.classes = p.classes;
  part.apart = p.apart;
  const std::size_t k = p.classes.size();
  const auto rows = [&](const auto& from, auto& into, std::size_t i) {
    if (from.empty()) return;
    const auto begin = from.begin() + static_cast<std::ptrdiff_t>(i * k);
    into.insert(into.end(), begin, begin + static_cast<std::ptrdiff_t>(k));
  };
  for (const std::size_t i : places) {
    rows(p.probability, part.probability, i);
    rows(p.labels, part.labels, i);
    if (!p.target.empty()) part.target.push_back(p.target[i]);
    part.patient.push_back(p.patient.empty() ? std::to_string(i) : p.patient[i]);
  }
  return part;
}

// Areas of single labels, and what goes over all of them and can be compared between groups.
bool is_kept(const std::string& name) { return name != "log_loss" && !name.ends_with("_micro"); }
bool is_of_one_label(const MetricValue& m) { return m.name.find('/') != std::string::npos; }

std::string shown(const MetricValue& m) {
  if (std::isnan(m.value)) return "not defined";
  const std::string value = fixed(m.value, 3);
  if (std::isnan(m.interval.low) || std::isnan(m.interval.high)) return value;
  return cat(value, " (", fixed(m.interval.low, 3), " to ", fixed(m.interval.high, 3), ")");
}

Json value_or_null(double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); }
double number_from(const Json& json) { return json.is_number() ? json.get<double>() : detail::no_value; }

}  // namespace

std::vector<Grouping> groupings_of(const std::vector<ExtraColumn>& columns) {
  std::vector<Grouping> all;
  for (const std::string subject : {"sex", "age", "view", "site"}) {
    const auto column =
        std::ranges::find_if(columns, [&](const ExtraColumn& c) { return subject_of(c.name) == subject; });
    if (column == columns.end()) continue;
    Grouping grouping{subject, {}};
    std::set<std::string> names;
    for (const std::string& value : column->values) {
      grouping.group.push_back(subject == "age" ? band_of(value)
                               : value.empty()  ? not_told
                                                : printable(value));
      names.insert(grouping.group.back());
    }
    const bool told = names.size() > 1 || (names.size() == 1 && *names.begin() != not_told);
    if (told && names.size() <= most_groups) all.push_back(std::move(grouping));
  }
  return all;
}

std::vector<Subgroup> measure_subgroups(const Predictions& p, const std::vector<Grouping>& groupings,
                                        const BootstrapOptions& options) {
  std::vector<Subgroup> all;
  for (const Grouping& grouping : groupings) {
    require<ShapeError>(std::ssize(grouping.group) == p.size(), "subgroups: ", grouping.group.size(),
                        " groups by ", grouping.by, " for ", p.size(), " samples");
    std::map<std::string, std::vector<std::size_t>> places;
    for (std::size_t i = 0; i < grouping.group.size(); ++i) places[grouping.group[i]].push_back(i);
    const auto measure = [&](const std::string& name, const std::vector<std::size_t>& of) {
      const Predictions part = people_of(p, of);
      Subgroup group{grouping.by, name, part.size(), 0, 0, 0, {}};
      group.patients = std::ssize(std::set<std::string>(part.patient.begin(), part.patient.end()));
      group.classes = std::ssize(p.classes);
      group.defined = group.classes - std::ssize(left_out_of_means(part));
      for (MetricValue& m : summarize(part, options))
        if (is_kept(m.name)) group.metrics.push_back(std::move(m));
      all.push_back(std::move(group));
    };
    for (const auto& [name, of] : places)
      if (name != not_told) measure(name, of);
    if (const auto rest = places.find(not_told); rest != places.end()) measure(rest->first, rest->second);
  }
  return all;
}

Json subgroups_json(const std::vector<Subgroup>& groups) {
  Json list = Json::array();
  for (const Subgroup& g : groups) {
    Json metrics = Json::object();
    for (const MetricValue& m : g.metrics)
      metrics[m.name] = {{"value", value_or_null(m.value)},
                         {"low", value_or_null(m.interval.low)},
                         {"high", value_or_null(m.interval.high)}};
    list.push_back({{"by", g.by},
                    {"group", g.group},
                    {"samples", g.samples},
                    {"patients", g.patients},
                    {"classes", g.classes},
                    {"classes_defined", g.defined},
                    {"metrics", metrics}});
  }
  return list;
}

std::vector<Subgroup> subgroups_from(const Json& json) {
  std::vector<Subgroup> groups;
  try {
    for (const Json& entry : json) {
      Subgroup g{entry.at("by"),
                 entry.at("group"),
                 entry.at("samples"),
                 entry.at("patients"),
                 entry.at("classes_defined"),
                 entry.at("classes"),
                 {}};
      for (const auto& [name, m] : entry.at("metrics").items())
        g.metrics.push_back(
            {name, number_from(m.at("value")), {number_from(m.at("low")), number_from(m.at("high"))}});
      groups.push_back(std::move(g));
    }
  } catch (const Json::exception&) {
    fail<FormatError>("report: the subgroups of metrics.json are damaged; run gadolin eval again");
  }
  return groups;
}

std::vector<std::vector<std::string>> subgroup_rows(const std::vector<Subgroup>& groups) {
  if (groups.empty()) return {};
  std::vector<std::vector<std::string>> rows{{"by", "group", "samples", "patients"}};
  bool labels = false;
  for (const MetricValue& m : groups[0].metrics) {
    labels = labels || is_of_one_label(m);
    if (!is_of_one_label(m)) rows[0].push_back(m.name);
  }
  if (labels) rows[0].push_back("in the mean");
  for (const Subgroup& g : groups) {
    std::vector<std::string> row{g.by, g.group, std::to_string(g.samples), std::to_string(g.patients)};
    for (const MetricValue& m : g.metrics)
      if (!is_of_one_label(m)) row.push_back(shown(m));
    if (labels) row.push_back(cat(g.defined, " of ", g.classes));
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<report::Table> subgroup_tables(const std::vector<Subgroup>& groups) {
  if (groups.empty()) return {};
  auto rows = subgroup_rows(groups);
  std::vector<report::Table> tables(1);
  tables[0].title = "Subgroups";
  tables[0].columns = rows[0];
  tables[0].rows.assign(rows.begin() + 1, rows.end());
  tables[0].note =
      "95 % intervals by patient. A class that has one value only in a group is not defined there and left "
      "out of its mean: compare means of groups over the same classes only.";
  report::Table areas{"ROC AUC by finding and group", {"finding"}, {}};
  for (const Subgroup& g : groups) areas.columns.push_back(g.by + " " + g.group);
  for (const MetricValue& first : groups[0].metrics) {
    if (!first.name.starts_with("roc_auc/")) continue;
    areas.rows.push_back({first.name.substr(8)});
    for (const Subgroup& g : groups) {
      const auto same =
          std::ranges::find_if(g.metrics, [&](const MetricValue& m) { return m.name == first.name; });
      const bool known = same != g.metrics.end() && !std::isnan(same->value);
      areas.rows.back().push_back(known ? fixed(same->value, 3) : "not defined");
    }
  }
  if (!areas.rows.empty()) tables.push_back(std::move(areas));
  return tables;
}

std::vector<report::Bars> subgroup_bars(const std::vector<Subgroup>& groups) {
  report::Bars areas{"ROC AUC by group", "ROC AUC, 95 % interval by patient", {}};
  for (const Subgroup& g : groups) {
    std::string name = cat(g.by, " ", g.group, ", ", g.samples, " samples");
    if (g.defined < g.classes) name += cat(", ", g.defined, " of ", g.classes, " classes");
    for (const MetricValue& m : g.metrics)
      if (m.name == "roc_auc") areas.bars.push_back({name, m.value, m.interval.low, m.interval.high});
  }
  if (areas.bars.empty()) return {};
  return {std::move(areas)};
}

}  // namespace gadolin
