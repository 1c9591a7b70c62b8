#include "io/torch_tree.h"

#include <algorithm>
#include <array>

#include "tensor/check.h"

namespace gadolin::detail {
namespace {

using Kind = PickleValue::Kind;

constexpr TorchType types[] = {
    {"FloatStorage", "float32", 4, DType::fp32},
    {"DoubleStorage", "float64", 8, DType::fp64},
    {"HalfStorage", "float16", 2, DType::fp16},
    {"BFloat16Storage", "bfloat16", 2, DType::bf16},
    {"LongStorage", "int64", 8, DType::int64},
    {"IntStorage", "int32", 4, DType::int32},
    {"ByteStorage", "uint8", 1, DType::uint8},
    {"BoolStorage", "bool", 1, DType::boolean},
    {"CharStorage", "int8", 1, {}},
    {"ShortStorage", "int16", 2, {}},
    {"ComplexFloatStorage", "complex64", 8, {}},
    {"ComplexDoubleStorage", "complex128", 16, {}},
    {"QInt8Storage", "qint8", 1, {}},
    {"QUInt8Storage", "quint8", 1, {}},
    {"QInt32Storage", "qint32", 4, {}},
    {"UntypedStorage", "", 1, {}},
    {"", "uint16", 2, {}},
    {"", "uint32", 4, {}},
    {"", "uint64", 8, {}},
    {"", "complex32", 4, {}},
    {"", "float8_e4m3fn", 1, {}},
    {"", "float8_e5m2", 1, {}},
    {"", "float8_e4m3fnuz", 1, {}},
    {"", "float8_e5m2fnuz", 1, {}},
};

std::string_view called(const PickleValue& v) {
  return v.is(Kind::object) ? v.what->text : std::string_view();
}
bool is_tensor(const PickleValue& v) {
  const std::string_view what = called(v);
  return what.rfind("torch._utils._rebuild_", 0) == 0 || what == "torch._tensor._rebuild_from_type_v2";
}
// The i-th argument of a call; throws when there are fewer.
const PickleValue& argument(const PickleValue& call, std::size_t i, const std::string& file) {
  if (i >= call.given->items.size())
    wrong_torch(file, called(call), " has ", call.given->items.size(), " arguments, too few");
  return *call.given->items[i];
}
std::int64_t integer(const PickleValue& v, const char* what, const std::string& file) {
  if (!v.is(Kind::integer) || v.integer < 0) wrong_torch(file, what, " is no whole number from 0 on");
  return v.integer;
}
std::vector<std::int64_t> integers(const PickleValue& v, const char* what, const std::string& file) {
  if (called(v) == "torch.Size") return integers(argument(v, 0, file), what, file);
  if (!v.is(Kind::tuple) && !v.is(Kind::list)) wrong_torch(file, what, " is no tuple");
  if (v.items.size() > 64) wrong_torch(file, what, " has ", v.items.size(), " entries");
  std::vector<std::int64_t> numbers;
  for (const PickleValue* item : v.items) numbers.push_back(integer(*item, what, file));
  return numbers;
}

// Walks a tree of inert values, which may refer to one another in circles.
class Walk {
 public:
  Walk(const Pickle& pickle, const std::string& file, std::size_t file_bytes)
      : file_(file), steps_(16 * pickle.values() + 1000), letters_(4 * file_bytes + 4096) {}

  std::vector<TorchLeaf> tensors(const PickleValue& value, const std::string& name) {
    std::vector<TorchLeaf> found;
    out_ = &found;
    visit(value, name, 0);
    return found;
  }

