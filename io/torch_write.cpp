// The writer of .pth files: the pickle that torch.save makes of an ordered dict of tensors, and the storages
// beside it.
#include <cstring>
#include <filesystem>

#include "io/torch_file.h"
#include "io/zip_file.h"

namespace gadolin {
namespace {

const char* storage_class(DType dtype) {
  switch (dtype) {
    case DType::fp32: return "FloatStorage";
    case DType::fp64: return "DoubleStorage";
    case DType::bf16: return "BFloat16Storage";
    case DType::fp16: return "HalfStorage";
    case DType::int64: return "LongStorage";
    case DType::int32: return "IntStorage";
    case DType::uint8: return "ByteStorage";
    default: return "BoolStorage";
  }
}

// Pickle protocol 2, without a memo.
class PickleWriter {
 public:
  std::string text = "\x80\x02";
  PickleWriter& op(char code) {
    text += code;
    return *this;
  }
  PickleWriter& global(const char* module, const char* name) {
    text += 'c';
    text.append(module).append("\n").append(name).append("\n");
    return *this;
  }
  PickleWriter& string(const std::string& s) {
    text += 'X';
    number(static_cast<std::uint32_t>(s.size()));
    text += s;
    return *this;
  }
  PickleWriter& integer(std::int64_t value) {
    if (value <= 0x7fffffff) {
      text += 'J';
      number(static_cast<std::int32_t>(value));
    } else {
      text += "\x8a\x08";
      number(value);
    }
    return *this;
  }
  PickleWriter& tuple(const Shape& sizes) {
    op('(');
    for (const std::int64_t size : sizes) integer(size);
    return op('t');
  }
  // collections.OrderedDict()
  PickleWriter& ordered_dict() { return global("collections", "OrderedDict").op(')').op('R'); }

 private:
  template <class T> void number(T value) {
    text.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
};

}  // namespace

void save_torch(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& tensors) {
  std::vector<Tensor> host;
  std::int64_t bytes = 4096;
  PickleWriter pickle;
  pickle.ordered_dict().op('(');
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    require<ValueError>(tensor.defined(), "save_torch: '", name, "' is undefined");
    const Tensor x = tensor.detach().to(cpu).contiguous();
    host.push_back(x);
    bytes += x.nbytes() + 256;
    // name: _rebuild_tensor_v2(storage, offset, sizes, strides, requires_grad, backward_hooks)
    pickle.string(name).global("torch._utils", "_rebuild_tensor_v2").op('(').op('(');
    pickle.string("storage")
        .global("torch", storage_class(x.dtype()))
        .string(std::to_string(i))
        .string("cpu");
    pickle.integer(x.numel()).op('t').op('Q').integer(0).tuple(x.shape()).tuple(strides_for(x.shape()));
    pickle.op('\x89').ordered_dict().op('t').op('R');
  }
  pickle.op('u').op('.');

  AtomicFile file(path, bytes + static_cast<std::int64_t>(pickle.text.size()));
  ZipWriter zip(file);
  std::string root = std::filesystem::path(path).stem().string();
  if (root.empty()) root = "archive";
  zip.add(root + "/data.pkl", pickle.text);
  zip.add(root + "/byteorder", "little");
  for (std::size_t i = 0; i < host.size(); ++i) {
    zip.add(root + "/data/" + std::to_string(i), host[i].numel() > 0 ? host[i].raw() : nullptr,
            static_cast<std::uint64_t>(host[i].nbytes()));
  }
  zip.add(root + "/version", "3\n");
  zip.finish();
  file.commit();
}

}  // namespace gadolin
