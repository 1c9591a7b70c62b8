#include "tasks/detection/detected_pictures.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "data/sets/boxes/coco_json.h"
#include "io/atomic_file.h"
#include "io/mapped_file.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {

namespace {

// Of a detection and a box of one picture: half a minute.
constexpr std::size_t most_pairs = 10'000'000'000;

}  // namespace

std::string breast_of(const DetectionSet& set, std::int64_t i) {
  const std::string &patient = set.info(i).patient, &side = set.picture(i).side;
  return patient.empty() || side.empty() ? "" : cat(patient, "-", side);
}

std::vector<DetectedPicture> pictures_of(const DetectionSet& set) {
  std::vector<DetectedPicture> pictures(static_cast<std::size_t>(set.size()));
  for (std::int64_t i = 0; i < set.size(); ++i) {
    DetectedPicture& picture = pictures[static_cast<std::size_t>(i)];
    picture.name = set.info(i).name;
    picture.id = set.picture(i).id;
    picture.patient = set.info(i).patient;
    picture.truth = set.picture(i).boxes;
    picture.breast = breast_of(set, i);
  }
  return pictures;
}

void check_detections(std::span<const DetectedPicture> pictures, int classes) {
  for (const DetectedPicture& picture : pictures) {
    const std::string name = printable(picture.name);
    const std::size_t found = picture.found.size(), truth = picture.truth.size();
    require<DataError>(truth == 0 || found <= most_pairs / truth, "detections: ", name, " has ", found,
                       " detections, which are compared with each of its ", truth,
                       " boxes; keep at most the best ", most_pairs / std::max<std::size_t>(truth, 1));
    for (const Detection& d : picture.found) {
      const ObjectBox& b = d.box;
      require<NumericError>(std::isfinite(d.score), "detections: ", name, " has the score ", d.score);
      require<NumericError>(
          std::isfinite(b.x1) && std::isfinite(b.y1) && std::isfinite(b.x2) && std::isfinite(b.y2),
          "detections: ", name, " has the box ", b.x1, " ", b.y1, " ", b.x2, " ", b.y2);
      require<DataError>(b.x1 <= b.x2 && b.y1 <= b.y2, "detections: ", name, ": the corners of the box ",
                         b.x1, " ", b.y1, " ", b.x2, " ", b.y2, " are in the wrong order");
      require<DataError>(b.label >= 0 && b.label < classes, "detections: ", name, " has the class ", b.label,
                         "; there are 0 to ", classes - 1);
    }
  }
}

std::vector<std::size_t> by_score(std::span<const Detection> found) {
  std::vector<std::size_t> order(found.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return found[a].score > found[b].score; });
  return order;
}

void read_coco_results(const std::string& path, const DetectionSet& set,
                       std::vector<DetectedPicture>& pictures) {
  using detail::CocoEntry;
  using detail::CocoField;
  std::unordered_map<std::int64_t, std::size_t> picture_of;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    require<DataError>(picture_of.emplace(set.picture(i).id, static_cast<std::size_t>(i)).second,
                       "results: two pictures of ", printable(set.root()), " have the id ", set.picture(i).id,
                       "; score one file of annotations at a time");
  }
  std::unordered_map<std::int64_t, int> label_of;
  for (std::size_t c = 0; c < set.class_ids().size(); ++c)
    label_of.emplace(set.class_ids()[c], static_cast<int>(c));
  const std::string root = printable(set.root());
  const MappedFile file(path);
  const detail::CocoLists lists = detail::read_coco_json(file.text(), path, [&](const CocoEntry& e) {
    if (e.list != CocoEntry::List::results) return;
    const detail::CocoPlace place{path, e};
    const std::int64_t image = detail::coco_integer(e[CocoField::image_id], "image_id", place),
                       category = detail::coco_integer(e[CocoField::category_id], "category_id", place);
    const auto picture = picture_of.find(image);
    require<DataError>(picture != picture_of.end(), place, ": image_id ", image, " is no picture of ", root);
    const auto label = label_of.find(category);
    require<DataError>(label != label_of.end(), place, ": category_id ", category, " is no category of ",
                       root);
    const std::array<double, 4> b = detail::coco_bbox(place);
    require<DataError>(b[2] >= 0 && b[3] >= 0, place, ": width ", b[2], " or height ", b[3], " is below 0");
    const double score = detail::coco_number(e[CocoField::score], "score", place);
    pictures[picture->second].found.push_back({{b[0], b[1], b[0] + b[2], b[1] + b[3], label->second}, score});
  });
  require<DataError>(
      lists.results, "results: ", printable(path),
      " is an object, as annotations are; needed is a list of image_id, category_id, bbox, score");
}

void write_coco_results(const std::string& path, const DetectionSet& set,
                        std::span<const DetectedPicture> pictures) {
  std::string text = "[";
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    for (const Detection& d : pictures[i].found) {
      text += cat(
          text.size() == 1 ? "\n" : ",\n", "{\"image_id\": ", set.picture(static_cast<std::int64_t>(i)).id,
          ", \"category_id\": ", set.class_ids()[static_cast<std::size_t>(d.box.label)], ", \"bbox\": [",
          exact_text(d.box.x1), ", ", exact_text(d.box.y1), ", ", exact_text(d.box.x2 - d.box.x1), ", ",
          exact_text(d.box.y2 - d.box.y1), "], \"score\": ", exact_text(d.score), "}");
    }
  }
  write_file_atomically(path, text + "\n]\n");
}

}  // namespace gadolin
