#include "apps/program/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "io/bytes.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

namespace fs = std::filesystem;

bool is_text(std::string_view head) {
  return std::none_of(head.begin(), head.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 9 || (byte > 13 && byte < 32);
  });
}
bool begins(std::string_view head, std::string_view with) { return head.starts_with(with); }

// Kinds of files that commands write, with what one begins with.
struct OutputKind {
  const char* what;
  std::vector<const char*> endings;
  bool (*looks)(std::string_view head);
};
const std::vector<OutputKind>& output_kinds() {
  static const std::vector<OutputKind> kinds{
      {"a PNG picture", {".png"}, [](std::string_view h) { return begins(h, "\x89PNG"); }},
      {"a JPEG picture", {".jpg", ".jpeg"}, [](std::string_view h) { return begins(h, "\xff\xd8"); }},
      {"a NumPy array", {".npy"}, [](std::string_view h) { return begins(h, "\x93NUMPY"); }},
      {"a DICOM file",
       {".dcm"},
       [](std::string_view h) { return h.size() > 132 && h.substr(128, 4) == "DICM"; }},
      {"a checkpoint", {".gdck"}, [](std::string_view h) { return begins(h, "GADOLIN\n"); }},
      {"a file of safetensors",
       {".safetensors"},
       [](std::string_view h) { return h.size() > 8 && h[8] == '{'; }},
      {"a file of torch.save", {".pth", ".pt"}, [](std::string_view h) { return begins(h, "PK\x03\x04"); }},
      {"an ONNX graph", {".onnx"}, [](std::string_view h) { return begins(h, "\x08"); }},
      {"an HTML page",
       {".html", ".htm"},
       [](std::string_view h) {
         return h.substr(std::min(h.size(), h.find_first_not_of(" \t\r\n"))).starts_with('<');
       }},
      {"a CSV table", {".csv", ".tsv", ".txt"}, is_text},
      {"JSON", {".json"}, is_text},
      {"a TOML file", {".toml"}, is_text},
      {"an SVG picture", {".svg"}, is_text},
  };
  return kinds;
}
// The kind whose name `path` bears; nullptr without one.
const OutputKind* kind_named(const std::string& path) {
  for (const OutputKind& kind : output_kinds()) {
    for (const char* ending : kind.endings)
      if (has_ending(path, ending)) return &kind;
  }
  return nullptr;
}

void check_inputs(const std::string& said, const std::string& path, const char* what,
                  const std::vector<std::string>& inputs) {
  std::error_code error;
  const auto type = fs::status(path, error).type();
  if (type != fs::file_type::regular && type != fs::file_type::directory) return;
  for (const std::string& input : inputs)
    require<UsageError>(!fs::equivalent(input, path, error), said, " is also what is read; name another ",
                        what);
}

// What is to be made has a folder above it, or one that can be made.
void check_above(const std::string& said, const std::string& path) {
  std::error_code error;
  fs::path above = fs::path(path).parent_path();
  while (above.has_relative_path() && !fs::exists(above, error)) above = above.parent_path();
  require<UsageError>(!fs::exists(above, error) || fs::is_directory(above, error), said, ": ",
                      printable(above.string()), " is a file; name another place");
}

}  // namespace

void check_output_file(const std::string& option, const std::string& path, const std::string& ending,
                       const std::vector<std::string>& inputs) {
  const std::string said = option + " " + printable(path);
  check_above(said, path);
  const OutputKind& kind = *kind_named(ending);
  const OutputKind* named = kind_named(path);
  require<UsageError>(named == nullptr || named == &kind, said, " is named as ",
                      named == nullptr ? "" : named->what, ", and ", kind.what,
                      " is written; let the name end in ", kind.endings[0]);
  std::error_code error;
  const auto type = fs::status(path, error).type();
  using enum fs::file_type;
  require<UsageError>(type != directory, said, " is a folder; name a file");
  require<UsageError>(type != block && type != socket, said, " is no file; name another");
  check_inputs(said, path, "file", inputs);
  if (type != regular || fs::file_size(path, error) == 0) return;
  std::string head(512, '\0');
  std::ifstream file(path, std::ios::binary);
  if (!file) return;  // writing will tell
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(file.gcount()));
  require<UsageError>(kind.looks(head), said, " holds something else than ", kind.what,
                      ", which would be lost; name another file, or remove it");
}

void check_output_folder(const std::string& option, const std::string& path,
                         const std::vector<std::string>& inputs) {
  const std::string said = option + " " + printable(path);
  check_above(said, path);
  std::error_code error;
  const auto type = fs::status(path, error).type();
  if (type == fs::file_type::directory) return check_inputs(said, path, "folder", inputs);
  require<UsageError>(type == fs::file_type::not_found, said, " is a file; name a folder");
  const OutputKind* named = kind_named(path);
  require<UsageError>(named == nullptr, said, " is named as ", named == nullptr ? "" : named->what,
                      ", and a folder is made; leave out the ending");
}

void hold_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0) continue;
    // The lowest free number is this one.
    if (stream == STDOUT_FILENO && ::open("/dev/full", O_WRONLY) >= 0) continue;
    ::open("/dev/null", stream == STDIN_FILENO ? O_RDONLY : O_WRONLY);
  }
}

}  // namespace gadolin
