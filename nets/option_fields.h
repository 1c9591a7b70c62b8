// Reading of constructor options by name, for the registries of nets and detectors.
#pragma once

#include <algorithm>

#include "io/text.h"
#include "nets/registry.h"

namespace gadolin::detail {

struct List {
  std::vector<std::string>& names;
  template <class T> void operator()(const char* name, T&) const { names.push_back(name); }
};

// Reads one option into a field and checks its type.
struct Read {
  const std::string& net;
  const NetOptions& given;
  template <class T> const T* find(const char* name, const char* wanted) const {
    const auto found = given.find(name);
    if (found == given.end()) return nullptr;
    const T* value = std::get_if<T>(&found->second);
    require<UsageError>(value != nullptr, net, ": option ", name, " must be ", wanted);
    return value;
  }
  void operator()(const char* name, int& field) const {
    const double* value = find<double>(name, "a positive whole number");
    if (!value) return;
    require<UsageError>(*value >= 1 && *value <= 1e6 && *value == static_cast<int>(*value), net, ": option ",
                        name, " must be a positive whole number");
    field = static_cast<int>(*value);
  }
  void operator()(const char* name, double& field) const {
    const double* value = find<double>(name, "a number from 0 to 1");
    if (!value) return;
    require<UsageError>(*value >= 0 && *value <= 1, net, ": option ", name, " must be a number from 0 to 1");
    field = *value;
  }
  void operator()(const char* name, bool& field) const {
    if (const bool* value = find<bool>(name, "true or false")) field = *value;
  }
};

inline const NetInfo& find_info(const char* what, const std::vector<NetInfo>& all, const std::string& name) {
  std::vector<std::string> names;
  for (const NetInfo& info : all) {
    if (info.name == name) return info;
    names.push_back(info.name);
  }
  const std::string near = nearest(name, names);
  fail<UsageError>(what, ": ", name, " is unknown; ", near.empty() ? "" : "did you mean " + near + "? ",
                   "known are ", joined(names));
}
inline void check_known(const std::string& net, const NetOptions& given,
                        const std::vector<std::string>& known) {
  for (const auto& [option, value] : given) {
    require<UsageError>(std::find(known.begin(), known.end(), option) != known.end(), net, ": option ",
                        option, " is unknown; known are ", joined(known));
  }
}

}  // namespace gadolin::detail
