// Checkpoints of TF-Slim under our names, by the tables of tasks/slim_names.h.
#pragma once

#include <string>
#include <vector>

#include "io/weights.h"
#include "tasks/slim_names.h"

namespace gadolin {

// Of a net of the registry; nullptr when Slim has none that is mapped.
const SlimNames* slim_names(const std::string& model);

// Whether the tensors are those of a net of TF-Slim: a scope of its own and "weights" below.
bool is_slim(const TensorMap& tensors);

// Takes a Slim checkpoint for `model` (resnet50 101 152 200 and their v2, vgg16 and vgg19, inception_v3,
// inception_v4, inception_resnet_v2) to our names and orders: filters HWIO -> OIHW, fully connected layers
// [in, out] -> [out, in], a missing gamma -> 1. global_step, optimiser slots and averages are taken out and
// named in a note; what else has no counterpart keeps its name and so is left over. `options` gets the
// conventions that Slim's weights were trained with. Throws UsageError for a model that Slim does not have or
// a checkpoint of another. averages: a variable's moving average is taken instead where there is one;
// UsageError when there is none at all.
void rename_slim(const std::string& model, WeightFile& weights, NetOptions& options, bool averages = false);

// The scope of all variables of Slim's form of `model`, such as InceptionV4; "" when Slim has none that is
// mapped.
std::string slim_scope(const std::string& model);

// The layers of `net`, a net of `model`, whose variables begin with `scope` in Slim ("InceptionV4/Logits",
// "resnet_v1_50/block4"). Throws UsageError when there is none.
std::vector<std::string> parts_of_slim_scope(const std::string& model, const Module& net,
                                             const std::string& scope);

}  // namespace gadolin
