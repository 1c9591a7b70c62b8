// gadolin nodule prepare: labels by the original's keywords, and a division by patient.
#include <filesystem>
#include <map>
#include <set>

#include "apps/nodule/commands.h"
#include "apps/nodule/keywords.h"
#include "apps/nodule/reports.h"
#include "apps/program/output.h"
#include "apps/run/table_of_run.h"
#include "data/sets/split.h"
#include "io/atomic_file.h"
#include "io/bytes.h"
#include "io/csv.h"
#include "io/json.h"
#include "io/staged_folder.h"
#include "tensor/check.h"
#include "tensor/random.h"

namespace gadolin::nodule {
namespace fs = std::filesystem;
namespace {

struct PrepareOptions {
  std::string manifest, out, shares = "0.7/0.1/0.2", views = "frontal";
  bool mentions = false, legacy = false;
};

struct Row {
  std::string path, patient, view, composite, doubt;
  bool mentions = false, within = false;  // a nodule; "normal" as a part of another word
};

std::vector<Row> rows_of(const PrepareOptions& o) {
  const CsvTable table = read_csv(o.manifest);
  const auto at = [&](const char* column) { return static_cast<std::size_t>(table.column(column)); };
  const std::size_t path = at("path"), patient = at("patient"), view = at("view"), terms = at("terms"),
                    doubt = at("doubt");
  const fs::path folder = fs::absolute(o.manifest).parent_path();
  std::vector<Row> rows;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const auto& row = table.rows[i];
    require<DataError>(!row[path].empty() && !row[patient].empty(), "nodule prepare: ", table.place(i),
                       ": path or patient is empty; prepare reads the table of nodule import");
    const std::vector<std::string> words = terms_of(row[terms]);
    rows.push_back({path_from(o.out, (folder / row[path]).string()), row[patient], row[view],
                    composite_label(words), row[doubt], mentions_nodule(words), normal_within_a_word(words)});
  }
  return rows;
}

// normal, nodule, or nothing of both; by the original's composite labels.
std::string class_of(const Row& row, bool mentions) {
  if (row.composite == "normal") return "normal";
  if (row.composite == "nodule" || row.composite == "calcinosisnodule") return "nodule";
  return mentions && row.mentions ? "nodule" : "";
}

// Why an image is not learnt from; empty: it is.
std::string reason_against(const Row& row, const PrepareOptions& o) {
  if (!row.doubt.empty()) return row.doubt;
  const std::string label = class_of(row, o.mentions);
  if (label.empty()) return "another label";
  if (label == "normal" && row.within) return "normal only as a part of a word";
  if (o.views == "frontal" && is_lateral(row.view)) return "lateral";
  return "";
}

CsvTable labelled_table(const std::string& name) {
  return {name, {"path", "patient", "labels", "split", "composite", "view"}, {}, {}};
}
void add_row(CsvTable& table, const Row& row, const std::string& label, const std::string& split) {
  table.rows.push_back({row.path, row.patient, label, split, row.composite, row.view});
}

// Slices of each list: places [begin, end) of it, the end open where it is -1.
struct Slice {
  const char* label;
  const char* split;
  std::size_t begin, end;
};
constexpr std::size_t open_end = static_cast<std::size_t>(-1);
constexpr Slice legacy_slices[] = {
    {"normal", "train", 400, 500},        {"nodule", "train", 0, 54},
    {"calcinosisnodule", "train", 0, 23}, {"normal", "test", 500, 550},
    {"nodule", "test", 49, open_end},     {"calcinosisnodule", "test", 23, open_end}};

// Every composite label with its images, the most frequent first.
CsvTable label_counts(const std::vector<Row>& rows) {
  std::map<std::string, std::int64_t> counts;
  for (const Row& row : rows) ++counts[row.composite];
  std::vector<std::pair<std::string, std::int64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  CsvTable table{"labels.csv", {"label", "images"}, {}, {}};
  for (const auto& [label, n] : sorted) table.rows.push_back({label, cat(n)});
  return table;
}

void write_table(Session& session, const StagedFolder& out, const PrepareOptions& o, const CsvTable& table) {
  write_file_atomically(out / table.name, to_csv(table));
  if (table.find("path") >= 0 && table.find("labels") >= 0) mark_outside(out / table.name);
  session.output(fs::path(table.name).stem().string(), o.out + "/" + table.name);
}

// As the original divided: two tables, because images stand in both. The order within a list was that of a
// hash; here it is the manifest's, and --seed shuffles training images as the original did without one.
void prepare_legacy(Session& session, const PrepareOptions& o, const std::vector<Row>& rows,
                    const StagedFolder& out) {
  std::map<std::string, std::vector<const Row*>> lists;
  for (const Row& row : rows) lists[row.composite].push_back(&row);
  std::map<std::string, std::vector<std::pair<const Row*, std::string>>> sides;
  for (const Slice& slice : legacy_slices) {
    const auto& list = lists[slice.label];
    const std::size_t end = slice.end == open_end ? list.size() : slice.end;
    require<DataError>(slice.begin < end && end <= list.size(), "nodule prepare: --legacy takes images ",
                       slice.begin, " to ", slice.end == open_end ? slice.begin : end - 1, " labelled ",
                       slice.label, ", and there are ", list.size(),
                       "; leave it out, and the set is divided by patient");
    for (std::size_t i = slice.begin; i < end; ++i)
      sides[slice.split].emplace_back(list[i], std::string(slice.label) == "normal" ? "normal" : "nodule");
  }
  std::map<std::string, std::set<std::string>> paths, patients;
  for (auto& [split, side] : sides) {
    RandomStream random(session.common().seed, stream_id(0x6e6f64756cu, split == "test"));
    shuffle(side, random);
    CsvTable table = labelled_table(split + ".csv");
    for (const auto& [row, label] : side) {
      add_row(table, *row, label, split);
      paths[split].insert(row->path);
      patients[split].insert(row->patient);
    }
    write_table(session, out, o, table);
    session.say(cat(split, ": ", side.size(), " images, ", patients[split].size(), " patients"));
    session.metric(split, side.size());
  }
  const auto shared = [](const std::set<std::string>& a, const std::set<std::string>& b) {
    return std::count_if(a.begin(), a.end(), [&](const auto& x) { return b.contains(x); });
  };
  const auto images = shared(paths["train"], paths["test"]),
             people = shared(patients["train"], patients["test"]);
  session.say(cat("overlap: ", images, " images and ", people,
                  " patients are in training and in test, so a test is no test; this is the original's "
                  "division"));
  session.metric("shared_images", images);
  session.metric("shared_patients", people);
}

void prepare_by_patient(Session& session, const PrepareOptions& o, const std::vector<Row>& rows,
                        const StagedFolder& out) {
  CsvTable table = labelled_table("manifest.csv"),
           left{"left_out.csv", {"path", "composite", "reason"}, {}, {}};
  std::map<std::string, std::int64_t> reasons;
  std::int64_t unknown = 0;
  for (const Row& row : rows) {
    const std::string label = class_of(row, o.mentions);
    const std::string reason = reason_against(row, o);
    if (!reason.empty()) {
      ++reasons[reason];
      left.rows.push_back({row.path, row.composite, reason});
      continue;
    }
    unknown += row.view.empty();
    add_row(table, row, label, "");
  }
  require<DataError>(!table.rows.empty(), "nodule prepare: no image of ", printable(o.manifest),
                     " is labelled normal or nodule and usable; left out are ", left.rows.size());
  write_table(session, out, o, left);
  write_table(session, out, o, table);
  DatasetOptions read;
  read.allow_outside = true;
  read.classes = {"normal", "nodule"};
  const std::string written = out / "manifest.csv";
  const auto set = open_manifest(written, read);
  assign_splits(*set, split_shares(o.shares, session.common().seed));
  write_splits(written, *set);
  std::vector<std::vector<std::string>> shown{{"split", "normal", "nodule", "patients"}};
  for (const Split split : {Split::train, Split::val, Split::test}) {
    if (!set->has_split(split)) continue;
    const auto part = set->subset(split);
    std::set<std::string> patients;
    for (std::int64_t i = 0; i < part->size(); ++i) patients.insert(part->patient(i));
    const auto counts = part->class_counts();
    shown.push_back({split_name(split), cat(counts[0]), cat(counts[1]), cat(patients.size())});
    session.metric(split_name(split),
                   Json{{"normal", counts[0]}, {"nodule", counts[1]}, {"patients", patients.size()}});
  }
  session.say(format_table(shown));
  std::vector<std::vector<std::string>> why{{"left out", "images"}};
  for (const auto& [reason, n] : reasons) why.push_back({reason, cat(n)});
  if (why.size() > 1) session.say(format_table(why));
  session.metric("left_out", reasons);
  if (o.views == "frontal" && unknown > 0)
    session.log(cat("the view of ", unknown, " of ", table.rows.size(),
                    " images is not known: lateral films may be among them; import --views names views"));
}

void prepare(Session& session, const PrepareOptions& o) {
  require<UsageError>(o.views == "frontal" || o.views == "all", "--views ", o.views,
                      " is unknown; use frontal or all");
  split_shares(o.shares);
  check_output_folder("nodule prepare: --out", o.out, {o.manifest});
  const std::vector<Row> rows = rows_of(o);
  StagedFolder out("nodule prepare", o.out);
  const CsvTable labels = label_counts(rows);
  write_table(session, out, o, labels);
  const auto mentions = std::count_if(rows.begin(), rows.end(), [](const Row& row) { return row.mentions; });
  session.say(cat(rows.size(), " images, ", labels.rows.size(), " composite labels; ", mentions,
                  " images mention a nodule"));
  session.metric("images", rows.size());
  session.metric("labels", labels.rows.size());
  session.metric("mention_nodule", mentions);
  if (o.legacy)
    prepare_legacy(session, o, rows, out);
  else
    prepare_by_patient(session, o, rows, out);
  out.commit();
}

}  // namespace

void add_prepare(Program& program, CLI::App* group) {
  const auto o = std::make_shared<PrepareOptions>();
  CLI::App* app = program.add(
      group, "prepare", "Labels by the original's keywords, divided by patient",
      [o](Session& s) { prepare(s, *o); }, "gadolin nodule prepare openi/manifest.csv --out labelled");
  app->add_option("manifest", o->manifest, "manifest.csv of nodule import")->required();
  app->add_option("--out", o->out, "Folder for manifest.csv, labels.csv and left_out.csv")->required();
  app->add_option("--shares", o->shares, "train/val/test by patient")->capture_default_str();
  app->add_option("--views", o->views, "frontal: lateral films are left out; all")->capture_default_str();
  app->add_flag("--mentions", o->mentions, "Every image whose terms mention a nodule is one of class nodule");
  app->add_flag("--legacy", o->legacy,
                "The original's slices, train.csv and test.csv, with images and patients in both");
}

}  // namespace gadolin::nodule
