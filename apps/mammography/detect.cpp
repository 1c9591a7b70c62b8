// gadolin mammography detect: boxes of lesions in films.
#include <algorithm>
#include <filesystem>

#include "apps/mammography/commands.h"
#include "apps/mammography/film_set.h"
#include "apps/mammography/reading.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "tasks/inputs.h"
#include "tensor/check.h"

namespace gadolin::mammography {
namespace {

struct DetectFlags {
  std::vector<std::string> images;
  ReadingFlags reading;
  std::string out = "csv";
  int max_detections = 100;
};

bool as_json(const std::string& out) { return out == "json" || has_ending(out, ".json"); }

// In pixels of the film's file. What a crop left no area of is none.
std::vector<Detection> on_film(std::vector<Detection> found, const Affine& map) {
  const Affine back = map.inverse();
  for (Detection& d : found) {
    const Corners c = moved({d.box.x1, d.box.y1, d.box.x2, d.box.y2}, back, INFINITY, INFINITY).box;
    d.box = {c.x1, c.y1, c.x2, c.y2, d.box.label};
  }
  return found;
}

std::vector<std::string> row_of(const std::string& path, const Detection& d, const std::string& name) {
  return {path, exact_text(d.box.x1), exact_text(d.box.y1), exact_text(d.box.x2), exact_text(d.box.y2),
          name, exact_text(d.score)};
}

void detect_films(Session& session, const DetectFlags& f) {
  const bool file = f.out != "csv" && f.out != "json";
  require<UsageError>(!file || has_ending(f.out, ".csv") || has_ending(f.out, ".json"),
                      "mammography detect: --out ", f.out,
                      " is no table; use csv or json to print one, or a file that ends so");
  if (file)
    check_output_file("mammography detect: --out", f.out, as_json(f.out) ? ".json" : ".csv", f.images);
  const auto readers = readers_of(session, f.reading);
  const DetectionTask& task = readers->task();
  const ShownFrom from = shown_from(task, f.reading.score_threshold, 0.05);
  const std::vector<std::string> files = expand_files(f.images, true), stems = distinct_stems(files);
  require<UsageError>(!files.empty(), "mammography detect: no films to look at");
  const FilmSet films(files, task.classes(), task.remembered("preparation"));
  const auto stored = file_set(files, task.classes());  // to draw on
  session.log("boxes of " + from.text);
  CsvTable table{f.out, {"path", "x1", "y1", "x2", "y2", "class", "score"}, {}, {}};
  Json list = Json::array();
  std::int64_t failed = 0, boxes = 0, silent = 0;
  std::string first_error;
  for (std::int64_t i = 0; i < films.size(); ++i) {
    try {
      std::vector<Detection> found = scoring(readers->found(films, i, session.device()), from.score);
      if (std::ssize(found) > f.max_detections) found.resize(static_cast<std::size_t>(f.max_detections));
      found = on_film(std::move(found), films.map(i));
      Json answer{{"path", files[static_cast<std::size_t>(i)]},
                  {"score_threshold", from.score},
                  {"boxes", Json::array()}};
      for (const Detection& d : found) {
        const std::string& name = task.classes()[static_cast<std::size_t>(d.box.label)];
        table.rows.push_back(row_of(files[static_cast<std::size_t>(i)], d, name));
        answer["boxes"].push_back(
            {{"class", name}, {"score", d.score}, {"box", {d.box.x1, d.box.y1, d.box.x2, d.box.y2}}});
      }
      boxes += std::ssize(found);
      silent += found.empty();
      Json event{{"event", "prediction"}};
      event.update(answer);
      session.event(event);
      list.push_back(std::move(answer));
      if (!f.reading.draw.empty())
        draw_film(f.reading.draw, stems[static_cast<std::size_t>(i)], stored->image(i), {}, found,
                  task.classes());
    } catch (const Error& error) {
      if (error.exit_code() != Exit::data && error.exit_code() != Exit::file) throw;
      ++failed;
      if (first_error.empty()) first_error = error.message();
      session.log(error.what());
    }
  }
  const std::string text = as_json(f.out) ? list.dump(1) + "\n" : to_csv(table);
  if (file) {
    write_file_atomically(f.out, text);
    session.output("detections", f.out);
  } else {
    session.say(text);
  }
  session.log(cat(boxes, boxes == 1 ? " box in " : " boxes in ", films.size(), " films, ", silent,
                  " of them without one; ", from.text));
  session.metric("films", films.size());
  session.metric("boxes", boxes);
  session.metric("score_threshold", from.score);
  session.metric("failed", failed);
  require<DataError, 42>(failed == 0, "mammography detect: ", failed, " of ", films.size(),
                         " films could not be read (", first_error, ")");
}

}  // namespace

void add_detect(Program& program, CLI::App* group) {
  const auto f = std::make_shared<DetectFlags>();
  CLI::App* app = program.add(
      group, "detect", "Boxes of lesions in films, DICOM or pictures, in pixels of their files",
      [f](Session& s) { detect_films(s, *f); },
      "gadolin mammography detect film.dcm --model runs/mammo/checkpoints/best.gdck --out found.csv --draw "
      "drawn");
  app->add_option("images", f->images, "Films, folders of films, .txt lists of paths")->required();
  add_reading_flags(app, f->reading, false);
  app->add_option("--out", f->out, "csv or json are printed; or a file with one of these endings")
      ->capture_default_str();
  app->add_option("--max-detections", f->max_detections, "Boxes of a film, best scores first")
      ->check(between(1, 1000000))
      ->capture_default_str();
}

}  // namespace gadolin::mammography
