// Counts and times as Prometheus reads them (text format 0.0.4).
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace gadolin::serve {

// Values below each bound, their number and sum. Safe from several threads.
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)), below_(bounds_.size()) {}
  void add(double value);
  // Lines NAME_bucket, NAME_sum and NAME_count with these labels (`model="chest"`, may be empty).
  std::string lines(const std::string& name, const std::string& labels) const;
  std::int64_t count() const;

 private:
  mutable std::mutex mutex_;
  std::vector<double> bounds_;
  std::vector<std::int64_t> below_;
  std::int64_t count_ = 0;
  double sum_ = 0;
};

// Counters by their labels. Safe from several threads.
class Counter {
 public:
  void add(const std::string& labels, std::int64_t n = 1);
  std::string lines(const std::string& name) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::int64_t> values_;
};

// `name="text"` with the text escaped.
std::string label(const std::string& name, const std::string& text);
// What a metric is, in front of its lines; type: counter, gauge, histogram.
std::string metric_head(const std::string& name, const std::string& type, const std::string& about);
std::string gauge(const std::string& name, const std::string& about, double value);
std::int64_t resident_bytes();  // of this process; 0 where the system does not tell

}  // namespace gadolin::serve
