#include "tasks/predictions_file.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "io/bytes.h"
#include "io/csv.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

// "Effusion|Mass"
std::set<std::string> labels_in(const std::string& names) {
  std::set<std::string> parts;
  for (std::size_t at = 0; at < names.size();) {
    const std::size_t end = std::min(names.find('|', at), names.size());
    parts.insert(names.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

}  // namespace

bool PredictionsFile::is(std::size_t i, std::size_t k) const {
  return said.multi_label() ? said.labels[i * said.classes.size() + k] == 1
                            : said.target[i] == static_cast<std::int64_t>(k);
}

PredictionsFile read_predictions(const std::string& path, const std::vector<std::string>& classes,
                                 bool multi_label) {
  const CsvTable csv = read_csv(path);
  const std::size_t columns = csv.header.size(), k = classes.size();
  require<FormatError>(columns >= 3 + k, "report: ", path, " has ", columns, " columns, ", 3 + k,
                       " are expected; run gadolin eval again");
  const CsvTable before{
      path, {csv.header.begin(), csv.header.end() - static_cast<std::ptrdiff_t>(k)}, {}, {}};
  const auto place = [&](const char* name) { return static_cast<std::size_t>(before.column(name)); };
  const std::size_t path_at = place("path"), truth_at = place("truth"), predicted_at = place("predicted");
  const int patient_at = before.find("patient");
  const auto among = [&](const std::string& names) {
    const std::set<std::string> parts = multi_label ? labels_in(names) : std::set<std::string>{names};
    std::vector<bool> is;
    for (const std::string& name : classes) is.push_back(parts.contains(name));
    return is;
  };
  PredictionsFile file;
  file.said.classes = classes;
  bool patients = patient_at >= 0;
  for (const auto& row : csv.rows) {
    for (std::size_t c = columns - k; c < columns; ++c)
      file.said.probability.push_back(std::strtod(row[c].c_str(), nullptr));
    file.path.push_back(row[path_at]);
    file.truth.push_back(row[truth_at]);
    file.called.push_back(among(row[predicted_at]));
    const std::vector<bool> truth = among(row[truth_at]);
    if (multi_label) {
      for (const bool there : truth) file.said.labels.push_back(there ? 1 : 0);
    } else {
      const auto at = std::find(truth.begin(), truth.end(), true) - truth.begin();
      require<FormatError>(at < static_cast<std::ptrdiff_t>(k), "report: ", path, " holds the class '",
                           printable(row[truth_at]),
                           "', which is not in metrics.json; run gadolin eval again");
      file.said.target.push_back(at);
    }
    if (patient_at >= 0) file.said.patient.push_back(row[static_cast<std::size_t>(patient_at)]);
    patients = patients && !file.said.patient.back().empty();
  }
  if (!patients) file.said.patient.clear();
  return file;
}

}  // namespace gadolin
