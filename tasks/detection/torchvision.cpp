#include "tasks/detection/torchvision.h"

#include <string>

namespace gadolin {
namespace {

// "a.conv.4.weight" into "a.conv.", 4 and "weight"; false for names of another form.
bool cut_old_name(const std::string& name, const std::string& part, std::string& before, int& index,
                  std::string& kind) {
  const std::size_t at = name.find(part);
  if (at == std::string::npos) return false;
  const std::size_t digit = at + part.size();
  if (digit + 2 >= name.size() || name[digit] < '0' || name[digit] > '9' || name[digit + 1] != '.')
    return false;
  before = name.substr(0, digit);
  index = name[digit] - '0';
  kind = name.substr(digit + 2);
  return kind == "weight" || kind == "bias";
}

}  // namespace

void rename_old_torchvision(TensorMap& tensors) {
  TensorMap renamed;
  for (const auto& [name, tensor] : tensors) {
    std::string before, kind, now = name;
    int index = 0;
    if (name.starts_with("head.") && cut_old_name(name, "_head.conv.", before, index, kind))
      now = before + std::to_string(index / 2) + ".0." + kind;
    for (const char* part : {".inner_blocks.", ".layer_blocks."})
      if (cut_old_name(name, part, before, index, kind)) now = before + std::to_string(index) + ".0." + kind;
    renamed[now] = tensor;
  }
  tensors = std::move(renamed);
}

bool has_old_torchvision_names(const TensorMap& tensors) {
  return tensors.count("head.classification_head.conv.0.weight") > 0;
}

const std::vector<std::string>& torchvision_classes() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> names{"__background__",
                                   "person",
                                   "bicycle",
                                   "car",
                                   "motorcycle",
                                   "airplane",
                                   "bus",
                                   "train",
                                   "truck",
                                   "boat",
                                   "traffic light",
                                   "fire hydrant",
                                   "",
                                   "stop sign",
                                   "parking meter",
                                   "bench",
                                   "bird",
                                   "cat",
                                   "dog",
                                   "horse",
                                   "sheep",
                                   "cow",
                                   "elephant",
                                   "bear",
                                   "zebra",
                                   "giraffe",
                                   "",
                                   "backpack",
                                   "umbrella",
                                   "",
                                   "",
                                   "handbag",
                                   "tie",
                                   "suitcase",
                                   "frisbee",
                                   "skis",
                                   "snowboard",
                                   "sports ball",
                                   "kite",
                                   "baseball bat",
                                   "baseball glove",
                                   "skateboard",
                                   "surfboard",
                                   "tennis racket",
                                   "bottle",
                                   "",
                                   "wine glass",
                                   "cup",
                                   "fork",
                                   "knife",
                                   "spoon",
                                   "bowl",
                                   "banana",
                                   "apple",
                                   "sandwich",
                                   "orange",
                                   "broccoli",
                                   "carrot",
                                   "hot dog",
                                   "pizza",
                                   "donut",
                                   "cake",
                                   "chair",
                                   "couch",
                                   "potted plant",
                                   "bed",
                                   "",
                                   "dining table",
                                   "",
                                   "",
                                   "toilet",
                                   "",
                                   "tv",
                                   "laptop",
                                   "mouse",
                                   "remote",
                                   "keyboard",
                                   "cell phone",
                                   "microwave",
                                   "oven",
                                   "toaster",
                                   "sink",
                                   "refrigerator",
                                   "",
                                   "book",
                                   "clock",
                                   "vase",
                                   "scissors",
                                   "teddy bear",
                                   "hair drier",
                                   "toothbrush"};
    for (std::size_t id = 0; id < names.size(); ++id)
      if (names[id].empty()) names[id] = "N/A " + std::to_string(id);
    return names;
  }();
  return all;
}

}  // namespace gadolin
