// The bytes of a file, and what bytes look like in messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gadolin {

// The whole file. Throws FileError when it cannot be read, FormatError when it is larger than `limit`.
std::vector<std::uint8_t> read_bytes(const std::string& path, std::size_t limit = std::size_t{1} << 31);
// Text for messages and tables: control characters and broken UTF-8 become \xNN, so that a file name cannot
// rewrite the terminal; no more than the first `limit` bytes of it.
std::string printable(std::string_view text, std::size_t limit = std::string_view::npos);

}  // namespace gadolin
