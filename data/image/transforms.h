// What happens to a picture between its file and the net: a list of steps with a textual form, whose random
// choices are a pure function of (seed, epoch, sample).
#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/image/image.h"
#include "data/image/steps.h"  // IWYU pragma: export
#include "data/image/tone.h"   // IWYU pragma: export
#include "data/image/transform.h"

namespace gadolin {

// Names one use of one sample. The same key gives the same picture, whichever thread makes it.
struct SampleKey {
  std::uint64_t seed = 0, epoch = 0, index = 0;  // of the run, of the pass over the set, of the sample
};

// (value / white - mean) / deviation for each channel; the last stage of a pipeline.
// One entry serves all channels.
struct Normalize {
  std::vector<double> mean{0}, deviation{1};  // in 0..1
  bool operator==(const Normalize&) const = default;
};
// value * 1 of channel c becomes (value - offset[c]) * factor[c]; a subtraction and a product, so that no
// compiler can merge them and both devices give the same bits.
struct NormalizeFactors {
  float offset[3], factor[3];  // of each channel
};
// For samples of 8 or 16 bits; throws ShapeError where entries and channels disagree.
NormalizeFactors normalize_factors(const Normalize& normalize, int channels, int bits);

// What Pipeline takes.
template <class T>
concept PipelineStep = std::derived_from<T, Transform> || std::derived_from<T, PhysicalStep> ||
    std::same_as<T, Grey> || std::same_as<T, Rgb> || std::same_as<T, Normalize>;

// Steps by name, or from text, separated by commas, parameters by colons. Both of these are one pipeline:
//   Pipeline(Grey(), Resize(128), CenterCrop(112), HorizontalFlip(), Normalize{{0.5}, {0.25}})
//   Pipeline("grey,resize:128,center-crop:112,hflip,normalize:0.5:0.25")
// In order of the text (data/image/steps.h says what each does):
//   grey | rgb                       number of channels (done by the decoder)
//   window:C/W[|C/W|C/W]             of DICOM files: a channel a window, of rescaled values; at most one of
//   rescale:LOW:HIGH                 ... rescaled values from black to white                     these three,
//   percentile:LO:HI                 ... or samples of any grey picture, by their percentiles    and first
//   resize:S[:bicubic]               shorter side to S;   resize:WxH[:bicubic] exactly
//   fit:S:LONGEST[:bicubic]          shorter side to S, but the longer one to LONGEST at most
//   random-resize:LOW:HIGH           shorter side to a length between both
//   central-fraction:SHARE           the middle of both sides
//   center-crop:S | center-crop:WxH  padded with black when the picture is smaller
//   random-crop:S[:PAD]              after PAD black pixels all round
//   random-resized-crop:S[:SMIN:SMAX[:RMIN:RMAX]]   share of the area, width over height (0.08 1 0.75 1.3333)
//   hflip[:P]  vflip[:P]             with probability P (0.5)
//   rotate:D                         by an angle in -D..D degrees
//   affine:D:SHIFT:SMIN:SMAX:SHEAR   degrees, share of the side, scale, degrees
//   random-transform[:...]           rotation, shift, shear, scale, mirrors as Keras RetinaNet draws them
//   hue:SHARE  saturation:B          of colour pictures
//   brightness:B  contrast:C         factor in 1-B..1+B
//   brightness-shift:SHARE           of white added, in -SHARE..SHARE
//   gamma:LO:HI                      exponent in LO..HI
//   normalize:MEAN:DEVIATION         always last; `/` separates values of the channels; without it values are
//                                    0..1
// Without window, rescale and percentile a DICOM file looks as to_image() of data/dicom/image.h shows it: by
// its own first window, if it has one.
class Pipeline {
 public:
  Pipeline() = default;
  // Throws UsageError that names the step and what it takes.
  explicit Pipeline(const std::string& text);
  // Of these steps, in this order.
  template <PipelineStep... Steps>
  requires(sizeof...(Steps) > 0) explicit Pipeline(Steps... steps) { (add(std::move(steps)), ...); }

  // Puts a step at the end. Throws UsageError for a step that cannot stand there.
  template <std::derived_from<Transform> Step> Pipeline& add(Step step) {
    return append(std::make_shared<const Step>(std::move(step)));
  }
  // Puts a step that reads measured values in front, where it must stand.
  template <std::derived_from<PhysicalStep> Step> Pipeline& add(Step step) {
    return begin_with(std::make_shared<const Step>(std::move(step)));
  }
  Pipeline& add(Grey);                 // one channel
  Pipeline& add(Rgb);                  // three channels
  Pipeline& add(Normalize normalize);  // the last stage

  // Canonical; Pipeline(text()).text() == text(), unless a step is the program's own.
  std::string text() const;
  int channels() const;  // 0: as in the file
  // Mean 0 and deviation 1 unless the text says otherwise.
  const Normalize& normalize() const { return normalize_; }
  bool random() const;  // some step is
  // Width and height of every result, when the steps fix it.
  std::optional<std::pair<int, int>> output_size() const;
  // Width and height of the result for a picture of this size; with random steps the largest that may come.
  std::pair<int, int> size_of(int width, int height) const;

  // All steps but normalize. A JPEG is decoded only as far as the first step needs it. The map goes from
  // pixels of the whole picture in the file to pixels of the result.
  // Throws FormatError as decode_image, and for a picture whose values window or rescale cannot know.
  Transformed transform(std::span<const std::uint8_t> file, std::string_view name, SampleKey key) const;
  // Of a picture without a file: window and rescale throw ValueError, it has no units.
  Transformed transform(const Image& image, SampleKey key) const;
  // The picture alone.
  Image apply(std::span<const std::uint8_t> file, std::string_view name, SampleKey key) const {
    return transform(file, name, key).image;
  }
  // Of a picture without a file.
  Image apply(const Image& image, SampleKey key) const { return transform(image, key).image; }

 private:
  Pipeline& append(std::shared_ptr<const Transform> step);
  Pipeline& begin_with(std::shared_ptr<const PhysicalStep> step);
  Pipeline& set_channels(int channels);
  void check_place(const std::string& step) const;
  Image physical_picture(std::span<const std::uint8_t> file, std::string_view name) const;
  Transformed rest(Transformed seen, std::size_t first, SampleKey key) const;

  std::shared_ptr<const PhysicalStep> physical_;
  std::vector<std::shared_ptr<const Transform>> steps_;
  Normalize normalize_;
  bool normalized_ = false;
  int channels_ = 0;
};

// Normalised samples of the image, interleaved as in it.
void normalize_into(const Image& image, const NormalizeFactors& factors, float* out);

}  // namespace gadolin
