// Sample: the named values of one sample. SampleSource: where a loader takes samples from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "data/image/image.h"
#include "tensor/shape.h"

namespace gadolin {

// A picture as its container holds it: the bytes of an image file, or, when `file` is empty, decoded already.
struct StoredImage {
  std::vector<std::uint8_t> file;  // as it is on disk; empty: decoded already
  Image image;                     // decoded, where `file` is empty
};

// An object in a picture. Corners in pixels, x to the right and y down; (0, 0) is the outer corner of the
// first pixel, so that a box around the whole picture is (0, 0, width, height).
struct ObjectBox {
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;  // see above
  int label = 0;                          // its class number
  bool ellipse = false;  // the object is the ellipse that touches the four sides, as a round lesion
  bool operator==(const ObjectBox&) const = default;
};

// Numbers of a sample: a series [T, F], a series of single numbers [T], or a row [D]. Row-major.
struct SampleArray {
  Shape shape;                // of the values
  std::vector<float> values;  // row-major
};

// Pictures and masks; class numbers; objects; numbers.
using SampleValue = std::variant<StoredImage, std::vector<int>, std::vector<ObjectBox>, SampleArray>;

// The usual names are "image", "mask", "label" (class numbers, ascending), "boxes" and, for series, "x".
class Sample {
 public:
  Sample& set(std::string name, SampleValue value);  // a value of that name is replaced
  // Whether there is a value of that name.
  bool has(std::string_view name) const { return find(name) != nullptr; }
  std::vector<std::string> names() const;  // in the order they were set

  // The value of that name. Throws DataError when there is none, naming those there are, or when it is of
  // another kind.
  template <class T> const T& get(std::string_view name) const {
    const SampleValue& found = value(name);
    if (const T* held = std::get_if<T>(&found)) return *held;
    wrong_kind(name, found, SampleValue(T{}));
  }

 private:
  const SampleValue* find(std::string_view name) const;
  const SampleValue& value(std::string_view name) const;
  [[noreturn]] static void wrong_kind(std::string_view name, const SampleValue& found,
                                      const SampleValue& wanted);
  std::vector<std::pair<std::string, SampleValue>> values_;
};

// Samples in a fixed order. What a const member gives depends on its arguments alone, and several threads may
// call it at once.
class SampleSource {
 public:
  virtual ~SampleSource() = default;
  virtual std::int64_t size() const = 0;  // samples
  // Throws FileError or FormatError for a sample that cannot be read; a loader may take another one then.
  virtual Sample sample(std::int64_t i) const = 0;
  // How messages and predictions call it; different for every sample.
  virtual std::string name(std::int64_t i) const = 0;
  // Whose it is; empty: unknown, then the sample counts as a patient of its own.
  virtual std::string patient(std::int64_t i) const;
  // What samplers need to know without reading a sample: its class numbers, in 0..num_classes()-1.
  virtual std::vector<int> labels(std::int64_t i) const;
  virtual int num_classes() const { return 0; }  // 0: the source has no classes

 protected:
  SampleSource() = default;
  SampleSource(const SampleSource&) = default;
  SampleSource& operator=(const SampleSource&) = default;
};

namespace detail {
std::string listed(const std::vector<std::string>& names);  // "image, label"; "nothing" when empty
}

}  // namespace gadolin
