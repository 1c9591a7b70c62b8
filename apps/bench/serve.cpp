// gadolin bench serve: a server under load. Each answer is compared with the one that the same film got
// alone.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <optional>
#include <thread>

#include "apps/bench/bench.h"
#include "apps/bench/http_client.h"
#include "apps/program/ranges.h"
#include "io/atomic_file.h"
#include "tasks/inputs.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

struct ServeLoad {
  std::vector<std::string> files;
  std::string url = "http://127.0.0.1:2006", route = "/healthcare/mri/analysis", model;
  int requests = 1000, connections = 64, slow = 0, malformed = 0, upload_mb = 0;
  bool anew = false;
};

constexpr int spoilers = 8;  // threads that send what is malformed

struct Loaded {
  std::vector<double> seconds, health;
  double took = 0;  // until the last good answer
  std::int64_t failed = 0, wrong = 0;
  std::int64_t malformed = 0, uploaded = 0;  // sent meanwhile: requests; bytes of slow bodies
  std::string first_failure;
};

// What must be the same whenever a film is sent: all but numbers of the request.
std::string what_was_said(const HttpReply& reply) {
  const Json json = Json::parse(reply.body, nullptr, false);
  if (reply.status != 200 || !json.is_object())
    return cat("status ", reply.status, ": ", reply.body.substr(0, 200));
  if (!json.contains("results")) return reply.body;  // of another server
  std::string said;
  for (Json result : json["results"]) {
    result.erase("ms");
    said += result.dump();
  }
  return said;
}

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return NAN;
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(std::lround(share * static_cast<double>(values.size() - 1)))];
}

// The value of a line of /metrics; NaN where a server has none.
double metric_of(HttpClient& client, const std::string& line) {
  const std::string text = "\n" + client.get("/metrics").body;
  const std::size_t at = text.find("\n" + line);
  return at == std::string::npos ? NAN : std::strtod(text.c_str() + text.find(' ', at + 1), nullptr);
}

class Load {
 public:
  explicit Load(const ServeLoad& o) : o_(o), address_(host_and_port("bench serve: --url", o.url)) {
    std::vector<std::string> files = expand_files(o.files, true);
    if (std::ssize(files) > o.requests) files.resize(static_cast<std::size_t>(o.requests));
    for (const std::string& file : files)
      films_.push_back(
          form_body({{"file", "film", read_file(file, std::int64_t{1} << 30)}, {"model", "", o.model}}));
    require<UsageError>(!films_.empty(), "bench serve: no films to send");
  }
  HttpClient client() const { return {address_.first, address_.second, 120}; }
  HttpReply send(HttpClient& client, std::size_t film) const {
    return client.request("POST", o_.route, {{"Content-Type", form_type}}, films_[film]);
  }

  // Each film alone.
  void learn() {
    HttpClient one = client();
    for (std::size_t i = 0; i < films_.size(); ++i) {
      const HttpReply reply = send(one, i);
      require<DataError>(reply.status == 200, "bench serve: film ", i, " was answered with status ",
                         reply.status, ": ", reply.body.substr(0, 200), "; give films that the server reads");
      known_.push_back(what_was_said(reply));
    }
  }

