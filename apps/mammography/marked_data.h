// Films with boxes as the commands of this group are given them: csv ANNOTATIONS [CLASSES], coco FOLDER,
// pascal FOLDER.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/program/command.h"
#include "data/sets/boxes/detection_set.h"

namespace gadolin::mammography {

struct MarkedData {
  std::string form;                // csv, coco or pascal
  std::vector<std::string> paths;  // and behind them, where a command asks for it, the checkpoint
  std::string image_extension;     // of pascal; found without it
  DatasetOptions read;
  bool skip_wrong = false;
};

// `with_model`: the last of the words is a checkpoint.
void add_marked_data(CLI::App* app, MarkedData& o, bool with_model);

// Opens what is named. `classes`: those of a checkpoint, otherwise the data's own.
std::unique_ptr<DetectionSet> open_marked(const Session& session, const MarkedData& o,
                                          const std::vector<std::string>& classes = {});

// Takes the checkpoint from behind the paths. Throws UsageError when there is none.
std::string take_model(MarkedData& o, const std::string& command);

// "resnet50_csv": what snapshots are called.
std::string dataset_name(const MarkedData& o);

// The pictures that a command looks at: of `split`, or, where that is "auto", of test, of val or of all, the
// first that there are. `split` becomes the one that was chosen.
std::unique_ptr<DetectionSet> part_of(const DetectionSet& set, std::string& split);

// preparation.json beside the annotations, as convert leaves it; empty: none.
std::string preparation_beside(const MarkedData& o);

}  // namespace gadolin::mammography
