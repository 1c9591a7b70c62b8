// One digest of everything that a loader delivers.
#pragma once

#include <string>

#include "data/sets/loader.h"
#include "io/sha256.h"

namespace gadolin::test {

// Names, shapes and bytes of everything, with places and positions.
inline std::string digest(DataLoader& loader, int epochs) {
  Sha256 sha;
  for (int e = 0; e < epochs; ++e) {
    for (const Batch& batch : loader) {
      for (const std::string& name : batch.names()) {
        const Tensor dense = batch[name].contiguous();
        const std::string facts = cat(name, dense.shape(), dense.dtype());
        sha.update(facts.data(), facts.size()).update(dense.raw(), static_cast<std::size_t>(dense.nbytes()));
      }
      sha.update(batch.indices.data(), batch.indices.size() * sizeof(std::int64_t));
      const std::int64_t at[] = {batch.epoch, batch.step, batch.size()};
      sha.update(at, sizeof at);
    }
  }
  return sha.hex();
}

}  // namespace gadolin::test