 private:
  void visit(const PickleValue& v, const std::string& name, int depth) {
    if (depth > 100) wrong_torch(file_, "its values are nested deeper than 100, or in a circle");
    spend(1);
    if (is_tensor(v)) {
      if (name.size() > letters_) wrong_torch(file_, "the names of its tensors are longer than itself");
      letters_ -= name.size();
      out_->push_back({name, &v});
    } else if (v.is(Kind::dict)) {
      entries(v, name, depth);
    } else if (v.is(Kind::list) || v.is(Kind::tuple)) {
      for (std::size_t i = 0; i < v.items.size(); ++i) child(*v.items[i], name, std::to_string(i), depth);
    } else if (v.is(Kind::object) && v.state != nullptr && v.state->is(Kind::dict)) {
      spend(v.state->items.size());
      if (v.state->get("_parameters") != nullptr || v.state->get("_modules") != nullptr)
        module(*v.state, name, depth);
      else
        entries(*v.state, name, depth);
    }
  }
  void entries(const PickleValue& dict, const std::string& name, int depth) {
    for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const PickleValue& key = *dict.items[i];
      if (key.is(Kind::text))
        child(*dict.items[i + 1], name, key.text, depth);
      else if (key.is(Kind::integer))
        child(*dict.items[i + 1], name, std::to_string(key.integer), depth);
      else
        spend(1);
    }
  }
  // What torch.nn.Module keeps its own in. Buffers that its state_dict leaves out stay out.
  void module(const PickleValue& state, const std::string& name, int depth) {
    const PickleValue* passing = state.get("_non_persistent_buffers_set");
    if (passing != nullptr && called(*passing).ends_with(".set") && !passing->given->items.empty())
      passing = passing->given->items[0];
    for (const char* part : {"_parameters", "_buffers", "_modules"}) {
      const PickleValue* dict = state.get(part);
      if (dict == nullptr || !dict->is(Kind::dict)) continue;
      for (std::size_t i = 0; i + 1 < dict->items.size(); i += 2) {
        const PickleValue& key = *dict->items[i];
        if (!key.is(Kind::text)) wrong_torch(file_, "a name in ", part, " is no text");
        if (part[1] == 'b' && passing != nullptr && holds(*passing, key.text)) continue;
        child(*dict->items[i + 1], name, key.text, depth);
      }
    }
  }
  bool holds(const PickleValue& list, std::string_view text) {
    spend(list.items.size());
    return std::any_of(list.items.begin(), list.items.end(),
                       [&](const PickleValue* v) { return v->is(Kind::text) && v->text == text; });
  }
  void child(const PickleValue& v, const std::string& name, std::string_view key, int depth) {
    const bool leaf = v.kind < Kind::list || v.is(Kind::global) || v.is(Kind::persistent);
    if (leaf) return spend(1);
    if (name.size() + key.size() > 1000)
      wrong_torch(file_, "the name of a value is longer than 1000 letters");
    visit(v, name.empty() ? std::string(key) : name + "." + std::string(key), depth + 1);
  }

  // Shared values are visited from each place that they hang at, so the work needs a bound of its own.
  void spend(std::size_t steps) {
    if (steps > steps_) wrong_torch(file_, "its values refer to one another again and again");
    steps_ -= steps;
  }

  const std::string& file_;
  std::size_t steps_, letters_;
  std::vector<TorchLeaf>* out_ = nullptr;
};

// Where training scripts put the weights in their checkpoints.
constexpr std::array usual_places{"state_dict", "model_state_dict", "model_state", "model_dict", "model",
                                  "net",        "network",          "module",      "weights",    "params"};

std::string text_list(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size() && i < 8; ++i) text += (i > 0 ? ", " : "") + words[i];
  return words.size() > 8 ? cat(text, " and ", words.size() - 8, " more") : text;
}

}  // namespace

const TorchType* torch_type(std::string_view global) {
  constexpr std::string_view places[] = {"torch.", "torch.storage.", "torch.cuda."};
  for (const std::string_view place : places) {
    if (global.rfind(place, 0) != 0) continue;
    const std::string_view name = global.substr(place.size());
    for (const TorchType& type : types) {
      if (!name.empty() && (name == type.storage || name == type.dtype)) return &type;
    }
  }
  return nullptr;
}

TorchStorageId torch_storage_id(const PickleValue& persistent, const std::string& file) {
  const std::vector<const PickleValue*>& id = persistent.given->items;
  const bool fits = persistent.given->is(Kind::tuple) && id.size() >= 5 && id[0]->is(Kind::text) &&
                    id[0]->text == "storage" && id[1]->is(Kind::global) &&
                    (id[2]->is(Kind::text) || id[2]->is(Kind::integer));
  if (!fits || !id[2]->is(Kind::text)) wrong_torch(file, "a persistent value is no storage");
  TorchStorageId storage;
  storage.type = torch_type(id[1]->text);
  if (storage.type == nullptr)
    wrong_torch(file, "storages of class ", id[1]->text.substr(0, 80), " are not known");
  storage.key = id[2]->text;
  storage.numel = integer(*id[4], "the size of a storage", file);
  if (id.size() > 5 && id[5]->is(Kind::tuple)) {
    if (id[5]->items.size() < 3) wrong_torch(file, "the view of a storage has too few entries");
    storage.view_offset = integer(*id[5]->items[1], "the offset of a view", file);
  }
  return storage;
}

