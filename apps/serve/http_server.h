// Connections of HTTP: limits, bodies in pieces, answers. What is answered is the application's.
//
// One thread waits for all sockets and never for anything else, so that a slow peer costs a socket and no
// thread; workers compute answers. Only http_server.cpp knows the library that speaks HTTP (libmicrohttpd).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "apps/serve/http.h"

namespace gadolin::serve {

struct HttpLimits {
  std::int64_t body_bytes = 64 << 20;  // of one request
  std::int64_t held_bytes = 1 << 30;   // of the bodies of all requests that are under way
  int files = 16;                      // parts "file" of a form
  int header_bytes = 16384;
  int connections = 1024;
  double header_seconds = 10, body_seconds = 120, answer_seconds = 60;  // to take the answer
};

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 2006;                         // 0: any that is free
  std::string certificate = {}, key = {};  // PEM texts; with both the server speaks TLS alone
  HttpLimits limits = {};
  int workers = 64;
};

// What a server is for. All members are called by several threads at once.
class HttpApplication {
 public:
  virtual ~HttpApplication() = default;
  // How a request will be dealt with, by its method, path and headers. Quick; throws HttpRefusal.
  virtual HttpPlan plan(HttpRequest& request) = 0;
  // Told once the answer is known, whether or not it arrives.
  virtual void answered(const HttpRequest& request, const std::string& route, const HttpAnswer& answer,
                        double seconds) = 0;
  // What people who run the server should read.
  virtual void log(const std::string& line) = 0;
};

struct HttpCounts {
  std::int64_t connections = 0;  // open now
  std::int64_t active = 0;       // requests whose header has come and whose answer has not gone
  std::int64_t hung_up = 0;      // peers that went while their answer was computed
  std::int64_t late = 0;         // connections ended because a limit of time was reached
  std::int64_t held_bytes = 0;   // of bodies, now
};

class HttpServer {
 public:
  // Throws UsageError where the address cannot be listened on or certificate and key do not fit, Unsupported
  // in a build without libmicrohttpd.
  HttpServer(HttpApplication& application, HttpOptions options);
  ~HttpServer();  // answers what is under way, and closes all connections
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int port() const;
  HttpCounts counts() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Whether this build can serve.
bool serving_available();

}  // namespace gadolin::serve
