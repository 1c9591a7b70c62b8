// gadolin data convert: any data set into TFRecords, and any, TFRecords too, into image files with a
// manifest; sets with boxes into one another's form.
#include <filesystem>
#include <memory>

#include "apps/commands.h"
#include "apps/program/ranges.h"
#include "apps/run/box_options.h"
#include "apps/run/table_of_run.h"
#include "data/sets/boxes/write_boxes.h"
#include "data/sets/tfrecord_dataset.h"
#include "io/staged_folder.h"
#include "tensor/check.h"

namespace gadolin {

void add_data_convert(Program& program, CLI::App* group);

namespace {

struct DataConvertOptions {
  std::string data, out, format = "tfrecord";
  DatasetOptions dataset;
  int shards = 1;
  bool skip_wrong = false;
};

void to_tfrecords(Session& session, const DataConvertOptions& o, const Dataset& set,
                  const StagedFolder& folder) {
  write_class_names(folder / "labels.txt", set.classes());
  std::size_t files = 0;
  for (const Split split : {Split::none, Split::train, Split::val, Split::test}) {
    if (!set.has_split(split)) continue;
    const std::string name = split == Split::none  ? "data"
                             : split == Split::val ? "validation"
                                                   : split_name(split);
    files += write_tfrecords(folder / (name + ".tfrecord"), *set.subset(split), o.shards).size();
    session.output(name, (std::filesystem::path(o.out) / (name + ".tfrecord")).string());
  }
  session.say(cat(o.out, ": ", set.size(), " samples of ", set.num_classes(), " classes in ", files,
                  files == 1 ? " file" : " files"));
  session.metric("files", static_cast<std::int64_t>(files));
}

void convert(Session& session, DataConvertOptions& o) {
  const std::optional<BoxForm> form = box_form(o.format);
  require<UsageError>(form || o.format == "tfrecord" || o.format == "manifest", "data convert: --format ",
                      o.format, " is unknown; use tfrecord or manifest, or csv, voc or coco for boxes");
  allow_table_of_run(o.dataset, o.data);
  const auto set = open_told(session, o.data, o.dataset, o.skip_wrong);
  const auto* boxes = dynamic_cast<const DetectionSet*>(set.get());
  require<UsageError>(!form || boxes, "data convert: ", o.data,
                      " has no boxes; use --format tfrecord or manifest");
  require<UsageError>(form || !boxes, "data convert: ", o.data, " has boxes, which --format ", o.format,
                      " does not hold; use csv, voc or coco");
  StagedFolder folder("data convert", o.out);
  if (form) {
    for (const std::string& lost : write_boxes(folder.path(), *boxes, *form)) session.say("note: " + lost);
    session.output("boxes", o.out);
  } else if (o.format == "tfrecord") {
    to_tfrecords(session, o, *set, folder);
  } else {
    unpack_dataset(folder.path(), *set);
    session.say(cat(o.out, ": ", set->size(), " samples of ", set->num_classes(), " classes"));
    session.output("manifest", (std::filesystem::path(o.out) / "manifest.csv").string());
  }
  folder.commit();
  session.metric("samples", set->size());
}

}  // namespace

void add_data_convert(Program& program, CLI::App* group) {
  const auto o = std::make_shared<DataConvertOptions>();
  CLI::App* app = program.add(
      group, "convert",
      "Any data set into TFRecords of tf.Example, or out of them into files with a manifest; boxes into CSV, "
      "Pascal VOC or COCO",
      [o](Session& s) { convert(s, *o); }, "gadolin data convert films.csv records --shards 5");
  app->add_option(
         "data", o->data,
         "Manifest CSV, class folders, images/ + labels/, TFRecords, or IDX files; of boxes a table, "
         "Pascal VOC or COCO")
      ->required();
  app->add_option("out", o->out, "Folder to make")->required();
  app->add_option("--format", o->format, "tfrecord or manifest; of boxes csv, voc or coco")
      ->capture_default_str();
  app->add_option("--shards", o->shards, "TFRecord files a split")
      ->check(between(1, 512))
      ->capture_default_str();
  app->add_option("--label-column", o->dataset.label_column, "Column of the labels in a manifest")
      ->capture_default_str();
  app->add_option("--label-key", o->dataset.label_key, "Feature of the labels in TFRecords")
      ->capture_default_str();
  app->add_option("--image-key", o->dataset.image_key, "Feature of the pictures in TFRecords")
      ->capture_default_str();
  app->add_option("--none-label", o->dataset.none_label,
                  "Label that stands for no finding in a multi-label set");
  app->add_flag("--multi-label", o->dataset.multi_label, "Several labels a sample, separated by |");
  app->add_flag("--allow-outside", o->dataset.allow_outside, "A manifest may name files outside its folder");
  add_box_options(app, o->dataset, o->skip_wrong);
}

}  // namespace gadolin
