// The one JSON type: objects keep the order in which they were filled, so that files come out the same every
// time.
#pragma once

#include <nlohmann/json.hpp>

namespace gadolin {

using Json = nlohmann::ordered_json;  // keys stay in their order

}  // namespace gadolin
