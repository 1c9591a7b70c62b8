#include "data/sets/overlap.h"

#include <filesystem>
#include <map>
#include <set>

#include "io/bytes.h"
#include "io/sha256.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

std::map<std::uintmax_t, std::vector<std::int64_t>> by_size(const Dataset& set) {
  std::map<std::uintmax_t, std::vector<std::int64_t>> sizes;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    std::error_code error;
    const auto size = std::filesystem::file_size(set.info(i).path, error);
    if (!error) sizes[size].push_back(i);
  }
  return sizes;
}

// Empty for a file that cannot be read.
std::string hash_of(const Dataset& set, std::int64_t i) {
  try {
    const std::vector<std::uint8_t> bytes = read_bytes(set.info(i).path, ImageLimits{}.file_bytes);
    return sha256_hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  } catch (const Error&) {
    return "";
  }
}

void note(Overlap& o, const std::string& first, const std::string& second) {
  if (!o.first.empty()) return;
  o.first = first;
  o.second = second;
}

}  // namespace

Overlap overlap_of(const Dataset& a, const Dataset& b) {
  Overlap found;
  std::map<std::string, std::int64_t> patients;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    if (a.patient(i).empty())
      ++found.unnamed;
    else
      patients.emplace(a.patient(i), i);
  }
  std::set<std::string> shared;
  for (std::int64_t i = 0; i < b.size(); ++i) {
    if (b.patient(i).empty()) ++found.unnamed;
    const auto other = patients.find(b.patient(i));
    if (b.patient(i).empty() || other == patients.end() || !shared.insert(b.patient(i)).second) continue;
    note(found, a.info(other->second).name, b.info(i).name);
  }
  found.patients = std::ssize(shared);
  const auto sizes = by_size(b);
  for (const auto& [size, of_a] : by_size(a)) {
    const auto same = sizes.find(size);
    if (same == sizes.end()) continue;
    std::map<std::string, std::int64_t> hashes;
    for (const std::int64_t i : of_a) hashes.emplace(hash_of(a, i), i);
    for (const std::int64_t i : same->second) {
      const std::string hash = hash_of(b, i);
      const auto twin = hashes.find(hash);
      if (hash.empty() || twin == hashes.end()) continue;
      ++found.pictures;
      note(found, a.info(twin->second).name, b.info(i).name);
    }
  }
  return found;
}

std::string require_apart(const Dataset& a, const Dataset& b, const std::string& name_of_a,
                          const std::string& name_of_b) {
  const Overlap o = overlap_of(a, b);
  require<DataError>(o.patients == 0 && o.pictures == 0, "data: ", name_of_a, " and ", name_of_b,
                     " are not apart: patients in both: ", o.patients, ", equal files in both: ", o.pictures,
                     " (", printable(o.first), " and ", printable(o.second),
                     "), so what is measured would be too good; divide with gadolin data split");
  return cat(name_of_a, " and ", name_of_b, ": patients in both: 0, equal files in both: 0",
             o.unnamed > 0 ? cat("; ", o.unnamed, " pictures name no patient") : "");
}

}  // namespace gadolin
