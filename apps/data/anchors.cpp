#include "apps/data/anchors.h"

#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "tasks/detection/anchor_sheet.h"
#include "tasks/net_options.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

constexpr std::size_t tiles_of_each = 5;

// As train_parts.cpp makes them of the same words; channels move no box.
Pipeline training_pipeline(const AnchorCheck& o) {
  if (o.augment.find(':') != std::string::npos || o.augment.find(',') != std::string::npos)
    return Pipeline(o.augment);
  require<UsageError>(o.augment == "none" || o.augment == "light" || o.augment == "standard", "--augment ",
                      o.augment, " is unknown; use none, light, standard or a list of steps");
  return Pipeline(trainable_kind("detection").steps({o.input_size, o.augment, true}));
}

}  // namespace

void add_anchor_options(CLI::App* app, AnchorCheck& o) {
  app->add_flag("--anchors", o.wanted,
                "Of boxes: which have an anchor to learn them, at the size of training");
  app->add_option("--sheet", o.sheet, "With --anchors: PNG of the boxes that fit best, typical and worst");
  app->add_option("--input-size", o.input_size, "With --anchors: as for train")
      ->check(between(8, 16384))
      ->capture_default_str();
  app->add_option("--augment", o.augment, "With --anchors: as for train: none, light, standard or steps")
      ->capture_default_str();
  app->add_option("--net-option", o.net_options,
                  "With --anchors: as for train: NAME=VALUE, such as anchor_sizes=16/32/64/128/256");
}

void check_anchor_options(const AnchorCheck& o) {
  require<UsageError>(o.wanted || (o.sheet.empty() && o.net_options.empty()),
                      "data check: --sheet and --net-option are about anchors; add --anchors");
  if (!o.sheet.empty()) check_output_file("data check: --sheet", o.sheet, ".png");
}

void tell_anchors(Session& session, const Dataset& set, const AnchorCheck& o) {
  const auto* boxes = dynamic_cast<const DetectionSet*>(&set);
  require<UsageError>(boxes != nullptr, "data check: --anchors is for sets with boxes; leave it out");
  NetOptions options;
  for (const std::string& text : o.net_options) add_net_option(options, text);
  const DetectorSettings settings = take_settings(options);
  std::vector<SeenBox> seen;
  const AnchorRecall recall = anchor_recall(*boxes, training_pipeline(o), settings, &seen);
  session.say(format_table(recall_table(recall)));
  session.metric("boxes_with_anchor", recall.matched);
  session.metric("boxes_looked_at", recall.boxes);
  if (o.sheet.empty()) return;
  const std::string title =
      cat(recall.matched, " of ", recall.boxes, " boxes have an anchor, shorter side ", o.input_size);
  write_png(o.sheet, anchor_sheet(*boxes, seen, tiles_of_each, title).image(static_cast<int>(tiles_of_each)));
  session.say("sheet: " + o.sheet + " (whole line: has an anchor; broken: none; thin: the nearest anchor)");
  session.output("sheet", o.sheet);
}

}  // namespace gadolin
