#include "apps/chestxray/nih_division.h"

#include <algorithm>
#include <filesystem>
#include <unordered_map>
#include <unordered_set>

#include "data/sets/division.h"
#include "io/bytes.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::chestxray {
namespace {

std::vector<int> labels_of(std::string_view findings) {
  const auto& known = nih_labels();
  std::vector<int> labels;
  for (std::size_t begin = 0; begin < findings.size();) {
    const std::size_t end = std::min(findings.find('|', begin), findings.size());
    labels.push_back(
        static_cast<int>(std::ranges::find(known, findings.substr(begin, end - begin)) - known.begin()));
    begin = end + 1;
  }
  return labels;
}

struct Lists {
  NihList train_val, test;
  bool official = false;
  std::unordered_map<std::string_view, Split> split;  // of a stem
};

Lists read_lists(const std::string& root, const DivisionOptions& o) {
  const auto path_of = [&](const std::string& given, const char* begin) {
    const std::string path = given.empty() ? find_nih_list(root, begin) : given;
    require<DataError>(!path.empty(), "nih: ", printable(root), " has no ", begin,
                       ".txt; name the lists with --train-val-list and --test-list, or divide by patient "
                       "with --split random");
    return path;
  };
  Lists lists{read_nih_list(path_of(o.train_val, "train_val_list")),
              read_nih_list(path_of(o.test, "test_list")),
              false,
              {}};
  lists.official = official_lists(lists.train_val, lists.test);
  for (const std::string& image : lists.train_val.images) lists.split.emplace(stem_of(image), Split::train);
  for (const std::string& image : lists.test.images)
    require<DataError>(lists.split.emplace(stem_of(image), Split::test).second, "nih: ", image, " is in ",
                       printable(lists.train_val.name), " and in ", printable(lists.test.name),
                       "; remove it from one of them, or divide by patient with --split random");
  return lists;
}

// Samples of the films that `keep` wants and that have a file; what has none is left over.
template <class Keep> void join_images(NihSet& nih, const Keep& keep) {
  std::vector<SampleInfo> samples;
  std::unordered_set<std::string_view> used;
  std::string stem;
  for (std::size_t row = 0; row < nih.table.films.size(); ++row) {
    const NihFilm& film = nih.table.films[row];
    stem = stem_of(film.image);
    const auto found = nih.images.place.find(stem);
    if (found != nih.images.place.end()) used.insert(found->first);
    if (found == nih.images.place.end()) {
      nih.left.push_back({"row", film.image, "no file of this name"});
    } else if (const Split split = keep(stem); split != Split::none) {
      SampleInfo info;
      info.name = film.image;
      info.patient = film.patient;
      info.labels = labels_of(film.findings);
      info.split = split;
      info.record = static_cast<std::int64_t>(samples.size());
      samples.push_back(std::move(info));
      nih.row.push_back(row);
    } else {
      nih.left.push_back({"row", film.image, "in neither list"});
    }
  }
  std::vector<std::string> files;
  for (const auto& [name, place] : nih.images.place)
    if (!used.contains(name)) files.push_back(nih.images.name_of(place));
  std::ranges::sort(files);
  for (std::string& file : files) nih.left.push_back({"file", std::move(file), "no row of this name"});
  for (const std::string& file : nih.images.doubled)
    nih.left.push_back({"file", file, "another file of this name was taken"});
  require<DataError>(!samples.empty(), "nih: none of ", nih.table.films.size(), " rows of ",
                     printable(nih.table.name), " has an image among ", nih.images.place.size(),
                     " that were found; is this the folder of the images?");
  const auto& labels = nih_labels();
  nih.set = std::make_unique<Dataset>(std::vector<std::string>(labels.begin(), labels.end()), true,
                                      std::move(samples), "");
}

// Part of the patients of train_val become validation.
void carve_validation(Dataset& set, const DivisionOptions& o) {
  std::vector<std::int64_t> places;
  for (std::int64_t i = 0; i < set.size(); ++i)
    if (set.info(i).split == Split::train) places.push_back(i);
  if (o.val_share == 0 || places.empty()) return;
  const auto part = set.subset(places);
  assign_splits(*part, {1 - o.val_share, o.val_share, 0, o.shares.seed, true});
  for (std::size_t k = 0; k < places.size(); ++k)
    set.set_split(places[k], part->info(static_cast<std::int64_t>(k)).split);
}

std::string about(const NihList& list) {
  return cat(printable(list.name), ", ", list.images.size(), " names, sha256 ", list.sha256.substr(0, 12));
}

Json facts_of(const NihList& list) {
  return {{"file", printable(list.name)}, {"names", list.images.size()}, {"sha256", list.sha256}};
}

Json by_lists(const Lists& lists, const DivisionOptions& o) {
  const std::string validation = o.val_share > 0 ? cat("; validation is ", exact_text(o.val_share),
                                                       " of the first, by patient, seed ", o.shares.seed)
                                                 : "; no validation";
  return {{"kind", lists.official ? "official" : "lists"},
          {"text", cat("split: ", lists.official ? "the official lists" : "own lists, not the official ones",
                       " (", about(lists.train_val), "; ", about(lists.test), ")", validation)},
          {"train_val_list", facts_of(lists.train_val)},
          {"test_list", facts_of(lists.test)},
          {"validation", {{"share", o.val_share}, {"by", "patient"}, {"seed", o.shares.seed}}}};
}

}  // namespace

NihSet divide_nih(const std::string& root, NihTable table, const DivisionOptions& o) {
  NihSet nih{std::move(table), {}, {}, {}, {}, {}};
  Lists lists;
  if (!o.random) lists = read_lists(root, o);
  nih.images = find_images(root);
  if (o.random) {
    join_images(nih, [](const std::string&) { return Split::train; });
    assign_splits(*nih.set, o.shares);
    nih.division = {{"kind", "random"},
                    {"text", cat("split: random by patient, train/val/test ", exact_text(o.shares.train), "/",
                                 exact_text(o.shares.val), "/", exact_text(o.shares.test), ", seed ",
                                 o.shares.seed, ", not the official lists")}};
  } else {
    std::unordered_set<std::string_view> rows;
    for (const NihFilm& film : nih.table.films) rows.insert(stem_of(film.image));
    join_images(nih, [&](const std::string& stem) {
      const auto found = lists.split.find(stem);
      return found == lists.split.end() ? Split::none : found->second;
    });
    for (const NihList* list : {&lists.train_val, &lists.test})
      for (const std::string& image : list->images)
        if (!rows.contains(stem_of(image)))
          nih.left.push_back({"list", image, cat("in ", printable(list->name), ", but no row of this name")});
    const std::vector<Leak> leaks = patient_leaks(*nih.set);
    require<DataError>(leaks.empty(), "nih: ", leaks.size(),
                       leaks.size() == 1 ? " patient is" : " patients are", " in both lists: of one of them ",
                       leaks.empty() ? "" : leaks[0].first, " and ", leaks.empty() ? "" : leaks[0].second,
                       "; what is measured on the test list would be too good, mend the lists");
    carve_validation(*nih.set, o);
    nih.division = by_lists(lists, o);
  }
  nih.division["sha256"] = division_sha256(*nih.set);
  return nih;
}

}  // namespace gadolin::chestxray
