#include "io/npz.h"

#include "io/npy.h"
#include "io/zip_file.h"

namespace gadolin {

TensorMap load_npz(const std::string& path, std::uint64_t limit) {
  const MappedFile file(path);
  const ZipFile zip(file.text(), path);
  TensorMap arrays;
  for (const ZipEntry& entry : zip.entries()) {
    require<FormatError>(entry.name.ends_with(".npy"), "npz: ", path, ": member ", entry.name.substr(0, 80),
                         " is no .npy array");
    const std::string place = cat(path, ": ", entry.name), name(entry.name.substr(0, entry.name.size() - 4));
    arrays.emplace(
        name, entry.deflated ? parse_npy(zip.read(entry, limit), place) : parse_npy(zip.view(entry), place));
  }
  return arrays;
}

}  // namespace gadolin
