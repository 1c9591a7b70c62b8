// The checkpoints folder of a run: step-N files, `last` and `best` as further names of two of them, old ones
// removed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "train/checkpoint.h"

namespace gadolin {

// Only one writer at a time (RunDir holds the lock); readers may load `last` and `best` at any moment.
class CheckpointStore {
 public:
  // Makes the folder when it is missing. Throws ValueError when keep < 1.
  explicit CheckpointStore(std::string folder, int keep = 3);

  // Writes step-<step>.gdck, lets last.gdck (and best.gdck) name it, and only then removes older steps:
  // `keep` of them stay, and those that last and best name. Returns the path. Throws FileError; the files of
  // before are then still there.
  std::string save(const Checkpoint& checkpoint, std::int64_t step, bool best = false);

  std::string last() const { return folder_ + "/last.gdck"; }  // path, whether there is one or not
  std::string best() const { return folder_ + "/best.gdck"; }  // path, whether there is one or not

  // What newest() found.
  struct Found {
    std::string path;                  // of the file
    Checkpoint checkpoint;             // read and whole
    std::vector<std::string> skipped;  // why newer ones were passed over, one message each
  };
  // The newest valid checkpoint, for --resume auto; nothing when the folder has none at all. Throws
  // CheckpointError when there are some but every one is damaged.
  std::optional<Found> newest() const;

 private:
  std::vector<std::int64_t> steps() const;  // rising
  std::string step_path(std::int64_t step) const;
  void remove_old(std::int64_t newest_step) const;
  std::string folder_;
  int keep_;
};

// The checkpoint that a user means by `path`: the file, or the newest one of a run's folder or of a folder of
// checkpoints. Another path comes back as it is, also a folder with TensorFlow's file `checkpoint`. Throws
// FileError for any other folder.
std::string find_checkpoint(const std::string& path);

}  // namespace gadolin
