#include "io/bytes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tensor/check.h"

namespace gadolin {
namespace {

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

// Length of the UTF-8 sequence at the front of `text`, 0 when it is broken or a control character.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const std::size_t length = first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (first >= 0xf5 || length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if (first == 0xc2 && byte(1) < 0xa0) return 0;  // C1 control characters
  if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90)) return 0;
  return length;
}

}  // namespace

std::vector<std::uint8_t> read_bytes(const std::string& path, std::size_t limit) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  require<FileError>(file.fd >= 0, "read: ", printable(path), " cannot be opened: ", std::strerror(errno));
  struct stat info {};
  require<FileError>(::fstat(file.fd, &info) == 0, "read: ", printable(path), ": ", std::strerror(errno));
  require<FileError>(!S_ISDIR(info.st_mode), "read: ", printable(path), " is a folder, not a file");
  const auto size = static_cast<std::size_t>(std::max<off_t>(info.st_size, 0));
  require<FormatError>(size <= limit, "read: ", printable(path), " has ",
                       human_bytes(static_cast<std::int64_t>(size)), ", at most ",
                       human_bytes(static_cast<std::int64_t>(limit)), " are read");
  // Of pipes and devices the size is not known before the end.
  const bool file_of_known_size = S_ISREG(info.st_mode);
  std::vector<std::uint8_t> bytes(file_of_known_size ? size : 65536);
  std::size_t done = 0;
  for (;;) {
    if (done == bytes.size()) {
      if (file_of_known_size) break;
      require<FormatError>(done <= limit, "read: ", printable(path), " has more than ",
                           human_bytes(static_cast<std::int64_t>(limit)), ", the most that is read");
      bytes.resize(std::min(2 * done, limit + 1));
    }
    const ssize_t got = ::read(file.fd, bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    require<FileError>(got >= 0, "read: ", printable(path), ": ", std::strerror(errno));
    if (got == 0) break;  // the end, or shortened since fstat
    done += static_cast<std::size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

std::string printable(std::string_view text, std::size_t limit) {
  text = text.substr(0, limit);
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length > 0) {
      out.append(text.substr(0, length));
    } else {
      const auto byte = static_cast<unsigned char>(text[0]);
      out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

}  // namespace gadolin
