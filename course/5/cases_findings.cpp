// What students found in the films of assignment 5, and whether their numbers are those of their files.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <set>

#include "course/5/cases_films.h"
#include "course/grader/toml.h"
#include "io/csv.h"
#include "tasks/metrics.h"
#include "tasks/temperature.h"

namespace gadolin::course {
namespace {

using FoundPairs = std::set<std::pair<std::string, std::string>>;

std::pair<std::string, std::string> ordered(std::string a, std::string b) {
  return a < b ? std::pair(a, b) : std::pair(b, a);
}
std::string file_name(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

// Pairs of a kind in findings.csv: kind,first,second.
FoundPairs found_of(const CsvTable& table, const std::string& kind) {
  const auto at = [&](const char* name) { return static_cast<std::size_t>(table.column(name)); };
  FoundPairs found;
  for (const auto& row : table.rows)
    if (row[at("kind")] == kind)
      found.insert(ordered(file_name(row[at("first")]), file_name(row[at("second")])));
  return found;
}

double f1_of(const FoundPairs& found, const FoundPairs& there) {
  double hits = 0;
  for (const auto& pair : found) hits += there.contains(pair) ? 1 : 0;
  return 2 * hits / static_cast<double>(found.size() + there.size());
}

// Half of the share for an F1 of 0.5, all of it from 0.95 on.
void judge_pairs(const char* what, const FoundPairs& found, const FoundPairs& there, const char* sentence,
                 std::vector<Finding>& out) {
  const double f1 = f1_of(found, there);
  std::size_t hits = 0;
  for (const auto& pair : found) hits += there.contains(pair) ? 1 : 0;
  std::string wrong;
  if (hits < there.size()) {
    wrong = std::to_string(there.size() - hits) + " of " + std::to_string(there.size()) +
            " not found: " + sentence;
  } else {
    wrong = std::to_string(found.size() - hits) + " are named that are none: look at both again";
  }
  out.push_back({std::string(what) + ", half of them", f1 >= 0.5 ? "" : wrong, 2});
  out.push_back({what, f1 >= 0.95 ? "" : wrong, 2});
}

// Probabilities of films, [films][7], as `gadolin eval` writes them; the class of each film.
struct Said {
  std::vector<std::string> film;
  std::vector<double> probability;
  std::vector<std::int64_t> target;
};
Said said_of(const std::string& text, const std::string& name, const FilmSet& set, bool spoilt) {
  const CsvTable table = parse_csv(text, name);
  const auto path = static_cast<std::size_t>(table.column("path"));
  Said said;
  std::set<std::string> seen;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    const std::string film = file_name(table.rows[row][path]);
    const auto known = std::find_if(set.films.begin(), set.films.end(), [&](const StoredFilm& f) {
      return f.spoilt == spoilt && f.name == film;
    });
    if (known == set.films.end())
      throw std::invalid_argument(table.place(row) + ": '" + film.substr(0, 40) + "' is no film of the " +
                                  (spoilt ? "spoilt" : "clean") + " set");
    if (!seen.insert(film).second)
      throw std::invalid_argument(table.place(row) + ": " + film + " stands there twice");
    said.film.push_back(film);
    said.target.push_back(known->part);
    for (const std::string& part : film_parts()) {
      const std::string& field = table.rows[row][static_cast<std::size_t>(table.column(part))];
      char* end = nullptr;
      const double p = std::strtod(field.c_str(), &end);
      if (end == field.c_str() || *end != '\0' || !(p >= 0 && p <= 1 + 1e-6))
        throw std::invalid_argument(table.place(row) + ": '" + field.substr(0, 40) + "' is no probability");
      said.probability.push_back(p);
    }
  }
  return said;
}

// Mean over the classes of each one's AUC against the others.
double mean_auc(const Said& said) {
  double sum = 0;
  for (std::size_t k = 0; k < film_parts().size(); ++k) {
    std::vector<double> score;
    std::vector<std::uint8_t> label;
    for (std::size_t i = 0; i < said.target.size(); ++i) {
      score.push_back(said.probability[i * film_parts().size() + k]);
      label.push_back(said.target[i] == static_cast<std::int64_t>(k));
    }
    sum += Ranking(score, label).auc() / static_cast<double>(film_parts().size());
  }
  return sum;
}
double temperature_of(const Said& said) {
  std::vector<double> logits;
  for (const double p : said.probability) logits.push_back(std::log(std::max(p, 1e-12)));
  return fit_temperature(logits, said.target, static_cast<std::int64_t>(film_parts().size())).value;
}

std::string file_or_empty(const Files& files, const std::string& name) {
  const auto at = files.find(name);
  return at == files.end() ? "" : at->second;
}

// "" or why the number in report.toml is not that of the file.
std::string compare_number(const Files& files, const char* key, double right) {
  std::optional<double> reported;
  const std::vector<TomlTable> tables = parse_toml(file_or_empty(files, "report.toml"), "report.toml");
  if (const std::vector<double> numbers = tables.at(0).numbers(key); numbers.size() == 1)
    reported = numbers[0];
  if (!reported) return std::string("report.toml has no line ") + key + " = ...";
  if (std::abs(*reported - right) <= 2e-3 * std::max(1.0, std::abs(right))) return "";
  char line[160];
  std::snprintf(line, sizeof line, "report.toml says %.4f, your file gives %.4f", *reported, right);
  return line;
}

// Runs a check; what it throws is what is wrong.
template <class F> void look(std::vector<Finding>& out, const char* what, double share, F check) {
  std::string wrong;
  try {
    wrong = check();
  } catch (const std::exception& error) {
    wrong = error.what();
  }
  out.push_back({what, wrong, share});
}

std::vector<Finding> inspect(const Files& files, Draw& draw) {
  const FilmSet set = draw_films(draw.student());
  std::vector<Finding> out;
  CsvTable table;
  std::string unread;
  try {
    if (!files.contains("findings.csv")) throw std::invalid_argument("findings.csv: not handed in");
    table = parse_csv(files.at("findings.csv"), "findings.csv");
    found_of(table, "");
  } catch (const std::exception& error) {
    unread = error.what();
  }
  if (!unread.empty()) {
    out.push_back({"findings", unread, 12});
  } else {
    FoundPairs spellings, copies;
    for (const auto& [a, b] : set.spellings) spellings.insert(ordered(a, b));
    for (const auto& [a, b] : set.copies) copies.insert(ordered(a, b));
    judge_pairs("patients under two names", found_of(table, "patient"), spellings,
                "\"PAT0007\" and \"pat0007\" are one patient; compare letters and digits alone", out);
    judge_pairs("films stored twice", found_of(table, "pixels"), copies,
                "compare decoded pixels as a viewer shows them, not bytes of files", out);
    const FoundPairs marks = found_of(table, "mark"),
                     there{ordered(film_parts()[static_cast<std::size_t>(set.marked_part)],
                                   film_corners()[set.corner])};
    out.push_back({"a mark in a corner",
                   marks == there ? ""
                   : marks.empty()
                       ? "you named none: your maps rest on a corner in nine of ten films of one class"
                       : "not this one: look where the maps of each class rest, and at the films there",
                   4});
  }
  look(out, "predictions after mending", 4, [&]() -> std::string {
    if (!files.contains("after.csv")) return "after.csv: not handed in";
    const Said after = said_of(files.at("after.csv"), "after.csv", set, false);
    const auto clean =
        std::count_if(set.films.begin(), set.films.end(), [](const StoredFilm& f) { return !f.spoilt; });
    if (static_cast<std::ptrdiff_t>(after.film.size()) != clean)
      return "after.csv has " + std::to_string(after.film.size()) + " of " + std::to_string(clean) +
             " clean films";
    char line[80];
    const double auc = mean_auc(after);
    std::snprintf(line, sizeof line, "a mean AUC of %.3f on the clean films, 0.9 is wanted", auc);
    return auc >= 0.9 ? "" : line;
  });
  look(out, "AUC before and after", 3, [&]() -> std::string {
    for (const auto& [file, key] :
         {std::pair("before.csv", "auc_before"), std::pair("after.csv", "auc_after")}) {
      if (!files.contains(file)) return std::string(file) + ": not handed in";
      const double auc = mean_auc(said_of(files.at(file), file, set, false));
      if (const std::string wrong = compare_number(files, key, auc); !wrong.empty())
        return std::string(key) + ": " + wrong;
    }
    return "";
  });
  look(out, "temperature", 3, [&]() -> std::string {
    if (!files.contains("validation.csv")) return "validation.csv: not handed in";
    const Said held = said_of(files.at("validation.csv"), "validation.csv", set, true);
    if (held.film.size() < 20) return "validation.csv has fewer than 20 films";
    const std::string wrong = compare_number(files, "temperature", temperature_of(held));
    if (wrong.empty() || !files.contains("after.csv")) return wrong;
    // Whoever tunes on the test set is told so.
    const Said test = said_of(files.at("after.csv"), "after.csv", set, false);
    return compare_number(files, "temperature", temperature_of(test)).empty()
               ? "your T is the best one on the clean test set: choose it on validation"
               : wrong;
  });
  return out;
}

// A table of probabilities that are mostly right: `sure` of the class.
std::string predictions_table(const FilmSet& set, bool spoilt, double sure, std::size_t most) {
  std::string text = "path";
  for (const std::string& part : film_parts()) text += "," + part;
  text += "\n";
  std::size_t written = 0;
  for (const StoredFilm& film : set.films) {
    if (film.spoilt != spoilt || written++ >= most) continue;
    text += film.name;
    const int said = written % 9 == 0 ? (film.part + 1) % 7 : film.part;
    for (int k = 0; k < 7; ++k) {
      char number[40];
      std::snprintf(number, sizeof number, ",%.6f", k == said ? sure : (1 - sure) / 6);
      text += number;
    }
    text += "\n";
  }
  return text;
}

}  // namespace

Files right_investigation(Draw student) {
  const FilmSet set = draw_films(student);
  Files files;
  std::string& findings = files["findings.csv"] = "kind,first,second\n";
  for (const auto& [a, b] : set.spellings) findings += "patient," + a + "," + b + "\n";
  for (const auto& [a, b] : set.copies) findings += "pixels,spoilt/" + a + ",spoilt/" + b + "\n";
  findings += "mark," + film_parts()[static_cast<std::size_t>(set.marked_part)] + "," +
              film_corners()[set.corner] + "\n";
  files["before.csv"] = predictions_table(set, false, 0.4, 1000);
  files["after.csv"] = predictions_table(set, false, 0.8, 1000);
  files["validation.csv"] = predictions_table(set, true, 0.97, 60);
  char report[200];
  std::snprintf(report, sizeof report, "auc_before = %.6f\nauc_after = %.6f\ntemperature = %.6f\n",
                mean_auc(said_of(files["before.csv"], "before.csv", set, false)),
                mean_auc(said_of(files["after.csv"], "after.csv", set, false)),
                temperature_of(said_of(files["validation.csv"], "validation.csv", set, true)));
  files["report.toml"] = report;
  return files;
}

Task investigation() {
  Task t;
  t.id = "5.5";
  t.title = "three planted faults";
  t.points = 22;
  t.files = {"findings.csv", "before.csv", "after.csv", "validation.csv", "report.toml"};
  t.inspect = inspect;
  return t;
}

}  // namespace gadolin::course
