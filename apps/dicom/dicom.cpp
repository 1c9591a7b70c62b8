// gadolin dicom: headers as text, JSON or CSV; pixels as PNG or NPY; de-identified copies; an index of many
// files.
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <random>
#include <set>

#include "apps/commands.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "apps/run/display.h"
#include "apps/run/table_of_run.h"
#include "data/dicom/dicom.h"
#include "io/atomic_file.h"
#include "io/npy.h"
#include "tensor/check.h"

namespace gadolin {
namespace fs = std::filesystem;
namespace {

struct DicomCommandOptions {
  std::vector<std::string> inputs, fields;
  std::string out, format = "text", window = "auto", values = "stored", frame = "all", key;
  int bits = 8;
  bool anonymize = false, hide = false, keep_ids = false;
};

// What was read although it breaks the standard.
void tell_warnings(Session& session, const DicomFile& file) {
  for (const std::string& text : file.warnings()) {
    session.log(cat("warning: ", printable(file.name()), ": ", text));
    session.event({{"event", "warning"}, {"file", file.name()}, {"text", text}});
  }
}

void dump(Session& session, const DicomCommandOptions& o) {
  require_dicom("dicom dump");
  DumpOptions how;
  for (const std::string& field : o.fields) how.only.push_back(dicom_tag(field));
  how.show_identity = !o.hide;
  for (const std::string& path : o.inputs) {
    const DicomFile file = DicomFile::open(path, {.pixels = true, .limits = {}});
    std::string text = o.format == "json"  ? dump_json(file, how)
                       : o.format == "csv" ? dump_csv(file, how)
                                           : dump_text(file, how);
    if (!text.empty() && text.back() == '\n') text.pop_back();
    if (o.inputs.size() > 1 && o.format == "text") session.say("# " + printable(path));
    session.say(text);
    session.event({{"event", "header"}, {"file", path}, {"dataset", Json::parse(dump_json(file, how))}});
    tell_warnings(session, file);
  }
  session.metric("files", o.inputs.size());
}

int frame_of(const DicomCommandOptions& o) {
  if (o.frame == "all") return -1;
  int v = 0;
  char rest = 0;
  require<UsageError>(std::sscanf(o.frame.c_str(), "%d%c", &v, &rest) == 1 && v >= 0, "--frame ", o.frame,
                      ": all or a number from 0 is needed");
  return v;
}

// Names of outputs: relative path without folders; nothing of the header, which may name a person.
std::string flat_name(const std::string& name) {
  std::string out = fs::path(name).lexically_normal().string();
  for (const char* end : {".dcm", ".DCM", ".dicom"}) {
    if (out.ends_with(end)) out.resize(out.size() - std::string_view(end).size());
  }
  for (char& c : out)
    if (c == '/') c = '_';
  return out;
}

class Converter {
 public:
  Converter(Session& session, const DicomCommandOptions& o)
      : session_(session), o_(o), display_(display_options(o.window, o.bits)), frame_(frame_of(o)) {
    anonymize_.key = o.key;
    if (o.anonymize && o.key.empty()) {
      std::random_device chance;  // a key that nobody knows: pseudonyms of this run cannot be computed again
      for (int i = 0; i < 8; ++i) anonymize_.key += std::to_string(chance());
    }
    const fs::path out(o.out);
    const std::string end = out.extension().string();
    // Pipes and devices, too, take one file.
    single_ = ((end == ".png" || end == ".npy" || end == ".dcm") && !fs::is_directory(out)) ||
              (fs::exists(out) && !fs::is_directory(out));
    ending_ = o.anonymize                                                            ? ".dcm"
              : o.format == "npy" || (o.format != "png" && single_ && end == ".npy") ? ".npy"
                                                                                     : ".png";
    require<UsageError>(o.anonymize || end != ".dcm" || !single_, "dicom convert: --out ", printable(o.out),
                        " is named as a DICOM file, and these are written with --anonymize only; add it, or "
                        "name a .png or .npy file");
    require<UsageError>(!single_ || (o.inputs.size() == 1 && !fs::is_directory(o.inputs[0])),
                        "dicom convert: --out ", printable(o.out),
                        " takes one file, and a folder or several inputs are given; name a folder for --out");
    if (single_) {
      check_output_file("dicom convert: --out", o.out, ending_, o.inputs);
    } else {
      check_output_folder("dicom convert: --out", o.out, o.inputs);
      make_folders("dicom convert", o.out);
    }
  }

