// Any bytes as a zip archive: an error, or members inside the file that unpack to what their directory says.
// With a first byte of 0xff the rest is the end of an archive of 700,000 empty members (zip64).
#include <cstdint>
#include <cstdio>
#include <string>

#include "io/zip_file.h"
#include "tensor/check.h"

namespace {

std::string little(std::uint64_t v, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(v >> (8 * i) & 0xff);
  return out;
}

// Members whose headers all lie in one directory; built once.
std::string& large() {
  static std::string whole = [] {
    std::string file, directory;
    char name[24];
    for (int i = 0; i < 700'000; ++i) {
      const int length = std::snprintf(name, sizeof name, "d/ID_%06x.dcm", i);
      const std::string common =
          little(20, 2) + std::string(20, '\0') + little(static_cast<unsigned>(length), 2) + little(0, 2);
      directory +=
          "PK\x01\x02" + little(20, 2) + common + std::string(10, '\0') + little(file.size(), 4) + name;
      file += "PK\x03\x04" + common + name;
    }
    const std::string end = "PK\x06\x06" + little(44, 8) + little(0x002d002d, 4) + little(0, 8) +
                            little(700'000, 8) + little(700'000, 8) + little(directory.size(), 8) +
                            little(file.size(), 8) + "PK\x06\x07" + little(0, 4) +
                            little(file.size() + directory.size(), 8) + little(1, 4) + "PK\x05\x06" +
                            little(0, 4) + std::string(12, '\xff') + little(0, 2);
    return file + directory + end;
  }();
  return whole;
}

void take(std::string_view bytes) {
  using namespace gadolin;
  try {
    const ZipFile zip(bytes, "input");
    std::string room;
    std::size_t looked_at = 0;
    for (const ZipEntry& entry : zip.entries()) {
      if (++looked_at > 100) break;
      if (zip.find(entry.name) != &entry) __builtin_trap();
      try {
        if (zip.head(entry, 64, room).size() > 64) __builtin_trap();
        if (zip.read(entry, 1 << 22, room).size() != entry.size) __builtin_trap();
      } catch (const Error&) {
      }
    }
  } catch (const Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), count);
  // Over the last bytes of the large one: its end records, then entries of the directory.
  if (count > 1 && count < 4096 && bytes[0] == 0xff) {
    std::string& whole = large();
    const std::size_t at = whole.size() - (count - 1);
    const std::string before = whole.substr(at);
    whole.replace(at, count - 1, text.substr(1));
    take(whole);
    whole.replace(at, count - 1, before);
  } else {
    take(text);
  }
  return 0;
}
