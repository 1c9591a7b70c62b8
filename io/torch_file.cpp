// Containers of torch.save: where the pickle and the storages lie in a zip archive and in the legacy stream.
#include "io/torch_file.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "io/bytes.h"
#include "io/torch_tree.h"
#include "io/zip_file.h"

namespace gadolin {
namespace {

using namespace detail;

constexpr std::string_view legacy_magic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19",
                                        12);  // a LONG1 of ten bytes

// Where in the file the bytes of a storage lie.
struct Extent {
  std::uint64_t begin = 0, bytes = 0;
};

// Gives each storage of a file once, so that tensors share what the file shares.
class Storages {
 public:
  explicit Storages(std::shared_ptr<MappedFile> file) : file_(std::move(file)) {}
  virtual ~Storages() = default;

  const Ref<Storage>& at(const TorchStorageId& id) {
    const auto found = made_.find(id.key);
    if (found != made_.end()) return found->second;
    const Extent extent = find(id);
    return made_.emplace(id.key, mapped_storage(file_, extent.begin, extent.bytes, 8)).first->second;
  }
  // Whether all bytes are 0 or 1; looked at once.
  bool bools(const Storage& storage) {
    const auto [found, added] = bools_.emplace(&storage, true);
    const auto* at = static_cast<const std::uint8_t*>(storage.data());
    if (added) found->second = std::all_of(at, at + storage.nbytes(), [](std::uint8_t b) { return b <= 1; });
    return found->second;
  }

 protected:
  virtual Extent find(const TorchStorageId& id) = 0;
  std::shared_ptr<MappedFile> file_;

 private:
  std::map<std::string_view, Ref<Storage>> made_;
  std::map<const Storage*, bool> bools_;
};

constexpr std::size_t name_shown = 120;  // bytes of a name in a message

class ZipStorages : public Storages {
 public:
  ZipStorages(std::shared_ptr<MappedFile> file, const ZipFile& zip, std::string root)
      : Storages(std::move(file)), zip_(zip), root_(std::move(root)) {}

 protected:
  Extent find(const TorchStorageId& id) override {
    const ZipEntry* entry = zip_.find(root_ + "data/" + std::string(id.key));
    if (entry == nullptr)
      wrong_torch(file_->path(), "storage '", printable(id.key, name_shown), "' is not in the archive");
    std::int64_t bytes = 0;
    if (__builtin_mul_overflow(id.numel, id.type->bytes, &bytes) ||
        static_cast<std::uint64_t>(bytes) != entry->size)
      wrong_torch(file_->path(), "storage '", printable(id.key, name_shown), "' has ", entry->size,
                  " bytes, not ", id.numel, " elements of ", id.type->bytes);
    zip_.view(*entry);  // checks its CRC-32
    return {zip_.begin(*entry), entry->size};
  }

 private:
  const ZipFile& zip_;
  std::string root_;
};

// The sizes of all elements are needed to find a storage in the stream: they stand in the pickle only.
class LegacyStorages : public Storages {
 public:
  LegacyStorages(std::shared_ptr<MappedFile> file, const Pickle& object, const Pickle& keys, std::uint64_t at)
      : Storages(std::move(file)) {
    const std::string& path = file_->path();
    std::map<std::string_view, std::int64_t> element_bytes;
    object.each_persistent([&](const PickleValue& value) {
      const bool storage = value.given->is(PickleValue::Kind::tuple) && !value.given->items.empty() &&
                           value.given->items[0]->text == "storage";
      if (!storage) return;  // the source text of a module
      const TorchStorageId id = torch_storage_id(value, path);
      const auto [found, added] = element_bytes.emplace(id.key, id.type->bytes);
      if (!added && found->second != id.type->bytes)
        wrong_torch(path, "storage '", printable(id.key, name_shown), "' is of two types");
    });
    if (!keys.root().is(PickleValue::Kind::list)) wrong_torch(path, "the list of its storages is none");
    const std::string_view bytes = file_->text();
    for (const PickleValue* key : keys.root().items) {
      const auto found =
          key->is(PickleValue::Kind::text) ? element_bytes.find(key->text) : element_bytes.end();
      if (found == element_bytes.end())
        wrong_torch(path, "storage '", printable(key->text, name_shown), "' is listed but never used");
      std::int64_t numel = 0, size = 0;
      if (bytes.size() - at < 8)
        wrong_torch(path, "it ends at byte ", bytes.size(), " before storage '",
                    printable(key->text, name_shown), "'; it was cut short");
      std::memcpy(&numel, bytes.data() + at, 8);
      at += 8;
      if (numel < 0 || __builtin_mul_overflow(numel, found->second, &size) ||
          static_cast<std::uint64_t>(size) > bytes.size() - at)
        wrong_torch(path, "storage '", printable(key->text, name_shown), "' of ", numel, " elements at byte ",
                    at, " does not fit into the file; it was cut short");
      if (!extents_.emplace(key->text, Extent{at, static_cast<std::uint64_t>(size)}).second)
        wrong_torch(path, "storage '", printable(key->text, name_shown), "' is listed twice");
      at += static_cast<std::uint64_t>(size);
    }
  }

