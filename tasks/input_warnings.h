// Pictures that are unlike those a net was trained with: values of another range, a view that it never saw.
// They are answered all the same; what is said here stands beside the answer.
//
//   const InputWatch watch("best.gdck");                        // once
//   const Batch batch = task.one(set, i, device);
//   for (const std::string& sentence : watch.warnings(batch, 0, task.pipeline(), view_of(set, i))) ...
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/sets/dataset.h"
#include "data/sets/loader.h"

namespace gadolin {

// What a checkpoint keeps of the pictures it was trained with, as fact "trained_on". Values are those that
// the net sees before normalisation: 0 is black and 255 is white, whatever the depth of the file.
struct TrainedOn {
  std::int64_t pictures = 0;  // that were looked at; 0: nothing is known of values
  double low = 0, high = 0;   // the smallest and the largest value in any of them
  double span = 0;            // largest less smallest value of a picture: all but a twentieth reach this
  std::map<std::string, std::int64_t> views;  // "PA" -> pictures; without those whose view is unknown
};
// Looks at `most` pictures, spread evenly over the set, as evaluation shows them to the net; those that
// cannot be read are passed over. Nothing for sets without pictures.
TrainedOn look_at(const Dataset& train, const Pipeline& pipeline, std::int64_t most = 64);
std::string trained_on_to_json(const TrainedOn& trained);
// Throws CheckpointError, beginning with `place`, for any text that trained_on_to_json could not have
// written.
TrainedOn trained_on_from_json(const std::string& text, const std::string& place);

// "PA", "AP", "LL" ...: of DICOM files their View Position, in capitals; empty where none is known.
std::string view_of(const StoredImage& picture);
// Of a sample: the column of its table, or else of its file. Empty where the file cannot be read.
std::string view_of(const Dataset& set, std::int64_t i);

class InputWatch {
 public:
  InputWatch() = default;  // knows nothing and never warns
  // Throws as load_checkpoint_facts; a checkpoint that does not say what it was trained with gives no
  // warnings.
  explicit InputWatch(const std::string& checkpoint);
  explicit InputWatch(TrainedOn trained) : trained_(std::move(trained)) {}
  const TrainedOn& trained() const { return trained_; }

  // Sentences about picture n of a batch that went through `pipeline`: values far from those of training (a
  // quarter of their range outside, or less than half of the usual contrast), with both ranges; a view of
  // another kind than any of training (frontal, lateral). Empty when nothing is to be said. Reads the
  // picture's values, from a GPU too. `view`: as of view_of; empty: nothing is said about it.
  std::vector<std::string> warnings(const Batch& batch, std::int64_t n, const Pipeline& pipeline,
                                    const std::string& view) const;

 private:
  TrainedOn trained_;
};

}  // namespace gadolin
