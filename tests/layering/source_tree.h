// The source files of a tree and what they include: facts for the tests of layering and of sizes.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace gadolin::layering {

struct Include {
  int line = 0;
  std::string target;        // as written between the quotes or angle brackets
  bool device_only = false;  // inside #ifdef __CUDACC__: the host compiler never sees it
};

struct SourceFile {
  int lines = 0;
  int written = 0;  // lines of code: neither blank nor only a comment
  std::vector<Include> includes;
};

// Every .h, .cpp and .cu below `root` in the folders that hold code, by its path from `root`.
using SourceTree = std::map<std::string, SourceFile>;
SourceTree read_tree(const std::filesystem::path& root);
SourceFile read_source(const std::filesystem::path& file);

// One line a fault: "file:line: includes ..., but ...". Empty when the tree keeps its rules.
//   arrows: tensor <- io <- layers <- nets; io <- data; {layers, data} <- train; {nets, train} <- tasks <-
//   apps; within data: image <- dicom <- {sets, database}; command groups apart
std::vector<std::string> wrong_arrows(const SourceTree& tree);
// Headers directly in a library's folder are public; none may reach a header of CUDA, cuDNN or oneDNN.
std::vector<std::string> leaked_headers(const SourceTree& tree);

struct Limits {
  int file = 400;
  int core = 15000;  // tensor, layers and nets together, in written lines
};
std::map<std::string, int> lines_by_folder(const SourceTree& tree);
std::vector<std::string> too_long(const SourceTree& tree, const Limits& limits = {});

}  // namespace gadolin::layering
