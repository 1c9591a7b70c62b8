// Pictures of one bright square each, small or large: a data set that is computed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/sets/dataset.h"
#include "tensor/check.h"
#include "tensor/random.h"

namespace gadolin::test {

constexpr int toy_side = 24;

// Picture i is a pure function of its place. Two pictures a patient.
class ToySquares : public Dataset {
 public:
  explicit ToySquares(int count, bool with_splits = true)
      : Dataset({"small", "large"}, false, infos(count, with_splits), "") {}
  static ObjectBox box_of(std::int64_t number) {
    RandomStream random(7, stream_id(1, static_cast<std::uint64_t>(number)));
    const int label = static_cast<int>(number % 2), side = label == 0 ? 5 : 10;
    const auto most = static_cast<std::uint64_t>(toy_side - side + 1);
    const double x = static_cast<double>(random.below(most)), y = static_cast<double>(random.below(most));
    return {x, y, x + side, y + side, label};
  }
  StoredImage read(std::int64_t i) const override {
    const ObjectBox b = box_of(info(i).record);
    Image image(toy_side, toy_side, 1);
    for (int y = static_cast<int>(b.y1); y < static_cast<int>(b.y2); ++y) {
      for (int x = static_cast<int>(b.x1); x < static_cast<int>(b.x2); ++x)
        image.row<std::uint8_t>(y)[x] = 255;
    }
    return {{}, image};
  }
  Sample sample(std::int64_t i) const override {
    Sample s = Dataset::sample(i);
    s.set("boxes", std::vector<ObjectBox>{box_of(info(i).record)});
    return s;
  }

 protected:
  std::unique_ptr<Dataset> clone() const override { return std::make_unique<ToySquares>(*this); }

 private:
  static std::vector<SampleInfo> infos(int count, bool with_splits) {
    std::vector<SampleInfo> all;
    for (int i = 0; i < count; ++i) {
      SampleInfo info;
      info.name = cat("square-", i);
      info.patient = cat("p", i / 2);
      info.labels = {box_of(i).label};
      info.record = i;
      if (with_splits) info.split = i % 8 < 6 ? Split::train : i % 8 == 6 ? Split::val : Split::test;
      all.push_back(info);
    }
    return all;
  }
};

// "toy:40" is forty squares.
inline std::unique_ptr<Dataset> open_squares(const std::string& path, const DatasetOptions& = {}) {
  require<DataError>(path.starts_with("toy:"), "toy: ", path, " is no set of squares");
  return std::make_unique<ToySquares>(std::stoi(path.substr(4)));
}

}  // namespace gadolin::test
