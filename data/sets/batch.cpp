#include "data/sets/batch.h"

#include "data/sets/sample.h"
#include "tensor/check.h"

namespace gadolin {

Batch::Batch(const std::vector<std::string>& names, std::vector<Tensor> tensors) {
  require<ValueError>(names.size() == tensors.size(), "batch: ", tensors.size(), " tensors for ",
                      names.size(), " names (", detail::listed(names), ")");
  for (std::size_t i = 0; i < names.size(); ++i) values_.emplace_back(names[i], std::move(tensors[i]));
}

const Tensor* Batch::find(std::string_view name) const {
  for (const auto& [known, tensor] : values_)
    if (known == name) return &tensor;
  return nullptr;
}

const Tensor& Batch::operator[](std::string_view name) const {
  if (const Tensor* found = find(name)) return *found;
  fail<ValueError>("batch: there is no '", printable(name), "'; it has ", detail::listed(names()));
}

bool Batch::has(std::string_view name) const { return find(name) != nullptr; }

Batch& Batch::set(std::string name, Tensor tensor) {
  for (auto& [known, held] : values_) {
    if (known != name) continue;
    held = std::move(tensor);
    return *this;
  }
  values_.emplace_back(std::move(name), std::move(tensor));
  return *this;
}

std::vector<std::string> Batch::names() const {
  std::vector<std::string> all;
  for (const auto& [name, tensor] : values_) all.push_back(name);
  return all;
}

std::vector<Tensor> Batch::tensors() const {
  std::vector<Tensor> all;
  for (const auto& [name, tensor] : values_) all.push_back(tensor);
  return all;
}

std::int64_t Batch::size() const { return values_.empty() ? 0 : values_.front().second.size(0); }

}  // namespace gadolin
