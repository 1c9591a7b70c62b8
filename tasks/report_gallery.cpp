#include "tasks/report_gallery.h"

#include <filesystem>

#include "io/atomic_file.h"

namespace gadolin {

void add_gallery(report::Gallery gallery, const Json& listed, const std::string& folder,
                 report::RunReport& page) {
  for (const Json& one : listed) {
    const std::filesystem::path picture = one.at("picture").get<std::string>();
    const std::string file = folder + "/" + picture.filename().string();
    std::error_code none;
    if (!std::filesystem::exists(file, none)) continue;
    gallery.pictures.push_back({one.at("name").get<std::string>(), one.at("says").get<std::string>(),
                                read_file(file, std::size_t{32} << 20)});
  }
  if (!gallery.pictures.empty()) page.galleries.push_back(std::move(gallery));
}

}  // namespace gadolin
