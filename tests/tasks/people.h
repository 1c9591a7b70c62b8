// The numbers of tools/fixtures/people.py.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/layers/numbers.h"

namespace gadolin {

using Label = std::vector<std::uint8_t>;

inline const nlohmann::json& people_numbers() {
  static const nlohmann::json all = stored_numbers("people.json");
  return all;
}

}  // namespace gadolin
