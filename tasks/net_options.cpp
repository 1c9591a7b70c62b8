#include "tasks/net_options.h"

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
