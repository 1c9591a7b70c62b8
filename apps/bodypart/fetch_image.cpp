// gadolin bodypart fetch-image: the images of one body part out of the database, as DICOM files, pictures and
// labels.
#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>

#include "apps/bodypart/commands.h"
#include "apps/program/ranges.h"
#include "apps/run/display.h"
#include "data/database/database.h"
#include "data/dicom/dicom.h"
#include "data/image/image.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/sha256.h"
#include "tensor/check.h"

namespace gadolin::bodypart {
namespace fs = std::filesystem;
namespace {

constexpr int page_rows = 500;            // rows asked for at once, without their images
constexpr std::size_t listed_names = 20;  // names in messages and in the log
constexpr std::size_t longest_part = 80;  // of the name of a file

struct FetchImageOptions {
  std::string query, directory, metadata = "false", database = "bodypart.db", credentials, window = "auto";
  int bits = 8;
  bool all = false;  // every body part of the database
};

// The attributes of --metadata: identification, dates, equipment, exposure, geometry and display. No private
// ones.
constexpr const char* metadata_keywords[] = {"SOPClassUID",
                                             "SOPInstanceUID",
                                             "StudyInstanceUID",
                                             "SeriesInstanceUID",
                                             "StudyDate",
                                             "SeriesDate",
                                             "AcquisitionDate",
                                             "ContentDate",
                                             "StudyTime",
                                             "SeriesTime",
                                             "AcquisitionTime",
                                             "ContentTime",
                                             "AccessionNumber",
                                             "Modality",
                                             "Manufacturer",
                                             "ManufacturerModelName",
                                             "InstitutionName",
                                             "StationName",
                                             "StudyDescription",
                                             "SeriesDescription",
                                             "PatientName",
                                             "PatientID",
                                             "PatientBirthDate",
                                             "PatientSex",
                                             "PatientAge",
                                             "BodyPartExamined",
                                             "ViewPosition",
                                             "Laterality",
                                             "PlateID",
                                             "ImagerPixelSpacing",
                                             "PixelSpacing",
                                             "PositionerType",
                                             "PhotometricInterpretation",
                                             "StudyID",
                                             "SeriesNumber",
                                             "AcquisitionNumber",
                                             "InstanceNumber",
                                             "Rows",
                                             "Columns",
                                             "SamplesPerPixel",
                                             "BitsAllocated",
                                             "BitsStored",
                                             "HighBit",
                                             "PixelRepresentation",
                                             "WindowCenter",
                                             "WindowWidth",
                                             "RescaleIntercept",
                                             "RescaleSlope",
                                             "RescaleType",
                                             "LossyImageCompression",
                                             "RequestingPhysician",
                                             "RequestingService",
                                             "PerformedProcedureStepID",
                                             "PerformedProcedureStepDescription"};

// The reference's pixels: uint8(max(p, 0) / max(p) * 255) of the stored values, truncated; no window, no
// inversion. Black where nothing is above 0.
Image legacy_picture(const DicomImage& image) {
  require<FormatError, 72>(
      image.channels == 1,
      "fetch-image: --window legacy is of grey pictures, this one has colours; leave --window out");
  Image out(image.columns, image.rows, 1);
  const std::int32_t* v = image.samples.data<std::int32_t>();
  const double most = *std::max_element(v, v + out.numel());
  for (std::size_t i = 0; i < out.numel(); ++i) {
    if (v[i] > 0) out.pixels[i] = static_cast<std::uint8_t>(v[i] / most * 255);
  }
  return out;
}

// Part of a file name: blanks go, what is no letter, digit, dot, hyphen or underscore becomes an underscore.
std::string name_part(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == ' ' || c == '\0') continue;
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '.' || c == '-' || c == '_';
    out += plain ? c : '_';
  }
  if (!out.empty() && out[0] == '.') out[0] = '_';
  return out.substr(0, longest_part);
}

// BODYPART_UID_MODALITY. A UID that does not survive in a name is told apart by a digest.
std::string picture_stem(const ImageRow& row) {
  std::string id = name_part(row.id);
  if (id != row.id) id += "-" + sha256_hex(row.id).substr(0, 12);
  return name_part(row.bodypart) + "_" + id + "_" + name_part(row.modality);
}

// CHEST -> Chest.
std::string label_of(const std::string& text) {
  std::string bodypart = printable(text);
  for (char& c : bodypart)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return upper(bodypart.substr(0, 1)) + bodypart.substr(1);
}

bool flag(const std::string& name, const std::string& text) {
  const std::string low = label_of(text);
  const bool yes = low == "True" || low == "Yes" || low == "On" || low == "1",
             no = low == "False" || low == "No" || low == "Off" || low == "0";
  require<UsageError>(yes || no, "fetch-image: ", name, " ", printable(text), " is neither true nor false");
  return yes;
}

