#include "apps/mammography/marked_data.h"

#include <filesystem>

#include "apps/mammography/preparation.h"
#include "apps/run/box_options.h"
#include "apps/run/table_of_run.h"
#include "tensor/check.h"

namespace gadolin::mammography {
namespace fs = std::filesystem;

void add_marked_data(CLI::App* app, MarkedData& o, bool with_model) {
  app->add_option("form", o.form, "csv, coco or pascal")->required();
  app->add_option("paths", o.paths,
                  std::string("csv: table of boxes and, if the names are not enough, file of classes; coco, "
                              "pascal: the folder") +
                      (with_model ? "; and last the checkpoint" : ""))
      ->required();
  app->add_option("--image-extension", o.image_extension,
                  "Of pascal, such as .png; pictures are found without it");
  app->add_flag("--allow-outside", o.read.allow_outside, "A table may name files outside its folder");
  add_box_options(app, o.read, o.skip_wrong);
}

std::unique_ptr<DetectionSet> open_marked(const Session& session, const MarkedData& o,
                                          const std::vector<std::string>& classes) {
  require<UsageError>(o.form == "csv" || o.form == "coco" || o.form == "pascal",
                      "mammography: data of the "
                      "form ",
                      printable(o.form), " is unknown; use csv, coco or pascal");
  require<UsageError>(!o.paths.empty() && o.paths.size() <= (o.form == "csv" ? 2u : 1u),
                      "mammography: ", o.form, " takes ",
                      o.form == "csv" ? "a table and a file of classes" : "one folder", ", not ",
                      o.paths.size(), " paths; leave the others out");
  DatasetOptions read = o.read;
  if (o.paths.size() == 2) {
    require<UsageError>(read.class_file.empty() || read.class_file == o.paths[1],
                        "mammography: --class-file ", read.class_file, " and ", printable(o.paths[1]),
                        " are two files of classes; leave one out");
    read.class_file = o.paths[1];
  }
  read.classes = classes;
  allow_table_of_run(read, o.paths[0]);
  auto set = open_logged(session, read, o.skip_wrong, [&]() -> std::unique_ptr<Dataset> {
    if (o.form == "csv") return open_box_table(o.paths[0], read);
    if (o.form == "coco") return open_coco(o.paths[0], read);
    return open_voc(o.paths[0], read);
  });
  return std::unique_ptr<DetectionSet>(static_cast<DetectionSet*>(set.release()));
}

std::string take_model(MarkedData& o, const std::string& command) {
  require<UsageError>(o.paths.size() >= 2, "mammography ", command, ": ", o.form,
                      " needs data and behind them a checkpoint, such as snapshots/resnet50_csv_50.gdck");
  std::string model = o.paths.back();
  o.paths.pop_back();
  return model;
}

std::string dataset_name(const MarkedData& o) { return o.form; }

std::unique_ptr<DetectionSet> part_of(const DetectionSet& set, std::string& split) {
  if (split == "auto") {
    split = set.has_split(Split::test) ? "test" : set.has_split(Split::val) ? "val" : "all";
  }
  std::unique_ptr<Dataset> part;
  if (split == "all") {
    std::vector<std::int64_t> places;
    for (std::int64_t i = 0; i < set.size(); ++i) places.push_back(i);
    part = set.subset(places);
  } else {
    part = set.subset(split_option(split));
  }
  return std::unique_ptr<DetectionSet>(static_cast<DetectionSet*>(part.release()));
}

std::string preparation_beside(const MarkedData& o) {
  fs::path folder = fs::path(o.paths[0]);
  std::error_code error;
  if (!fs::is_directory(folder, error)) folder = folder.parent_path();
  const std::string file = (folder / "preparation.json").string();
  if (!fs::exists(file, error)) return "";
  return to_text(read_preparation(file));
}

}  // namespace gadolin::mammography
