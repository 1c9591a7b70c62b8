// Where ranks of one communicator that are different processes of this machine meet: a folder in memory by
// the name that the unique id holds, with a file for each thing that a rank has to say.
#pragma once

#include <optional>
#include <string>

namespace software_cuda {

class Posts {
 public:
  // A new folder. Those of processes that have ended without a word are taken away.
  static std::string new_name();
  explicit Posts(std::string name);
  ~Posts();
  Posts(const Posts&) = delete;
  Posts& operator=(const Posts&) = delete;
  bool there() const { return file_ >= 0; }  // whether somebody has made it, and not everybody has left it

  // This process speaks for the rank from now on; false: another one does, or does so twice.
  bool claim(int rank);
  // Whether the process that speaks for the rank lives and has not left: a lock on the rank's byte of a file,
  // which the system takes back from a process that ends.
  bool lives(int rank) const;
  void leave(int rank);  // the last one to leave takes the folder away

  void put(int rank, const std::string& name, const std::string& text);  // seen as a whole, or not at all
  std::optional<std::string> get(int rank, const std::string& name) const;
  void remove(int rank, const std::string& name);

 private:
  std::string path(int rank, const std::string& name) const;
  std::string folder_;
  int file_ = -1;
};

}  // namespace software_cuda
