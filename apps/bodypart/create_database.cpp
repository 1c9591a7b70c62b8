// gadolin bodypart create-database: the DICOM files of a folder, an archive or a DICOMDIR into a database of
// images.
#include <future>
#include <memory>
#include <unordered_map>

#include "apps/bodypart/commands.h"
#include "apps/program/output.h"
#include "data/database/database.h"
#include "data/dicom/dicom.h"
#include "data/image/image.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/sha256.h"
#include "tensor/check.h"

namespace gadolin::bodypart {
namespace {

constexpr std::size_t batch_rows = 256, batch_bytes = std::size_t{64} << 20;  // of one transaction
constexpr std::size_t listed_refusals = 20;  // refused files named in the log; --report names all
constexpr double progress_seconds = 5;

struct CreateDatabaseOptions {
  std::string source, database = "bodypart.db", credentials, report;
};

// Text as it may stand in a table: valid UTF-8 without control characters.
std::string clean(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(' '), end = text.find_last_not_of(' ');
  return begin == std::string::npos ? "" : printable(text.substr(begin, end - begin + 1));
}

// While one batch is written, the next one is read.
class Ingest {
 public:
  Ingest(Session& session, const CreateDatabaseOptions& o)
      : session_(session),
        database_(database_address(o.database, o.credentials), ImageDatabase::Mode::create) {}
  ~Ingest() {
    if (writing_.valid()) writing_.wait();
  }
  Ingest(const Ingest&) = delete;
  Ingest& operator=(const Ingest&) = delete;

  void add(const SourceFile& file) {
    ++files_;
    std::string why = file.error;
    ImageRow row;
    if (why.empty()) why = read(file, row);
    if (why.empty()) why = ImageDatabase::misfit(row);
    if (!why.empty()) return refuse(file.name, why);
    row.sha256 = sha256_hex(file.bytes);
    if (const auto [known, fresh] = seen_.emplace(row.id, row.sha256); !fresh) {
      if (known->second == row.sha256)
        ++repeated_;
      else
        refuse(file.name, "another file has the same SOPInstanceUID and other contents");
      return;
    }
    row.image = file.bytes;
    bytes_ += file.bytes.size();
    batch_bytes_ += file.bytes.size();
    batch_.push_back(std::move(row));
    if (batch_.size() == batch_rows || batch_bytes_ >= batch_bytes) flush();
    progress(file);
  }

  void finish(const CreateDatabaseOptions& o) {
    flush();
    settle();
    const double seconds = seconds_now() - begin_;
    if (!o.report.empty()) write_file_atomically(o.report, to_csv(report_));
    const std::size_t refused = report_.rows.size();
    if (refused > listed_refusals)
      session_.log(cat(refused - listed_refusals, " more files are not stored; --report FILE.csv lists all"));
    const std::int64_t stored = done_.inserted + done_.updated + done_.unchanged;
    session_.say(cat(files_, " files: ", done_.inserted, " inserted, ", done_.updated, " updated, ",
                     done_.unchanged, " there already, ", repeated_, " copies, ", refused, " not stored; ",
                     fixed(seconds, 2), " s, ",
                     fixed(static_cast<double>(bytes_) / 1e6 / std::max(seconds, 1e-9), 1), " MB/s"));
    session_.metric("files", files_);
    session_.metric("inserted", done_.inserted);
    session_.metric("updated", done_.updated);
    session_.metric("unchanged", done_.unchanged);
    session_.metric("copies", repeated_);
    session_.metric("refused", refused);
    session_.metric("bytes", bytes_);
    session_.metric("ingest_seconds", seconds);
    require<DataError, 72>(stored > 0, "create-database: none of ", files_, " files in ", printable(o.source),
                           " was stored", refused == 0 ? "" : cat(" (", report_.rows[0][1], ")"));
  }

