// RSNA's archive of head CTs: which members are images, and of which part.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "io/mapped_file.h"
#include "io/zip_file.h"
#include "train/shares.h"

namespace gadolin::hemorrhage {

inline constexpr const char* archive_stem = "rsna-intracranial-hemorrhage-detection";

// The archive that `zip_dir` means: the file itself, or rsna-intracranial-hemorrhage-detection.zip in the
// folder. Throws DataError, beginning with `op`, when there is none.
std::string find_archive(const std::string& op, const std::string& zip_dir);

// No slice of CT unpacks to more; what claims to is not unpacked.
inline constexpr std::uint64_t most_slice_bytes = std::uint64_t{64} << 20;

struct CtMember {
  const ZipEntry* entry = nullptr;
  std::string_view image;            // "ID_0a1b": the name without folders and ending
  std::string_view folder;           // "rsna-intracranial-hemorrhage-detection/stage_2_train"
  bool train = false, test = false;  // by the last of the folders alone
  // "train", "test" or "".
  const char* split() const { return train ? "train" : test ? "test" : ""; }
};

// An open archive; members in its own order.
class CtArchive {
 public:
  // Throws FileError, FormatError as ZipFile does, and DataError when no member is a DICOM file or two
  // folders have an image of one name.
  explicit CtArchive(std::string path);
  const std::string& path() const { return file_.path(); }
  const ZipFile& zip() const { return zip_; }
  const std::vector<CtMember>& members() const { return members_; }
  // Of names, sizes and check sums of all members: two archives of one content have the same.
  std::string fingerprint() const;
  // Calls visit(i) for every member of a share, on all threads. Members are taken in runs, after each of
  // which the pages of the file are given back and `after` is called with the number done, so memory does not
  // grow with the archive. An exception ends it and is thrown again.
  void each(const ItemShare& share, const std::function<void(std::size_t)>& visit,
            const std::function<void(std::size_t)>& after) const;

 private:
  MappedFile file_;
  ZipFile zip_;
  std::vector<CtMember> members_;
};

}  // namespace gadolin::hemorrhage
