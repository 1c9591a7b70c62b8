#include "apps/bodypart/slim_models.h"

#include <algorithm>

#include "tensor/check.h"

namespace gadolin::bodypart {
namespace {

// Share of 255 that a channel has on average (123.68, 116.78, 103.94), and its grey as a television would
// weigh them.
constexpr const char *mean_rgb = "0.48501961/0.45796078/0.40760784", *mean_grey = "0.46031098";

std::string colour_step(int channels) { return channels == 1 ? "grey" : "rgb"; }

std::string normalised(Preprocessing kind, int channels) {
  if (kind == Preprocessing::inception) return ",normalize:0.5:0.5";
  return cat(",normalize:", channels == 1 ? mean_grey : mean_rgb, ":0.00392156862745098");
}

// A length that is meant for crops of 224.
int scaled(int length, int size) { return (length * size + 112) / 224; }

}  // namespace

const std::vector<SlimModel>& slim_models() {
  static const std::vector<SlimModel> all{
      {"inception_v1", "googlenet", 224, false},
      {"inception_v3", "inception_v3", 299, true},
      {"inception_v4", "inception_v4", 299, true},
      {"inception_resnet_v2", "inception_resnet_v2", 299, true},
      {"resnet_v1_50", "resnet50", 224, false},
      {"resnet_v1_101", "resnet101", 224, false},
      {"resnet_v1_152", "resnet152", 224, false},
      {"resnet_v1_200", "resnet200", 224, false},
      {"resnet_v2_50", "resnet_v2_50", 224, false},
      {"resnet_v2_101", "resnet_v2_101", 224, false},
      {"resnet_v2_152", "resnet_v2_152", 224, false},
      {"resnet_v2_200", "resnet_v2_200", 224, false},
      {"vgg_a", "vgg11", 224, false},
      {"vgg_16", "vgg16", 224, false},
      {"vgg_19", "vgg19", 224, false},
  };
  return all;
}

const SlimModel& slim_model(const std::string& command, const std::string& name) {
  std::string known;
  for (const SlimModel& m : slim_models()) {
    if (name == m.name || name == m.model) return m;
    known += (known.empty() ? "" : ", ") + m.name;
  }
  fail<UsageError>(command, ": --model-name ", name, " is not offered; use ", known,
                   ", or gadolin train for other nets");
}

Preprocessing preprocessing_of(const std::string& command, const std::string& name) {
  const bool net = std::any_of(slim_models().begin(), slim_models().end(),
                               [&](const SlimModel& m) { return name == m.name || name == m.model; });
  require<UsageError>(net || name == "inception" || name == "vgg", command, ": --preprocessing-name ", name,
                      " is unknown; use inception, vgg or the name of a net");
  return name.rfind("inception", 0) == 0 || name == "googlenet" ? Preprocessing::inception
                                                                : Preprocessing::vgg;
}

std::string training_pipeline(Preprocessing kind, int size, int channels, bool jitter) {
  if (kind == Preprocessing::inception) {
    return cat(colour_step(channels), ",random-resized-crop:", size, ":0.05:1:0.75:1.33,hflip",
               jitter ? ",brightness-shift:0.12549,contrast:0.5" : "", normalised(kind, channels));
  }
  return cat(colour_step(channels), ",random-resize:", scaled(256, size), ":", scaled(512, size),
             ",random-crop:", size, ",hflip", normalised(kind, channels));
}

std::string evaluation_pipeline(Preprocessing kind, int size, int channels) {
  if (kind == Preprocessing::inception) {
    return cat(colour_step(channels), ",central-fraction:0.875,resize:", size, "x", size,
               normalised(kind, channels));
  }
  return cat(colour_step(channels), ",resize:", scaled(256, size), ",center-crop:", size,
             normalised(kind, channels));
}

void check_expected(const std::string& command, const Expected& said, const ClassificationTask& classifier,
                    const std::string& path) {
  if (!said.model_name.empty()) {
    require<UsageError>(slim_model(command, said.model_name).model == classifier.model(), command, ": ", path,
                        " is of ", classifier.model(), ", not of --model-name ", said.model_name,
                        "; leave the option out");
  }
  if (!said.preprocessing_name.empty() || said.image_size > 0) {
    const std::string of = said.preprocessing_name.empty() ? classifier.model() : said.preprocessing_name;
    const auto trained = classifier.pipeline().output_size();
    const int size = said.image_size > 0 ? said.image_size : trained ? trained->first : 0;
    const bool agrees = size > 0 && Pipeline(evaluation_pipeline(preprocessing_of(command, of), size,
                                                                 classifier.pipeline().channels()))
                                            .text() == classifier.pipeline().text();
    require<UsageError>(agrees, command, ": ", path, " prepares pictures by ", classifier.pipeline().text(),
                        "; leave --preprocessing-name and --eval-image-size out");
  }
  require<UsageError>(
      said.num_classes == 0 || said.num_classes == static_cast<int>(classifier.classes().size()), command,
      ": ", path, " knows ", classifier.classes().size(), " classes, not --num-classes ", said.num_classes,
      "; leave the option out");
  require<UsageError>(
      said.moving_average_decay <= 0 || load_checkpoint(path).tensors.count("ema.updates") != 0, command,
      ": ", path, " holds no averages of weights; leave --moving-average-decay out");
}

}  // namespace gadolin::bodypart