std::optional<TorchTensor> torch_tensor(const PickleValue& call, const std::string& file,
                                        std::string& why_not) {
  const PickleValue* v = &call;
  std::string_view what = called(*v);
  const PickleValue* arguments = v->given;
  for (int depth = 0; !what.empty(); ++depth) {  // a parameter holds a tensor
    if (depth > 8) wrong_torch(file, "a parameter holds itself");
    if (what == "torch._utils._rebuild_parameter" || what == "torch._utils._rebuild_parameter_with_state") {
      v = &argument(*v, 0, file);
      what = called(*v);
      arguments = v->given;
    } else if (what == "torch._tensor._rebuild_from_type_v2") {  // (function, class, its arguments, state)
      if (arguments->items.size() < 3 || !arguments->items[0]->is(Kind::global))
        wrong_torch(file, what, " has other arguments than it should");
      what = arguments->items[0]->text;
      arguments = arguments->items[2];
      if (!arguments->is(Kind::tuple)) wrong_torch(file, what, " has other arguments than it should");
      if (what.rfind("torch._utils._rebuild_tensor", 0) != 0) {
        why_not = "is made by " + std::string(what.substr(0, 80));
        return {};
      }
    } else {
      break;
    }
  }
  const bool v3 = what == "torch._utils._rebuild_tensor_v3";
  if (!v3 && what != "torch._utils._rebuild_tensor_v2" && what != "torch._utils._rebuild_tensor") {
    why_not = what.empty() ? "is a parameter without a tensor"
                           : "is made by " + std::string(what.substr(0, 80)) +
                                 ", so it is sparse, quantised or otherwise no array";
    return {};
  }
  const std::vector<const PickleValue*>& a = arguments->items;
  if (a.size() < (v3 ? 7u : 4u)) wrong_torch(file, what, " has ", a.size(), " arguments, too few");
  if (!a[0]->is(Kind::persistent)) wrong_torch(file, what, " is given no storage");
  TorchTensor tensor;
  tensor.storage = torch_storage_id(*a[0], file);
  tensor.type = v3 && a[6]->is(Kind::global) ? torch_type(a[6]->text) : tensor.storage.type;
  if (tensor.type == nullptr) {
    why_not = "is of type " + std::string(a[6]->text.substr(0, 80)) + ", which Gadolin does not have";
    return {};
  }
  tensor.offset = integer(*a[1], "the offset of a tensor", file);
  tensor.sizes = integers(*a[2], "the shape of a tensor", file);
  tensor.strides = integers(*a[3], "the strides of a tensor", file);
  if (tensor.sizes.size() != tensor.strides.size())
    wrong_torch(file, "a tensor has ", tensor.sizes.size(), " sizes and ", tensor.strides.size(), " strides");
  return tensor;
}

TorchTree torch_tree(const Pickle& pickle, const std::string& file, std::size_t file_bytes) {
  Walk walk(pickle, file, file_bytes);
  const PickleValue& root = pickle.root();
  TorchTree tree;
  if (is_tensor(root)) {
    tree.leaves.push_back({"tensor", &root});
    return tree;
  }
  if (!root.is(Kind::dict)) {
    tree.leaves = walk.tensors(root, "");
    if (root.is(Kind::object))
      tree.notes.push_back(
          cat("a whole module of class ", called(root).substr(0, 80), ", reduced to its tensors"));
    return tree;
  }
  std::vector<std::string> places, rest;
  std::vector<TorchLeaf> chosen;
  bool nested = false, direct = false;
  for (std::size_t i = 0; i + 1 < root.items.size(); i += 2) {
    const PickleValue &key = *root.items[i], &value = *root.items[i + 1];
    const std::string name = key.is(Kind::text)      ? std::string(key.text)
                             : key.is(Kind::integer) ? std::to_string(key.integer)
                                                     : "";
    if (name.size() > 1000) wrong_torch(file, "the name of a value is longer than 1000 letters");
    const std::vector<TorchLeaf> found = walk.tensors(value, name);
    const bool usual = std::find(usual_places.begin(), usual_places.end(), name) != usual_places.end();
    if (is_tensor(value))
      direct = true;
    else if (!found.empty())
      nested = true;
    if (!found.empty() && !is_tensor(value) && usual) {
      if (places.empty()) chosen = walk.tensors(value, "");
      places.push_back(name);
    } else if (!is_tensor(value)) {
      rest.push_back(name);
    }
    tree.leaves.insert(tree.leaves.end(), found.begin(), found.end());
  }
  if (places.size() == 1 && !direct) {
    tree.leaves = std::move(chosen);
    tree.notes.push_back(cat("the tensors under '", places[0], "'",
                             rest.empty() ? std::string() : "; left out: " + text_list(rest)));
  } else if (places.size() > 1 && !direct) {
    tree.notes.push_back(
        cat("weights could be in any of ", text_list(places), ": all tensors, named by what they are in"));
  } else if (nested) {
    tree.notes.push_back("tensors lie in nested dictionaries: named by what they are in");
  }
  return tree;
}

}  // namespace gadolin::detail
