// gadolin serve: nets over HTTP, and a page for the browser.
#include "apps/serve/serve.h"

#include <malloc.h>

#include <chrono>
#include <thread>

#include "apps/commands.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "apps/serve/application.h"
#include "apps/serve/journal.h"
#include "io/atomic_file.h"
#include "io/bytes.h"
#include "train/signals.h"

namespace gadolin::serve {
namespace {

std::string text_of_file(const std::string& option, const std::string& path) {
  if (path.empty()) return "";
  std::string text;
  for (const std::string& line : text_lines(read_file(path, 1 << 20)))
    text += (text.empty() ? "" : "\n") + line;
  require<UsageError>(!text.empty(), "serve: ", option, " ", printable(path),
                      " is empty; it must hold what it is for");
  return text;
}

void settle(const Session& session, ServeOptions& o) {
  HttpLimits& limits = o.http.limits;
  limits.body_bytes = static_cast<std::int64_t>(o.max_upload_mb * (1 << 20));
  limits.answer_seconds = limits.body_seconds;
  limits.held_bytes = static_cast<std::int64_t>(o.max_held_mb * (1 << 20));
  require<UsageError>(limits.held_bytes >= limits.body_bytes, "serve: --max-held-mb ", o.max_held_mb,
                      " is below --max-upload-mb ", o.max_upload_mb,
                      "; no request of that size could be taken");
  require<UsageError>(limits.files <= o.model.queue, "serve: --max-files ", limits.files,
                      " is above --queue ", o.model.queue, "; no request of so many could be taken");
  require<UsageError>(o.certificate_file.empty() == o.key_file.empty(),
                      "serve: --certificate and --key belong together, and there is only ",
                      o.key_file.empty() ? "the first" : "the second");
  o.http.certificate = text_of_file("--certificate", o.certificate_file);
  o.http.key = text_of_file("--key", o.key_file);
  if (!o.keep.empty()) {
    check_output_folder("serve: --keep", o.keep);
    make_folders("serve", o.keep);
  }
  o.model.wait = o.wait_ms / 1000;
  o.model.device = session.device();
  o.model.compute = session.compute();
}

// Fixed, so that memory of bodies and pictures goes back to the system: otherwise the C library keeps more of
// it with every larger size, in an arena a thread.
void keep_memory_flat() {
#ifdef __GLIBC__
  mallopt(M_ARENA_MAX, 4);
  mallopt(M_MMAP_THRESHOLD, 1 << 18);
  mallopt(M_TRIM_THRESHOLD, 1 << 20);
#endif
}

// One after the other, beside the server, which says 503 until then.
std::jthread load_all(Models& models, Journal& journal, const Session& session, std::exception_ptr& last) {
  return std::jthread([&models, &journal, &session, &last](const std::stop_token& stop) {
    for (const auto& model : models.all()) {
      if (stop.stop_requested()) return;
      try {
        model->load();
        journal.add(cat("model ", model->title(), " is ready: ", model->task().kind(), ", ",
                        model->task().model(), ", ", model->task().classes().size(), " classes"));
        session.event({{"event", "ready"}, {"model", model->name()}, {"hash", model->hash()}});
      } catch (const Error& error) {
        journal.add(cat("model ", model->name(), " could not be loaded: ", error.code(), ": ", error.what()));
        last = std::current_exception();
        model->fail(error.what());
      } catch (const std::exception& error) {
        journal.add(cat("model ", model->name(), " could not be loaded: ", error.what()));
        last = std::current_exception();
        model->fail(error.what());
      }
    }
  });
}

}  // namespace

void run_server(Session& session, ServeOptions o) {
  settle(session, o);
  keep_memory_flat();
  const std::string token = text_of_file("--token-file", o.token_file);
  Models models(o.checkpoints, o.model);
  Journal journal([&session](const std::string& line) { session.log(line); });
  Application application(models, {o.max_pixels, o.answer_seconds}, o.http.limits, token, o.keep,
                          [&journal](const std::string& line) { journal.add(line); });
  application.verbose(session.common().verbose);
  const SignalGuard signals;
  const bool tls = !o.http.certificate.empty();
  const std::string host = o.http.host;
  HttpServer server(application, o.http);
  application.count([&server] { return server.counts(); });
  const std::string url =
      cat(tls ? "https://" : "http://", host.find(':') == std::string::npos ? host : "[" + host + "]", ":",
          server.port());
  session.say(cat("gadolin serves on ", url,
                  " (Ctrl+C ends it). For research and teaching only, not a medical device."));
  session.event({{"event", "listening"}, {"url", url}, {"port", server.port()}});
  std::exception_ptr failure;
  {
    const std::jthread loader = load_all(models, journal, session, failure);
    while (SignalGuard::received() == nullptr && !models.failed())
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  application.drain();
  const double until = seconds_now() + o.drain_seconds;
  while (server.counts().active > 0 && seconds_now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  if (const std::int64_t cut = server.counts().active; cut > 0)
    journal.add(cat(cut, " requests were cut off: they took longer than --drain-seconds ", o.drain_seconds));
  session.metric("abandoned", server.counts().hung_up);
  if (models.failed()) std::rethrow_exception(failure);
  journal.add(cat("ended by ", SignalGuard::received(), ", every answer given"));
}

void add_serve_options(CLI::App* app, ServeOptions& o) {
  HttpLimits& limits = o.http.limits;
  app->add_option("--checkpoint", o.checkpoints,
                  "FILE or NAME=FILE; several, separated by commas or repeated")
      ->required()
      ->delimiter(',');
  app->add_option("--host", o.http.host, "Address to listen on; 0.0.0.0: all of this machine")
      ->capture_default_str();
  app->add_option("--port", o.http.port, "0: any that is free")
      ->check(between(0, 65535))
      ->capture_default_str();
  app->add_option("--batch-size", o.model.batch, "Pictures that are predicted together at most")
      ->check(between(1, 4096))
      ->capture_default_str();
  app->add_option("--batch-wait-ms", o.wait_ms, "How long a batch that is not full waits for more")
      ->check(between(0.0, 10000.0))
      ->capture_default_str();
  app->add_option("--queue", o.model.queue, "Pictures under way at most; more are refused with 503")
      ->check(count_from(1))
      ->capture_default_str();
  app->add_option("--max-upload-mb", o.max_upload_mb, "Of a request, in MiB")
      ->check(between(0.001, 65536.0))
      ->capture_default_str();
  app->add_option("--max-files", limits.files, "Of a request")
      ->check(between(1, 100000))
      ->capture_default_str();
  app->add_option("--max-pixels", o.max_pixels, "Of a picture")->check(count_from(1))->capture_default_str();
  app->add_option("--max-held-mb", o.max_held_mb, "Of the bodies of all requests under way, in MiB")
      ->check(between(0.001, 1048576.0))
      ->capture_default_str();
  app->add_option("--max-connections", limits.connections,
                  "Open at once; the one that has said nothing for longest gives way")
      ->check(between(8, 100000))
      ->capture_default_str();
  app->add_option("--header-bytes", limits.header_bytes, "Of a request's header")
      ->check(between(256, 1 << 20))
      ->capture_default_str();
  app->add_option("--header-seconds", limits.header_seconds, "For a header to come")
      ->check(between(0.05, 3600.0))
      ->capture_default_str();
  app->add_option("--body-seconds", limits.body_seconds, "For a body to come, and for an answer to be taken")
      ->check(between(0.05, 86400.0))
      ->capture_default_str();
  app->add_option("--answer-seconds", o.answer_seconds, "To compute an answer")
      ->check(between(0.05, 3600.0))
      ->capture_default_str();
  app->add_option("--drain-seconds", o.drain_seconds, "For requests under way once the server is stopped")
      ->check(between(0.0, 3600.0))
      ->capture_default_str();
  app->add_option("--workers", o.http.workers, "Requests that are worked on at once")
      ->check(between(1, 1024))
      ->capture_default_str();
  app->add_option("--token-file", o.token_file, "File with the token that clients must show");
  app->add_option("--certificate", o.certificate_file,
                  "TLS: PEM file with the certificate and those above it");
  app->add_option("--key", o.key_file, "TLS: PEM file with the key of the certificate");
  app->add_option("--keep", o.keep,
                  "Folder where films are kept, under names of ours; otherwise they are never on disk");
}

}  // namespace gadolin::serve

namespace gadolin {

void add_serve_below(Program& program, CLI::App* group) {
  const auto o = std::make_shared<serve::ServeOptions>();
  CLI::App* app = program.add(
      group, "serve", "gadolin serve, for the net that this group made",
      [o](Session& s) { serve::run_server(s, *o); },
      "gadolin nodule serve --checkpoint runs/nodule/film.gdck");
  serve::add_serve_options(app, *o);
}

void add_serve(Program& program) {
  const auto o = std::make_shared<serve::ServeOptions>();
  CLI::App* app = program.add(
      "serve", "Nets over HTTP: findings, heat maps, protocol v2, and a page for the browser",
      [o](Session& s) { serve::run_server(s, *o); },
      "gadolin serve --checkpoint runs/view/checkpoints/best.gdck");
  serve::add_serve_options(app, *o);
}

}  // namespace gadolin
