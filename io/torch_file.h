// PyTorch's files (torch.save): zip archives since 1.6 and the legacy stream before, read without running
// what they hold, and state_dicts written so that torch.load(weights_only=True) takes them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/mapped_file.h"
#include "io/weights.h"

namespace gadolin {

// What a file begins with.
bool is_torch_zip(std::string_view bytes);
bool is_torch_legacy(std::string_view bytes);

// The tensors of a file by name. They look into the mapped file where alignment allows, may be strided, and
// share storage where the file says so.
//   a state_dict               its names
//   a training checkpoint      the one of state_dict, model_state_dict, model ... that holds tensors;
//                              when none or several do, all tensors, with the names of what they are
//                              nested in before a dot
//   a whole module             parameters and buffers by walking _modules, _parameters and _buffers
//   one tensor                 "tensor"
// Tensors that Gadolin cannot hold (complex, int8, sparse, quantised) and ones that repeat their storage are
// left out, with a note each. Throws FormatError for damage, for what would need running code, and when no
// tensor is left.
WeightFile read_torch(std::shared_ptr<MappedFile> file);

// A .pth archive: an ordered dict of tensors in this order, stored and aligned to 64 bytes. Atomic; waits for
// devices.
void save_torch(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& tensors);

}  // namespace gadolin
