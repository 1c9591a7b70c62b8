#include "course/grader/seed.h"

#include <sys/stat.h>

#include <fstream>
#include <stdexcept>

#include "course/grader/toml.h"
#include "io/sha256.h"

namespace gadolin::course {

Seed hmac_sha256(const Seed& key, const std::string& message) {
  std::string inner(64, '\x36'), outer(64, '\x5c');
  for (std::size_t i = 0; i < key.size(); ++i) {
    inner[i] = static_cast<char>(inner[i] ^ key[i]);
    outer[i] = static_cast<char>(outer[i] ^ key[i]);
  }
  const Sha256::Digest first = Sha256().update(inner).update(message).digest();
  return Sha256().update(outer).update(first.data(), first.size()).digest();
}

Seed public_key(const std::string& term, const std::string& student) {
  return Sha256().update("gadolin course\n" + term + "\n" + student + "\n").digest();
}

Seed seed_of(const Seed& key, int assignment, const std::string& task, const std::string& student,
             int number) {
  return hmac_sha256(
      key, std::to_string(assignment) + "\n" + task + "\n" + student + "\n" + std::to_string(number));
}

Secret new_secret() {
  Secret secret;
  std::ifstream source("/dev/urandom", std::ios::binary);
  if (!source.read(reinterpret_cast<char*>(secret.data()), static_cast<std::streamsize>(secret.size())))
    throw std::runtime_error("secret: /dev/urandom cannot be read");
  return secret;
}

std::string secret_text(const Secret& secret) {
  std::string out;
  for (std::uint8_t byte : secret) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

Secret parse_secret(const std::string& text) {
  Secret secret;
  const std::string digits = text.substr(0, text.find_last_not_of(" \r\n") + 1);
  if (digits.size() != 64 || digits.find_first_not_of("0123456789abcdef") != std::string::npos)
    throw std::invalid_argument(
        "secret: 64 digits of 0-9 a-f are needed; make one with gadolin-grade secret new");
  for (std::size_t i = 0; i < 32; ++i)
    secret[i] = static_cast<std::uint8_t>(std::stoi(digits.substr(2 * i, 2), nullptr, 16));
  return secret;
}

Secret read_secret(const std::filesystem::path& file) {
  struct stat facts;
  if (::stat(file.c_str(), &facts) == 0 && (facts.st_mode & 077) != 0)
    throw std::invalid_argument("secret: others may read " + file.string() +
                                "; chmod 600 it, and make a new one");
  return parse_secret(read_text(file));
}

}  // namespace gadolin::course
