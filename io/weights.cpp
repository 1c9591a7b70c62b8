#include "io/weights.h"

#include <algorithm>
#include <filesystem>
#include <functional>

#include "io/sha256.h"
#include "io/tf_checkpoint.h"
#include "io/torch_file.h"

namespace gadolin {
namespace {

// Gives tensors other names; two of one name are an error. Returns how many were renamed.
std::size_t rename_all(WeightFile& weights, const std::string& path,
                       const std::function<std::string(const std::string&)>& better) {
  TensorMap renamed;
  std::size_t count = 0;
  for (const auto& [name, tensor] : weights.tensors) {
    const std::string other = better(name);
    count += other != name;
    require<FormatError, 13>(renamed.emplace(other, tensor).second, "weights: ", path,
                             ": two tensors would be called ", other);
  }
  weights.tensors = std::move(renamed);
  return count;
}

// What training programs wrap a net into: DataParallel and AveragedModel (module.), Lightning and other
// trainers (model., net., student.), averages of weights.
constexpr const char* wrappers[] = {"module.", "model.",     "net.",      "student.",
                                    "ema.",    "ema_model.", "model_ema."};
// What such programs keep beside the net, with the weights of their loss and the state of their metrics.
constexpr const char* companions[] = {"criterion.", "loss.",          "loss_fn.",     "loss_fct.",
                                      "metrics.",   "train_metrics.", "val_metrics.", "test_metrics."};

TensorMap below(const TensorMap& tensors, const std::string& prefix) {
  TensorMap inside;
  for (const auto& [name, tensor] : tensors)
    if (name.starts_with(prefix)) inside.emplace(name.substr(prefix.size()), tensor);
  return inside;
}

// Of weights and their averages in one file, as one wrapper each with the same names inside: the averages, as
// for our own checkpoints.
bool take_averages(WeightFile& weights) {
  for (const std::string averages : {"ema.", "ema_model.", "model_ema."}) {
    const TensorMap inside = below(weights.tensors, averages);
    for (const std::string plain : {"model.", "net.", "module."}) {
      const TensorMap others = below(weights.tensors, plain);
      const bool same = !inside.empty() && std::all_of(others.begin(), others.end(), [&](const auto& t) {
        return inside.contains(t.first) || t.second.numel() == 1;
      });
      if (!same || others.empty()) continue;
      std::erase_if(weights.tensors, [&](const auto& t) { return t.first.starts_with(plain); });
      weights.notes.push_back("'" + averages + "' and '" + plain +
                              "' hold the same names; taken are the averages, '" + averages + "'");
      return true;
    }
  }
  return false;
}

// What torch.compile, FSDP, Fabric and activation checkpointing write into names wherever they have wrapped a
// part of the net; no part is called so.
constexpr const char* marks[] = {"_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.",
                                 "_forward_module."};

std::string without_marks(std::string name) {
  for (const std::string mark : marks) {
    for (std::size_t at = 0; (at = name.find(mark, at)) != std::string::npos;) {
      if (at == 0 || name[at - 1] == '.')
        name.erase(at, mark.size());
      else
        ++at;
    }
  }
  return name;
}

void strip_marks(WeightFile& weights, const std::string& path) {
  if (const std::size_t count = rename_all(weights, path, without_marks); count > 0)
    weights.notes.push_back(
        cat("wrappers in ", count, count == 1 ? " name" : " names", " taken away (_orig_mod. and the like)"));
}

// Takes wrappers in front of most names away, in any nesting. Numbers that stand outside the wrapper, such as
// AveragedModel's n_averaged, are counters of its program.
void strip_wrappers(WeightFile& weights, const std::string& path) {
  take_averages(weights);
  for (bool again = true; again;) {
    again = false;
    for (const std::string prefix : wrappers) {
      const auto wrapped = [&](const std::string& name) { return name.starts_with(prefix); };
      const auto inside = std::count_if(weights.tensors.begin(), weights.tensors.end(),
                                        [&](const auto& t) { return wrapped(t.first); });
      if (2 * inside <= std::ssize(weights.tensors)) continue;
      std::erase_if(weights.tensors, [&](const auto& t) {
        const std::string& name = t.first;
        const bool companion = std::any_of(std::begin(companions), std::end(companions),
                                           [&](const char* c) { return name.starts_with(c); });
        const bool out = !wrapped(name) && (t.second.numel() == 1 || companion);
        if (out) weights.notes.push_back("left out: " + name + ", beside the net in '" + prefix + "'");
        return out;
      });
      rename_all(weights, path,
                 [&](const std::string& name) { return wrapped(name) ? name.substr(prefix.size()) : name; });
      weights.notes.push_back("'" + prefix + "' in front of " +
                              (inside == std::ssize(weights.tensors) ? "every name" : cat(inside, " names")) +
                              " taken away");
      again = true;
    }
  }
  const auto counter = weights.tensors.find("n_averaged");  // of averages whose names stand alone
  if (counter == weights.tensors.end() || counter->second.numel() != 1 || weights.tensors.size() == 1) return;
  weights.tensors.erase(counter);
  weights.notes.push_back("left out: n_averaged, a counter of averages");
}

// "denselayer1.norm.1.weight" in the files of 2017 is "denselayer1.norm1.weight" since.
std::string new_densenet_name(const std::string& name) {
  const std::size_t layer = name.find("denselayer");
  if (layer == std::string::npos) return name;
  for (const char* part : {".norm.", ".relu.", ".conv."}) {
    const std::size_t at = name.find(part, layer), digit = at + 6;
    if (at != std::string::npos && digit + 1 < name.size() && (name[digit] == '1' || name[digit] == '2') &&
        name[digit + 1] == '.')
      return name.substr(0, digit - 1) + name.substr(digit);
  }
  return name;
}

// What a file is that holds no weights we read, as people would say.
std::string looks_like(std::string_view bytes) {
  constexpr struct {
    std::string_view start;
    const char* what;
  } kinds[] = {
      {"\x89HDF\r\n", "is an HDF5 file, as Keras writes them"},
      {"\x93NUMPY", "is a NumPy array"},
      {"GADOLIN\n", "is a Gadolin checkpoint"},
      {"\x1f\x8b", "is packed by gzip"},
      {"version https://git-lfs", "is a pointer of Git LFS, not the file itself"},
      {"<", "is a web page or XML"},
      {"\x80", "is a Python pickle, but not one of torch.save"},
  };
  for (const auto& kind : kinds) {
    if (bytes.substr(0, kind.start.size()) == kind.start) return kind.what;
  }
  if (bytes.size() > 262 && bytes.substr(257, 5) == "ustar")
    return "is a tar archive, as PyTorch wrote them before 0.1.10";
  std::string start = "begins with '";
  for (const char c : bytes.substr(0, 8)) start += c >= 32 && c < 127 ? c : '.';
  return bytes.empty() ? "is empty" : start + "'";
}

WeightFile read_any(const std::string& path) {
  if (is_tf_checkpoint(path)) {
    TfCheckpoint checkpoint = read_tf_checkpoint(path);
    require<FormatError, 14>(!checkpoint.tensors.empty(), "weights: ", path,
                             " holds no tensor that could be read");
    return {std::move(checkpoint.tensors), {}, "tensorflow", std::move(checkpoint.notes)};
  }
  const auto file = std::make_shared<MappedFile>(path);
  const std::string_view bytes = file->text();
  if (is_torch_zip(bytes) || is_torch_legacy(bytes)) return read_torch(file);
  // A safetensors header is JSON behind its length.
  if (bytes.size() > 9 && bytes[8] == '{') {
    const SafetensorsFile safetensors(path);
    WeightFile weights;
    weights.format = "safetensors";
    weights.metadata = safetensors.metadata();
    constexpr const char* ours[] = {"F32", "F64", "BF16", "F16", "I64", "I32", "U8", "BOOL"};
    for (const SafetensorsEntry& entry : safetensors.entries()) {
      const bool known = std::any_of(std::begin(ours), std::end(ours),
                                     [&](const char* name) { return entry.dtype == name; });
      if (known)
        weights.tensors.emplace(entry.name, safetensors.tensor(entry.name));
      else
        weights.notes.push_back("left out: " + entry.name + " is of type " + entry.dtype +
                                ", which Gadolin does not have");
    }
    require<FormatError, 14>(!weights.tensors.empty(), "weights: ", path,
                             " holds no tensor that could be read");
    return weights;
  }
  fail<FormatError, 15>(
      "weights: ", path, " (", bytes.size(), " bytes) ", looks_like(bytes),
      "; known are safetensors, zip and legacy files of torch.save, and TensorFlow checkpoints");
}

}  // namespace

WeightFile read_weights(const std::string& path) {
  WeightFile weights = read_any(path);
  strip_marks(weights, path);
  strip_wrappers(weights, path);
  const std::size_t old = rename_all(weights, path, new_densenet_name);
  if (old > 0) weights.notes.push_back(cat(old, " names of old DenseNet files renamed (norm.1 to norm1)"));
  return weights;
}

std::string weights_sha256(const std::string& path) {
  namespace fs = std::filesystem;
  std::vector<std::string> files;
  std::error_code error;
  if (fs::is_regular_file(path, error)) files.push_back(path);
  // The index of a TensorFlow checkpoint tells where tensors lie; its .data files hold them.
  std::string prefix = path;
  if (prefix.ends_with(".index")) prefix.resize(prefix.size() - 6);
  const fs::path folder = fs::path(prefix).has_parent_path() ? fs::path(prefix).parent_path() : fs::path(".");
  const std::string stem = fs::path(prefix).filename().string();
  if (files.empty() || prefix != path) {
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      const std::string name = entry.path().filename().string();
      const bool part = name == stem + ".index" || name.rfind(stem + ".data-", 0) == 0;
      if (part && entry.path().string() != path) files.push_back(entry.path().string());
    }
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) files.push_back(path);  // whose reading says why not
  Sha256 sum;
  for (const std::string& file : files) sum.update(MappedFile(file).text());
  return sum.hex();
}

}  // namespace gadolin