 protected:
  Extent find(const TorchStorageId& id) override {
    const auto found = extents_.find(id.key);
    if (found == extents_.end())
      wrong_torch(file_->path(), "storage '", printable(id.key, name_shown), "' is not in the file");
    return found->second;
  }

 private:
  std::map<std::string_view, Extent> extents_;
};

// The tensor, or an undefined one with the reason in `why_not`.
Tensor tensor_of(const TorchTensor& t, Storages& storages, const std::string& file, const std::string& name,
                 std::string& why_not) {
  if (!t.type->ours) {
    why_not = cat("is of type ", t.type->dtype[0] != '\0' ? t.type->dtype : t.type->storage,
                  ", which Gadolin does not have");
    return {};
  }
  if (t.sizes.size() > static_cast<std::size_t>(Shape::max_dim)) {
    why_not = cat("has ", t.sizes.size(), " dimensions, at most ", Shape::max_dim, " are possible");
    return {};
  }
  const Ref<Storage>& storage = storages.at(t.storage);
  const std::int64_t bytes = size_of(*t.type->ours), room = storage->nbytes() / bytes;
  // The last element's place, and how many there are; both may overflow.
  std::int64_t first = 0, numel = 1;
  bool fits = !__builtin_add_overflow(t.offset, t.storage.view_offset, &first) && first <= room;
  const bool none = std::find(t.sizes.begin(), t.sizes.end(), 0) != t.sizes.end();
  std::int64_t last = first;
  for (std::size_t i = 0; fits && !none && i < t.sizes.size(); ++i) {
    std::int64_t reach = 0;
    fits = !__builtin_mul_overflow(t.sizes[i] - 1, t.strides[i], &reach) &&
           !__builtin_add_overflow(last, reach, &last) && !__builtin_mul_overflow(numel, t.sizes[i], &numel);
  }
  if (!fits || (!none && last >= room))
    wrong_torch(file, "tensor '", printable(name, name_shown), "' reaches beyond the ", room,
                " elements of its storage");
  const Shape shape(t.sizes);
  if (none) return empty(shape, *t.type->ours);
  if (numel > room) {
    why_not =
        cat("repeats the ", room, " elements of its storage to ", numel, "; save it after .contiguous()");
    return {};
  }
  const bool dense = t.strides == strides_for(shape).vec();
  if (*t.type->ours == DType::boolean && !storages.bools(*storage))
    wrong_torch(file, "tensor '", printable(name, name_shown),
                "' is bool but holds bytes other than 0 and 1");
  return Tensor::over(storage, shape, dense ? strides_for(shape) : Strides(t.strides), first, *t.type->ours);
}

void fill(WeightFile& weights, const Pickle& pickle, Storages& storages, const MappedFile& file) {
  TorchTree tree = torch_tree(pickle, file.path(), file.size());
  weights.notes = std::move(tree.notes);
  std::string first_reason;
  for (const TorchLeaf& leaf : tree.leaves) {
    std::string why_not;
    const std::optional<TorchTensor> read = torch_tensor(*leaf.tensor, file.path(), why_not);
    const Tensor x = read ? tensor_of(*read, storages, file.path(), leaf.name, why_not) : Tensor();
    if (!x.defined()) {
      if (first_reason.empty()) first_reason = cat("'", printable(leaf.name, name_shown), "' ", why_not);
      weights.notes.push_back(cat("left out: ", printable(leaf.name, name_shown), " ", why_not));
    } else if (!weights.tensors.emplace(leaf.name, x).second) {
      wrong_torch(file.path(), "two tensors are called '", printable(leaf.name, name_shown), "'");
    }
  }
  if (!weights.tensors.empty()) return;
  fail<FormatError, 14>("torch: ", file.path(), " holds no tensor that could be read",
                        first_reason.empty() ? std::string("; save a state_dict") : ": " + first_reason);
}

WeightFile read_zip(const std::shared_ptr<MappedFile>& file) {
  const std::string& path = file->path();
  const ZipFile zip(file->text(), path);
  const ZipEntry* data = nullptr;
  for (const ZipEntry& entry : zip.entries()) {
    const bool here = entry.name == "data.pkl" ||
                      (entry.name.ends_with("/data.pkl") && entry.name.find('/') + 9 == entry.name.size());
    if (!here) continue;
    if (data != nullptr)
      wrong_torch(path, "it holds both ", printable(data->name, name_shown), " and ",
                  printable(entry.name, name_shown));
    data = &entry;
  }
  if (data == nullptr) wrong_torch(path, "an archive without data.pkl, so torch.save did not write it");
  const std::string root(data->name.substr(0, data->name.size() - 8));
  if (zip.find(root + "constants.pkl") != nullptr)
    wrong_torch(path, "it is a TorchScript program; save its state_dict() with torch.save");
  const ZipEntry* order = zip.find(root + "byteorder");
  if (order != nullptr && zip.view(*order) != "little")
    wrong_torch(path, "its numbers are big-endian; load and save it on a common machine");
  WeightFile weights;
  weights.format = "torch zip";
  const Pickle pickle(zip.view(*data), path + ": data.pkl");
  ZipStorages storages(file, zip, root);
  fill(weights, pickle, storages, *file);
  return weights;
}

// Pickles one after another: magic number, protocol, system, object, keys of storages; then the storages.
WeightFile read_legacy(const std::shared_ptr<MappedFile>& file) {
  const std::string& path = file->path();
  const std::string_view bytes = file->text();
  std::uint64_t at = 0;
  const auto next = [&](const char* what) {
    Pickle pickle(bytes.substr(at), path + ": " + what, at);
    at += pickle.bytes();
    return pickle;
  };
  next("magic number");
  const Pickle protocol = next("protocol");
  if (!protocol.root().is(PickleValue::Kind::integer) || protocol.root().integer != 1001)
    wrong_torch(path, "its protocol is not 1001");
  const Pickle system = next("system");
  const PickleValue* little = system.root().get("little_endian");
  if (little != nullptr && little->integer == 0)
    wrong_torch(path, "its numbers are big-endian; load and save it on a common machine");
  const Pickle object = next("object"), keys = next("keys of storages");
  WeightFile weights;
  weights.format = "torch legacy";
  LegacyStorages storages(file, object, keys, at);
  fill(weights, object, storages, *file);
  return weights;
}

}  // namespace

bool is_torch_zip(std::string_view bytes) { return ZipFile::looks_like(bytes); }
bool is_torch_legacy(std::string_view bytes) {
  return bytes.size() > 14 && bytes[0] == '\x80' && bytes.substr(2, legacy_magic.size()) == legacy_magic;
}

WeightFile read_torch(std::shared_ptr<MappedFile> file) {
  if (is_torch_zip(file->text())) return read_zip(file);
  if (is_torch_legacy(file->text())) return read_legacy(file);
  wrong_torch(file->path(), "it begins neither as a zip archive nor as PyTorch's legacy stream");
}

}  // namespace gadolin
