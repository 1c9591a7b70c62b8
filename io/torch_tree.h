// The tensors in a pickle of PyTorch's: which calls stand for one, and where in the tree they hang. Internal
// to the reader of torch files.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/pickle.h"
#include "tensor/check.h"
#include "tensor/dtype.h"

namespace gadolin::detail {

template <class... Parts> [[noreturn]] void wrong_torch(const std::string& file, const Parts&... parts) {
  fail<FormatError, 13>("torch: ", file, ": ", parts...);
}

// An element type as torch calls it.
struct TorchType {
  const char* storage;  // "FloatStorage"
  const char* dtype;    // "float32"
  std::int64_t bytes;   // of an element
  std::optional<DType> ours;
};
// "torch.FloatStorage" or "torch.float32"; nullptr for others.
const TorchType* torch_type(std::string_view global);

// A storage as a persistent identifier names it: ('storage', class, key, location, elements[, view]).
struct TorchStorageId {
  const TorchType* type = nullptr;
  std::string_view key;
  std::int64_t numel = 0;        // of type
  std::int64_t view_offset = 0;  // legacy files: where in the storage a view of it begins, in elements
};
TorchStorageId torch_storage_id(const PickleValue& persistent, const std::string& file);

// A tensor, not yet checked against its storage.
struct TorchTensor {
  TorchStorageId storage;
  const TorchType* type = nullptr;  // of the elements
  std::int64_t offset = 0;
  std::vector<std::int64_t> sizes, strides;
};

// A place in the tree at which a tensor hangs.
struct TorchLeaf {
  std::string name;
  const PickleValue* tensor;  // a call of one of torch._utils._rebuild_...
};
// The choice among what a file holds, with what there is to say about it. Throws FormatError for trees that
// are deeper than 100 or refer to the same values again and again.
struct TorchTree {
  std::vector<TorchLeaf> leaves;
  std::vector<std::string> notes;
};
TorchTree torch_tree(const Pickle& pickle, const std::string& file, std::size_t file_bytes);

// Throws FormatError when the call has not the arguments that it should; nullopt, with the reason in
// `why_not`, for sparse and quantised tensors and the like.
std::optional<TorchTensor> torch_tensor(const PickleValue& call, const std::string& file,
                                        std::string& why_not);

}  // namespace gadolin::detail