class Fetch {
 public:
  Fetch(Session& session, const FetchImageOptions& o)
      : session_(session), o_(o), legacy_(o.window == "legacy"), metadata_(flag("--metadata", o.metadata)),
        display_(display_options(legacy_ ? "auto" : o.window, o.bits)), query_(upper(o.query)),
        address_(database_address(o.database, o.credentials)),
        database_(address_, ImageDatabase::Mode::read) {
    require<UsageError>(o.all == o.query.empty(),
                        "fetch-image: one body part or all of them; give --query NAME or --all");
    require<UsageError>(!legacy_ || o.bits == 8,
                        "fetch-image: --window legacy has 8 bits; leave --bits 16 out");
    for (const char* keyword : metadata_keywords) dump_.only.push_back(dicom_tag(keyword));
    dump_.show_identity = true;
  }

  void run() {
    std::vector<std::string> wanted{query_};
    if (o_.all) {
      wanted.clear();
      for (const auto& [name, count] : database_.body_parts())
        if (!name.empty()) wanted.push_back(name);
    } else if (query_ != o_.query && database_.list(query_, "", 1).empty() &&
               !database_.list(o_.query, "", 1).empty()) {
      wanted = {o_.query};  // create-database writes capitals, others may not
    }
    if (wanted.empty() || database_.list(wanted[0], "", 1).empty()) nothing_found();
    for (const char* folder : {"fetch", "images", "labels"}) make_folder(folder);
    read_manifest();
    for (const std::string& name : wanted) fetch_all(name);
    write_manifest();
    report();
  }

 private:
  void fetch_all(const std::string& bodypart) {
    auto rows = database_.list(bodypart, "", page_rows);
    while (!rows.empty()) {
      // A picture without a line would count as a patient of its own: the lines come first.
      for (const ImageRow& row : rows) {
        const std::string path = "images/" + picture_stem(row) + ".png";
        manifest_[path] = {path, row.patient_id, row.study_uid, label_of(row.bodypart)};
      }
      write_manifest();
      for (const ImageRow& row : rows) fetch(row);
      rows = database_.list(bodypart, rows.back().id, page_rows);
    }
  }

  std::string at(const std::string& path) const { return (fs::path(o_.directory) / path).string(); }

  void make_folder(const char* name) const { make_folders("fetch-image", at(name)); }

  [[noreturn]] void nothing_found() {
    std::string others;
    std::size_t n = 0;
    for (const auto& [name, count] : database_.body_parts()) {
      if (++n <= listed_names) others += cat(others.empty() ? "" : ", ", printable(name), " (", count, ")");
    }
    if (n > listed_names) others += cat(" and ", n - listed_names, " more");
    fail<DataError, 73>("fetch-image: ", address_.shown(), " has no image",
                        o_.all ? std::string() : " of " + printable(query_),
                        others.empty() ? "" : "; it has ", others);
  }

  void read_manifest() {
    std::error_code error;
    if (!fs::exists(at("manifest.csv"), error)) return;
    const CsvTable table = read_csv(at("manifest.csv"));
    std::size_t columns[4];
    const char* names[4] = {"path", "patient_id", "study_id", "label"};
    for (std::size_t i = 0; i < 4; ++i) columns[i] = static_cast<std::size_t>(table.column(names[i]));
    for (const auto& row : table.rows)
      manifest_[row[columns[0]]] = {row[columns[0]], row[columns[1]], row[columns[2]], row[columns[3]]};
  }
  void write_manifest() const {
    CsvTable table{"", {"path", "patient_id", "study_id", "label"}, {}, {}};
    for (const auto& [path, row] : manifest_) table.rows.push_back(row);
    write_file_atomically(at("manifest.csv"), to_csv(table));
  }

