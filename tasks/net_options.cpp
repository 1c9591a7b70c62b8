#include "tasks/net_options.h"

#include <algorithm>

#include "tensor/check.h"

namespace gadolin {

Json options_to_json(const NetOptions& options) {
  Json json = Json::object();
  for (const auto& option : options) {  // no structured binding: clang 14 cannot capture one
    std::visit([&](const auto& v) { json[option.first] = v; }, option.second);
  }
  return json;
}
NetOptions options_from_json(const Json& json) {
  NetOptions options;
  for (const auto& [name, value] : json.items()) {
    if (value.is_boolean())
      options[name] = value.get<bool>();
    else if (value.is_number())
      options[name] = value.get<double>();
    else
      options[name] = value.get<std::string>();
  }
  return options;
}

DescribedNet described_net(const Checkpoint& c, const std::string& path, const char* what) {
  const Json options = Json::parse(c.fact("net_options"), nullptr, false),
             classes = Json::parse(c.fact("classes"), nullptr, false);
  const bool names = classes.is_array() && std::all_of(classes.begin(), classes.end(),
                                                       [](const Json& name) { return name.is_string(); });
  const bool values = options.is_object() &&
                      std::all_of(options.begin(), options.end(),
                                  [](const Json& value) { return value.is_primitive() && !value.is_null(); });
  require<CheckpointError, 30>(names && values, "checkpoint: ", path, " does not describe ", what,
                               "; was it written by gadolin train?");
  return {options_from_json(options), classes.get<std::vector<std::string>>()};
}

void add_net_option(NetOptions& options, const std::string& text) {
  const std::size_t equals = text.find('=');
  require<UsageError>(equals != std::string::npos && equals > 0, "--net-option ", text,
                      " is not NAME=VALUE, such as transform_input=true");
  const std::string value = text.substr(equals + 1);
  const Json json = Json::parse(value, nullptr, false);
  const bool plain = json.is_boolean() || json.is_number();
  options[text.substr(0, equals)] = !plain              ? OptionValue(value)
                                    : json.is_boolean() ? OptionValue(json.get<bool>())
                                                        : OptionValue(json.get<double>());
}

}  // namespace gadolin
