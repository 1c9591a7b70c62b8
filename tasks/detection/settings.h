// How a detector is used: its anchors, what they learn, how its boxes are chosen.
#pragma once

#include <string>
#include <vector>

#include "io/json.h"
#include "nets/registry.h"
#include "tasks/detection/anchor_loss.h"
#include "tasks/detection/anchors.h"
#include "tasks/detection/canvas.h"
#include "tasks/detection/detect.h"
#include "tasks/detection/matching.h"

namespace gadolin {

// By default RetinaNet's as Keras RetinaNet ended (apps-spec.md 4.1, "modern").
struct DetectorSettings {
  AnchorOptions anchors;           // sizes and places
  MatchOptions match;              // which anchor learns what
  DetectOptions detect;            // which boxes are kept
  Padding padding = Padding::own;  // what pictures are padded to
  BoxLossOptions box_loss;         // what boxes are learnt by
  double alpha = 0.25, gamma = 2;  // of the focal loss
  double box_weight = 1;           // of the boxes' loss beside that of the classes
  // Losses are divided by each picture's own number of anchors with objects, and their mean is taken
  // (legacy), instead of by that of the batch.
  bool by_picture = false;
};

// modern; legacy: Keras RetinaNet of December 2017, with the +1 of its boxes and one suppression for all
// classes; torchvision: what its weights were trained with. Throws UsageError for another name.
DetectorSettings detector_preset(const std::string& name);

// Every setting by its name, as checkpoints keep them. Throws UsageError beginning with `what` for a name
// that is unknown, or a value of another kind or out of range.
Json settings_to_json(const DetectorSettings& settings);
// Throws CheckpointError for what is missing or out of range; `what` names the file.
DetectorSettings settings_from_json(const Json& json, const std::string& what);

// Takes the settings out of a net's options: "preset" first, then the others by their names in JSON, lists
// written with `/`: anchor_sizes=16/32/64/128/256. What is left belongs to the net. Without a preset those
// that are not named are as `start` has them.
DetectorSettings take_settings(NetOptions& options, DetectorSettings start = {});

}  // namespace gadolin
