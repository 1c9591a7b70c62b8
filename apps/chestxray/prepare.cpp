// gadolin chestxray prepare: NIH's table, lists and images into a manifest that train and eval read.
#include <cmath>
#include <filesystem>
#include <memory>

#include "apps/chestxray/commands.h"
#include "apps/chestxray/nih_division.h"
#include "apps/program/ranges.h"
#include "apps/program/version.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/staged_folder.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::chestxray {
namespace fs = std::filesystem;
namespace {

struct PrepareOptions {
  std::string source, out, split = "lists", shares = "0.7/0.1/0.2";
  std::vector<std::string> tables;
  bool skip_wrong = false;
  DivisionOptions how;
};

NihTable read_tables(const PrepareOptions& o) {
  const std::vector<std::string> paths = o.tables.empty() ? find_nih_tables(o.source) : o.tables;
  NihTable all = read_nih_table(paths[0]);
  for (std::size_t i = 1; i < paths.size(); ++i)
    all = join_nih_tables(std::move(all), read_nih_table(paths[i]));
  return all;
}

// Where the images of each folder begin as seen from the folder of the manifest: "../nih/images_001/".
std::vector<std::string> prefixes(const FoundImages& images, const std::string& source,
                                  const std::string& out) {
  std::error_code error;
  const fs::path base = fs::weakly_canonical(fs::absolute(out), error);
  std::vector<std::string> all;
  for (const std::string& folder : images.folders) {
    const fs::path place = fs::weakly_canonical(fs::absolute(fs::path(source) / folder), error);
    const std::string from = place.lexically_relative(base).string();
    all.push_back(from == "." ? "" : from + "/");
  }
  return all;
}

std::string manifest_text(const NihSet& nih, const PrepareOptions& o) {
  const std::vector<std::string> begin = prefixes(nih.images, o.source, o.out);
  bool outside = false;
  for (const std::string& prefix : begin) outside = outside || prefix.starts_with("..");
  std::string text = "path,patient,labels,split,sex,age,view";
  text += outside ? ",outside\n" : "\n";
  for (std::int64_t i = 0; i < nih.set->size(); ++i) {
    const NihFilm& film = nih.table.films[nih.row[static_cast<std::size_t>(i)]];
    const auto& place = nih.images.place.at(std::string(stem_of(film.image)));
    const std::string& prefix = begin[place.folder];
    text += csv_field(prefix + place.file) + "," + csv_field(film.patient) + "," + film.findings + "," +
            split_name(nih.set->info(i).split) + "," + film.sex + "," +
            (std::isnan(film.age) ? "" : exact_text(film.age)) + "," + csv_field(film.view);
    if (outside) text += prefix.starts_with("..") ? ",allowed" : ",";
    text += "\n";
  }
  return text;
}

std::string left_out_text(const std::vector<LeftOver>& left) {
  std::string text = "kind,name,reason\n";
  for (const LeftOver& l : left) text += l.kind + "," + csv_field(l.name) + "," + csv_field(l.reason) + "\n";
  return text;
}

Json split_counts(const Dataset& set) {
  std::array<std::int64_t, 4> counts{};
  for (std::int64_t i = 0; i < set.size(); ++i) ++counts[static_cast<std::size_t>(set.info(i).split)];
  return {{"train", counts[1]}, {"val", counts[2]}, {"test", counts[3]}};
}

struct LeftCounts {
  std::int64_t rows = 0, files = 0, listed = 0;
};

LeftCounts count_left(const std::vector<LeftOver>& left) {
  LeftCounts counts;
  for (const LeftOver& l : left)
    (l.kind == "row" ? counts.rows : l.kind == "file" ? counts.files : counts.listed) += 1;
  return counts;
}

Json facts_text(const NihSet& nih) {
  const LeftCounts left = count_left(nih.left);
  Json findings = Json::object();
  const auto counts = nih.set->class_counts();
  for (std::size_t k = 0; k < counts.size(); ++k) findings[nih.set->classes()[k]] = counts[k];
  return {{"program", cat("gadolin ", program_version(), ", commit ", program_commit())},
          {"table",
           {{"rows", nih.table.films.size()},
            {"sha256", nih.table.sha256},
            {"version", nih.table.version},
            {"notes", nih.table.notes}}},
          {"division", nih.division},
          {"images", nih.set->size()},
          {"splits", split_counts(*nih.set)},
          {"findings", findings},
          {"left_out", {{"rows", left.rows}, {"files", left.files}, {"listed", left.listed}}}};
}

// Some of each kind; all of them stand in left_out.csv.
void tell_left(Session& session, const NihSet& nih, const PrepareOptions& o) {
  constexpr std::int64_t shown = 10;
  std::map<std::string, std::int64_t> told;
  for (const LeftOver& l : nih.left)
    if (told[l.kind]++ < shown)
      session.log(cat("left over: ", l.kind, " ", printable(l.name), ": ", l.reason));
  for (const auto& [kind, count] : told)
    if (count > shown) session.log(cat("left over: ", kind, ": and ", count - shown, " more"));
  const LeftCounts left = count_left(nih.left);
  session.metric("left_out_rows", left.rows);
  session.metric("left_out_files", left.files);
  session.metric("left_out_listed", left.listed);
  require<DataError>(
      nih.left.empty() || o.skip_wrong, "chestxray prepare: ", left.rows,
      " rows without an image or a list, ", left.files, " images without a row and ", left.listed,
      " names of the lists without a row; some are named above; with --skip-wrong they are left "
      "out, and left_out.csv names them all");
}

void tell_set(Session& session, const NihSet& nih, const PrepareOptions& o) {
  std::set<std::string> patients;
  for (std::int64_t i = 0; i < nih.set->size(); ++i) patients.insert(nih.set->info(i).patient);
  session.say(cat("table: ", nih.table.films.size(), " rows, ", nih.table.version, ", sha256 ",
                  nih.table.sha256.substr(0, 12)));
  for (const std::string& note : nih.table.notes) session.say("note: " + note);
  session.say(nih.division["text"].get<std::string>());
  const auto counts = nih.set->class_counts();
  std::vector<std::vector<std::string>> rows{{"finding", "films"}};
  for (std::size_t k = 0; k < counts.size(); ++k)
    rows.push_back({nih.set->classes()[k], std::to_string(counts[k])});
  session.say(format_table(rows));
  const Json splits = split_counts(*nih.set);
  session.say(cat(nih.set->size(), " films of ", patients.size(), " patients in ", o.out, ": ",
                  splits["train"].get<std::int64_t>(), " train, ", splits["val"].get<std::int64_t>(),
                  " val, ", splits["test"].get<std::int64_t>(), " test; no patient is on two sides; ",
                  nih.left.size(), " rows, files and names are left out"));
  session.metric("films", nih.set->size());
  session.metric("patients", patients.size());
  session.metric("splits", splits);
  session.metric("division", nih.division["kind"]);
  session.metric("division_sha256", nih.division["sha256"]);
  session.metric("table_sha256", nih.table.sha256);
}

void prepare(Session& session, PrepareOptions& o) {
  o.how.random = o.split == "random";
  require<UsageError>(!o.how.random || (o.how.train_val.empty() && o.how.test.empty()),
                      "chestxray prepare: --split random takes no lists; leave out --train-val-list and "
                      "--test-list");
  o.how.shares = split_shares(o.shares, session.common().seed);
  require<DataError>(fs::is_directory(o.source), "chestxray prepare: ", printable(o.source),
                     " is no folder; it holds Data_Entry_2017.csv, the two lists and the images");
  StagedFolder folder("chestxray prepare", o.out);
  const NihSet nih = divide_nih(o.source, read_tables(o), o.how);
  tell_left(session, nih, o);
  write_file_atomically(folder / "manifest.csv", manifest_text(nih, o));
  write_file_atomically(folder / "manifest.json", facts_text(nih).dump(1) + "\n");
  if (!nih.left.empty()) write_file_atomically(folder / "left_out.csv", left_out_text(nih.left));
  folder.commit();
  tell_set(session, nih, o);
  session.output("manifest", (fs::path(o.out) / "manifest.csv").string());
  session.output("facts", (fs::path(o.out) / "manifest.json").string());
}

}  // namespace