  void fetch(const ImageRow& row) {
    const std::string stem = picture_stem(row);
    try {
      const std::optional<std::string> bytes = database_.image(row.id);
      require<DataError, 74>(bytes.has_value(),
                             "fetch-image: the image was removed from the database meanwhile");
      require<DataError, 74>(row.sha256.empty() || sha256_hex(*bytes) == row.sha256,
                             "fetch-image: the image does not have the SHA-256 noted beside it");
      write_file_atomically(at("fetch/" + stem + ".dcm"), *bytes);
      const DicomFile file(*bytes, stem);
      const DicomImage image = read_dicom_image(file, 0);
      const Image picture = legacy_ ? legacy_picture(image) : to_image(image, display_);
      several_frames_ += file.integer(dicom::number_of_frames, 1) > 1;
      blank_ += std::all_of(picture.pixels.begin(), picture.pixels.end(),
                            [&](std::uint8_t v) { return v == picture.pixels[0]; });
      write_png(at("images/" + stem + ".png"), picture);
      write_file_atomically(at("labels/" + stem + ".txt"), label_of(row.bodypart));
      if (metadata_) write_file_atomically(at("labels/" + stem + ".json"), facts_of(row, file) + "\n");
      ++written_;
    } catch (const Error& error) {
      if (error.exit_code() != Exit::data && dynamic_cast<const ValueError*>(&error) == nullptr) throw;
      manifest_.erase("images/" + stem + ".png");
      ++failed_;
      if (first_.empty()) first_ = error.message();
      if (failed_ <= static_cast<std::int64_t>(listed_names)) session_.log(error.what());
      session_.event(
          {{"event", "bad_sample"}, {"file", stem}, {"code", error.code()}, {"message", error.message()}});
    }
  }

  std::string facts_of(const ImageRow& row, const DicomFile& file) const {
    const auto text = [](const std::string& value) {
      return value.empty() ? Json() : Json(printable(value));
    };
    const Json facts = {{"id", text(row.id)},
                        {"bodypart", text(row.bodypart)},
                        {"label", label_of(row.bodypart)},
                        {"patient_id", text(row.patient_id)},
                        {"study_uid", text(row.study_uid)},
                        {"modality", text(row.modality)},
                        {"sha256", text(row.sha256)},
                        {"window", o_.window},
                        {"bits", o_.bits},
                        {"dataset", Json::parse(dump_json(file, dump_))}};
    return facts.dump(2);
  }

  void report() {
    if (several_frames_ > 0)
      session_.log(cat(several_frames_, " images have several frames; the first one is the picture"));
    if (blank_ > 0) session_.log(cat(blank_, " pictures have one value everywhere"));
    session_.say(cat(written_, " images of ", o_.all ? "all body parts" : printable(query_), " in ",
                     o_.directory, failed_ == 0 ? "" : cat("; ", failed_, " could not be shown")));
    session_.metric("written", written_);
    session_.metric("failed", failed_);
    session_.metric("blank", blank_);
    session_.output("images", at("images"));
    session_.output("labels", at("labels"));
    session_.output("manifest", at("manifest.csv"));
    require<DataError, 75>(written_ > 0, "fetch-image: none of ", failed_, " images could be shown (", first_,
                           ")");
  }

  Session& session_;
  const FetchImageOptions& o_;
  bool legacy_, metadata_;
  DicomDisplayOptions display_;
  std::string query_;
  DatabaseAddress address_;
  ImageDatabase database_;
  DumpOptions dump_;
  std::map<std::string, std::vector<std::string>> manifest_;  // by path
  std::int64_t written_ = 0, failed_ = 0, blank_ = 0, several_frames_ = 0;
  std::string first_;
};

void fetch_image(Session& session, const FetchImageOptions& o) {
  require_dicom("fetch-image");
  require_database("fetch-image");
  Fetch(session, o).run();
}

}  // namespace

void add_fetch_image(Program& program, CLI::App* group) {
  const auto o = std::make_shared<FetchImageOptions>();
  CLI::App* app = program.add(
      group, "fetch-image", "Images of a body part, or of all, out of the database, as pictures with labels",
      [o](Session& s) { fetch_image(s, *o); },
      "gadolin bodypart fetch-image --query CHEST --directory films");
  app->add_option("-q,--query", o->query, "Body part, such as CHEST");
  app->add_flag("--all", o->all, "All body parts of the database");
  app->add_option("-d,--directory", o->directory,
                  "Folder for fetch/, images/, labels/ and manifest.csv; more may be fetched into it")
      ->required();
  app->add_option("-m,--metadata", o->metadata,
                  "Write labels/NAME.json too, with patient and study: true or false")
      ->expected(0, 1)
      ->default_str("true");
  app->add_option("--database", o->database,
                  "SQLite file, mysql://USER@HOST/NAME or postgresql://USER@HOST/NAME")
      ->envname("GADOLIN_DATABASE")
      ->capture_default_str();
  app->add_option("--credentials", o->credentials,
                  "Option file whose section [client] holds user and password; or GADOLIN_DATABASE_USER and "
                  "GADOLIN_DATABASE_PASSWORD");
  app->add_option("--window", o->window,
                  "auto, file, percentile, full, center/width, or legacy: the reference's max(p, 0) / max(p)")
      ->capture_default_str();
  app->add_option("--bits", o->bits, "Of the PNG files")->check(one_of({"8", "16"}))->capture_default_str();
}

}  // namespace gadolin::bodypart
