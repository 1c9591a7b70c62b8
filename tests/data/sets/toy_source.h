// Samples without files, for the tests of samplers, collations and loaders.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "data/sets/sample.h"
#include "tensor/check.h"

namespace gadolin::test {

// Labels only.
struct Labelled : SampleSource {
  Labelled(std::vector<std::vector<int>> all, int count) : label(std::move(all)), classes(count) {}
  std::vector<std::vector<int>> label;
  int classes;
  std::int64_t size() const override { return std::ssize(label); }
  Sample sample(std::int64_t i) const override {
    Sample s;
    s.set("label", labels(i));
    return s;
  }
  std::string name(std::int64_t i) const override { return cat("sample-", i); }
  std::vector<int> labels(std::int64_t i) const override { return label[static_cast<std::size_t>(i)]; }
  int num_classes() const override { return classes; }
};

// Pictures of several sizes, sample i of one value, i, throughout; i % 4 boxes in each.
struct Objects : SampleSource {
  std::int64_t count = 20;
  std::set<std::int64_t> broken = {};
  int bits = 8;
  // Every third is upright.
  static std::pair<int, int> size_of(std::int64_t i) {
    return i % 3 == 0 ? std::pair(4, 7) : std::pair(8 - static_cast<int>(i % 2), 5);
  }
  static std::vector<ObjectBox> boxes_of(std::int64_t i) {
    std::vector<ObjectBox> boxes;
    for (int k = 0; k < i % 4; ++k) boxes.push_back({0.5 * k, 1, 2.5 + k, 3.25, static_cast<int>(i + k) % 5});
    return boxes;
  }
  std::int64_t size() const override { return count; }
  Sample sample(std::int64_t i) const override {
    if (broken.count(i)) fail<FormatError>("decode: ", name(i), " is broken");
    const auto [width, height] = size_of(i);
    Image image(width, height, 1, bits);
    for (auto& p : image.pixels) p = static_cast<std::uint8_t>(i + 1);
    Sample s;
    s.set("image", StoredImage{{}, image}).set("boxes", boxes_of(i));
    return s;
  }
  std::string name(std::int64_t i) const override { return cat("objects-", i); }
};

// Series "x" [T, 2] and "t" [T], a row "age" [1]; sample i has i % 7 * 3 + 1 steps, x = i + step / 100.
struct Series : SampleSource {
  std::int64_t count = 30;
  std::set<std::int64_t> broken = {};
  static std::int64_t length_of(std::int64_t i) { return i % 7 * 3 + 1; }
  static float value(std::int64_t i, std::int64_t step) {
    return static_cast<float>(i) + static_cast<float>(step) / 100;
  }
  std::int64_t size() const override { return count; }
  Sample sample(std::int64_t i) const override {
    if (broken.count(i)) fail<FormatError>("decode: ", name(i), " is broken");
    SampleArray x{{length_of(i), 2}, {}}, t{{length_of(i)}, {}};
    for (std::int64_t k = 0; k < length_of(i); ++k) {
      x.values.insert(x.values.end(), {value(i, k), -value(i, k)});
      t.values.push_back(static_cast<float>(k));
    }
    Sample s;
    s.set("x", x).set("t", t).set("age", SampleArray{{1}, {static_cast<float>(i)}}).set("label", labels(i));
    return s;
  }
  std::string name(std::int64_t i) const override { return cat("series-", i); }
  std::vector<int> labels(std::int64_t i) const override { return {static_cast<int>(i % 2)}; }
  int num_classes() const override { return 2; }
};

}  // namespace gadolin::test