void add_prepare(Program& program, CLI::App* group) {
  const auto o = std::make_shared<PrepareOptions>();
  CLI::App* app = program.add(
      group, "prepare", "NIH's table, lists and images into a manifest with splits",
      [o](Session& s) { prepare(s, *o); }, "gadolin chestxray prepare \"NIH Chest X-rays\" chest");
  app->add_option("source", o->source,
                  "Folder of Data_Entry_2017.csv, train_val_list.txt, test_list.txt, and images at any depth")
      ->required();
  app->add_option("out", o->out, "Folder to make: manifest.csv, manifest.json, left_out.csv")->required();
  app->add_option("--table", o->tables,
                  "NIH's table; default: Data_Entry*.csv in the folder. Several are joined, unless they are "
                  "two versions");
  app->add_option("--split", o->split,
                  "lists: NIH's two lists, with validation drawn from the first; random: by patient")
      ->check(one_of({"lists", "random"}))
      ->capture_default_str();
  app->add_option("--train-val-list", o->how.train_val, "Instead of train_val_list.txt in the folder");
  app->add_option("--test-list", o->how.test, "Instead of test_list.txt in the folder");
  app->add_option("--val-share", o->how.val_share,
                  "Of the films of the first list: for validation, whole patients; 0: none")
      ->check(between(0.0, 0.9))
      ->capture_default_str();
  app->add_option("--shares", o->shares, "With --split random: shares of train/val/test")
      ->capture_default_str();
  app->add_flag("--skip-wrong", o->skip_wrong,
                "Leave rows without images, images without rows and the like out, and name them in "
                "left_out.csv, instead of stopping");
}

}  // namespace gadolin::chestxray
