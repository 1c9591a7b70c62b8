#include "apps/nodule/synth_openi.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <vector>

#include "apps/commands.h"
#include "apps/program/command.h"
#include "apps/program/ranges.h"
#include "data/image/codec.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/json.h"
#include "io/staged_folder.h"
#include "tensor/check.h"
#include "tensor/random.h"

namespace gadolin::nodule {
namespace {

constexpr std::uint64_t film_stream = 0x6f70656e69u, label_stream = 0x7265706f7274u;

struct MadeFilm {
  std::string id, view;
  int number = 0;  // of the scraper's file
};
struct MadeReport {
  int number;  // of the patient
  std::vector<std::string> terms;
  std::string findings, impression;
  std::vector<MadeFilm> films;
  bool nodule;
};

// 0 outside, 1 inside the ellipse, with a soft edge.
double inside(double x, double y, double cx, double cy, double rx, double ry) {
  const double r = std::hypot((x - cx) / rx, (y - cy) / ry);
  return std::clamp((1.08 - r) / 0.16, 0.0, 1.0);
}

MadeReport made_report(const SynthOpeniOptions& o, int patient) {
  RandomStream random(o.seed, stream_id(label_stream, static_cast<std::uint64_t>(patient)));
  const bool nodule = random.uniform() < static_cast<float>(o.nodules);
  MadeReport report{patient + 1, {}, "", "", {}, nodule};
  if (nodule && random.chance(0.3f))
    report.terms = {"Calcinosis/lung/upper lobe/right", "Nodule/lung/upper lobe/right"};
  else if (nodule)
    report.terms = {"Nodule/lung/lower lobe/left"};
  else if (random.chance(0.15f))
    report.terms = {"Cardiomegaly/mild"};
  else
    report.terms = {"normal"};
  report.findings = nodule ? "There is a small nodule." : "The lungs are clear.";
  report.impression = nodule ? "Nodule, XXXX follow-up." : "No acute disease.";
  const std::string id = cat("CXR", report.number, "_IM-", 1000 + patient, "-");
  report.films = {{id + "1001", "PA", 0}, {id + "2001", "LL", 0}};
  return report;
}

// One of each of what the real collection has.
void spoil(std::vector<MadeReport>& reports) {
  const auto at = [&](std::size_t i) -> MadeReport& { return reports[i % reports.size()]; };
  at(0).terms = {"normal", "Nodule/lung/left"};
  at(1).terms = {"XXXX", "XXXX/XXXX"};
  at(2).terms = {"No Indexing"};
  at(3).terms.clear();
  at(4).findings = "XXXX, XXXX.";
  at(4).impression = "XXXX";
  at(5).films.clear();
  at(6).films.push_back({at(7).films[0].id, "PA", 0});
}

std::string xml_of(const MadeReport& r) {
  std::string text = cat("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<eCitation>\n  <uId id=\"CXR", r.number,
                         "\"/>\n  <MedlineCitation><Article><Abstract>\n");
  text += cat("    <AbstractText Label=\"FINDINGS\">", r.findings, "</AbstractText>\n");
  text += cat("    <AbstractText Label=\"IMPRESSION\">", r.impression, "</AbstractText>\n");
  text += "  </Abstract></Article></MedlineCitation>\n  <MeSH>\n";
  for (const std::string& term : r.terms) text += cat("    <major>", term, "</major>\n");
  text += "  </MeSH>\n";
  for (const MadeFilm& film : r.films) text += cat("  <parentImage id=\"", film.id, "\"/>\n");
  return text + "</eCitation>\n";
}

void write_xml(const std::string& folder, const std::vector<MadeReport>& reports) {
  make_folders("data synth openi", folder + "/reports");
  CsvTable views{"", {"imageid", "Patient Orientation", "View Position"}, {}, {}};
  for (const MadeReport& r : reports) {
    write_file_atomically(cat(folder, "/reports/", r.number, ".xml"), xml_of(r));
    for (const MadeFilm& film : r.films)
      views.rows.push_back({film.id, film.view == "PA" ? "['L', 'F']" : "['A', 'F']", film.view});
  }
  write_file_atomically(folder + "/views.csv", to_csv(views));
}

void write_csv(const std::string& folder, const std::vector<MadeReport>& reports) {
  CsvTable table{"", {"uid", "MeSH", "findings", "impression"}, {}, {}},
      films{"", {"uid", "filename", "projection"}, {}, {}};
  for (const MadeReport& r : reports) {
    std::string terms;
    for (const std::string& term : r.terms) terms += (terms.empty() ? "" : ";") + term;
    table.rows.push_back({cat(r.number), terms, r.findings, r.impression});
    for (const MadeFilm& film : r.films)
      films.rows.push_back(
          {cat(r.number), film.id.substr(3) + ".dcm.png", film.view == "PA" ? "Frontal" : "Lateral"});
  }
  write_file_atomically(folder + "/indiana_reports.csv", to_csv(table));
  write_file_atomically(folder + "/indiana_projections.csv", to_csv(films));
}

}  // namespace

Image synth_chest_film(const SynthOpeniOptions& o, int patient, bool lateral, bool nodule) {
  RandomStream random(o.seed, stream_id(film_stream, static_cast<std::uint64_t>(patient), lateral));
  const double slope = random.uniform(-0.15f, 0.15f), shift = random.uniform(-0.04f, 0.04f),
               scale = random.uniform(0.9f, 1.1f);
  // In the left or the right lung; from the side in the one that is seen.
  const double side = lateral ? 0.5 : random.chance(0.5f) ? 0.3 : 0.7;
  const double nx = side + shift + random.uniform(-0.07f, 0.07f), ny = random.uniform(0.32f, 0.68f),
               radius = random.uniform(0.035f, 0.055f);
  Image film(o.size, o.size, 1);
  for (int y = 0; y < o.size; ++y) {
    std::uint8_t* row = film.row<std::uint8_t>(y);
    for (int x = 0; x < o.size; ++x) {
      const double u = (x + 0.5) / o.size, v = (y + 0.5) / o.size;
      double lungs = lateral ? inside(u, v, 0.5 + shift, 0.5, 0.3 * scale, 0.36)
                             : std::max(inside(u, v, 0.3 + shift, 0.5, 0.15 * scale, 0.33),
                                        inside(u, v, 0.7 + shift, 0.5, 0.15 * scale, 0.33));
      double value = 0.62 + slope * (u - 0.5) - 0.4 * lungs + 0.04 * (random.uniform() - 0.5);
      if (nodule)
        value += 0.35 * std::exp(-0.5 * (std::pow((u - nx) / radius, 2) + std::pow((v - ny) / radius, 2)));
      row[x] = static_cast<std::uint8_t>(std::lround(255 * std::clamp(value, 0.0, 1.0)));
    }
  }
  return film;
}

void write_synth_openi(const std::string& folder, const SynthOpeniOptions& o) {
  make_folders("data synth openi", folder + "/images");
  std::vector<MadeReport> reports;
  for (int patient = 0; patient < o.patients; ++patient) reports.push_back(made_report(o, patient));
  Json entries = Json::object();
  int number = 0;
  for (MadeReport& r : reports) {
    for (MadeFilm& film : r.films) {
      film.number = ++number;
      const std::string name = o.form == "scraper" ? cat(number)
                               : o.form == "csv"   ? film.id.substr(3) + ".dcm"
                                                   : film.id;
      write_png(folder + "/images/" + name + ".png",
                synth_chest_film(o, r.number - 1, film.view != "PA", r.nodule));
    }
  }
  if (o.faults) spoil(reports);
  if (o.faults) {
    write_png(folder + "/images/" + (o.form == "scraper" ? "99999" : "CXR99999_IM-0001-1001") + ".png",
              Image(8, 8, 1));
    const MadeFilm& last = reports.back().films.back();
    std::filesystem::remove(folder + "/images/" +
                            (o.form == "scraper" ? cat(number)
                             : o.form == "csv"   ? last.id.substr(3) + ".dcm"
                                                 : last.id) +
                            ".png");
  }
  if (o.form == "xml") return write_xml(folder, reports);
  if (o.form == "csv") return write_csv(folder, reports);
  for (const MadeReport& r : reports) {
    for (const MadeFilm& film : r.films) {
      entries[cat(film.number > 0 ? film.number : ++number)] = {
          {"type", "Major"},
          {"items", r.terms},
          {"img", "https://openi.example/imgs/512/1/1/" + film.id + ".png?keywords=x"}};
    }
  }
  write_file_atomically(folder + "/datas.json", entries.dump() + "\n");
}

}  // namespace gadolin::nodule

