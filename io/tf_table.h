// The sorted table of TensorFlow's checkpoints: LevelDB's file format with its own checksums and magic
// number.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace gadolin {

// Whether the bytes end like a table.
bool is_tf_table(std::string_view file);

// Calls f for every entry in the order of the keys. Blocks are checked against their CRC-32C, keys against
// their order. Blocks packed by Snappy are unpacked, at most to 32 times their size. Reads nothing outside
// the file. Throws FormatError naming `path` and the byte where it stopped.
void read_tf_table(std::string_view file, const std::string& path,
                   const std::function<void(std::string_view key, std::string_view value)>& f);

}  // namespace gadolin
