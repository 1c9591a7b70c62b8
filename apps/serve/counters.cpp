#include "apps/serve/counters.h"

#include <unistd.h>

#include <fstream>

#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::serve {
namespace {

std::string with_labels(const std::string& name, const std::string& labels) {
  return labels.empty() ? name : cat(name, "{", labels, "}");
}

}  // namespace

void Histogram::add(double value) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < bounds_.size(); ++i) below_[i] += value <= bounds_[i];
  ++count_;
  sum_ += value;
}

std::string Histogram::lines(const std::string& name, const std::string& labels) const {
  const std::lock_guard lock(mutex_);
  const std::string more = labels.empty() ? "" : labels + ",";
  std::string text;
  for (std::size_t i = 0; i < bounds_.size(); ++i)
    text += cat(name, "_bucket{", more, "le=\"", exact_text(bounds_[i]), "\"} ", below_[i], "\n");
  text += cat(name, "_bucket{", more, "le=\"+Inf\"} ", count_, "\n");
  return text + with_labels(name + "_sum", labels) + " " + exact_text(sum_) + "\n" +
         with_labels(name + "_count", labels) + cat(" ", count_, "\n");
}

std::int64_t Histogram::count() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

void Counter::add(const std::string& labels, std::int64_t n) {
  const std::lock_guard lock(mutex_);
  values_[labels] += n;
}

std::string Counter::lines(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const auto& [labels, value] : values_) text += with_labels(name, labels) + cat(" ", value, "\n");
  return text;
}

std::string label(const std::string& name, const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\n') {
      escaped += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return cat(name, "=\"", escaped, "\"");
}

std::string metric_head(const std::string& name, const std::string& type, const std::string& about) {
  return cat("# HELP ", name, " ", about, "\n# TYPE ", name, " ", type, "\n");
}

std::string gauge(const std::string& name, const std::string& about, double value) {
  return metric_head(name, "gauge", about) + cat(name, " ", exact_text(value), "\n");
}

std::int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t size = 0, resident = 0;
  return statm >> size >> resident ? resident * sysconf(_SC_PAGESIZE) : 0;
}

}  // namespace gadolin::serve
