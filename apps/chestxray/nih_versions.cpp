// Which of NIH's tables one is: several with other findings were handed out under the same name.
#include <algorithm>
#include <map>
#include <unordered_map>

#include "apps/chestxray/nih_table.h"
#include "io/bytes.h"
#include "io/sha256.h"
#include "tensor/check.h"

namespace gadolin::chestxray {
namespace {

constexpr std::size_t all_films = 112'120;

// Films of each label, as nih_labels(), and films in which the tables differ.
struct KnownTable {
  const char* name;
  std::array<std::int64_t, 15> films;
  std::array<std::array<const char*, 2>, 2> telling;  // image, findings
};
constexpr KnownTable known_tables[] = {
    {"the corrected table (1,431 films of pneumonia)",
     {11559, 2776, 4667, 2303, 13317, 2516, 1686, 227, 19894, 5782, 60361, 6331, 3385, 1431, 5302},
     {{{"00000150_002", "Atelectasis|Infiltration|Pneumonia"}, {"00000193_019", "Pneumonia"}}}},
    {"the table of November 2017, before its correction (1,353 films of pneumonia)",
     {11535, 2772, 4667, 2303, 13307, 2516, 1686, 227, 19871, 5746, 60412, 6323, 3385, 1353, 5298},
     {{{"00000150_002", "Atelectasis|Infiltration"}, {"00000193_019", "No Finding"}}}}};

std::array<std::int64_t, 15> counts_of(const NihTable& table) {
  std::array<std::int64_t, 15> counts{};
  const auto& labels = nih_labels();
  for (const NihFilm& film : table.films) {
    const std::string_view all = film.findings;
    for (std::size_t begin = 0; begin < all.size();) {
      const std::size_t end = std::min(all.find('|', begin), all.size());
      const auto found = std::ranges::find(labels, all.substr(begin, end - begin));
      ++counts[static_cast<std::size_t>(found - labels.begin())];
      begin = end + 1;
    }
  }
  return counts;
}

std::string version_of(const NihTable& table) {
  if (table.films.size() == all_films) {
    const auto counts = counts_of(table);
    for (const KnownTable& known : known_tables)
      if (known.films == counts) return known.name;
    return "112120 rows with other findings than the tables that are known";
  }
  for (const KnownTable& known : known_tables)
    for (const auto& [image, findings] : known.telling)
      for (const NihFilm& film : table.films)
        if (stem_of(film.image) == image && film.findings == findings) return cat("a part of ", known.name);
  return cat(table.films.size(), " rows, too few to tell which of NIH's tables they are of");
}

}  // namespace

void identify(NihTable& table) {
  std::vector<const NihFilm*> sorted;
  sorted.reserve(table.films.size());
  for (const NihFilm& film : table.films) sorted.push_back(&film);
  const auto stem = [](const NihFilm* film) { return stem_of(film->image); };
  if (!std::ranges::is_sorted(sorted, {}, stem)) std::ranges::sort(sorted, {}, stem);
  Sha256 hash;
  for (const NihFilm* film : sorted)
    hash.update(stem_of(film->image))
        .update("\t")
        .update(film->findings)
        .update("\t")
        .update(film->patient)
        .update("\n");
  table.sha256 = hash.hex();
  table.version = version_of(table);
}

std::vector<std::string> nih_differences(const NihTable& a, const NihTable& b) {
  std::unordered_map<std::string_view, const NihFilm*> other;
  for (const NihFilm& film : b.films) other.emplace(stem_of(film.image), &film);
  std::vector<std::string> lines;
  for (const NihFilm& film : a.films) {
    const auto found = other.find(stem_of(film.image));
    if (found == other.end() || found->second->findings == film.findings) continue;
    lines.push_back(cat(film.image, " is ", film.findings, " in ", printable(a.name), ":", film.line, " and ",
                        found->second->findings, " in ", printable(b.name), ":", found->second->line));
  }
  return lines;
}

NihTable join_nih_tables(NihTable a, const NihTable& b) {
  const std::vector<std::string> lines = nih_differences(a, b);
  std::string first;
  for (std::size_t i = 0; i < std::min<std::size_t>(lines.size(), 3); ++i)
    first += (i ? ", " : "") + lines[i];
  if (lines.size() > 3) first += cat(", and ", lines.size() - 3, " more");
  require<DataError>(lines.empty(), "nih: two versions of the table cannot be mixed: ", first,
                     "; name one of them with --table");
  std::unordered_map<std::string_view, const NihFilm*> there;
  for (const NihFilm& film : a.films) there.emplace(stem_of(film.image), &film);
  std::vector<NihFilm> more;
  for (const NihFilm& film : b.films)
    if (!there.contains(stem_of(film.image))) more.push_back(film);
  if (more.empty()) return a;
  a.films.insert(a.films.end(), more.begin(), more.end());
  a.name += " and " + b.name;
  a.notes.insert(a.notes.end(), b.notes.begin(), b.notes.end());
  identify(a);
  return a;
}

}  // namespace gadolin::chestxray
