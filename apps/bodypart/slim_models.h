// What TF-Slim calls nets, and how it prepares pictures for them (apps-spec.md 2.6 has the numbers).
#pragma once

#include <string>
#include <vector>

#include "apps/program/command.h"
#include "tasks/classification.h"

namespace gadolin::bodypart {

struct SlimModel {
  std::string name;   // "resnet_v1_50"
  std::string model;  // in the registry: "resnet50"
  int size;           // pixels a side
  bool auxiliary;     // trained with an auxiliary head
};
const std::vector<SlimModel>& slim_models();
// By Slim's name, or by the registry's if Slim has such a net. Throws UsageError, beginning with `command`.
const SlimModel& slim_model(const std::string& command, const std::string& name);

enum class Preprocessing { inception, vgg };
// "inception", "vgg", or the net whose usual one is meant. Throws UsageError.
Preprocessing preprocessing_of(const std::string& command, const std::string& name);

// Pipelines for pictures of size x size with 1 or 3 channels. Inception: a random box of the picture,
// mirrored, brightness and contrast changed if `jitter`, to [-1, 1]; for evaluation the middle 87.5 % of both
// sides. VGG: the shorter side drawn from 256..512 (of 224), a random crop, mirrored, less the mean; for
// evaluation a side of 256 and the middle. Boxes are resized bilinearly, where Slim draws one of four
// methods; saturation and hue, of which grey pictures have none, stay.
std::string training_pipeline(Preprocessing kind, int size, int channels, bool jitter);
std::string evaluation_pipeline(Preprocessing kind, int size, int channels);

// What was said about a trained classifier besides its checkpoint, which knows by itself.
struct Expected {
  std::string model_name, preprocessing_name;  // empty: nothing was said
  int image_size = 0, num_classes = 0;
  double moving_average_decay = 0;
};
// Throws UsageError for something that the checkpoint at `path` contradicts.
void check_expected(const std::string& command, const Expected& said, const ClassificationTask& classifier,
                    const std::string& path);

}  // namespace gadolin::bodypart
