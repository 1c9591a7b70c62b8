// Options of a net as JSON, for checkpoints, and as words of a command line.
#pragma once

#include <string>
#include <vector>

#include "io/json.h"
#include "nets/registry.h"
#include "train/checkpoint.h"

namespace gadolin {

Json options_to_json(const NetOptions& options);
NetOptions options_from_json(const Json& json);

// What a checkpoint of the file `path` says of its net and classes. Throws CheckpointError where it does not
// describe `what`: "a classifier".
struct DescribedNet {
  NetOptions options;
  std::vector<std::string> classes;
};
DescribedNet described_net(const Checkpoint& checkpoint, const std::string& path, const char* what);

// NAME=VALUE into the options; values true, false and numbers are taken as such. Throws UsageError.
void add_net_option(NetOptions& options, const std::string& text);

}  // namespace gadolin