  Loaded run(const std::function<void()>& at_tenth) {
    Loaded all;
    std::atomic<int> next = 0;
    std::atomic<bool> stop = false;
    std::mutex mutex;
    const auto worker = [&] {
      HttpClient own = client();
      std::vector<double> seconds;
      std::int64_t failed = 0, wrong = 0;
      std::string first;
      for (int i; (i = next++) < o_.requests;) {
        if (o_.anew) own = client();
        const std::size_t film = static_cast<std::size_t>(i) % films_.size();
        try {
          if (i == o_.requests / 10) at_tenth();
          const double began = seconds_now();
          const HttpReply reply = send(own, film);
          seconds.push_back(seconds_now() - began);
          const std::string said = what_was_said(reply);
          failed += reply.status != 200;
          wrong += reply.status == 200 && said != known_[film];
          if (reply.status != 200 && first.empty()) first = said;
        } catch (const Error& error) {
          ++failed;
          if (first.empty()) first = error.what();
          own = client();
        }
      }
      const std::lock_guard lock(mutex);
      all.seconds.insert(all.seconds.end(), seconds.begin(), seconds.end());
      all.failed += failed;
      all.wrong += wrong;
      if (all.first_failure.empty()) all.first_failure = first;
    };
    std::vector<std::jthread> beside;
    // A peer that is refused a connection spoils nothing more.
    const auto as_peer = [](const auto& f) {
      try {
        f();
      } catch (const Error&) {
      }
    };
    beside.emplace_back([&] { as_peer([&] { slow_peers(stop); }); });
    beside.emplace_back([&] { as_peer([&] { slow_upload(stop, all.uploaded); }); });
    std::atomic<int> sent = 0;
    const double began = seconds_now();
    for (int from = 0; from < spoilers; ++from)
      beside.emplace_back([&, from] { as_peer([&] { malformed(from, sent); }); });
    beside.emplace_back([&] {
      try {
        all.health = health(stop);
      } catch (const Error& error) {
        const std::lock_guard lock(mutex);
        ++all.failed;
        all.first_failure = cat("/healthz: ", error.what());
      }
    });
    {
      std::vector<std::jthread> workers;
      for (int i = 0; i < o_.connections; ++i) workers.emplace_back(worker);
    }
    all.took = seconds_now() - began;
    all.malformed = sent;
    stop = true;
    beside.clear();
    return all;
  }

