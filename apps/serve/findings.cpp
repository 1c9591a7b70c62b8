// POST /healthcare/mri/analysis: what `gadolin predict` says of each film, as JSON.
#include <chrono>
#include <cmath>
#include <optional>

#include "apps/serve/service.h"
#include "apps/serve/uploads.h"
#include "data/dicom/dictionary.h"
#include "io/atomic_file.h"
#include "tasks/detection/detection.h"
#include "tasks/detection/operating_score.h"
#include "tasks/input_warnings.h"

namespace gadolin::serve {
namespace {

using Moment = std::chrono::steady_clock::time_point;

// A film on its way: refused, or asked about.
struct Film {
  std::string name;
  Upload upload;
  Moment began = std::chrono::steady_clock::now();
  std::optional<HttpRefusal> refusal;
  std::future<Outputs> answer;
  std::vector<std::string> warnings;
};

// Runs f; what it throws because of the film becomes the film's refusal, and everything else goes on.
template <class F> void for_film(Film& film, F f) {
  try {
    f();
  } catch (const HttpRefusal& refusal) {
    if (refusal.status == 503) throw;
    film.refusal = refusal;
  } catch (const Error& error) {
    if (error.exit_code() != Exit::data) throw;
    film.refusal = HttpRefusal{422, error.what(), {}};
  }
}

double milliseconds_since(Moment began) {
  const double ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
  return std::round(ms * 10) / 10;
}

// Of a detector that was trained on prepared films, a whole DICOM file is another picture.
void warn_of_preparation(const Task& task, Film& film) {
  const auto* detector = dynamic_cast<const DetectionTask*>(&task);
  if (detector != nullptr && !detector->remembered("preparation").empty() &&
      film.upload.format == ImageFormat::dicom)
    film.warnings.push_back(
        "the net was trained on films prepared by gadolin mammography convert, and this one is not; gadolin "
        "mammography "
        "detect prepares it");
}

Json result_of(const ServedModel& model, Film& film, const Outputs& outputs) {
  const Task& task = model.task();
  Json result{{"file", film.name},
              {"index", 0},
              {"format", format_name(film.upload.format)},
              {"width", film.upload.header.width},
              {"height", film.upload.header.height},
              {"ms", 0}};
  Json said = task.say(outputs, 0, 1).event;
  if (const auto* detector = dynamic_cast<const DetectionTask*>(&task)) {
    const std::string& chosen = detector->remembered("score_threshold");
    result["score_threshold"] =
        chosen.empty() ? Json() : Json(operating_score_from_json(chosen, model.name()).value);
  }
  if (said.contains("class")) {
    result["label"] = said["class"];
    said.erase("class");
  }
  result.update(said);
  if (const Json known = model.thresholds(); !known.is_null() && !result.contains("thresholds"))
    result["thresholds"] = known;
  result["warnings"] = Json::array();
  for (const std::string& sentence : film.warnings) result["warnings"].push_back(sentence);
  result["ms"] = milliseconds_since(film.began);
  return result;
}

// Under names of ours: what a client calls a file is data.
void keep(const std::string& folder, const std::string& id, std::size_t number, const Upload& upload) {
  if (folder.empty()) return;
  const std::string ending = upload.format == ImageFormat::png    ? ".png"
                             : upload.format == ImageFormat::jpeg ? ".jpg"
                                                                  : ".dcm";
  write_file_atomically(cat(folder, "/", id, "-", number, ending),
                        {reinterpret_cast<const char*>(upload.bytes.data()), upload.bytes.size()});
}

HttpAnswer analyse(Service& service, HttpRequest& request) {
  ServedModel& model = service.models.at(request.text("model"));
  const Task& task = model.task();
  std::vector<Film> films;
  std::vector<const HttpPart*> parts;
  for (const HttpPart& part : request.parts)
    if (part.name == "file") parts.push_back(&part);
  if (parts.empty()) refuse(400, "no part file; send one or more films as file of multipart/form-data");
  const ServedModel::Room room(model, static_cast<std::int64_t>(parts.size()));
  const Interest interest(request.gone);
  films.resize(parts.size());
  for (std::size_t i = 0; i < films.size() && !request.gone.stop_requested(); ++i) {
    Film& film = films[i];
    film.began = std::chrono::steady_clock::now();
    film.name = parts[i]->file.empty() ? "file" : utf8(parts[i]->file.substr(0, 255));
    for_film(film, [&] {
      film.upload = checked_upload(*parts[i], service.limits.pixels);
      keep(service.keep, request.id, i, film.upload);
      const UploadSet set({film.upload}, task.classes());
      Batch batch = model.one(set, 0);
      film.warnings = model.watch().warnings(batch, 0, task.pipeline(), view_of(set, 0));
      warn_of_preparation(task, film);
      film.answer = model.predictor().submit(std::move(batch), interest.token());
    });
  }
  Json answer{{"request_id", request.id},   {"model", model.title()},
              {"task", task.kind()},        {"several_labels", model.several_labels()},
              {"classes", model.classes()}, {"results", Json::array()},
              {"errors", Json::array()}};
  int status = 0;
  for (std::size_t i = 0; i < films.size(); ++i) {
    Film& film = films[i];
    for_film(film, [&] {
      if (film.refusal) return;
      if (!film.answer.valid()) refuse(503, "the client has gone");
      Json result = result_of(model, film, ServedModel::wait_for(film.answer, service.limits.answer_seconds));
      result["index"] = i;
      answer["results"].push_back(std::move(result));
      service.pictures.add(label("model", model.name()) + ",outcome=\"answered\"");
    });
    if (!film.refusal) continue;
    answer["errors"].push_back({{"file", film.name}, {"index", i}, {"error", film.refusal->error}});
    service.pictures.add(label("model", model.name()) + ",outcome=\"refused\"");
    status = status == 0 || status == film.refusal->status ? film.refusal->status : 422;
  }
  if (!answer["results"].empty()) return json_answer(answer);
  answer["error"] =
      films.size() == 1 ? films[0].refusal->error : cat("none of ", films.size(), " files could be read");
  return json_answer(answer, status);
}

}  // namespace

void add_findings_routes(RouteTable& table, Service& service) {
  using enum RouteField::Kind;
  table.add({.method = "POST",
             .path = "/healthcare/mri/analysis",
             .about = "Findings of one or more films",
             .run = [&service](HttpRequest& request) { return analyse(service, request); },
             .body = HttpPlan::Body::form,
             .fields = {{"file", files, "PNG, JPEG or DICOM", true},
                        {"model", text, "Of several; the first one otherwise"}},
             .errors = {400, 413, 415, 422, 503}});
}

}  // namespace gadolin::serve
