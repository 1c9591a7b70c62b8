#include "apps/chestxray/comparison.h"

#include <charconv>
#include <cmath>
#include <map>

#include "apps/program/output.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "tasks/delong.h"
#include "tensor/check.h"

namespace gadolin::chestxray {
namespace {

// Probabilities of the other net for our films, [N] a finding that both have.
std::map<std::string, std::vector<double>> others_of(const CsvTable& ours, const CsvTable& theirs) {
  std::map<std::string, std::size_t> row_of;
  for (std::size_t r = 0; r < theirs.rows.size(); ++r) row_of[theirs.rows[r][0]] = r;
  std::map<std::string, std::vector<double>> all;
  for (std::size_t c = 1; c < ours.header.size(); ++c) {
    const int column = theirs.find(ours.header[c]);
    if (column < 1) continue;
    std::vector<double>& values = all[ours.header[c]];
    for (const auto& row : ours.rows) {
      const auto found = row_of.find(row[0]);
      require<DataError>(found != row_of.end(), "chestxray test: --against ", theirs.name, " has no row of ",
                         row[0], "; compare nets on the same films");
      const std::string& text = theirs.rows[found->second][static_cast<std::size_t>(column)];
      double value = std::nan("");
      const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
      require<FormatError>(
          read.ec == std::errc() && read.ptr == text.data() + text.size() && value >= 0 && value <= 1,
          "chestxray test: ", theirs.place(found->second), ": ", ours.header[c], " is '", printable(text),
          "', no probability");
      values.push_back(value);
    }
  }
  require<DataError>(!all.empty(), "chestxray test: --against ", theirs.name,
                     " has none of the findings; it is predictions.csv of another chestxray test");
  return all;
}

std::string shown(double v) { return std::isnan(v) ? "" : fixed(v, 4); }

}  // namespace

void compare_areas(Session& session, const ClassificationEvaluator& evaluator, const std::string& against,
                   const std::string& out) {
  const CsvTable ours = parse_csv(evaluator.files().front().second, "predictions.csv"),
                 theirs = read_csv(against);
  const auto others = others_of(ours, theirs);
  const Predictions& p = evaluator.predictions();
  CsvTable table{
      "comparison.csv", {"finding", "auc", "auc_against", "difference", "low", "high", "z", "p"}, {}, {}};
  for (std::size_t k = 0; k < p.classes.size(); ++k) {
    const auto found = others.find(p.classes[k]);
    if (found == others.end()) continue;
    std::vector<double> score;
    std::vector<std::uint8_t> label;
    for (std::size_t i = k; i < p.probability.size(); i += p.classes.size()) {
      score.push_back(p.probability[i]);
      label.push_back(p.labels[i]);
    }
    const DelongComparison c = delong_comparison(score, found->second, label, p.patient);
    table.rows.push_back({p.classes[k], shown(c.first), shown(c.second), shown(c.difference),
                          shown(c.interval.low), shown(c.interval.high), shown(c.z), shown(c.p)});
    session.metric("difference/" + p.classes[k],
                   {{"value", c.difference}, {"low", c.interval.low}, {"high", c.interval.high}, {"p", c.p}});
  }
  std::vector<std::vector<std::string>> rows{table.header};
  rows.insert(rows.end(), table.rows.begin(), table.rows.end());
  session.say("against " + against + ", by DeLong's test with patients as clusters");
  session.say(format_table(rows));
  if (out.empty()) return;
  make_folders("chestxray test", out);
  write_file_atomically(out + "/comparison.csv", to_csv(table));
  session.output("comparison", out + "/comparison.csv");
}

}  // namespace gadolin::chestxray
