#include "apps/run/report_pictures.h"

#include <filesystem>

#include "io/atomic_file.h"
#include "tasks/detection/draw.h"
#include "tasks/detection/examples.h"

namespace gadolin {
namespace {

constexpr int longest_side = 440;

}  // namespace

Json write_report_pictures(const Dataset& set, const DetectionEvaluator& evaluator,
                           const std::vector<std::string>& classes, std::size_t each,
                           const std::string& folder) {
  std::filesystem::remove_all(folder);
  const double from = evaluator.drawn_from();
  const TellingPictures telling = telling_pictures(evaluator.pictures(), from, each);
  Json json{{"from", from}, {"groups", Json::array()}};
  int number = 0;
  const auto add = [&](const char* title, const std::vector<PictureVerdict>& verdicts) {
    Json list = Json::array();
    for (const PictureVerdict& v : verdicts) {
      const DetectedPicture& picture = evaluator.pictures()[v.picture];
      const auto boxes = drawn_boxes(picture.truth, picture.found, classes, {.score = from});
      const std::string name = cat(++number, ".png");
      if (number == 1) make_folders("eval", folder);
      write_png(folder + "/" + name,
                drawn_small(set.image(evaluator.indices()[v.picture]), boxes, longest_side));
      list.push_back({{"name", picture.name}, {"says", verdict_text(v)}, {"picture", name}});
    }
    json["groups"].push_back({{"title", title}, {"pictures", std::move(list)}});
  };
  add("Most missed", telling.missed);
  add("Surest false alarms", telling.worst);
  add("Best", telling.best);
  return json;
}

}  // namespace gadolin
