// Tensors out of a mapped .safetensors file, and the writer.
#include "io/safetensors.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "io/atomic_file.h"

namespace gadolin {
namespace {

constexpr const char* names[] = {"F32", "F64", "BF16", "F16",
                                 "I64", "I32", "U8",   "BOOL"};  // in the order of DType

const char* name_for(DType dtype) { return names[static_cast<int>(dtype)]; }

}  // namespace

SafetensorsFile::SafetensorsFile(const std::string& path)
    : file_(std::make_shared<MappedFile>(path)),
      header_(parse_safetensors_header(file_->text(), static_cast<std::int64_t>(file_->size()), path)) {
  for (std::size_t i = 0; i < header_.entries.size(); ++i) by_name_[header_.entries[i].name] = i;
}

Tensor SafetensorsFile::tensor(const std::string& name) const {
  const auto found = by_name_.find(name);
  require<FormatError>(found != by_name_.end(), "safetensors: ", file_->path(), ": no tensor '", name, "'");
  const SafetensorsEntry& entry = header_.entries[found->second];
  const auto* type =
      std::find_if(std::begin(names), std::end(names), [&](const char* n) { return entry.dtype == n; });
  require<FormatError>(type != std::end(names), "safetensors: ", file_->path(), ": '", name, "' is of type ",
                       entry.dtype, ", which Gadolin does not have; convert it to F32 first");
  require<FormatError>(entry.sizes.size() <= static_cast<std::size_t>(Shape::max_dim),
                       "safetensors: ", file_->path(), ": '", name, "' has ", entry.sizes.size(),
                       " dimensions, at most ", Shape::max_dim, " are possible");
  const DType dtype = static_cast<DType>(type - std::begin(names));
  const Shape shape(entry.sizes);
  const std::byte* at = file_->data() + header_.data_start + entry.begin;
  const std::int64_t bytes = entry.end - entry.begin;
  if (dtype == DType::boolean) {
    const bool good = std::all_of(at, at + bytes, [](std::byte b) { return b <= std::byte{1}; });
    require<FormatError>(good, "safetensors: ", file_->path(), ": '", name,
                         "' is BOOL but holds bytes other than 0 and 1");
  }
  if (bytes == 0) return empty(shape, dtype);
  Ref<Storage> storage =
      mapped_storage(file_, static_cast<std::size_t>(header_.data_start + entry.begin),
                     static_cast<std::size_t>(bytes), static_cast<std::size_t>(size_of(dtype)));
  return Tensor::over(std::move(storage), shape, strides_for(shape), 0, dtype);
}

TensorMap load_safetensors(const std::string& path) {
  const SafetensorsFile file(path);
  TensorMap tensors;
  for (const SafetensorsEntry& entry : file.entries()) tensors.emplace(entry.name, file.tensor(entry.name));
  return tensors;
}

void save_safetensors(const std::string& path, const TensorMap& tensors, const TextMap& metadata) {
  std::vector<TensorMap::const_iterator> order;
  for (auto it = tensors.begin(); it != tensors.end(); ++it) {
    require<ValueError>(it->first != "__metadata__", "save_safetensors: '__metadata__' cannot name a tensor");
    require<ValueError>(it->second.defined(), "save_safetensors: '", it->first, "' is undefined");
    order.push_back(it);
  }
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return size_of(a->second.dtype()) > size_of(b->second.dtype());
  });
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::int64_t at = 0;
  for (const auto& it : order) {
    const Tensor& x = it->second;
    header[it->first] = {
        {"dtype", name_for(x.dtype())}, {"shape", x.shape().vec()}, {"data_offsets", {at, at + x.nbytes()}}};
    at += x.nbytes();
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t length = text.size();

  AtomicFile file(path, 8 + static_cast<std::int64_t>(length) + at);
  file.write(&length, 8);
  file.write(text);
  for (const auto& it : order) {
    const Tensor host = it->second.detach().to(cpu).contiguous();
    if (host.nbytes() > 0) file.write(host.raw(), static_cast<std::size_t>(host.nbytes()));
  }
  file.commit();
}

}  // namespace gadolin
