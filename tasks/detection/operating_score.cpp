#include "tasks/detection/operating_score.h"

#include <cmath>

#include "io/json.h"
#include "tensor/check.h"

namespace gadolin {

std::optional<OperatingScore> choose_operating_score(const FrocMetrics& froc) {
  std::optional<OperatingScore> best;
  const double lesions = static_cast<double>(froc.lesions), pictures = static_cast<double>(froc.pictures);
  for (const FrocPoint& point : froc.curve) {  // by falling threshold
    const double found = point.sensitivity * lesions, wrong = point.false_per_picture * pictures,
                 f1 = 2 * found / (found + lesions + wrong);
    if (!(f1 > 0) || (best && f1 < best->f1)) continue;
    best = {point.threshold, point.sensitivity, point.false_per_picture, f1, froc.pictures, froc.lesions};
  }
  return best;
}

std::string operating_score_to_json(const OperatingScore& score) {
  return Json{{"value", score.value},
              {"rule", "f1"},
              {"sensitivity", score.sensitivity},
              {"false_per_picture", score.false_per_picture},
              {"f1", score.f1},
              {"pictures", score.pictures},
              {"lesions", score.lesions}}
      .dump();
}

OperatingScore operating_score_from_json(const std::string& text, const std::string& place) {
  const Json json = Json::parse(text, nullptr, false);
  OperatingScore score;
  try {
    score = {json.at("value").get<double>(),
             json.at("sensitivity").get<double>(),
             json.at("false_per_picture").get<double>(),
             json.at("f1").get<double>(),
             json.at("pictures").get<std::int64_t>(),
             json.at("lesions").get<std::int64_t>()};
  } catch (const Json::exception&) {
    score.value = NAN;
  }
  require<FormatError>(score.value >= 0 && score.value <= 1, place,
                       ": its score_threshold is none; evaluate again with --save");
  return score;
}

}  // namespace gadolin
