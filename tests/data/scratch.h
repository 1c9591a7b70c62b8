// A folder of its own for a test, and short ways to fill it.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "data/image.h"
#include "tensor/check.h"

namespace gadolin::test {

// Made under the system's temporary folder, removed with everything in it at the end of the test.
class Scratch {
 public:
  Scratch() {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() / cat("gadolin-test-", static_cast<long>(::getpid()), "-", count++);
    std::filesystem::create_directories(path_);
  }
  ~Scratch() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }
  std::string write(const std::string& name, std::string_view text) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
    return file.string();
  }
  std::string write(const std::string& name, const std::vector<std::uint8_t>& bytes) const {
    return write(name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }

 private:
  std::filesystem::path path_;
};

inline std::string fixture(const std::string& name) { return std::string(GADOLIN_TEST_DATA) + "/" + name; }

// What `f` throws as an E; the test fails when it throws nothing or something else.
template <class E, class F> std::string message_of(F&& f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  } catch (const std::exception& e) {
    ADD_FAILURE() << "another exception: " << e.what();
    return "";
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

inline std::uint32_t sample_at(const Image& image, std::size_t i) {
  return image.bits == 8 ? image.data<std::uint8_t>()[i] : image.data<std::uint16_t>()[i];
}
// Largest difference of two pictures of one size; a mismatch of sizes fails the test.
inline int largest_difference(const Image& a, const Image& b) {
  EXPECT_EQ(a.width, b.width);
  EXPECT_EQ(a.height, b.height);
  EXPECT_EQ(a.channels, b.channels);
  EXPECT_EQ(a.bits, b.bits);
  if (a.pixels.size() != b.pixels.size()) return 1 << 30;
  int most = 0;
  for (std::size_t i = 0; i < a.numel(); ++i) {
    most = std::max(most, std::abs(static_cast<int>(sample_at(a, i)) - static_cast<int>(sample_at(b, i))));
  }
  return most;
}

// A picture with structure in every channel.
inline Image pattern(int width, int height, int channels, int bits = 8) {
  Image image(width, height, channels, bits);
  const std::uint32_t white = bits == 8 ? 255 : 65535;
  for (std::size_t i = 0; i < image.numel(); ++i) {
    const auto v = static_cast<std::uint32_t>((i * 2654435761u) >> 7) % (white + 1);
    if (bits == 8) image.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(v);
    else image.data<std::uint16_t>()[i] = static_cast<std::uint16_t>(v);
  }
  return image;
}

}  // namespace gadolin::test
