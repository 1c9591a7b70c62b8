#include "apps/run/prepared_films.h"

#include <array>
#include <fstream>

#include "data/image/image.h"
#include "io/bytes.h"
#include "tasks/detection/detection.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

// By the first bytes of the file, where there is one. What cannot be read is told when it is its turn.
bool is_dicom(const Dataset& set, std::int64_t i) {
  if (const std::string& path = set.info(i).path; !path.empty()) {
    std::array<char, 1024> begin;
    std::ifstream file(path, std::ios::binary);
    file.read(begin.data(), begin.size());
    return image_format({reinterpret_cast<const std::uint8_t*>(begin.data()),
                         static_cast<std::size_t>(file.gcount())}) == ImageFormat::dicom;
  }
  try {
    const StoredImage stored = set.read(i);
    return !stored.file.empty() && image_format(stored.file) == ImageFormat::dicom;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

void refuse_films(const std::string& command, const Dataset& set, const Task& task,
                  const std::string& checkpoint, const std::string& way_out) {
  const auto* detector = dynamic_cast<const DetectionTask*>(&task);
  if (detector == nullptr || detector->remembered("preparation").empty()) return;
  for (std::int64_t i = 0; i < set.size(); ++i)
    require<UsageError>(!is_dicom(set, i), command, ": ", printable(set.info(i).name), " is DICOM, and ",
                        printable(checkpoint), " learnt from films that were cut and windowed; ", way_out);
}

}  // namespace gadolin
