#include "apps/mammography/preparation.h"

#include "io/atomic_file.h"
#include "io/bytes.h"
#include "tensor/check.h"

namespace gadolin::mammography {

FilmSettings read_preparation(const std::string& path) {
  const Json json = Json::parse(read_file(path, 1 << 30), nullptr, false);
  require<DataError>(
      !json.is_discarded() && json.is_object() && json.contains("form") && json.contains("settings"),
      printable(path), " is no preparation.json of mammography convert");
  require<DataError>(json["form"] == preparation_form, printable(path), " is of the form ",
                     printable(json["form"].dump(), 40), ", not \"", preparation_form, "\"");
  return film_settings(json["settings"], printable(path));
}

}  // namespace gadolin::mammography
