#include "posts.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

namespace software_cuda {
namespace {

namespace fs = std::filesystem;
constexpr const char* memory = "/dev/shm/";
constexpr const char* prefix = "gadolin-nccl-";
constexpr int whole = 4096;  // bytes of the file of locks: more than ranks

int open_locks(const std::string& folder) { return ::open((folder + "/ranks").c_str(), O_RDWR | O_CLOEXEC); }

struct flock bytes(short kind, int from, int count) {
  struct flock lock {};
  lock.l_type = kind;
  lock.l_whence = SEEK_SET;
  lock.l_start = from;
  lock.l_len = count;
  return lock;
}
// Whether nobody else holds one of these bytes.
bool free_of_others(int file, int from, int count) {
  struct flock lock = bytes(F_WRLCK, from, count);
  return ::fcntl(file, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
}

void take_away_old() {
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator(memory, gone)) {
    if (!entry.path().filename().string().starts_with(prefix)) continue;
    const auto age = fs::file_time_type::clock::now() - fs::last_write_time(entry.path(), gone);
    const int file = open_locks(entry.path().string());
    if (age > std::chrono::minutes(2) && (file < 0 || free_of_others(file, 0, whole)))
      fs::remove_all(entry.path(), gone);
    if (file >= 0) ::close(file);
  }
}

}  // namespace

std::string Posts::new_name() {
  take_away_old();
  std::random_device random;
  char name[64];
  std::snprintf(name, sizeof name, "%s%d-%08x%08x", prefix, static_cast<int>(::getpid()), random(), random());
  const std::string folder = memory + std::string(name);
  std::error_code failed;
  fs::create_directory(folder, failed);
  std::ofstream(folder + "/ranks") << "";
  return name;
}

Posts::Posts(std::string name) : folder_(memory + name) {
  if (name.starts_with(prefix) && name.find('/') == std::string::npos) file_ = open_locks(folder_);
}
Posts::~Posts() {
  if (file_ >= 0) ::close(file_);
}

bool Posts::claim(int rank) {
  struct flock lock = bytes(F_WRLCK, rank, 1);
  return ::fcntl(file_, F_OFD_SETLK, &lock) == 0;
}
bool Posts::lives(int rank) const { return !free_of_others(file_, rank, 1); }
void Posts::leave(int rank) {
  struct flock lock = bytes(F_UNLCK, rank, 1);
  ::fcntl(file_, F_OFD_SETLK, &lock);
  std::error_code gone;
  if (free_of_others(file_, 0, whole)) fs::remove_all(folder_, gone);
}

std::string Posts::path(int rank, const std::string& name) const {
  return folder_ + "/" + std::to_string(rank) + "." + name;
}
void Posts::put(int rank, const std::string& name, const std::string& text) {
  const std::string to = path(rank, name);
  std::ofstream(to + ".new", std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
  std::rename((to + ".new").c_str(), to.c_str());
}
std::optional<std::string> Posts::get(int rank, const std::string& name) const {
  const std::string from = path(rank, name);
  if (::access(from.c_str(), R_OK) != 0) return std::nullopt;
  std::ifstream file(from, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}
void Posts::remove(int rank, const std::string& name) { std::remove(path(rank, name).c_str()); }

}  // namespace software_cuda
