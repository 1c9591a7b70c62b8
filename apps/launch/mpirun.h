// How MPI's mpirun is called, and what it says.
#pragma once

#include <string>
#include <vector>

namespace gadolin {

struct MpirunOptions {
  std::string mpirun = "mpirun", hosts;
  int processes = 2;
  double patience = 600;
  bool open_mpi = true;  // otherwise MPICH
  bool root = false;     // this user is root
};

// The command as far as the program's name.
std::vector<std::string> mpirun_words(const MpirunOptions& o);

// Takes mpirun's own words out of what comes from its stderr. Open MPI puts them between lines of dashes;
// from version 5 on they are those of PRRTE, which calls itself prterun.
class MpirunWords {
 public:
  // A line with its end; what of it, and of lines before, is others'.
  std::string of_others(const std::string& line);
  std::string rest();  // at the end: a box that was not closed
  // "rank 2 was ended by signal 9 (Killed) on HOST"; empty: none was.
  const std::string& killed() const { return killed_; }

 private:
  bool inside_ = false;
  std::string box_, killed_;
};

}  // namespace gadolin
