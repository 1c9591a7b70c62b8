#include "apps/run/box_options.h"

#include "data/sets/boxes/box_check.h"
#include "tensor/check.h"

namespace gadolin {

void add_box_options(CLI::App* app, DatasetOptions& o, bool& skip_wrong) {
  app->add_option("--images", o.image_folder, "Folder of the pictures of a table or of COCO's file");
  app->add_option("--class-file", o.class_file,
                  "Boxes: classes as lines name,id; default: all names, sorted");
  app->add_option("--part", o.part,
                  "Boxes: one list of ImageSets/Main, or one of annotations/instances_PART.json");
  app->add_option("--patient-until", o.patient_until,
                  "Boxes: the name of a picture's file up to one of these characters is its patient");
  app->add_flag("--skip-difficult", o.skip_difficult, "Boxes: without those marked difficult");
  app->add_flag("--skip-truncated", o.skip_truncated, "Boxes: without those marked truncated");
  app->add_flag("--boxes-on-shown", o.boxes_on_shown,
                "Boxes were drawn on pictures turned by EXIF, where sizes do not tell");
  app->add_flag("--skip-wrong", skip_wrong, "Leave wrong rows out and name them, instead of stopping");
}

void tell_boxes(Session& session, const Dataset& set) {
  const auto* boxes = dynamic_cast<const DetectionSet*>(&set);
  if (!boxes) return;
  session.say(boxes->summary());
  for (const std::string& note : boxes->notes()) session.say("note: " + note);
  session.metric("rows", boxes->counts().rows);
  session.metric("boxes", boxes->counts().boxes);
  session.metric("wrong_rows", boxes->counts().wrong);
}

std::unique_ptr<Dataset> open_logged(const Session& session, DatasetOptions& options, bool skip_wrong,
                                     const std::function<std::unique_ptr<Dataset>()>& f,
                                     std::vector<std::string>* left_out) {
  std::vector<std::string> wrong;
  options.problems = skip_wrong ? &wrong : nullptr;
  std::unique_ptr<Dataset> set;
  try {
    set = f();
  } catch (...) {
    options.problems = nullptr;
    for (const std::string& row : wrong) session.log("left out: " + row);
    throw;
  }
  options.problems = nullptr;
  for (const std::string& row : wrong) session.log("left out: " + row);
  if (left_out) *left_out = std::move(wrong);
  return set;
}

std::unique_ptr<Dataset> open_told(Session& session, const std::string& data, DatasetOptions options,
                                   bool skip_wrong) {
  std::unique_ptr<Dataset> set =
      open_logged(session, options, skip_wrong, [&] { return open_dataset(data, options); });
  tell_boxes(session, *set);
  return set;
}

void tell_box_stats(Session& session, const Dataset& set) {
  const auto* boxes = dynamic_cast<const DetectionSet*>(&set);
  if (!boxes) return;
  const BoxStats s = box_stats(*boxes);
  std::vector<std::vector<std::string>> rows{{"boxes of", "all", "train", "val", "test", "no split"}};
  for (std::size_t c = 0; c < s.class_boxes.size(); ++c) {
    const auto& n = s.class_boxes[c];
    rows.push_back({set.classes()[c], std::to_string(n[0] + n[1] + n[2] + n[3]), std::to_string(n[1]),
                    std::to_string(n[2]), std::to_string(n[3]), std::to_string(n[0])});
  }
  session.say(format_table(rows));
  const auto spread = [](const DataStats::Range& r, int digits) {
    return cat(fixed(r.least, digits), " to ", fixed(r.most, digits), ", median ", fixed(r.median, digits));
  };
  session.say(format_table({{"boxes", std::to_string(s.boxes)},
                            {"boxes a picture", spread(s.per_picture, 0)},
                            {"pictures without boxes", std::to_string(s.empty_pictures)},
                            {"box width", spread(s.width, 1)},
                            {"box height", spread(s.height, 1)},
                            {"height / width", spread(s.ratio, 2)},
                            {"below 32 x 32", std::to_string(s.by_area[0])},
                            {"below 96 x 96", std::to_string(s.by_area[1])},
                            {"larger", std::to_string(s.by_area[2])},
                            {"crowds", std::to_string(s.crowds)},
                            {"difficult", std::to_string(s.difficult)},
                            {"truncated", std::to_string(s.truncated)}},
                           false));
  session.metric("pictures_without_boxes", s.empty_pictures);
  session.metric("boxes_small_medium_large", s.by_area);
}

}  // namespace gadolin
