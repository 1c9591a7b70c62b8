// gadolin nodule import: reports and films into one table, with everything counted that does not fit.
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "apps/nodule/commands.h"
#include "apps/nodule/image_files.h"
#include "apps/nodule/reports.h"
#include "apps/program/output.h"
#include "apps/run/table_of_run.h"
#include "io/atomic_file.h"
#include "io/bytes.h"
#include "io/csv.h"
#include "io/json.h"
#include "io/staged_folder.h"
#include "tensor/check.h"

namespace gadolin::nodule {
namespace fs = std::filesystem;
namespace {

struct ImportOptions {
  std::string source, images, views, out;
  ReadOptions read;
};

// All that an import makes, before any of it is written.
class Import {
 public:
  explicit Import(const ImportOptions& o) : o_(o), reports_(read_reports(o.source, o.read)) {
    if (!o.images.empty()) files_.emplace(o.images);
    if (!o.views.empty()) views_ = read_views(o.views, remarks_);
    for (const Remark& remark : reports_.unread) note(remark);
    for (const Report& report : reports_.reports) add(report);
    if (files_)
      for (const std::string& file : files_->unclaimed())
        note({"file", file, "no report names this picture"});
    for (const auto& [kind, n] : kinds_) counts_[kind] = n;
  }

  // Steps in their order, with how many came through.
  const std::vector<std::pair<std::string, std::int64_t>> steps() const {
    return {{"reports read", std::ssize(reports_.reports)},
            {"reports without an image", without_image_},
            {"images named by reports", named_},
            {"images named before", twice_},
            {"images of other names", unnamed_},
            {"images whose file is there", files_ ? found_ : 0},
            {"images without a file", missing_},
            {"images in the table", std::ssize(manifest_.rows)},
            {"patients in the table", std::ssize(patients_)},
            {"images of a known view", viewed_},
            {"images whose label is in doubt", doubted_}};
  }
  const std::map<std::string, std::int64_t>& kinds() const { return counts_; }
  const std::vector<Remark>& remarks() const { return remarks_; }
  const std::string& form() const { return reports_.form; }
  bool empty() const { return manifest_.rows.empty(); }

  void write(const StagedFolder& out) const {
    write_file_atomically(out / "manifest.csv", to_csv(manifest_));
    mark_outside(out / "manifest.csv");
    write_file_atomically(out / "files.csv", to_csv(table_));
    CsvTable remarks{"remarks.csv", {"kind", "name", "text"}, {}, {}};
    for (const Remark& r : remarks_) remarks.rows.push_back({r.kind, r.name, r.text});
    write_file_atomically(out / "remarks.csv", to_csv(remarks));
    Json json{{"form", form()}, {"steps", Json::object()}, {"remarks", Json::object()}};
    for (const auto& [step, n] : steps()) json["steps"][step] = n;
    for (const auto& [kind, n] : counts_) json["remarks"][kind] = n;
    write_file_atomically(out / "import.json", json.dump(1) + "\n");
  }

 private:
  void note(Remark remark) {
    ++kinds_[remark.kind];
    remarks_.push_back(std::move(remark));
  }

  void add(const Report& report) {
    const std::optional<Remark> doubt = doubt_of(report);
    if (doubt) note(*doubt);
    for (const std::string& term : report.terms)
      if (is_blanked(term) && (!doubt || doubt->kind != "blanked label"))
        note({"blanked term", report.id, term});
    if (report.texts) {
      const bool none = report.findings.empty() && report.impression.empty();
      const bool blank = (report.findings.empty() || is_blanked(report.findings)) &&
                         (report.impression.empty() || is_blanked(report.impression));
      if (none)
        note({"no text", report.id, "neither findings nor impression"});
      else if (blank)
        note({"blanked text", report.id, "findings and impression are blanked words"});
    }
    if (report.images.empty()) {
      ++without_image_;
      note({"report", report.id, "the report has no image"});
    }
    for (const ReportImage& image : report.images) add(report, image, doubt);
  }

