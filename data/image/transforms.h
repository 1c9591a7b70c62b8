// What happens to a picture between its file and the net: a list of steps with a textual form, whose random
// choices are a pure function of (seed, epoch, sample).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/image/image.h"
#include "data/image/resize.h"
#include "tensor/random.h"

namespace gadolin {

// Names one use of one sample. The same key gives the same picture, whichever thread makes it.
struct SampleKey {
  std::uint64_t seed = 0, epoch = 0, index = 0;
};

// Changes of tone. Results are cut to the range of the samples, and fractions are cut off, as Pillow does.
Image adjust_brightness(const Image& image, double factor);  // value * factor, clipped
Image shift_brightness(const Image& image, double share);    // value + share * white, clipped
Image adjust_contrast(const Image& image, double factor);    // about the rounded mean grey of the picture
Image adjust_gamma(const Image& image, double gamma);        // white * (value / white)^gamma

// One step. Steps hold no state but their settings and may be used by several threads at once.
class Transform {
 public:
  virtual ~Transform() = default;
  virtual Image apply(Image image, RandomStream& random) const = 0;
  virtual std::string text() const = 0;  // what Pipeline() accepts back
  // Width and height afterwards, when they are the same for every picture.
  virtual std::optional<std::pair<int, int>> output_size() const { return {}; }

  // A first step that needs only a part of the file, or a smaller picture, says so before decoding and then
  // gets that part: apply_decoded draws the same numbers as plan did.
  virtual bool plans() const { return false; }
  virtual Region plan(int width, int height, RandomStream& random) const;
  virtual Image apply_decoded(Decoded decoded, RandomStream& random) const;
};

// (value / white - mean) / deviation for each channel; the last stage of a pipeline.
// One entry serves all channels.
struct Normalize {
  std::vector<double> mean{0}, deviation{1};
  bool operator==(const Normalize&) const = default;
};
// value * 1 of channel c becomes (value - offset[c]) * factor[c]; a subtraction and a product, so that no
// compiler can merge them and both devices give the same bits.
struct NormalizeFactors {
  float offset[3], factor[3];
};
NormalizeFactors normalize_factors(const Normalize& normalize, int channels, int bits);

// Steps from text, separated by commas, parameters by colons; `/` separates values of the channels:
//   grey | rgb                       number of channels (done by the decoder)
//   resize:S[:bicubic]               shorter side to S;   resize:WxH[:bicubic] exactly
//   random-resize:LOW:HIGH           shorter side to a length between both
//   central-fraction:SHARE           the middle of both sides
//   center-crop:S | center-crop:WxH  padded with black when the picture is smaller
//   random-crop:S[:PAD]              after PAD black pixels all round
//   random-resized-crop:S[:SMIN:SMAX[:RMIN:RMAX]]   share of the area, width over height (0.08 1 0.75 1.3333)
//   hflip[:P]  vflip[:P]             with probability P (0.5)
//   rotate:D                         by an angle in -D..D degrees
//   affine:D:SHIFT:SMIN:SMAX:SHEAR   degrees, share of the side, scale, degrees
//   brightness:B  contrast:C         factor in 1-B..1+B
//   brightness-shift:SHARE           of white added, in -SHARE..SHARE
//   gamma:LO:HI                      exponent in LO..HI
//   normalize:MEAN:DEVIATION         always last; without it values are 0..1
// The paper behind random-resized-crop is Szegedy et al. 2014; the rule is torchvision's.
class Pipeline {
 public:
  Pipeline() = default;
  // Throws UsageError that names the step and what it takes.
  explicit Pipeline(const std::string& text);

  std::string text() const;                   // canonical; Pipeline(text()).text() == text()
  int channels() const { return channels_; }  // 0: as in the file
  const Normalize& normalize() const { return normalize_; }
  bool random() const { return random_; }  // some step draws numbers
  // Width and height of every result, when the steps fix it.
  std::optional<std::pair<int, int>> output_size() const;

  // All steps but normalize. A JPEG is decoded only as far as the first step needs it.
  // Throws FormatError as decode_image.
  Image apply(std::span<const std::uint8_t> file, std::string_view name, SampleKey key) const;
  Image apply(const Image& image, SampleKey key) const;

 private:
  Image rest(Image image, std::size_t first, SampleKey key) const;
  std::vector<std::shared_ptr<const Transform>> steps_;
  Normalize normalize_;
  bool normalized_ = false, random_ = false;
  int channels_ = 0;
};

// Normalised samples of the image, interleaved as in it.
void normalize_into(const Image& image, const NormalizeFactors& factors, float* out);

}  // namespace gadolin
