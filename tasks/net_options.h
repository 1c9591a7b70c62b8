// Options of a net as JSON, for checkpoints, and as words of a command line.
#pragma once

#include <string>

#include "io/json.h"
#include "nets/registry.h"

namespace gadolin {

Json options_to_json(const NetOptions& options);
NetOptions options_from_json(const Json& json);
// NAME=VALUE into the options; values true, false and numbers are taken as such. Throws UsageError.
void add_net_option(NetOptions& options, const std::string& text);

}  // namespace gadolin
