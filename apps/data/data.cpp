// gadolin data: look before training, divide, convert, and make synthetic sets.
#include <filesystem>
#include <memory>

#include "apps/commands.h"
#include "apps/data/anchors.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "apps/run/box_options.h"
#include "apps/run/table_of_run.h"
#include "data/sets/boxes/box_check.h"
#include "data/sets/boxes/write_boxes.h"
#include "data/sets/inspect.h"
#include "data/sets/split.h"
#include "data/sets/synth.h"
#include "io/staged_folder.h"
#include "tensor/check.h"

namespace gadolin {

void add_data_convert(Program& program, CLI::App* group);  // convert.cpp
void add_data_score(Program& program, CLI::App* group);    // score.cpp

namespace {

// What the commands share; options live as long as the program.
struct DataCommandOptions {
  std::string data;
  DatasetOptions dataset;
  SplitOptions split;
  SynthOptions synth;
  AnchorCheck anchors;
  std::string out, shares = "0.7/0.15/0.15";
  bool by_image = false, skip_wrong = false;
};

void add_dataset_options(CLI::App* app, DataCommandOptions& o) {
  app->add_option(
         "data", o.data,
         "Manifest CSV, class folders, images/ + labels/, TFRecords, or IDX files; of boxes a table, "
         "Pascal VOC or COCO")
      ->required();
  app->add_option("--label-column", o.dataset.label_column, "Column of the labels in a manifest")
      ->capture_default_str();
  app->add_option("--label-key", o.dataset.label_key, "Feature of the labels in TFRecords")
      ->capture_default_str();
  app->add_option("--image-key", o.dataset.image_key, "Feature of the pictures in TFRecords")
      ->capture_default_str();
  app->add_option("--none-label", o.dataset.none_label,
                  "Label that stands for no finding in a multi-label set");
  app->add_flag("--multi-label", o.dataset.multi_label, "Several labels a sample, separated by |");
  app->add_flag("--allow-outside", o.dataset.allow_outside, "A manifest may name files outside its folder");
  add_box_options(app, o.dataset, o.skip_wrong);
}

void check_set(Session& session, DataCommandOptions& o) {
  check_anchor_options(o.anchors);
  allow_table_of_run(o.dataset, o.data);
  std::vector<std::string> rows;
  o.dataset.problems = &rows;
  std::unique_ptr<Dataset> set;
  try {
    set = open_dataset(o.data, o.dataset);
  } catch (const Error&) {  // nothing is left of the set: its rows say why
    for (const std::string& row : rows) session.say("error    row: " + row);
    throw;
  }
  o.dataset.problems = nullptr;
  const auto facts = inspect_samples(*set, session.common().threads);
  auto problems = check_dataset(*set, facts, rows);
  if (const auto* boxes = dynamic_cast<const DetectionSet*>(set.get())) {
    tell_boxes(session, *set);
    for (Problem& p : problems)  // lists of classes, as COCO's, name some that do not occur
      if (p.kind == "empty-class") p.level = Problem::Level::warning;
    for (Problem& p : check_boxes(*boxes, facts)) problems.push_back(std::move(p));
  }
  if (o.anchors.wanted) tell_anchors(session, *set, o.anchors);
  std::int64_t errors = 0;
  for (const Problem& p : problems) {
    const bool error = p.level == Problem::Level::error;
    errors += error;
    session.say((error ? "error    " : "warning  ") + p.kind + ": " + p.text);
    session.event(
        {{"event", "problem"}, {"level", error ? "error" : "warning"}, {"kind", p.kind}, {"text", p.text}});
  }
  const std::int64_t warnings = static_cast<std::int64_t>(problems.size()) - errors;
  session.say(counted(set->size(), "sample") + ", " + counted(errors, "error") + ", " +
              counted(warnings, "warning"));
  session.metric("samples", set->size());
  session.metric("errors", errors);
  session.metric("warnings", warnings);
  require<DataError>(errors == 0, "data check: ", counted(errors, "error"), " in ", o.data,
                     "; mend or remove the samples named above");
}

std::string list(const std::vector<double>& values) {
  std::string text;
  for (const double v : values) text += (text.empty() ? "" : " ") + fixed(v, 4);
  return text;
}

void stats(Session& session, DataCommandOptions& o) {
  allow_table_of_run(o.dataset, o.data);
  const auto set = open_told(session, o.data, o.dataset, o.skip_wrong);
  const DataStats s = dataset_stats(*set, inspect_samples(*set, session.common().threads));
  std::vector<std::vector<std::string>> rows{{"class", "all", "train", "val", "test", "no split"}};
  Json classes = Json::object();
  for (int k = 0; k < set->num_classes(); ++k) {
    const auto& c = s.class_counts[static_cast<std::size_t>(k)];
    const std::string& name = set->classes()[static_cast<std::size_t>(k)];
    rows.push_back({name, std::to_string(c[0] + c[1] + c[2] + c[3]), std::to_string(c[1]),
                    std::to_string(c[2]), std::to_string(c[3]), std::to_string(c[0])});
    classes[name] = c[0] + c[1] + c[2] + c[3];
  }
  session.say(format_table(rows));
  rows = {{"samples", std::to_string(s.samples)},
          {"patients", std::to_string(s.patients)},
          {"unreadable", std::to_string(s.unreadable)},
          {"width", cat(s.width.least, " to ", s.width.most, ", median ", s.width.median)},
          {"height", cat(s.height.least, " to ", s.height.most, ", median ", s.height.median)},
          {"file size", cat(human_bytes(static_cast<std::int64_t>(s.file_bytes.least)), " to ",
                            human_bytes(static_cast<std::int64_t>(s.file_bytes.most)))},
          {"pixel mean", list(s.mean)},
          {"deviation", list(s.deviation)}};
  for (const auto& [kind, count] : s.kinds) rows.push_back({kind, std::to_string(count)});
  session.say(format_table(rows, false));
  if (const std::string left = set->left_out_text(); !left.empty()) session.say(left);
  tell_box_stats(session, *set);
  session.metric("samples", s.samples);
  session.metric("patients", s.patients);
  session.metric("unreadable", s.unreadable);
  session.metric("classes", classes);
  session.metric("mean", s.mean);
  session.metric("deviation", s.deviation);
}

void split(Session& session, DataCommandOptions& o) {
  o.split = split_shares(o.shares, session.common().seed);
  o.split.by_patient = !o.by_image;
  allow_table_of_run(o.dataset, o.data);
  const bool in_place = o.out.empty();
  if (!in_place) check_output_file("data split: --out", o.out, ".csv", {o.data});
  const auto set = open_told(session, o.data, o.dataset, o.skip_wrong);
  const auto* boxes = dynamic_cast<const DetectionSet*>(set.get());
  assign_splits(*set, o.split);
  require<UsageError>(!in_place || (has_ending(o.data, ".csv") && !boxes), "data split: ", o.data,
                      " is no manifest, so the splits need a place; give --out manifest.csv");
  if (boxes) {
    write_box_table(o.out, *boxes);
  } else if (in_place) {
    write_splits(o.data, *set);
  } else {
    write_manifest(o.out, *set);
  }
  if (!in_place) mark_outside(o.out);
  std::array<std::int64_t, 4> counts{};
  for (std::int64_t i = 0; i < set->size(); ++i) ++counts[static_cast<std::size_t>(set->info(i).split)];
  session.say(cat(in_place ? o.data : o.out, ": ", counts[1], " train, ", counts[2], " val, ", counts[3],
                  " test; no patient is on two sides"));
  session.metric("train", counts[1]);
  session.metric("val", counts[2]);
  session.metric("test", counts[3]);
  session.output("manifest", in_place ? o.data : o.out);
}

void synth(Session& session, DataCommandOptions& o) {
  require<UsageError>(
      !o.out.empty(),
      "data synth: a folder to make is needed, like shapes; or bodypart, mammo, chest, openi or "
      "ct-series and "
      "a folder, for films");
  o.synth.seed = session.common().seed;
  StagedFolder folder("data synth", o.out);
  write_synth(folder.path(), o.synth);
  folder.commit();
  session.say(cat(o.synth.samples, " pictures of ", o.synth.patients, " made-up patients in ", o.out));
  session.output("manifest", (std::filesystem::path(o.out) / "manifest.csv").string());
}

}  // namespace

void add_data(Program& program) {
  const auto o = std::make_shared<DataCommandOptions>();
  CLI::App* group =
      program.group("data", "Look at a data set before training; divide it; make synthetic ones");
  CLI::App* app = program.add(
      group, "check", "Find unreadable, doubled, mislabelled and leaking samples",
      [o](Session& s) { check_set(s, *o); }, "gadolin data check examples/data/cxr-nih14-small/view.csv");
  add_dataset_options(app, *o);
  add_anchor_options(app, o->anchors);
  add_dataset_options(
      program.add(group, "stats", "Classes, sizes, kinds of files, mean and deviation of the pixels",
                  [o](Session& s) { stats(s, *o); }),
      *o);
  app = program.add(
      group, "split", "Divide by patient into train, val and test, keeping the shares of the classes",
      [o](Session& s) { split(s, *o); }, "gadolin data split films.csv --shares 0.7/0.15/0.15");
  add_dataset_options(app, *o);
  app->add_option("--shares", o->shares, "Shares of train/val/test")->capture_default_str();
  app->add_option("--out", o->out, "Manifest to write; default: the splits go into the one given");
  app->add_flag("--by-image", o->by_image,
                "Divide images, not patients (images of one patient may be on two sides)");
  add_data_convert(program, group);
  add_data_score(program, group);
  app = program.add(
      group, "synth", "Made-up labelled pictures of made-up patients", [o](Session& s) { synth(s, *o); },
      "gadolin data synth shapes --samples 300");
  app->add_option("folder", o->out, "Folder to make");
  app->add_option("--samples", o->synth.samples, "Pictures to make")
      ->check(between(1, 1000000))
      ->capture_default_str();
  app->add_option("--patients", o->synth.patients, "Patients that they are divided among")
      ->check(between(3, 1000000))
      ->capture_default_str();
  app->add_option("--classes", o->synth.classes, "At most 6")->check(between(1, 6))->capture_default_str();
  app->add_option("--size", o->synth.size, "Pixels a side")->check(between(8, 4096))->capture_default_str();
  app->add_flag("--colour,--color", o->synth.colour, "Three channels instead of one");
  app->add_flag("--multi-label", o->synth.multi_label, "Several shapes in a picture, and a label for each");
  add_synth_bodypart(program, app);
  add_synth_mammo(program, app);
  add_synth_chest(program, app);
  add_synth_openi(program, app);
  add_synth_ct_series(program, app);
}

}  // namespace gadolin
