// Any bytes as a .safetensors file: an error or tensors that can be read to the end.
#include "io/safetensors.h"

#include "fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count) {
  static gadolin::fuzz::MemoryFile file;
  try {
    const gadolin::SafetensorsFile tensors(file.holding(bytes, count));
    for (const gadolin::SafetensorsEntry& entry : tensors.entries()) {
      try {
        tensors.tensor(entry.name).to_vector<double>();
      } catch (const gadolin::Error&) {
        // one of a type that we lack must not hide the others
      }
    }
  } catch (const gadolin::Error&) {
  }
  return 0;
}
