// Servers for tests: in this process, with nets whose answers are known or take as long as a test likes; and
// as a user starts one.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "apps/bench/http_client.h"
#include "apps/serve/application.h"
#include "tasks/classification.h"
#include "tests/data/scratch.h"
#include "train/checkpoint.h"

namespace gadolin::test {

inline constexpr const char* analysis = "/healthcare/mri/analysis";

// A "classifier" of 64 greys: it answers with the mean of the picture, so that an answer tells whose it is.
class Meter : public ClassificationTask {
 public:
  Meter();
  const char* kind() const override { return "meter"; }
  Outputs predict(const Batch& batch) override;
  // Of all meters. How long a batch takes, whether none is answered until further notice, and how many
  // pictures have been computed.
  static std::atomic<int> milliseconds;
  static std::atomic<bool> held;
  static std::atomic<std::int64_t> computed;
};

std::string grey_film(int grey, int size = 8);  // PNG of one value, 4 * grey
void save_task_as(const std::string& path, Task& task);
std::string meter_checkpoint();           // written once
std::string classifier_checkpoint();      // of a real net with random weights, classes a, b, c
std::string several_labels_checkpoint();  // of one with thresholds

struct Served {
  serve::HttpOptions http = {};
  serve::ModelOptions model = {};
  serve::ServiceLimits limits = {};
  std::string token = {}, keep = {};
  std::vector<std::string> checkpoints{"meter=" + meter_checkpoint()};
  bool load = true;  // before it serves
};

// A server in this process on a free port.
class Serving {
 public:
  explicit Serving(Served options = {});
  ~Serving();
  int port() const { return server_->port(); }
  HttpClient client(double timeout = 20) const { return {"127.0.0.1", port(), timeout}; }
  serve::Application& application() { return *application_; }
  serve::Models& models() { return models_; }
  serve::HttpCounts counts() const { return server_->counts(); }
  std::string log() const;
  // The value of a line of /metrics, -1 where there is none.
  double metric(const std::string& line) const;
  // Waits for f to become true, up to half a minute: processors have other work too.
  template <class F> static bool soon(F f) {
    for (int i = 0; i < 6000; ++i) {
      if (f()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return f();
  }

 private:
  serve::Models models_;
  mutable std::mutex mutex_;
  std::string log_;
  std::unique_ptr<serve::Application> application_;
  std::unique_ptr<serve::HttpServer> server_;
};

// `gadolin serve` as a process of its own, ended with the test.
class ServerProcess {
 public:
  explicit ServerProcess(std::vector<std::string> args);  // after "serve --port 0 --json"
  ~ServerProcess();
  int port() const { return port_; }  // -1: it never listened
  HttpClient client(double timeout = 20) const { return {"127.0.0.1", port_, timeout}; }
  bool ready() const;  // waits for it
  void signal(int number) const;
  int wait();  // for its end: exit code, 128 + signal
  std::string said() const;

 private:
  pid_t pid_ = -1;
  int port_ = -1;
  Scratch dir_;
};

Json json_of(const HttpReply& reply);

}  // namespace gadolin::test
