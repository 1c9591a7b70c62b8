// The server as a whole: routes over models, a token, counters, a log.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>

#include "apps/serve/counters.h"
#include "apps/serve/service.h"

namespace gadolin::serve {

class Application : public HttpApplication {
 public:
  // `token`: what clients must show; empty: nothing. `say`: takes lines of the log, one at a time.
  Application(Models& models, const ServiceLimits& limits, const HttpLimits& http, std::string token,
              std::string keep, std::function<void(const std::string&)> say);

  HttpPlan plan(HttpRequest& request) override;
  void answered(const HttpRequest& request, const std::string& route, const HttpAnswer& answer,
                double seconds) override;
  void log(const std::string& line) override;

  // From now on new requests get 503.
  void drain() { draining_ = true; }
  // To be asked for what connections do; before it is set they are not counted.
  void count(std::function<HttpCounts()> counts) {
    const std::lock_guard lock(counts_mutex_);
    counts_ = std::move(counts);
  }
  void verbose(bool all) { verbose_ = all; }  // log every request
  const RouteTable& routes() const { return table_; }
  Service& service() { return service_; }

 private:
  void check_caller(const Route& route, const HttpRequest& request) const;
  std::string metrics() const;
  Json version() const;

  Service service_;
  std::string token_;
  std::function<void(const std::string&)> say_;
  mutable std::mutex counts_mutex_;
  std::function<HttpCounts()> counts_;
  RouteTable table_;
  Counter requests_;
  Histogram seconds_{{0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}};
  std::atomic<bool> draining_ = false, verbose_ = false;
  mutable std::mutex log_mutex_;
};

}  // namespace gadolin::serve