  void run() {
    for (const std::string& input : o_.inputs) {
      const std::string stem = fs::path(input).filename().string();
      try {
        source(input);
      } catch (const FormatError& error) {
        note(error, stem);
      }
    }
    session_.say(cat(counted(written_, "file"), " written to ", o_.out,
                     failed_ > 0 ? cat(", ", failed_, " of the inputs failed") : std::string()));
    if (o_.anonymize && written_ > 0)
      session_.say("pixels are copied as they are; look for names that are burned into them");
    session_.metric("written", written_);
    session_.metric("failed", failed_);
    session_.output("converted", o_.out);
    require<DataError, 42>(failed_ == 0 && written_ > 0, "dicom convert: ", counted(failed_, "file"),
                           " could not be converted (", first_, ")");
  }

 private:
  // A file, or what a folder, an archive or a DICOMDIR holds.
  void source(const std::string& input) {
    std::int64_t here = 0;
    if (single_) {
      each_dicom(input, [&](const std::string&, std::string_view) { ++here; });
      require<UsageError>(here <= 1, "dicom convert: ", printable(input), " holds ", here,
                          " DICOM files, and --out ", printable(o_.out),
                          " takes one; name a folder for --out");
      here = 0;
    }
    each_file(input, [&](const SourceFile& file) {
      const bool dicom = DicomFile::looks_like(file.bytes);
      here += dicom || !file.error.empty();
      if (dicom)
        convert(file.name, file.bytes);
      else if (!file.error.empty())
        note(DataError(42, cat(printable(file.name), ": ", file.error)), file.name);
    });
    require<FormatError, 60>(here > 0 || !fs::is_regular_file(input), "dicom: ", printable(input),
                             " is not a DICOM file");
  }

  void note(const Error& error, const std::string& name) {
    ++failed_;
    if (first_.empty()) first_ = error.message();
    session_.log(error.what());
    session_.event(
        {{"event", "bad_sample"}, {"file", name}, {"code", error.code()}, {"message", error.message()}});
  }

  void convert(const std::string& name, std::string_view bytes) {
    try {
      const DicomFile file(bytes, name);
      if (o_.anonymize)
        anonymized_copy(file);
      else if (ending_ == ".npy")
        array(file, name);
      else
        picture(file, name);
      tell_warnings(session_, file);
    } catch (const Error& error) {
      if (error.exit_code() != Exit::data && dynamic_cast<const ValueError*>(&error) == nullptr) throw;
      note(error, name);
    }
  }

  // Names that become the same without their folders get a number.
  std::string place(const std::string& name) {
    if (single_) return o_.out;
    const std::string flat = flat_name(name);
    std::string stem = flat;
    for (int n = 2; !names_.insert(stem).second; ++n) stem = cat(flat, "-again", n);
    return (fs::path(o_.out) / (stem + ending_)).string();
  }

  void anonymized_copy(const DicomFile& file) {
    const std::string bytes = anonymized(file, anonymize_);
    const std::string uid = replaced_uid(file.text(dicom::sop_instance), anonymize_.key);
    write_file_atomically(single_ ? o_.out : (fs::path(o_.out) / (uid + ".dcm")).string(), bytes);
    ++written_;
  }

  void array(const DicomFile& file, const std::string& name) {
    const DicomImage image = read_dicom_image(file, frame_);
    save_npy(place(name), o_.values == "hounsfield" ? to_hounsfield(image)
                          : image.channels == 3     ? to_rgb_samples(image)
                                                    : image.samples);
    ++written_;
  }

  void picture(const DicomFile& file, const std::string& name) {
    const DicomImage image = read_dicom_image(file, frame_);
    DicomDisplayOptions how = display_;
    const std::string whole = place(name);
    for (int f = 0; f < image.frames; ++f) {
      how.frame = f;
      std::string path = whole;
      if (image.frames > 1 && path.ends_with(".png"))
        path = path.substr(0, path.size() - 4) + "-" + std::to_string(f) + ".png";
      write_png(path, to_image(image, how));
      ++written_;
    }
  }

