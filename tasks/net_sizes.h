// Sizes of the nets and detectors of the registries, for their list.
#pragma once

#include <cstdint>
#include <string>

namespace gadolin {

struct NetSize {
  const char* name;
  std::int64_t parameters, macs;
};
// Throws ValueError for a name without a row.
const NetSize& net_size(const std::string& name);

}  // namespace gadolin
