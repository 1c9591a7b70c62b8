// Batch: the named tensors of several samples, in a fixed order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin {

// Names and shapes come from the collation (data/sets/collation.h); "image" [N, C, H, W] and "label" are the
// usual ones. The first dimension of every tensor is the sample.
class Batch {
 public:
  Batch() = default;
  // Throws ValueError unless there is one tensor a name.
  Batch(const std::vector<std::string>& names, std::vector<Tensor> tensors);

  // Throws ValueError when there is no tensor of that name, naming those there are.
  const Tensor& operator[](std::string_view name) const;
  bool has(std::string_view name) const;        // whether there is a tensor of that name
  Batch& set(std::string name, Tensor tensor);  // replaces the tensor of that name, or comes after the others
  std::vector<std::string> names() const;       // in their order
  // In the order of the names: what a recorded step takes; Batch(names, tensors) puts them back.
  std::vector<Tensor> tensors() const;
  std::int64_t size() const;  // samples

  std::vector<std::int64_t> indices;  // their places in the source
  std::int64_t epoch = 0, step = 0;   // step counts within the epoch, from 0
  bool spare = false;  // a process's share that is empty: its samples are there for their shapes alone

 private:
  const Tensor* find(std::string_view name) const;
  std::vector<std::pair<std::string, Tensor>> values_;
};

}  // namespace gadolin