 private:
  // "" or why there is no row.
  static std::string read(const SourceFile& file, ImageRow& row) {
    if (!DicomFile::looks_like(file.bytes)) return "no DICOM file";
    try {
      const DicomFile dicom(file.bytes, file.name, {.pixels = false, .limits = {}});
      row.id = clean(dicom.text(dicom::sop_instance));
      row.bodypart = upper(clean(dicom.text(dicom::body_part)));
      row.patient_id = clean(dicom.text(dicom::patient_id));
      row.study_uid = clean(dicom.text(dicom::study_instance));
      row.modality = clean(dicom.text(dicom::modality));
    } catch (const FormatError& error) {
      return error.message();
    }
    return "";
  }

  void refuse(const std::string& name, const std::string& why) {
    report_.rows.push_back({name, why});
    if (report_.rows.size() <= listed_refusals) session_.log(cat(printable(name), ": ", why));
    session_.event({{"event", "bad_sample"}, {"file", printable(name)}, {"message", why}});
  }

  void flush() {
    settle();
    if (batch_.empty()) return;
    writing_ =
        std::async(std::launch::async, [this, rows = std::move(batch_)] { return database_.write(rows); });
    batch_.clear();
    batch_bytes_ = 0;
  }
  void settle() {
    if (!writing_.valid()) return;
    const ImageDatabase::Written w = writing_.get();
    done_.inserted += w.inserted;
    done_.updated += w.updated;
    done_.unchanged += w.unchanged;
  }

  void progress(const SourceFile& file) {
    const double now = seconds_now();
    if (now - said_ < progress_seconds) return;
    said_ = now;
    const double rate = static_cast<double>(file.number + 1) / (now - begin_);
    session_.log(cat(file.number + 1, " of ", file.count, " files, ", fixed(rate, 0), " files/s, ",
                     fixed(static_cast<double>(bytes_) / 1e6 / (now - begin_), 1), " MB/s, ",
                     fixed(static_cast<double>(file.count - file.number - 1) / rate, 0), " s left"));
  }

  Session& session_;
  ImageDatabase database_;
  std::vector<ImageRow> batch_;
  std::future<ImageDatabase::Written> writing_;
  std::unordered_map<std::string, std::string> seen_;  // id -> sha256
  CsvTable report_{"", {"path", "reason"}, {}, {}};
  ImageDatabase::Written done_;
  std::size_t batch_bytes_ = 0, bytes_ = 0;
  std::int64_t files_ = 0, repeated_ = 0;
  double begin_ = seconds_now(), said_ = begin_;
};

void create_database(Session& session, const CreateDatabaseOptions& o) {
  require_dicom("create-database");
  require_database("create-database");
  if (!o.report.empty())
    check_output_file("create-database: --report", o.report, ".csv", {o.source, o.database, o.credentials});
  Ingest ingest(session, o);
  each_file(o.source, [&](const SourceFile& file) { ingest.add(file); });
  ingest.finish(o);
}

}  // namespace

void add_create_database(Program& program, CLI::App* group) {
  const auto o = std::make_shared<CreateDatabaseOptions>();
  CLI::App* app = program.add(
      group, "create-database", "DICOM files into a database of images",
      [o](Session& s) { create_database(s, *o); },
      "gadolin bodypart create-database --directory scans --database bodypart.db");
  app->add_option("-d,--directory", o->source, "Folder (with all its folders), zip archive or DICOMDIR")
      ->required();
  app->add_option("--database", o->database,
                  "SQLite file, mysql://USER@HOST/NAME or postgresql://USER@HOST/NAME")
      ->envname("GADOLIN_DATABASE")
      ->capture_default_str();
  app->add_option("--credentials", o->credentials,
                  "Option file whose section [client] holds user and password; or GADOLIN_DATABASE_USER and "
                  "GADOLIN_DATABASE_PASSWORD");
  app->add_option("--report", o->report, "CSV file of the files that are not stored, and why");
}

}  // namespace gadolin::bodypart
