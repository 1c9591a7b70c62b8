// Any bytes as a file of torch.save. What is neither an archive nor a legacy stream becomes the object of
// one, so that the pickle machine is reached without a right check sum.
#include <cstring>

#include "fuzz/memory_file.h"
#include "io/torch_file.h"

namespace {

// Magic number, protocol 1001, no system; then the input; then the keys "0" and "1" and their 16 bytes each.
std::string legacy_stream(const std::uint8_t* object, std::size_t count) {
  std::string file = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";
  file.append(reinterpret_cast<const char*>(object), count);
  file += "\x80\x02](";
  file.append(
      "X\1\0\0\0"
      "0X\1\0\0\0"
      "1",
      12);
  file += "e.";
  for (int storage = 0; storage < 2; ++storage) {
    const std::int64_t elements = 4;
    file.append(reinterpret_cast<const char*>(&elements), 8).append(16, '\1');
  }
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count) {
  static gadolin::fuzz::MemoryFile file;
  const std::string_view text(reinterpret_cast<const char*>(bytes), count);
  std::string wrapped;
  if (!gadolin::is_torch_zip(text) && !gadolin::is_torch_legacy(text)) {
    wrapped = legacy_stream(bytes, count);
    bytes = reinterpret_cast<const std::uint8_t*>(wrapped.data());
    count = wrapped.size();
  }
  try {
    const auto mapped = std::make_shared<gadolin::MappedFile>(file.holding(bytes, count));
    std::size_t read = 0;
    for (const auto& entry : gadolin::read_torch(mapped).tensors) {
      // Tensors may share a storage a thousand times; what is touched stays in proportion to the input.
      read += static_cast<std::size_t>(entry.second.nbytes());
      if (read > 16 * count + 4096) break;
      entry.second.to_vector<double>();
    }
  } catch (const gadolin::Error&) {
  }
  return 0;
}
