// Settings of films as text: what preparation.json and checkpoints hold.
#include "apps/mammography/film.h"
#include "tensor/check.h"

namespace gadolin::mammography {
namespace {

// One entry of an object, of its type.
const Json& entry(const Json& json, const char* name, bool (*fits)(const Json&), const char* kind,
                  const std::string& place) {
  require<DataError>(json.contains(name), place, ": there is no \"", name, "\"");
  require<DataError>(fits(json[name]), place, ": \"", name, "\" is ", printable(json[name].dump(), 40),
                     "; needed is ", kind);
  return json[name];
}

}  // namespace

Json to_json(const FilmSettings& s) {
  return {{"percentiles", {s.low, s.high}},
          {"crop", s.crop ? "breast" : "none"},
          {"flip", s.flip ? "left" : "none"},
          {"bits", s.bits}};
}

std::string to_text(const FilmSettings& settings) { return to_json(settings).dump(); }

FilmSettings film_settings(const Json& json, const std::string& place) {
  require<DataError>(json.is_object(), place, ": settings of films are an object");
  FilmSettings s;
  const Json& window = entry(
      json, "percentiles",
      [](const Json& j) {
        return j.is_array() && j.size() == 2 && j[0].is_number() && j[1].is_number() && j[0] >= 0 &&
               j[0] < j[1] && j[1] <= 100;
      },
      "two rising numbers from 0 to 100", place);
  s.low = window[0].get<double>();
  s.high = window[1].get<double>();
  s.crop = entry(
               json, "crop", [](const Json& j) { return j == "breast" || j == "none"; },
               "\"breast\" or \"none\"", place) == "breast";
  s.flip = entry(
               json, "flip", [](const Json& j) { return j == "left" || j == "none"; }, "\"left\" or \"none\"",
               place) == "left";
  s.bits = entry(
               json, "bits", [](const Json& j) { return j == 8 || j == 16; }, "8 or 16", place)
               .get<int>();
  for (const auto& [name, value] : json.items())
    require<DataError>(to_json(s).contains(name), place, ": \"", printable(name), "\" is unknown");
  return s;
}

FilmSettings film_settings_of_text(std::string_view text, const std::string& place) {
  const Json json = Json::parse(text, nullptr, false);
  require<DataError>(!json.is_discarded(), place, ": no JSON");
  return film_settings(json, place);
}

}  // namespace gadolin::mammography
