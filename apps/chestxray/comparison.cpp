#include "apps/chestxray/comparison.h"

#include <charconv>
#include <cmath>

#include "apps/program/output.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "tasks/delong.h"
#include "tensor/check.h"

namespace gadolin::chestxray {
namespace {

std::string shown(double v) { return std::isnan(v) ? "" : fixed(v, 4); }

}  // namespace

OtherNet::OtherNet(const std::string& predictions) : table_(read_csv(predictions)) {
  for (std::size_t r = 0; r < table_.rows.size(); ++r) {
    const auto [first, fresh] = row_of_.emplace(table_.rows[r][0], r);
    require<FormatError>(fresh, "chestxray test: ", table_.place(r), ": ", printable(first->first),
                         " has a row already, ", table_.place(first->second), "; remove one of them");
  }
}

std::map<std::string, std::vector<double>> OtherNet::of_films(
    const std::vector<std::string>& films, const std::vector<std::string>& findings) const {
  std::map<std::string, std::vector<double>> all;
  for (const std::string& finding : findings) {
    const int column = table_.find(finding);
    if (column < 1) continue;
    std::vector<double>& values = all[finding];
    for (const std::string& film : films) {
      const auto found = row_of_.find(film);
      require<DataError>(found != row_of_.end(), "chestxray test: --against ", table_.name, " has no row of ",
                         film, "; compare nets on the same films");
      const std::string& text = table_.rows[found->second][static_cast<std::size_t>(column)];
      double value = std::nan("");
      const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
      require<FormatError>(
          read.ec == std::errc() && read.ptr == text.data() + text.size() && value >= 0 && value <= 1,
          "chestxray test: ", table_.place(found->second), ": ", finding, " is '", printable(text),
          "', no probability");
      values.push_back(value);
    }
  }
  require<DataError>(!all.empty(), "chestxray test: --against ", table_.name,
                     " has none of the findings; it is predictions.csv of another chestxray test");
  return all;
}

void OtherNet::check(const ClassificationEvaluator& evaluator) const {
  std::vector<std::string> films;
  for (std::int64_t i = 0; i < evaluator.set().size(); ++i) films.push_back(evaluator.row_name(i));
  of_films(films, evaluator.predictions().classes);
}

void OtherNet::compare(Session& session, const ClassificationEvaluator& evaluator,
                       const std::string& out) const {
  const Predictions& p = evaluator.predictions();
  std::vector<std::string> films;
  for (const std::int64_t i : evaluator.indices()) films.push_back(evaluator.row_name(i));
  const auto others = of_films(films, p.classes);
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
  session.say("against " + table_.name + ", by DeLong's test with patients as clusters");
  session.say(format_table(rows));
  if (out.empty()) return;
  make_folders("chestxray test", out);
  write_file_atomically(out + "/comparison.csv", to_csv(table));
  session.output("comparison", out + "/comparison.csv");
}

}  // namespace gadolin::chestxray
