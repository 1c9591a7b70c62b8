#include "data/sets/sample.h"

#include <algorithm>

#include "tensor/check.h"

namespace gadolin {

Sample& Sample::set(std::string name, SampleValue value) {
  for (auto& [known, held] : values_) {
    if (known != name) continue;
    held = std::move(value);
    return *this;
  }
  values_.emplace_back(std::move(name), std::move(value));
  return *this;
}

std::vector<std::string> Sample::names() const {
  std::vector<std::string> all;
  for (const auto& [name, value] : values_) all.push_back(name);
  return all;
}

const SampleValue* Sample::find(std::string_view name) const {
  for (const auto& [known, value] : values_)
    if (known == name) return &value;
  return nullptr;
}

const SampleValue& Sample::value(std::string_view name) const {
  if (const SampleValue* found = find(name)) return *found;
  fail<DataError>("sample: there is no '", printable(name), "'; it has ", detail::listed(names()));
}

void Sample::wrong_kind(std::string_view name, const SampleValue& found, const SampleValue& wanted) {
  constexpr const char* kinds[] = {"a picture", "class numbers", "boxes", "an array"};
  fail<DataError>("sample: '", printable(name), "' is ", kinds[found.index()], ", needed is ",
                  kinds[wanted.index()]);
}

std::string SampleSource::patient(std::int64_t) const { return {}; }
std::vector<int> SampleSource::labels(std::int64_t) const { return {}; }

std::string detail::listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + printable(name);
  return text.empty() ? "nothing" : text;
}

}  // namespace gadolin
