// Hugging Face's .safetensors files: named tensors and text, checked before anything is allocated.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/mapped_file.h"
#include "tensor/tensor.h"

namespace gadolin {

using TensorMap = std::map<std::string, Tensor>;     // by name
using TextMap = std::map<std::string, std::string>;  // by key

// One tensor as the header describes it.
struct SafetensorsEntry {
  std::string name, dtype;          // dtype as in the file: "F32"
  std::vector<std::int64_t> sizes;  // of its dimensions
  std::int64_t begin = 0, end = 0;  // bytes, from the end of the header
};

// What a file says of its tensors.
struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // by offset
  TextMap metadata;                       // texts by key
  std::int64_t data_start = 0;            // of the file
};

// Reads and checks the header of a file of `file_bytes` bytes that begins with `start` (the whole header at
// least). The tensors must fill the rest exactly: no overlaps, no holes, sizes that agree with types. Limits:
// 100 MB, a million tensors, rank 16. Throws FormatError, with `name`.
SafetensorsHeader parse_safetensors_header(std::string_view start, std::int64_t file_bytes,
                                           const std::string& name);

// A file whose tensors are read when asked for.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path);  // maps it; throws FileError, FormatError
  // In the order of the file.
  const std::vector<SafetensorsEntry>& entries() const { return header_.entries; }
  const TextMap& metadata() const { return header_.metadata; }  // texts by key
  // Whether there is a tensor of that name.
  bool contains(const std::string& name) const { return by_name_.count(name) != 0; }
  // On the CPU, over the mapped file where alignment allows: it takes no memory until it is changed. Throws
  // FormatError when there is no such tensor and for types that Gadolin lacks.
  Tensor tensor(const std::string& name) const;

 private:
  std::shared_ptr<MappedFile> file_;
  SafetensorsHeader header_;
  std::map<std::string, std::size_t> by_name_;
};

TensorMap load_safetensors(const std::string& path);  // all tensors, as copies
// Widest types first and then by name, as the reference writer does, so that every tensor is aligned. Atomic;
// waits for devices.
void save_safetensors(const std::string& path, const TensorMap& tensors, const TextMap& metadata = {});

}  // namespace gadolin
