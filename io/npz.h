// NumPy's .npz archives: named arrays.
#pragma once

#include <string>

#include "io/safetensors.h"

namespace gadolin {

// The arrays of np.savez and np.savez_compressed by name, on the CPU. `limit` bounds the bytes of each after
// unpacking (a packed archive may be a thousand times smaller than what it holds). Throws FormatError for
// what is no array or one that load_npy refuses (npy.h), and for damage.
TensorMap load_npz(const std::string& path, std::uint64_t limit = std::uint64_t{4} << 30);

}  // namespace gadolin