  Session& session_;
  const DicomCommandOptions& o_;
  DicomDisplayOptions display_;
  int frame_;
  AnonymizeOptions anonymize_;
  bool single_ = false;
  std::string ending_;  // of the kind of file that is written
  std::set<std::string> names_;
  std::int64_t written_ = 0, failed_ = 0;
  std::string first_;
};

void index(Session& session, const DicomCommandOptions& o) {
  require_dicom("dicom index");
  if (!o.out.empty()) check_output_file("dicom index: --out", o.out, ".csv", o.inputs);
  DicomIndexOptions how;
  how.keep_patient_ids = o.keep_ids;
  how.key = o.key;
  for (const std::string& field : o.fields) how.more.push_back(dicom_tag(field));
  Communicator& processes = session.communicator();
  how.rank = processes.rank();
  how.ranks = processes.size();
  how.gather = [&](const std::string& bytes) { return processes.gather(bytes); };
  const double start = seconds_now();
  const DicomIndex found = index_dicom(o.inputs[0], how);
  const double seconds = seconds_now() - start;
  if (!processes.first()) return;
  if (o.out.empty())
    session.say(to_csv(found.table));
  else
    write_file_atomically(o.out, to_csv(found.table));
  if (!o.out.empty()) {
    session.say(cat(o.out, ": ", found.files, " DICOM files, ", found.failed, " of them damaged, ",
                    found.skipped, " other files; ", fixed(seconds, 2), " s"));
    session.output("index", o.out);
  }
  session.metric("files", found.files);
  session.metric("failed", found.failed);
  session.metric("skipped", found.skipped);
  session.metric("index_seconds", seconds);
}

}  // namespace

void add_dicom(Program& program) {
  const auto o = std::make_shared<DicomCommandOptions>();
  CLI::App* group = program.group("dicom", "DICOM headers, pixels, indexes and de-identified copies");
  CLI::App* app = program.add(
      group, "dump", "Header as text, JSON or CSV", [o](Session& s) { dump(s, *o); },
      "gadolin dicom dump slice.dcm --fields Rows,Columns");
  app->add_option("files", o->inputs, "DICOM files")->required();
  app->add_option("--format", o->format, "text, json (DICOM JSON Model) or csv")
      ->check(one_of({"text", "json", "csv"}))
      ->capture_default_str();
  app->add_option("--fields", o->fields,
                  "Only these, by keyword or number: PatientID,0028,0010 is written PatientID,00280010")
      ->delimiter(',');
  app->add_flag("--hide-identity", o->hide, "Hide the values that the Basic Confidentiality Profile removes");

  app = program.add(
      group, "convert", "Pixels as PNG or NPY, or de-identified DICOM copies",
      [o](Session& s) {
        require_dicom("dicom convert");
        Converter(s, *o).run();
      },
      "gadolin dicom convert scans/ --out pictures --window 40/80");
  app->add_option("inputs", o->inputs, "Files, folders, zip archives or DICOMDIRs")->required();
  app->add_option("--out", o->out, "Folder to write to, or a .png, .npy or .dcm file for one input file")
      ->required();
  app->add_option("--to", o->format, "png or npy")->check(one_of({"png", "npy"}));
  app->add_option("--window", o->window, "auto, file, percentile, full, or center/width")
      ->capture_default_str();
  app->add_option("--bits", o->bits, "Of grey PNG files")->check(one_of({"8", "16"}))->capture_default_str();
  app->add_option("--frame", o->frame, "all, or one from 0")->capture_default_str();
  app->add_option("--values", o->values, "Of NPY files: stored (int32, colour as RGB) or hounsfield (fp32)")
      ->check(one_of({"stored", "hounsfield"}))
      ->capture_default_str();
  app->add_flag("--anonymize", o->anonymize,
                "Write DICOM files by the basic profile of PS3.15; their names are their new UIDs");
  app->add_option("--key", o->key,
                  "Secret that pseudonyms and new UIDs are derived from; default: a new one each run");

  app = program.add(
      group, "index", "Table of headers: patient, study, series, body part, geometry, slice order",
      [o](Session& s) { index(s, *o); }, "gadolin dicom index archive.zip --out index.csv");
  app->add_option("source", o->inputs, "Folder, zip archive (read in place), DICOMDIR or file")
      ->required()
      ->expected(1);
  app->add_option("--out", o->out, "CSV file; default: printed");
  app->add_option("--fields", o->fields, "Further columns by keyword or number")->delimiter(',');
  app->add_flag("--keep-patient-ids", o->keep_ids,
                "PatientID as written; default: a pseudonym, the same for one patient");
  app->add_option("--key", o->key, "Secret that pseudonyms are derived from");
}

}  // namespace gadolin