  void add(const Report& report, const ReportImage& image, const std::optional<Remark>& doubt) {
    ++named_;
    const auto id = image_id(image.id);
    if (!id) {
      ++unnamed_;
      return note({"image", image.id, cat("of ", report.id, ": no patient can be read from this name")});
    }
    if (!seen_.emplace(id->key, report.id).second) {
      ++twice_;
      return note({"image", image.id,
                   cat("stands in ", seen_[id->key], " and in ", report.id, "; the first one counts")});
    }
    std::string state = "not looked for", file;
    if (files_) file = files_->find(image, state);
    table_.rows.push_back({report.id, image.id, id->key, file, state});
    if (state == "found")
      ++found_;
    else if (files_) {
      ++missing_;
      return note(
          {"image", image.id,
           state == "missing" ? "there is no such picture" : "several pictures have this id; none is taken"});
    }
    if (file.empty()) file = image.id + ".png";
    std::string view = image.view;
    if (const auto known = views_.find(id->key); view.empty() && known != views_.end()) view = known->second;
    viewed_ += !view.empty();
    doubted_ += doubt.has_value();
    patients_.insert(id->patient);
    std::string terms;
    for (const std::string& term : report.terms) {
      require<DataError>(term.find('|') == std::string::npos, "nodule import: ", report.place, ": term '",
                         printable(term), "' holds the separator |; replace it");
      terms += (terms.empty() ? "" : "|") + term;
    }
    const std::string path = files_ ? path_from(o_.out, (fs::path(o_.images) / file).string()) : file;
    manifest_.rows.push_back(
        {path, "CXR" + id->patient, report.id, view, terms, doubt ? doubt->kind : std::string()});
  }

  const ImportOptions& o_;
  Reports reports_;
  std::optional<ImageFiles> files_;
  std::map<std::string, std::string> views_, seen_;
  std::vector<Remark> remarks_;
  std::map<std::string, std::int64_t> kinds_, counts_;
  std::set<std::string> patients_;
  std::int64_t without_image_ = 0, named_ = 0, twice_ = 0, unnamed_ = 0, found_ = 0, missing_ = 0,
               viewed_ = 0, doubted_ = 0;
  CsvTable manifest_{"manifest.csv", {"path", "patient", "report", "view", "terms", "doubt"}, {}, {}},
      table_{"files.csv", {"report", "image", "id", "file", "state"}, {}, {}};
};

void import_reports(Session& session, const ImportOptions& o) {
  check_output_folder("nodule import: --out", o.out, {o.source});
  StagedFolder out("nodule import", o.out);
  const Import import(o);
  constexpr std::size_t shown = 20;
  for (std::size_t i = 0; i < std::min(shown, import.remarks().size()); ++i) {
    const Remark& r = import.remarks()[i];
    session.log(cat(r.kind, ": ", printable(r.name), ": ", printable(r.text)));
  }
  if (import.remarks().size() > shown)
    session.log(cat("and ", import.remarks().size() - shown, " more remarks, in remarks.csv"));
  require<DataError>(!import.empty(), "nodule import: no image of ", printable(o.source),
                     " is left; files.csv would be empty: are --images the pictures of these reports?");
  import.write(out);
  out.commit();
  std::vector<std::vector<std::string>> rows{{"step", "count"}};
  for (const auto& [step, n] : import.steps()) rows.push_back({step, cat(n)});
  for (const auto& [kind, n] : import.kinds()) rows.push_back({"remarks: " + kind, cat(n)});
  session.say(format_table(rows));
  if (o.images.empty())
    session.log("no --images: files were not looked for, and paths are names that pictures may have");
  for (const auto& [step, n] : import.steps()) session.metric(step, n);
  session.metric("remarks", import.kinds());
  for (const char* file : {"manifest.csv", "files.csv", "remarks.csv", "import.json"})
    session.output(fs::path(file).stem().string(), o.out + "/" + file);
}

}  // namespace

void add_import(Program& program, CLI::App* group) {
  const auto o = std::make_shared<ImportOptions>();
  CLI::App* app = program.add(
      group, "import", "Reports of Open-i and their pictures into one table",
      [o](Session& s) { import_reports(s, *o); },
      "gadolin nodule import ecgen-radiology --images NLMCXR_png --out openi");
  app->add_option("source", o->source,
                  "The scraper's .json, a folder of .xml reports, or indiana_reports.csv")
      ->required();
  app->add_option("--images", o->images, "Folder with the pictures; without it files are not looked for");
  app->add_option("--projections", o->read.projections,
                  "The table of images of indiana_reports.csv, where it is not beside it");
  app->add_option("--views", o->views, "Table of DICOM headers: imageid, View Position, Patient Orientation");
  app->add_option("--out", o->out, "Folder for manifest.csv, files.csv, remarks.csv and import.json")
      ->required();
  app->add_flag("--skip-wrong", o->read.skip_wrong, "Leave out what cannot be read, and name it");
}

}  // namespace gadolin::nodule
