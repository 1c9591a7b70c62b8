// Whether a file or folder is what it was when a step read or made it.
#pragma once

#include <cstdint>
#include <string>

#include "io/json.h"

namespace gadolin::pipeline {

// Up to this many bytes, a file or folder is known by what it holds. Of a larger one that would take longer
// than some steps: it is known by the names, sizes and times of change of its files.
constexpr std::int64_t by_content_bytes = std::int64_t{64} << 20;

struct Fingerprint {
  bool there = false;
  std::int64_t files = 0, bytes = 0;
  bool by_content = false;
  std::string hash;  // SHA-256

  Json json() const;
  // Throws nlohmann's errors where `json` is none of these.
  static Fingerprint of(const Json& json);
  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

// Of a path, with everything below a folder. Throws FileError where it cannot be read.
Fingerprint fingerprint(const std::string& path);

}  // namespace gadolin::pipeline