 private:
  // Peers that send a byte now and then, half of them of a header, half of a body.
  void slow_peers(const std::atomic<bool>& stop) const {
    std::vector<HttpClient> peers;
    for (int i = 0; i < o_.slow; ++i) {
      peers.push_back(client());
      peers.back().send(i % 2 ? "GET / HTTP/1.1\r\nX: "
                              : "POST " + o_.route + " HTTP/1.1\r\nHost: x\r\nContent-Type: " + form_type +
                                    "\r\nContent-Length: 100000\r\n\r\n");
    }
    while (!stop) {
      for (HttpClient& peer : peers) peer.send("x");
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
  }
  // A large body that comes in pieces, 3 MB a second, and then the next one.
  void slow_upload(const std::atomic<bool>& stop, std::int64_t& sent) const {
    const std::string piece(1 << 16, '\0');
    while (o_.upload_mb > 0 && !stop) {
      HttpClient peer = client();
      peer.send("POST " + o_.route + " HTTP/1.1\r\nHost: x\r\nContent-Type: " + form_type +
                cat("\r\nContent-Length: ", std::int64_t{o_.upload_mb} << 20, "\r\n\r\n"));
      for (int i = 0; i < o_.upload_mb * 16 && !stop; ++i) {
        if (!peer.send(piece)) break;
        sent += std::ssize(piece);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    }
  }
  void malformed(int from, std::atomic<int>& sent) const {
    const std::string kinds[] = {
        "NONSENSE\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", std::string(300, '\0'),
        "POST " + o_.route + " HTTP/1.1\r\nHost: x\r\nContent-Type: " + form_type +
            "\r\nContent-Length: 5\r\n\r\nabcde"};
    for (int i = from; i < o_.malformed; i += spoilers, ++sent) {
      const int kind = i / spoilers % 4;  // every thread sends every kind: some take longer
      HttpClient bad = client();
      bad.send(kinds[kind]);
      bad.closed_by_peer(kind == 3 ? 0.001 : 0.05);
    }
  }
  std::vector<double> health(const std::atomic<bool>& stop) const {
    std::vector<double> seconds;
    HttpClient one = client();
    while (!stop) {
      const double began = seconds_now();
      if (one.get("/healthz").status != 200) break;  // another server
      seconds.push_back(seconds_now() - began);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return seconds;
  }

  ServeLoad o_;
  std::pair<std::string, int> address_;
  std::vector<std::string> films_, known_;
};

void run_serve_bench(Session& session, const ServeLoad& o) {
  Load load(o);
  load.learn();
  // A connection each time: the server ends one that says nothing while the load goes on.
  const auto now = [&](const char* line) {
    HttpClient asker = load.client();
    return metric_of(asker, line);
  };
  const double net_before = now("gadolin_batch_seconds_sum"),
               batches_before = now("gadolin_batch_seconds_count");
  std::optional<double> memory;
  const Loaded done = load.run([&] { memory = now("process_resident_memory_bytes"); });
  const double took = done.took, batches = now("gadolin_batch_seconds_count") - batches_before,
               net = (now("gadolin_batch_seconds_sum") - net_before) / batches,
               p50 = percentile(done.seconds, 0.5);
  const auto ms = [](double seconds) { return fixed(seconds * 1e3, 2); };
  const double grown = now("process_resident_memory_bytes") - memory.value_or(NAN);
  std::vector<std::vector<std::string>> rows{
      {"what", "value"},
      {"requests", cat(done.seconds.size())},
      {"failed", cat(done.failed)},
      {"answers unlike the film's own", cat(done.wrong)},
      {"a second", fixed(static_cast<double>(done.seconds.size()) / took, 1)},
      {"p50 ms", ms(p50)},
      {"p90 ms", ms(percentile(done.seconds, 0.9))},
      {"p99 ms", ms(percentile(done.seconds, 0.99))}};
  if (o.malformed > 0) rows.push_back({"malformed requests meanwhile", cat(done.malformed)});
  if (o.upload_mb > 0)
    rows.push_back({"MB of slow uploads meanwhile", fixed(static_cast<double>(done.uploaded) / 1e6, 1)});
  if (!done.health.empty()) rows.push_back({"health, p99 ms", ms(percentile(done.health, 0.99))});
  if (std::isfinite(net)) {
    rows.push_back({"pictures a batch", fixed(static_cast<double>(done.seconds.size()) / batches, 2)});
    rows.push_back({"net alone, mean ms a batch", ms(net)});
    rows.push_back({"p50 over net", fixed(p50 / net, 3)});
    rows.push_back({"memory grown after a tenth, MB", fixed(grown / 1e6, 1)});
  }
  session.say(format_table(rows));
  session.metric("requests", done.seconds.size());
  session.metric("failed", done.failed);
  session.metric("wrong", done.wrong);
  session.metric("malformed", done.malformed);
  session.metric("uploaded_bytes", done.uploaded);
  session.metric("per_second", static_cast<double>(done.seconds.size()) / took);
  session.metric("p50_ms", p50 * 1e3);
  session.metric("p99_ms", percentile(done.seconds, 0.99) * 1e3);
  session.metric("health_p99_ms", percentile(done.health, 0.99) * 1e3);
  session.metric("net_ms", net * 1e3);
  session.metric("pictures_a_batch", static_cast<double>(done.seconds.size()) / batches);
  session.metric("memory_grown_bytes", grown);
  require<DataError>(done.failed == 0, "bench serve: ", done.failed, " of ", o.requests, " requests failed (",
                     done.first_failure, "); see the server's log");
  require<DataError>(done.wrong == 0, "bench serve: ", done.wrong, " of ", o.requests,
                     " answers are not those that the films got alone; this is a fault of the server");
}

}  // namespace

void add_serve_bench(Program& program, CLI::App* group) {
  const auto o = std::make_shared<ServeLoad>();
  CLI::App* app = program.add(
      group, "serve", "A running server: requests a second, times, memory, each answer compared",
      [o](Session& s) { run_serve_bench(s, *o); },
      "gadolin bench serve examples/data/cxr-nih14-small/images --url http://127.0.0.1:2006 --requests "
      "10000");
  app->add_option("files", o->files, "Films to send in turn: files, folders, .txt lists")->required();
  app->add_option("--url", o->url, "Where the server listens")->capture_default_str();
  app->add_option("--route", o->route, "That takes a form with a part file")->capture_default_str();
  app->add_option("--model", o->model, "Of several");
  app->add_option("--requests", o->requests, "In all")->check(count_from(1))->capture_default_str();
  app->add_option("--connections", o->connections, "At once, each waiting for its answer")
      ->check(between(1, 4096))
      ->capture_default_str();
  app->add_flag("--new-connections", o->anew, "One for each request");
  app->add_option("--slow-peers", o->slow, "That send a byte every half second")
      ->check(between(0, 10000))
      ->capture_default_str();
  app->add_option("--upload-mb", o->upload_mb,
                  "A body of so many MiB that comes slowly, over and over; 0: none")
      ->check(between(0, 1024))
      ->capture_default_str();
  app->add_option("--malformed", o->malformed, "Requests beside the good ones that are no HTTP, or no form")
      ->check(between(0, 1000000))
      ->capture_default_str();
}

}  // namespace gadolin
