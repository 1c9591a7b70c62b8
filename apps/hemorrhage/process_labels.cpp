// gadolin hemorrhage process-labels: RSNA's table of six rows an image, checked, and as one row an image.
#include <filesystem>

#include "apps/hemorrhage/archive.h"
#include "apps/hemorrhage/commands.h"
#include "apps/hemorrhage/labels.h"
#include "apps/program/output.h"
#include "io/atomic_file.h"
#include "io/bytes.h"
#include "io/csv.h"
#include "io/mapped_file.h"
#include "io/sha256.h"
#include "tensor/check.h"

namespace gadolin::hemorrhage {
namespace fs = std::filesystem;
namespace {

struct ProcessLabelsOptions {
  std::string data_dir, zip_dir;
  bool mend_any = false;
};

constexpr std::size_t text_piece = 1 << 20;
constexpr std::uint64_t most_table_bytes = std::uint64_t{1} << 30;  // RSNA's has 120 MB

// `any` is the OR of the subtypes, or nobody can tell which of the rows is wrong.
std::int64_t check_any(LabelTable& table, const std::string& path, bool mend) {
  std::int64_t wrong = 0;
  std::string first;
  for (auto& [name, image] : table.images) {
    if (!image.contradicts_any()) continue;
    if (wrong++ == 0)
      first =
          cat(name, image.label(any_label) ? " has any = 1 and no subtype" : " has a subtype and any = 0");
    if (mend) image.values ^= 1u << any_label;
  }
  require<DataError>(wrong == 0 || mend, "process-labels: ", printable(path),
                     ": any contradicts the subtypes of ", wrong, " of ", table.images.size(),
                     " images: ", first, "; correct the table, or add --mend-any to take the subtypes' word");
  return wrong;
}

// ID,Label,Sub_type,PatientID,ImgID in the order of the table without repeated rows. The original called the
// hexadecimal part of the image's name PatientID.
void write_processed(const std::string& from, LabelTable table, const std::string& to) {
  const MappedFile file(from);
  AtomicFile out(to);
  std::string piece = "ID,Label,Sub_type,PatientID,ImgID\n";
  std::size_t id = 0;
  each_csv_row(
      file.text(), from, [&](const CsvTable& head) { id = static_cast<std::size_t>(head.column("ID")); },
      [&](std::vector<std::string>& row, std::int64_t) {
        const RowId what = parse_row_id(row[id], from);
        ImageLabels& image = table.images.find(what.image)->second;
        const auto bit = static_cast<std::uint8_t>(1u << what.subtype);
        if ((image.said & bit) == 0) return;  // written before
        image.said = static_cast<std::uint8_t>(image.said & ~bit);
        piece += cat(row[id], ",", image.label(what.subtype) ? 1 : 0, ",", subtypes[what.subtype], ",",
                     what.image.substr(3), ",", what.image, "\n");
        if (piece.size() < text_piece) return;
        out.write(piece);
        piece.clear();
      });
  out.write(piece);
  out.commit();
}

// A row an image; subtypes in alphabetical order, as pandas pivots them. The original lost ImgID.
void write_reshaped(const LabelTable& table, const std::string& to) {
  std::string text = "ImgID,any,epidural,intraparenchymal,intraventricular,subarachnoid,subdural\n";
  for (const auto& [name, image] : table.images) {
    text += name;
    for (const std::size_t s : {5u, 0u, 1u, 2u, 3u, 4u}) text += image.label(s) ? ",1" : ",0";
    text += '\n';
  }
  write_file_atomically(to, text);
}

// The table out of the archive, which has it too, where the folder has none.
void settle_table(const Session& session, const ProcessLabelsOptions& o, const std::string& path) {
  std::error_code none;
  if (fs::exists(path, none)) return;
  const MappedFile file(find_archive("process-labels", o.zip_dir.empty() ? o.data_dir : o.zip_dir));
  const ZipFile zip(file.text(), file.path());
  const ZipEntry* found = nullptr;
  for (const ZipEntry& entry : zip.entries())
    if (entry.name.substr(entry.name.rfind('/') + 1) == "stage_2_train.csv") found = &entry;
  require<DataError>(found != nullptr, "process-labels: ", printable(file.path()),
                     " has no stage_2_train.csv; put the table in ", printable(o.data_dir));
  make_folders("process-labels", o.data_dir);
  write_file_atomically(path, zip.read(*found, most_table_bytes));
  session.say(cat(printable(path), " is from ", printable(file.path())));
}

void process_labels(Session& session, const ProcessLabelsOptions& o) {
  const auto in_folder = [&](const char* name) { return (fs::path(o.data_dir) / name).string(); };
  const std::string from = in_folder("stage_2_train.csv"),
                    processed = in_folder("processed_stage_2_train.csv"),
                    reshaped = in_folder("reshaped_stage_2_train.csv"),
                    record = in_folder("process_labels.json");
  settle_table(session, o, from);
  LabelTable table = read_labels(from);
  const std::int64_t mended = check_any(table, from, o.mend_any);
  write_processed(from, table, processed);
  write_reshaped(table, reshaped);
  Json facts{{"table", sha256_hex(MappedFile(from).text())},
             {"images", table.images.size()},
             {"rows", table.rows},
             {"repeated", table.repeated},
             {"any_corrected", mended}};
  std::vector<std::vector<std::string>> shown{{"label", "images"}};
  for (std::size_t s = 0; s < subtypes.size(); ++s) {
    std::int64_t count = 0;
    for (const auto& [name, image] : table.images) count += image.label(s);
    shown.push_back({subtypes[s], cat(count)});
    session.metric(subtypes[s], count);
    facts[subtypes[s]] = count;
  }
  write_file_atomically(record, facts.dump(1) + "\n");
  session.say(format_table(shown));
  session.say(cat(table.images.size(), " images, ", table.rows, " rows, ", table.repeated,
                  " of them repeated and left out; any corrected for ", mended, " images"));
  session.metric("images", table.images.size());
  session.metric("rows", table.rows);
  session.metric("repeated", table.repeated);
  session.metric("any_corrected", mended);
  session.output("processed", processed);
  session.output("reshaped", reshaped);
  session.output("record", record);
}

}  // namespace

void add_process_labels(Program& program, CLI::App* group) {
  const auto o = std::make_shared<ProcessLabelsOptions>();
  CLI::App* app = program.add(
      group, "process-labels", "The table of labels, checked, and as one row an image",
      [o](Session& s) { process_labels(s, *o); }, "gadolin hemorrhage process-labels --data_dir ct");
  app->add_option(
         "--data_dir,--data-dir", o->data_dir,
         "Folder with stage_2_train.csv, or with the archive; gets processed_ and reshaped_stage_2_train.csv")
      ->required();
  app->add_option("--zip_dir,--zip-dir", o->zip_dir,
                  "Archive that the table is taken from where --data_dir has none, or its folder; default: "
                  "--data_dir");
  app->add_flag("--mend-any", o->mend_any, "Where any contradicts the subtypes, make it what they say");
}

}  // namespace gadolin::hemorrhage
