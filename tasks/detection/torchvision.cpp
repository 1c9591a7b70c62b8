#include "tasks/detection/torchvision.h"

#include <string>

namespace gadolin {
namespace {

// "a.conv.4.weight" into "a.conv.", 4 and "weight"; false for names of another form.
bool cut_old_name(const std::string& name, const std::string& part, std::string& before, int& index,
                  std::string& kind) {
  const std::size_t at = name.find(part);
  if (at == std::string::npos) return false;
  const std::size_t digit = at + part.size();
  if (digit + 2 >= name.size() || name[digit] < '0' || name[digit] > '9' || name[digit + 1] != '.')
    return false;
  before = name.substr(0, digit);
  index = name[digit] - '0';
  kind = name.substr(digit + 2);
  return kind == "weight" || kind == "bias";
}

}  // namespace

void rename_old_torchvision(TensorMap& tensors) {
  TensorMap renamed;
  for (const auto& [name, tensor] : tensors) {
    std::string before, kind, now = name;
    int index = 0;
    if (name.starts_with("head.") && cut_old_name(name, "_head.conv.", before, index, kind))
      now = before + std::to_string(index / 2) + ".0." + kind;
    for (const char* part : {".inner_blocks.", ".layer_blocks."})
      if (cut_old_name(name, part, before, index, kind)) now = before + std::to_string(index) + ".0." + kind;
    renamed[now] = tensor;
  }
  tensors = std::move(renamed);
}

}  // namespace gadolin
