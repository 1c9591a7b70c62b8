// NumPy's .npy files (format 1.0 to 3.0): one array each.
#pragma once

#include <string>
#include <string_view>

#include "tensor/tensor.h"

namespace gadolin {

// -> tensor on the CPU, row major, from little-endian fp64, fp32, fp16, int64, int32, uint8 or bool, C or
// Fortran order, up to 8 dimensions. Throws FormatError for anything else: object arrays (which are pickled
// programs), other types, a header over 64 KB, sizes that do not fit the file to the byte.
Tensor load_npy(const std::string& path);

// The same from memory; `name` stands in messages.
Tensor parse_npy(std::string_view bytes, const std::string& name);

// Writes format 1.0, C order, atomically. Waits for the device. Throws DTypeError for bf16, which NumPy does
// not have.
void save_npy(const std::string& path, const Tensor& x);

}  // namespace gadolin
