// Any bytes as a table of TensorFlow's, alone and as a checkpoint of the first version, whose tensors lie in
// it. What does not end like a table becomes the only block of one, under the check sums that it should have.
#include "io/tf_table.h"
#include "fuzz/memory_file.h"
#include "io/crc32c.h"
#include "io/tf_checkpoint.h"
#include "tensor/check.h"

namespace {

void put_varint(std::string& text, std::size_t value) {
  for (; value >= 128; value /= 128) text += static_cast<char>(value % 128 + 128);
  text += static_cast<char>(value);
}
// Appends a block with its trailer and gives its (offset, size).
std::string put_block(std::string& file, std::string block) {
  std::string handle;
  put_varint(handle, file.size());
  put_varint(handle, block.size());
  block += '\0';  // not compressed
  const std::uint32_t sum = gadolin::masked_crc32c(gadolin::crc32c(block.data(), block.size()));
  file += block;
  file.append(reinterpret_cast<const char*>(&sum), 4);
  return handle;
}
std::string table_of(std::string_view input) {
  const std::string one_restart("\0\0\0\0\1\0\0\0", 8);
  std::string file, index("\0\1", 2);  // nothing shared, a key of one letter
  const std::string data = put_block(file, std::string(input) + one_restart),
                    meta = put_block(file, one_restart);
  put_varint(index, data.size());
  index += "\xff" + data + one_restart;
  std::string footer = meta + put_block(file, index);
  footer.resize(40, '\0');
  return file + footer + std::string("\x57\xfb\x80\x8b\x24\x75\x47\xdb", 8);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count) {
  static gadolin::fuzz::MemoryFile file;
  const std::string_view text(reinterpret_cast<const char*>(bytes), count);
  const std::string table = gadolin::is_tf_table(text) ? std::string(text) : table_of(text);
  std::size_t read = 0;
  try {
    gadolin::read_tf_table(table, "input", [&](std::string_view key, std::string_view value) {
      read += key.size() + value.size();
    });
  } catch (const gadolin::Error&) {
  }
  try {
    const std::string& path = file.holding(reinterpret_cast<const std::uint8_t*>(table.data()), table.size());
    for (const auto& entry : gadolin::read_tf_checkpoint(path).tensors) entry.second.to_vector<double>();
  } catch (const gadolin::Error&) {
  }
  return 0;
}
