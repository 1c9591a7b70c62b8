// What a server offers: models, the limits of their pictures, and the routes over them.
#pragma once

#include <filesystem>
#include <string>

#include "apps/serve/http_server.h"
#include "apps/serve/models.h"
#include "apps/serve/route_table.h"

namespace gadolin::serve {

struct ServiceLimits {
  std::int64_t pixels = 100'000'000;  // of a picture
  double answer_seconds = 60;         // to compute an answer
};

struct Service {
  Models& models;
  ServiceLimits limits;
  HttpLimits http;  // to tell clients
  bool token = false;
  std::string keep;  // folder where films are kept; empty: nowhere
  std::string version;
  Counter pictures;  // by model and outcome
};

// Each adds its routes; `service` must outlive the table.
void add_findings_routes(RouteTable& table, Service& service);  // /healthcare/mri/analysis
void add_picture_routes(RouteTable& table, Service& service);   // /heatmap, /picture, /values
void add_protocol_routes(RouteTable& table, Service& service);  // /v2/...
void add_page_routes(RouteTable& table);                        // /, /page/...

}  // namespace gadolin::serve
