// Reads #include lines and follows them; see source_tree.h for the rules.
#include "tests/layering/source_tree.h"

#include <array>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

namespace gadolin::layering {
namespace fs = std::filesystem;
namespace {

// What each folder may include besides itself. Folders that are not named here may include everything.
const std::map<std::string, std::set<std::string>> may_include = {
    {"tensor", {}},
    {"io", {"tensor"}},
    {"layers", {"tensor", "io"}},
    {"nets", {"tensor", "io", "layers"}},
    {"data", {"tensor", "io"}},
    {"data/image", {}},
    {"data/dicom", {"data/image"}},
    {"data/sets", {"data/image", "data/dicom"}},
    {"data/database", {"data/image", "data/dicom"}},
    {"train", {"tensor", "io", "layers", "data"}},
    {"tasks", {"tensor", "io", "layers", "nets", "data", "train"}},
    {"course", {"tensor", "io", "layers", "nets", "data", "train", "tasks", "tests"}},
    {"apps", {"tensor", "io", "layers", "nets", "data", "train", "tasks"}},
};
// Parts of apps/ that every command group uses; everything else there is a group of its own.
const std::set<std::string> shared_apps = {"program", "run", "report", "chart"};

std::string first_part(const std::string& path) { return path.substr(0, path.find('/')); }

// "data/image/png.cpp" -> "data/image", one of the rooms within data; "" for other files.
std::string inner_room(const std::string& path) {
  if (first_part(path) != "data") return "";
  const auto slash = path.find('/', 5);
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// "apps/bench/op.cpp" -> "bench"; "" for a file directly in apps/ and for shared parts.
std::string command_group(const std::string& path) {
  if (first_part(path) != "apps") return "";
  const std::string rest = path.substr(5);
  const auto slash = rest.find('/');
  if (slash == std::string::npos) return "";
  const std::string group = rest.substr(0, slash);
  return shared_apps.contains(group) ? "" : group;
}

bool is_library_header(const std::string& target) {
  static const std::array prefixes = {
      "cuda",       "cublas", "cudnn", "curand",  "cusolver", "cusparse",           "cufft", "nccl",
      "nvToolsExt", "nvtx3/", "cub/",  "thrust/", "mma.h",    "cooperative_groups", "dnnl",  "oneapi/"};
  for (const char* prefix : prefixes) {
    if (target.starts_with(prefix)) return true;
  }
  return false;
}

std::string trim(const std::string& text) {
  const auto from = text.find_first_not_of(" \t\r");
  if (from == std::string::npos) return "";
  return text.substr(from, text.find_last_not_of(" \t\r") - from + 1);
}

// Follows #if, #else and #endif far enough to know what only nvcc reads.
class Conditions {
 public:
  void read(const std::string& directive) {
    const bool names_nvcc = directive.find("__CUDACC__") != std::string::npos;
    if (directive.starts_with("ifndef")) {
      open_.push_back({false, names_nvcc});
    } else if (directive.starts_with("if")) {
      const bool negated = directive.find("!defined(__CUDACC__)") != std::string::npos;
      open_.push_back({names_nvcc && !negated, names_nvcc && negated});
    } else if (directive.starts_with("else") && !open_.empty()) {
      std::swap(open_.back()[0], open_.back()[1]);
    } else if (directive.starts_with("elif") && !open_.empty()) {
      open_.back() = {names_nvcc, false};
    } else if (directive.starts_with("endif") && !open_.empty()) {
      open_.pop_back();
    }
  }
  bool device_only() const {
    for (const auto& branch : open_) {
      if (branch[0]) return true;
    }
    return false;
  }

 private:
  std::vector<std::array<bool, 2>> open_;  // {this branch is for nvcc alone, the other one is}
};

}  // namespace

SourceFile read_source(const fs::path& file) {
  SourceFile source;
  Conditions conditions;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    ++source.lines;
    const std::string text = trim(line);
    source.written += !text.empty() && !text.starts_with("//");
    if (!text.starts_with('#')) continue;
    const std::string directive = trim(text.substr(1));
    conditions.read(directive);
    if (!directive.starts_with("include")) continue;
    const auto open = directive.find_first_of("\"<");
    if (open == std::string::npos) continue;
    const auto close = directive.find_first_of("\">", open + 1);
    if (close == std::string::npos) continue;
    source.includes.push_back(
        {source.lines, directive.substr(open + 1, close - open - 1), conditions.device_only()});
  }
  return source;
}

SourceTree read_tree(const fs::path& root) {
  SourceTree tree;
  for (const char* folder : {"gadolin", "tensor", "io", "layers", "nets", "data", "train", "tasks", "apps",
                             "course", "tests", "bench", "fuzz"}) {
    if (!fs::is_directory(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension().string();
      if (!entry.is_regular_file() || (extension != ".h" && extension != ".cpp" && extension != ".cu"))
        continue;
      tree[fs::relative(entry.path(), root).generic_string()] = read_source(entry.path());
    }
  }
  return tree;
}

std::vector<std::string> wrong_arrows(const SourceTree& tree) {
  std::vector<std::string> faults;
  for (const auto& [path, source] : tree) {
    const std::string from = first_part(path);
    const auto rule = may_include.find(from);
    for (const Include& include : source.includes) {
      const std::string place = path + ":" + std::to_string(include.line) + ": includes " + include.target;
      const std::string to = first_part(include.target);
      const bool ours = tree.contains(include.target);
      if (rule != may_include.end() && ours && to != from && to != "gadolin" && !rule->second.contains(to)) {
        faults.push_back(place + ", but " + from + " must not know " + to);
      }
      const std::string here = inner_room(path), there = inner_room(include.target);
      if (ours && !here.empty() && !there.empty() && here != there && !may_include.at(here).contains(there)) {
        faults.push_back(place + ", but " + here + " must not know " + there);
      }
      if (from == "apps" && ours && !command_group(include.target).empty() &&
          command_group(include.target) != command_group(path) && !command_group(path).empty()) {
        faults.push_back(place + ", but command groups must not know one another");
      }
      const bool example = path.starts_with("apps/examples/") || from == "tests";
      if (include.target == "gadolin/gadolin.h" && !example)
        faults.push_back(place + ", which is for users only");
    }
  }
  return faults;
}

std::vector<std::string> leaked_headers(const SourceTree& tree) {
  std::vector<std::string> faults;
  for (const auto& [path, source] : tree) {
    const bool library = may_include.contains(first_part(path)) && first_part(path) != "apps";
    const auto folder = path.substr(0, path.rfind('/'));
    const bool direct = may_include.contains(folder);
    const bool binding = path.find("cudnn") != std::string::npos || path.find("onednn") != std::string::npos;
    if (!library || !direct || binding || !path.ends_with(".h")) continue;
    std::set<std::string> seen;
    const std::function<void(const std::string&, const std::string&)> follow = [&](const std::string& file,
                                                                                   const std::string& way) {
      if (!seen.insert(file).second) return;
      for (const Include& include : tree.at(file).includes) {
        if (include.device_only) continue;
        if (tree.contains(include.target)) {
          follow(include.target, way + " -> " + include.target);
        } else if (is_library_header(include.target)) {
          faults.push_back(file + ":" + std::to_string(include.line) + ": " + way + " -> " + include.target);
        }
      }
    };
    follow(path, path);
  }
  return faults;
}

std::map<std::string, int> lines_by_folder(const SourceTree& tree) {
  std::map<std::string, int> lines;
  for (const auto& [path, source] : tree) lines[first_part(path)] += source.written;
  return lines;
}

std::vector<std::string> too_long(const SourceTree& tree, const Limits& limits) {
  std::vector<std::string> faults;
  for (const auto& [path, source] : tree) {
    if (source.lines > limits.file) {
      faults.push_back(path + ": " + std::to_string(source.lines) + " lines, at most " +
                       std::to_string(limits.file) + "; split it by topic");
    }
  }
  std::map<std::string, int> lines = lines_by_folder(tree);
  const int core = lines["tensor"] + lines["layers"] + lines["nets"];
  if (core > limits.core) {
    faults.push_back("tensor, layers and nets: " + std::to_string(core) + " lines of code, at most " +
                     std::to_string(limits.core));
  }
  return faults;
}

}  // namespace gadolin::layering
