// gadolin mammography convert: a source of films into pictures with boxes.
#include <filesystem>
#include <map>
#include <memory>

#include "apps/mammography/commands.h"
#include "apps/mammography/converted.h"
#include "apps/program/ranges.h"
#include "io/staged_folder.h"
#include "tensor/check.h"
#include "train/progress.h"

namespace gadolin::mammography {
namespace fs = std::filesystem;
namespace {

struct ConvertOptions {
  std::string source, out, kind = "auto", crop = "breast", flip = "none", bits = "16";
  std::vector<std::string> findings;
  std::vector<double> percentiles{0.1, 99.9};
  SourceOptions how;
  ConvertSettings settings;
};

// The first of a list, and how many more there are.
void tell_list(Session& session, const std::string& what, const std::vector<std::string>& lines) {
  constexpr std::size_t shown = 20;
  for (std::size_t i = 0; i < std::min(shown, lines.size()); ++i)
    session.log(cat(what, ": ", printable(lines[i])));
  if (lines.size() > shown) session.log(cat(what, ": and ", lines.size() - shown, " more"));
}

std::vector<std::string> lines_of(const std::vector<Remainder>& rest) {
  std::vector<std::string> lines;
  for (const Remainder& r : rest) lines.push_back(cat(r.kind, " ", r.name, ": ", r.reason));
  return lines;
}

void settle(ConvertOptions& o) {
  o.settings.film.crop = o.crop == "breast";
  o.settings.film.flip = o.flip == "left";
  o.settings.film.bits = o.bits == "8" ? 8 : 16;
  o.settings.film.low = o.percentiles[0];
  o.settings.film.high = o.percentiles[1];
  require<UsageError>(o.settings.film.low < o.settings.film.high, "mammography convert: --percentiles ",
                      o.settings.film.low, ",", o.settings.film.high, ": the lower one comes first");
  require<UsageError>(o.how.boxes.empty() || !o.how.normal,
                      "mammography convert: --boxes and --normal contradict each other; give one of them");
  o.how.findings = {o.findings.begin(), o.findings.end()};
}

// Options of one source that mean nothing to the one that was found.
void check_source(const Source& source, const ConvertOptions& o) {
  require<UsageError>(source.name == "inbreast" || (o.how.sheet.empty() && o.how.xml.empty()),
                      "mammography convert: --sheet and --xml are for inbreast, and this is ", source.name,
                      "; leave them out, or name the source with --source");
  require<UsageError>(source.name == "films" || (o.how.boxes.empty() && !o.how.normal),
                      "mammography convert: --boxes and --normal are for films, and this is ", source.name,
                      "; leave them out, or give --source films");
}

// Which rows and files have no partner; a table that does not fit its tree must not go unseen.
void tell_unmatched(Session& session, const Source& source, const ConvertOptions& o) {
  tell_list(session, "unmatched", lines_of(source.unmatched));
  std::int64_t rows = 0, files = 0;
  for (const Remainder& r : source.unmatched) (r.kind == "row" ? rows : files) += 1;
  session.metric("unmatched_rows", rows);
  session.metric("unmatched_files", files);
  require<DataError>(
      source.unmatched.empty() || o.how.skip_wrong, "mammography convert: ", printable(o.source), ": ", rows,
      " rows without files and ", files,
      " files without rows; look at the list above, or add --skip-wrong to go on without them");
}

void tell_counts(Session& session, const Source& source, const Converted& converted,
                 const ConvertOptions& o) {
  std::set<std::string> people;
  std::map<std::string, std::int64_t> images;
  std::int64_t without = 0;
  for (const Film& film : source.films) {
    people.insert(film.patient);
    ++images[verdict_of(film)];
    without += film.lesions.empty();
  }
  people.erase("");
  const auto films = std::ssize(source.films);
  session.say(cat(source.name, ": ", source.rows, " rows; ", films, " films became pictures in ", o.out, ", ",
                  source.left_out.size() + source.unmatched.size(),
                  " rows and files are left out (left_out.csv)"));
  session.say(cat(people.size(), " people behind ", source.ids.size(), " patient ids"));
  if (source.truth)
    session.say(cat(converted.boxes, " boxes, ", converted.cut, " of them cut at an edge; ", without,
                    " films without boxes; films: ", images["malignant"], " malignant, ", images["benign"],
                    " benign, ", images["normal"], " normal, ", images[""], " unknown"));
  session.say(cat("malignant: ", source.malignant));
  for (const std::string& note : source.notes) session.say("note: " + note);
  session.metric("films", films);
  session.metric("boxes", converted.boxes);
  session.metric("boxes_cut", converted.cut);
  session.metric("films_without_boxes", without);
  session.metric("people", people.size());
  session.metric("patient_ids", source.ids.size());
  session.metric("left_out", source.left_out.size());
  session.metric("sides_contradicted", source.sides.size());
}

void convert(Session& session, ConvertOptions& o) {
  settle(o);
  Source source = read_source(o.source, o.kind, o.how);
  check_source(source, o);
  tell_unmatched(session, source, o);
  if (o.settings.classes == "verdict") drop_unknown_verdicts(source);
  StagedFolder folder("mammography convert", o.out);
  const auto films = std::ssize(source.films);
  Progress progress("films", films, progress_on_stderr(session.common().quiet || session.common().json));
  const Converted converted =
      write_pictures(folder.path(), source, o.settings, [&](std::int64_t done) { progress.update(done, 0); });
  progress.finish();
  compare_sides(source, converted);
  tell_list(session, "left out", lines_of(source.left_out));
  tell_list(session, "side", source.sides);
  require<DataError>(
      converted.failed == 0 || o.how.skip_wrong, "mammography convert: ", converted.failed, " of ", films,
      " films cannot be used; look at the list above, or add --skip-wrong to go on without them");
  require<DataError>(!source.films.empty(), "mammography convert: no film of ", printable(o.source),
                     " became a picture; look at the list above");
  write_tables(folder.path(), source, converted, o.settings);
  const std::int64_t sheets = write_sheets(folder.path(), source, converted);
  folder.commit();
  tell_counts(session, source, converted, o);
  session.output(source.truth ? "boxes" : "films",
                 (fs::path(o.out) / (source.truth ? "boxes.csv" : "films.csv")).string());
  if (sheets > 0) session.output("sheets", (fs::path(o.out) / "sheets").string());
  session.output("preparation", (fs::path(o.out) / "preparation.json").string());
}

}  // namespace

void add_convert(Program& program, CLI::App* group) {
  const auto o = std::make_shared<ConvertOptions>();
  CLI::App* app = program.add(
      group, "convert", "Films of CBIS-DDSM, INbreast, mini-MIAS or a folder into pictures with boxes",
      [o](Session& s) { convert(s, *o); }, "gadolin mammography convert films set --findings mass,cluster");
  app->add_option("source", o->source, "Folder of the films")->required();
  app->add_option("out", o->out,
                  "Folder to make: images/, boxes.csv, classes.csv, sheets/, left_out.csv, preparation.json")
      ->required();
  app->add_option("--source", o->kind, "auto, cbis-ddsm, inbreast, mini-mias, or films for any folder")
      ->check(one_of({"auto", "cbis-ddsm", "inbreast", "mini-mias", "films"}))
      ->capture_default_str();
  app->add_option(
         "--findings", o->findings,
         "Kinds that are wanted: mass, calcification, cluster, ... or all; default: all, of INbreast mass. "
         "Films that have others only are left out")
      ->delimiter(',');
  app->add_option("--classes", o->settings.classes,
                  "One class `lesion`; one a kind of finding; or malignant and benign, by the lesion, else "
                  "by the film")
      ->check(one_of({"lesion", "kind", "verdict"}))
      ->capture_default_str();
  app->add_option("--birads-3", o->how.birads_3, "What an INbreast film of BI-RADS 3 is")
      ->check(one_of({"benign", "malignant", "unknown"}))
      ->capture_default_str();
  app->add_option("--point-size", o->how.point_size,
                  "Side of the box around a contour of one point, in pixels")
      ->check(between(1.0, 1000.0))
      ->capture_default_str();
  app->add_option("--percentiles", o->percentiles,
                  "Of the values inside the breast: what becomes black and white")
      ->check(between(0.0, 100.0))
      ->delimiter(',')
      ->expected(2)
      ->capture_default_str();
  app->add_option("--crop", o->crop, "breast: its smallest rectangle; none: the whole film")
      ->check(one_of({"breast", "none"}))
      ->capture_default_str();
  app->add_option("--flip", o->flip,
                  "left: films with the chest wall on the right are mirrored, with their boxes")
      ->check(one_of({"none", "left"}))
      ->capture_default_str();
  app->add_option("--bits", o->bits, "Of the pictures")->check(one_of({"8", "16"}))->capture_default_str();
  app->add_option("--sheet", o->how.sheet, "INbreast's sheet as CSV; default: INbreast.csv");
  app->add_option("--xml", o->how.xml, "INbreast's contours: one file, for its film alone, or a folder");
  app->add_option("--boxes", o->how.boxes,
                  "Films: a table path,x1,y1,x2,y2,class; paths from the folder of the films");
  app->add_flag("--normal", o->how.normal, "Films: none of them has a lesion");
  app->add_option("--patient-until", o->how.patient_until,
                  "Films: the name of a file up to one of these characters is its patient");
  app->add_flag("--keep-patient-ids", o->how.keep_patient_ids,
                "Films: PatientID as it is, instead of a pseudonym");
  app->add_option("--key", o->how.key, "Films: secret that pseudonyms are derived from");
  app->add_flag(
      "--skip-wrong", o->how.skip_wrong,
      "Leave rows without files, files without rows, and films that cannot be used or whose contours cannot "
      "be read out, and name them, instead of stopping");
}

}  // namespace gadolin::mammography
