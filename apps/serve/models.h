// Models of a server: each a checkpoint that is loaded, tried once, and then answers through a Predictor.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <semaphore>
#include <stop_token>
#include <string>
#include <vector>

#include "apps/serve/counters.h"
#include "apps/serve/http.h"
#include "tasks/input_warnings.h"
#include "tasks/predictor.h"

namespace gadolin::serve {

struct ModelOptions {
  Device device = cpu;
  DType compute = DType::fp32;
  std::int64_t batch = 8;    // pictures that are predicted together at most
  double wait = 0;           // seconds that a batch which is not full waits for more
  std::int64_t queue = 256;  // pictures under way at most; more are refused
};

class ServedModel {
 public:
  ServedModel(std::string name, std::string path, ModelOptions options);
  // Reads the checkpoint and lets the net answer once. Throws what that throws; then it stays not ready.
  void load();
  void fail(const std::string& why);  // what those who ask are told

  const std::string& name() const { return name_; }
  const std::string& path() const { return path_; }
  std::string title() const { return name_ + "@" + hash_; }  // once ready
  const std::string& hash() const { return hash_; }          // first 12 digits of the file's SHA-256
  bool ready() const { return ready_; }
  bool failed() const { return failed_; }

  // Throws HttpRefusal (503) unless ready.
  void require_ready() const;
  const Task& task() const { return predictor_->task(); }
  Predictor& predictor() const { return *predictor_; }
  const InputWatch& watch() const { return watch_; }
  const ModelOptions& options() const { return options_; }
  std::vector<std::int64_t> input() const { return input_; }  // [C, H, W] of the net; -1: any size
  bool several_labels() const;
  Json thresholds() const;  // {"Effusion": 0.42, "Hernia": null}; null without any
  // Without those that no training sample had: nothing is said of them.
  std::vector<std::string> classes() const;
  Json described() const;  // for /version

  // Room for so many pictures while it lives. Throws HttpRefusal (503) where they are too many.
  class Room {
   public:
    Room(ServedModel& model, std::int64_t pictures);
    ~Room() { model_.under_way_ -= pictures_; }
    Room(const Room&) = delete;
    Room& operator=(const Room&) = delete;

   private:
    ServedModel& model_;
    std::int64_t pictures_;
  };
  // Sample i as a batch of one; few are made at once, one a core.
  Batch one(const Dataset& set, std::int64_t i) const;
  // The answer to what was submitted. Throws HttpRefusal (503) once more than `seconds` have passed.
  static Outputs wait_for(std::future<Outputs>& answer, double seconds);
  // Of a batch of one: where the net sees a class, [h, w].
  Tensor heat(const Batch& batch, int target);

  std::atomic<std::int64_t> under_way_ = 0;  // pictures
  Histogram batch_sizes{{1, 2, 4, 8, 16, 32, 64}};
  Histogram batch_seconds{{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}};

 private:
  void try_once();
  std::string name_, path_, hash_, why_, layer_;
  ModelOptions options_;
  InputWatch watch_;
  std::vector<std::int64_t> input_;
  std::unique_ptr<Predictor> predictor_;
  std::atomic<bool> ready_ = false, failed_ = false;
  mutable std::mutex mutex_;
};

// Whoever holds one decodes a picture; there is one a core, because each picture may take a gigabyte.
class DecoderTurn {
 public:
  DecoderTurn();
  ~DecoderTurn();
  DecoderTurn(const DecoderTurn&) = delete;
  DecoderTurn& operator=(const DecoderTurn&) = delete;
};

// What a request waits for. When the request ends, answered or too late, or its client hangs up, whatever it
// still has in the queue leaves it.
class Interest {
 public:
  explicit Interest(const std::stop_token& client) : hung_up_(client, [this] { source_.request_stop(); }) {}
  ~Interest() { source_.request_stop(); }
  std::stop_token token() const { return source_.get_token(); }

 private:
  std::stop_source source_;
  std::stop_callback<std::function<void()>> hung_up_;
};

class Models {
 public:
  // `given`: FILE or NAME=FILE. Throws UsageError for a name twice or of other characters than A-Z a-z 0-9 .
  // _ and -, FileError for a file that is not there.
  Models(const std::vector<std::string>& given, const ModelOptions& options);
  // The first one where `name` is empty. Throws HttpRefusal: `missing` (400 or 404) where there is none of
  // the name, 503 where it is not ready.
  ServedModel& at(const std::string& name, int missing = 400);
  bool ready() const;   // all are
  bool failed() const;  // all have
  const std::vector<std::unique_ptr<ServedModel>>& all() const { return all_; }

 private:
  std::vector<std::unique_ptr<ServedModel>> all_;
};

// The class of the highest probability among those that the task was trained for.
int likeliest(const Task& task, const std::vector<double>& p);

}  // namespace gadolin::serve