namespace gadolin {

void add_synth_openi(Program& program, CLI::App* synth) {
  struct Options {
    std::string out;
    nodule::SynthOpeniOptions films;
  };
  const auto o = std::make_shared<Options>();
  const auto run = [o](Session& session) {
    o->films.seed = session.common().seed;
    StagedFolder folder("data synth openi", o->out);
    nodule::write_synth_openi(folder.path(), o->films);
    folder.commit();
    session.say(cat(2 * o->films.patients, " films of ", o->films.patients,
                    " made-up patients with reports in ", o->out));
    session.metric("films", 2 * o->films.patients);
    session.output("folder", o->out);
  };
  CLI::App* app =
      program.add(synth, "openi", "Made-up chest films of two views with reports, some with nodules", run,
                  "gadolin data synth openi openi --patients 60");
  app->add_option("folder", o->out, "Folder to make")->required();
  app->add_option("--form", o->films.form, "Of the reports: xml, scraper (datas.json) or csv")
      ->check(one_of({"xml", "scraper", "csv"}))
      ->capture_default_str();
  app->add_option("--patients", o->films.patients, "Patients to make up, of two films each")
      ->check(between(10, 100000))
      ->capture_default_str();
  app->add_option("--size", o->films.size, "Pixels a side")->check(between(32, 4096))->capture_default_str();
  app->add_option("--nodules", o->films.nodules, "Share of the patients with a nodule")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  app->add_flag(
      "--faults", o->films.faults,
      "With what is wrong in the real collection: blanked words, contradictions, files that do not fit");
}

}  // namespace gadolin
