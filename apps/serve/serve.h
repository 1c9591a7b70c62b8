// gadolin serve as a function, for the commands of applications that serve nets of their own.
#pragma once

#include <string>
#include <vector>

#include "apps/program/command.h"
#include "apps/serve/http_server.h"
#include "apps/serve/models.h"

namespace gadolin::serve {

struct ServeOptions {
  std::vector<std::string> checkpoints;
  HttpOptions http;
  ModelOptions model;
  double max_upload_mb = 64, max_held_mb = 1024, wait_ms = 0, answer_seconds = 60, drain_seconds = 30;
  std::int64_t max_pixels = 100'000'000;
  std::string token_file, certificate_file, key_file, keep;
};

// Declares them on a command.
void add_serve_options(CLI::App* app, ServeOptions& options);
// Serves until SIGINT or SIGTERM. Throws UsageError for options that do not fit, and, where no model could be
// loaded, what loading the last one threw.
void run_server(Session& session, ServeOptions options);

}  // namespace gadolin::serve
