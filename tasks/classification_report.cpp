// A classifier's page of the report, from what an evaluation left in a folder: metrics.json and
// predictions.csv.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "data/image/image.h"
#include "data/image/resize.h"
#include "io/csv.h"
#include "io/text.h"
#include "tasks/classification_evaluator.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

using report::RunReport;
constexpr std::size_t examples_shown = 12;

// Names in a row, the first few of many.
std::string joined(const Json& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 12; ++i)
    text += (i ? ", " : "") + names[i].get<std::string>();
  return names.size() > 12 ? cat(text, " and ", names.size() - 12, " more") : text;
}
double number(const Json& json) { return json.is_number() ? json.get<double>() : std::nan(""); }

std::string thumbnail(const std::string& path) {
  try {
    Image image = read_image(path);
    const double scale = 160.0 / std::max(image.width, image.height);
    if (scale < 1)
      image = resize(image, std::max(1, static_cast<int>(image.width * scale)),
                     std::max(1, static_cast<int>(image.height * scale)));
    const std::vector<std::uint8_t> png = encode_png(image);
    return std::string(png.begin(), png.end());
  } catch (const Error&) {
    return "";  // the report says that the picture could not be read
  }
}

struct Table {
  CsvTable csv;
  std::vector<std::string> classes;
  double probability(std::size_t row, std::size_t k) const {
    return std::strtod(csv.rows[row][3 + k].c_str(), nullptr);
  }
};

void add_rankings(RunReport& run, const Table& t, const Json& metrics) {
  for (std::size_t k = 0; k < t.classes.size(); ++k) {
    if (t.classes.size() == 2 && k == 0) continue;  // the mirror image of the other one
    std::vector<double> score;
    std::vector<std::uint8_t> label;
    for (std::size_t i = 0; i < t.csv.rows.size(); ++i) {
      score.push_back(t.probability(i, k));
      const std::string truth = "|" + t.csv.rows[i][1] + "|";
      label.push_back(truth.find("|" + t.classes[k] + "|") != std::string::npos);
    }
    const Ranking ranking(score, label);
    const auto area = [&](const std::string& name, double value) {
      const Json all = metrics.value("metrics", Json::object());
      for (const std::string& key : {name + "/" + t.classes[k], name}) {
        if (all.contains(key) && (t.classes.size() == 2 || key != name)) {
          return report::Value{name, value, number(all[key]["low"]), number(all[key]["high"])};
        }
      }
      return report::Value{name, value, std::nan(""), std::nan("")};
    };
    if (std::isnan(ranking.auc())) continue;
    const RocCurve roc = ranking.roc();
    run.roc.push_back(
        {t.classes[k], roc.false_positive_rate, roc.true_positive_rate, area("roc_auc", ranking.auc())});
    const PrecisionRecallCurve pr = ranking.precision_recall();
    run.precision_recall.push_back(
        {t.classes[k], pr.recall, pr.precision, area("average_precision", ranking.average_precision())});
  }
}

// Where the net was surest and wrong, and surest and right.
void add_examples(RunReport& run, const Table& t) {
  struct Row {
    double probability;
    std::size_t index;
  };
  std::vector<Row> wrong, right;
  for (std::size_t i = 0; i < t.csv.rows.size(); ++i) {
    double top = 0;
    for (std::size_t k = 0; k < t.classes.size(); ++k) top = std::max(top, t.probability(i, k));
    (t.csv.rows[i][1] == t.csv.rows[i][2] ? right : wrong).push_back({top, i});
  }
  const auto take = [&](std::vector<Row>& rows, std::vector<report::Example>& into) {
    std::stable_sort(rows.begin(), rows.end(),
                     [](const Row& a, const Row& b) { return a.probability > b.probability; });
    for (std::size_t i = 0; i < rows.size() && i < examples_shown; ++i) {
      const auto& row = t.csv.rows[rows[i].index];
      into.push_back({std::filesystem::path(row[0]).filename().string(), row[1], row[2], rows[i].probability,
                      thumbnail(row[0])});
    }
  };
  take(wrong, run.worst);
  take(right, run.best);
}

}  // namespace

void report_classification(const std::string& folder, const Json& metrics, RunReport& run) {
  const Json values = metrics.value("metrics", Json::object());
  for (const auto& [name, m] : values.items())
    run.metrics.push_back({name, number(m["value"]), number(m["low"]), number(m["high"])});
  const std::string split = metrics.value("split", std::string());
  run.data.push_back({"evaluated on", cat(metrics.value("samples", 0), " samples",
                                          split.empty() || split == "all" ? "" : " of " + split)});
  if (metrics.contains("classes")) run.data.push_back({"classes", joined(metrics["classes"])});
  const auto classes = metrics.value("classes", std::vector<std::string>{});
  if (metrics.contains("confusion")) {
    run.confusion.classes = classes;
    for (const Json& row : metrics["confusion"]) {
      for (const Json& cell : row) run.confusion.counts.push_back(number(cell));
    }
    report::Table table{"Per class", {"class", "precision", "recall", "F1", "samples"}, {}};
    for (const Json& c : metrics["per_class"]) {
      table.rows.push_back({c["name"], fixed(number(c["precision"]), 4), fixed(number(c["recall"]), 4),
                            fixed(number(c["f1"]), 4), fixed(number(c["support"]), 0)});
    }
    run.tables.push_back(table);
  }
  if (metrics.contains("bad_samples")) {
    run.notes.push_back(cat(static_cast<std::int64_t>(metrics["bad_samples"].size()),
                            " samples could not be read and are missing here"));
  }
  if (!std::filesystem::exists(folder + "/predictions.csv")) return;
  CsvTable csv = read_csv(folder + "/predictions.csv");
  if (csv.header.size() == 4 + classes.size() && csv.header[1] == "patient") {  // does not stand on the page
    csv.header.erase(csv.header.begin() + 1);
    for (auto& row : csv.rows) row.erase(row.begin() + 1);
  }
  const Table t{std::move(csv), classes};
  require<FormatError>(t.csv.header.size() == 3 + classes.size(), "report: ", folder, "/predictions.csv has ",
                       t.csv.header.size(), " columns, ", 3 + classes.size(),
                       " are expected; run gadolin eval again");
  add_rankings(run, t, metrics);
  add_examples(run, t);
}

}  // namespace gadolin
