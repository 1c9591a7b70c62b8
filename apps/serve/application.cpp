#include "apps/serve/application.h"

#include <cmath>

#include "apps/program/version.h"
#include "data/dicom/dictionary.h"

namespace gadolin::serve {

Application::Application(Models& models, const ServiceLimits& limits, const HttpLimits& http,
                         std::string token, std::string keep, std::function<void(const std::string&)> say)
    : service_{models, limits, http, !token.empty(), std::move(keep), program_version(), {}},
      token_(std::move(token)), say_(std::move(say)) {
  const auto get = [&](const char* path, const char* about, std::string gives, auto run, bool open = false) {
    table_.add({.method = "GET",
                .path = path,
                .about = about,
                .run = run,
                .quick = true,
                .open = open,
                .always = true,
                .gives = std::move(gives)});
  };
  add_page_routes(table_);
  add_findings_routes(table_, service_);
  add_picture_routes(table_, service_);
  get(
      "/healthz", "The process is alive", "application/json",
      [](HttpRequest&) {
        return json_answer({{"status", "ok"}});
      },
      true);
  get("/version", "Version, models, limits", "application/json",
      [this](HttpRequest&) { return json_answer(version()); });
  const std::string text = "text/plain; version=0.0.4";
  get("/metrics", "Counters for Prometheus", text, [this, text](HttpRequest&) {
    return HttpAnswer{200, text, metrics(), {}};
  });
  get("/openapi.json", "This description", "application/json",
      [this](HttpRequest&) { return json_answer(table_.openapi(service_.version, service_.token)); });
  add_protocol_routes(table_, service_);
}

void Application::check_caller(const Route& route, const HttpRequest& request) const {
  // A browser says so when the page of another site asks.
  const std::string* site = field(request.headers, "sec-fetch-site");
  if (route.method != "GET" && site != nullptr && *site == "cross-site")
    refuse(403, "the page of another site asked; only the server's own page may");
  if (token_.empty() || route.open) return;
  const std::string* given = field(request.headers, "authorization");
  if (given == nullptr || !given->starts_with("Bearer ") ||
      !same_secret(std::string_view(*given).substr(7), token_))
    refuse(401, given == nullptr ? "no token" : "not the token",
           "; send the header Authorization: Bearer TOKEN");
}

HttpPlan Application::plan(HttpRequest& request) {
  const Route& route = table_.find(request);
  check_caller(route, request);
  if (draining_ && !route.always && request.path != "/v2/health/live")
    refuse(503, "the server is being stopped; ask another one");
  return {route.body, route.quick, route.path, route.run};
}

void Application::answered(const HttpRequest& request, const std::string& route, const HttpAnswer& answer,
                           double seconds) {
  // 499, as nginx has it: the client went first.
  const int status = request.gone.stop_requested() ? 499 : answer.status;
  requests_.add(cat(label("route", route.empty() ? "none" : route), ",", label("code", cat(status))));
  if (!route.empty()) seconds_.add(seconds);
  const bool refused = status == 413 || status == 401 || status == 403 || status == 431 || status >= 500;
  if (!refused && !verbose_) return;
  std::string why;
  if (answer.status >= 400) {
    const Json body = Json::parse(answer.body, nullptr, false);
    if (body.is_object() && body.contains("error") && body["error"].is_string())
      why = ": " + body["error"].get<std::string>();
  }
  log(cat(status, " ", request.method, " ", route.empty() ? "no route" : route, " ", request.id, " ",
          static_cast<double>(std::lround(seconds * 1e4)) / 10, " ms", why));
}

void Application::log(const std::string& line) {
  const std::lock_guard lock(log_mutex_);
  say_(line);
}

Json Application::version() const {
  Json models = Json::array();
  for (const auto& model : service_.models.all()) models.push_back(model->described());
  return {{"name", "gadolin"},
          {"version", service_.version},
          {"ready", service_.models.ready() && !draining_},
          {"models", models},
          {"limits",
           {{"max_upload_mb", static_cast<double>(service_.http.body_bytes) / (1 << 20)},
            {"max_files", service_.http.files},
            {"max_pixels", service_.limits.pixels}}},
          {"token", service_.token},
          {"dicom", dicom_available()}};
}

std::string Application::metrics() const {
  std::string text = metric_head("gadolin_requests_total", "counter",
                                 "Requests by route and status; 499: the client went first") +
                     requests_.lines("gadolin_requests_total") +
                     metric_head("gadolin_request_seconds", "histogram", "From the header to the answer") +
                     seconds_.lines("gadolin_request_seconds", "") +
                     metric_head("gadolin_pictures_total", "counter", "Pictures by model and outcome") +
                     service_.pictures.lines("gadolin_pictures_total");
  std::string sizes = metric_head("gadolin_batch_size", "histogram", "Pictures that were predicted together"),
              seconds = metric_head("gadolin_batch_seconds", "histogram", "The net alone, by batch"),
              waiting = metric_head("gadolin_queue_pictures", "gauge", "Pictures that wait for the net"),
              under_way = metric_head("gadolin_pictures_under_way", "gauge",
                                      "Pictures whose answer is not known yet"),
              ready = metric_head("gadolin_model_ready", "gauge", "1 once the model has answered its test");
  for (const auto& model : service_.models.all()) {
    const std::string name = label("model", model->name());
    const auto line = [&](const char* metric, std::int64_t value) {
      return cat(metric, "{", name, "} ", value, "\n");
    };
    sizes += model->batch_sizes.lines("gadolin_batch_size", name);
    seconds += model->batch_seconds.lines("gadolin_batch_seconds", name);
    waiting += line("gadolin_queue_pictures", model->ready() ? model->predictor().waiting() : 0);
    under_way += line("gadolin_pictures_under_way", model->under_way_);
    ready += line("gadolin_model_ready", model->ready() ? 1 : 0);
  }
  text += sizes + seconds + waiting + under_way + ready;
  const HttpCounts now = [&] {
    const std::lock_guard lock(counts_mutex_);
    return counts_ ? counts_() : HttpCounts{};
  }();
  text +=
      gauge("gadolin_connections", "Open connections", static_cast<double>(now.connections)) +
      gauge("gadolin_requests_active", "Requests under way", static_cast<double>(now.active)) +
      gauge("gadolin_held_bytes", "Bodies of requests in memory", static_cast<double>(now.held_bytes)) +
      metric_head("gadolin_abandoned_total", "counter", "Requests whose client went before the answer") +
      cat("gadolin_abandoned_total ", now.hung_up, "\n") +
      metric_head("gadolin_late_total", "counter", "Connections ended because the peer was too slow") +
      cat("gadolin_late_total ", now.late, "\n") +
      gauge("process_resident_memory_bytes", "Memory of the process", static_cast<double>(resident_bytes()));
  return text;
}

}  // namespace gadolin::serve
