// gadolin train --folds K: a run a fold of the patients, and the mean of their metrics with its interval.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "apps/run/train_parts.h"
#include "data/sets/split.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "tasks/fold_summary.h"

namespace gadolin {
namespace {

// Samples of train and val, whatever they were; those of test stay out of all folds.
std::unique_ptr<Dataset> open_folds(const Session& session, const TrainCommand& o) {
  auto set = open_data(o, session);
  if (o.data.ignore_splits || !set->has_split(Split::test)) return set;
  std::vector<std::int64_t> places;
  for (std::int64_t i = 0; i < set->size(); ++i) {
    if (set->info(i).split != Split::test) places.push_back(i);
  }
  session.log(cat(set->size() - static_cast<std::int64_t>(places.size()), " samples of test are in no fold"));
  require<DataError>(!places.empty(), "train: ", o.data.path, " has samples of test only; folds need others");
  return set->subset(places);
}

std::string folder_of(const std::string& out, int fold) { return cat(out, "/fold-", fold); }

// Numbers of the folds whose runs lie in a folder.
std::vector<int> folds_in(const std::string& out) {
  std::vector<int> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(out, error)) {
    const std::string name = entry.path().filename().string();
    const int fold = name.size() < 12 && name.starts_with("fold-") ? std::atoi(name.c_str() + 5) : 0;
    if (fold > 0 && folder_of(out, fold) == out + "/" + name &&
        std::filesystem::exists(entry.path() / "config.toml", error))
      found.push_back(fold);
  }
  return found;
}

struct FoldMetric {
  std::string name;
  std::vector<double> values;  // one a fold
};

// The validation's columns of the row of the best checkpoint. Read from the file, so that folds of an earlier
// run count too.
void add_row(const std::string& folder, std::int64_t step, std::vector<FoldMetric>& metrics) {
  const CsvTable table = read_csv(folder + "/metrics.csv");
  const int at = table.column("step");
  for (const auto& row : table.rows) {
    if (row[static_cast<std::size_t>(at)] != std::to_string(step)) continue;
    for (std::size_t c = 0; c < table.header.size(); ++c) {
      if (!table.header[c].starts_with("val_")) continue;
      const auto known = std::find_if(metrics.begin(), metrics.end(),
                                      [&](const FoldMetric& m) { return m.name == table.header[c]; });
      FoldMetric& metric =
          known != metrics.end() ? *known : metrics.emplace_back(FoldMetric{table.header[c], {}});
      metric.values.push_back(std::strtod(row[c].c_str(), nullptr));
    }
  }
}

void tell(Session& session, const TrainCommand& o, const std::vector<FoldMetric>& metrics) {
  CsvTable table{o.out + "/folds.csv", {"metric", "mean", "deviation", "low", "high"}, {}, {}};
  for (int k = 1; k <= o.data.folds; ++k) table.header.push_back(cat("fold_", k));
  TextRows rows{{"metric", "mean", "deviation", "95 % interval"}};
  for (const FoldMetric& m : metrics) {
    const FoldSummary s = fold_summary(m.values);
    std::vector<std::string> row{m.name};
    for (const double v : {s.mean, s.deviation, s.interval.low, s.interval.high})
      row.push_back(exact_text(v));
    for (const double v : m.values) row.push_back(exact_text(v));
    table.rows.push_back(std::move(row));
    rows.push_back({m.name, fixed(s.mean, 4), fixed(s.deviation, 4),
                    std::isnan(s.interval.low)
                        ? "none"
                        : fixed(s.interval.low, 4) + " to " + fixed(s.interval.high, 4)});
    session.metric(m.name, Json{{"value", s.mean},
                                {"deviation", s.deviation},
                                {"low", s.interval.low},
                                {"high", s.interval.high}});
  }
  write_file_atomically(table.name, to_csv(table));
  session.say(format_table(rows));
  session.say(
      cat("over ", o.data.folds,
          " folds, each at its best checkpoint; folds share training data, so the intervals are rather ",
          "too narrow: ", table.name));
  session.output("folds", table.name);
}

}  // namespace

void check_folds(const TrainCommand& o) {
  require<UsageError>(o.overwrite || folds_in(o.out).empty(), "run: ", o.out,
                      " holds the folds of a run; add --overwrite, or choose another --out");
}

void remove_folds(const std::string& out, int kept) {
  std::error_code error;
  const std::string table = out + "/folds.csv";
  std::filesystem::remove(table, error);
  if (error) fail_file("run", table, error.value());
  for (const int fold : folds_in(out))
    if (fold > kept) RunDir::remove(folder_of(out, fold));
}

void train_folds(Session& session, const TrainCommand& o, const ConfigText& config) {
  const auto folder = [&](int k) { return folder_of(o.out, k + 1); };
  std::vector<TrainCommand> runs(static_cast<std::size_t>(o.data.folds), o);
  for (int k = 0; k < o.data.folds; ++k) runs[static_cast<std::size_t>(k)].out = folder(k);
  on_first(session.communicator(), [&] {
    if (open_mode(o) == RunDir::Open::create) RunDir::check(o.out, open_mode(o));
    for (const TrainCommand& run : runs) RunDir::check(run.out, open_mode(o));
    return std::string();
  });
  if (o.overwrite) {
    runs[0].opened = [&] {
      RunDir::remove(o.out);
      remove_folds(o.out, o.data.folds);
    };
  }
  const auto whole = open_folds(session, o);
  const std::vector<int> folds = assign_folds(*whole, o.data.folds, session.common().seed);
  std::vector<std::int64_t> places(static_cast<std::size_t>(whole->size()));
  for (std::size_t i = 0; i < places.size(); ++i) places[i] = static_cast<std::int64_t>(i);
  std::vector<FoldMetric> metrics;
  for (int k = 0; k < o.data.folds; ++k) {
    auto set = whole->subset(places);
    set_fold(*set, folds, k);
    session.say(cat("fold ", k + 1, " of ", o.data.folds));
    const TrainResult result = run_one(session, runs[static_cast<std::size_t>(k)], std::move(set), config);
    if (session.communicator().first()) add_row(folder(k), result.best_step, metrics);
  }
  if (session.communicator().first()) tell(session, o, metrics);
}

}  // namespace gadolin
