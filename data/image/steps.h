// The steps of pipelines, each with its text in front. `S` of a text is the length of a side or WxH; `/`
// separates values that belong together. Constructors throw ValueError for settings out of range.
#pragma once

#include "data/image/resize.h"
#include "data/image/transform.h"

namespace gadolin {

// Width and height in pixels. One number means a square, for Resize the shorter side.
struct Sides {
  int width = 0, height = 0;                                        // in pixels
  bool one_number = false;                                          // written as one
  Sides(int side) : width(side), height(side), one_number(true) {}  // a square, or the shorter side
  Sides(int w, int h) : width(w), height(h) {}                      // both
};

// --- channels, done by the decoder -------------------------------------------------------------------------

struct Grey {};  // grey
struct Rgb {};   // rgb

// --- values of DICOM files; first, if at all ---------------------------------------------------------------

// window:CENTER/WIDTH or window:CENTER/WIDTH|CENTER/WIDTH|CENTER/WIDTH: a channel a window, in rescaled
// values (Hounsfield units of CT): black below center - width / 2, white above center + width / 2, a straight
// line between (LINEAR_EXACT of DICOM PS3.3 C.11.2.1.3.2).
class Windows : public PhysicalStep {
 public:
  // A range of measured values.
  struct Window {
    double center = 0, width = 0;  // in the file's units
  };
  explicit Windows(std::vector<Window> windows);  // one or three
  Image apply(const PhysicalImage& values) const override;
  std::string text() const override;
  int channels() const override { return static_cast<int>(windows_.size()); }

 private:
  std::vector<Window> windows_;
};

// rescale:LOW:HIGH: rescaled values from LOW (black) to HIGH (white) by a straight line.
class Rescale : public PhysicalStep {
 public:
  Rescale(double low, double high);  // black and white
  Image apply(const PhysicalImage& values) const override;
  std::string text() const override;

 private:
  double low_, high_;
};

// percentile:LOW:HIGH: the values below which LOW and HIGH percent of the picture lie become black and white;
// padding does not count. Of a file without units: of its grey samples. A picture of one value comes out
// black.
class Percentile : public PhysicalStep {
 public:
  Percentile(double low, double high);  // of the samples that are no padding
  Image apply(const PhysicalImage& values) const override;
  std::string text() const override;
  bool needs_units() const override { return false; }

 private:
  double low_, high_;
};

// --- geometry ----------------------------------------------------------------------------------------------

// resize:S[:bicubic]: to S, or the shorter side to one number; the longer one is cut to whole pixels, as
// torchvision does. With `longest` above 0 (step fit) the longer side ends at that if it would be longer.
class Resize : public Transform {
 public:
  // Longest: of the longer side, 0: any.
  explicit Resize(Sides to, Filter filter = Filter::bilinear, int longest = 0);
  Transformed apply(Image image, RandomStream& random) const override;
  std::string text() const override;
  bool random() const override { return false; }
  std::optional<std::pair<int, int>> output_size() const override;
  bool keeps_size() const override { return false; }
  std::pair<int, int> size_of(int width, int height) const override;
  bool plans() const override { return true; }
  Region plan(int width, int height, RandomStream& random) const override;
  Transformed apply_decoded(Decoded decoded, RandomStream& random) const override;

 private:
  Sides target(int width, int height) const;
  Sides to_;
  Filter filter_;
  int longest_;
};

// fit:S:LONGEST[:bicubic]: the shorter side to S, or the longer one to LONGEST where that is the smaller
// picture: how detectors are given pictures, whose shape they keep.
struct Fit : Resize {
  // Lengths of the shorter and the longer side.
  Fit(int shorter, int longest, Filter filter = Filter::bilinear);
};

// random-resize:LOW:HIGH: the shorter side to a length drawn evenly from both bounds and what is between.
class RandomResize : public Transform {
 public:
  RandomResize(int low, int high);  // limits of the shorter side
  Transformed apply(Image image, RandomStream& random) const override;
  std::string text() const override;
  bool random() const override { return low_ < high_; }
  bool keeps_size() const override { return false; }
  std::pair<int, int> size_of(int width, int height) const override;
  bool plans() const override { return true; }
  Region plan(int width, int height, RandomStream& random) const override;
  Transformed apply_decoded(Decoded decoded, RandomStream& random) const override;

 private:
  Resize chosen(RandomStream& random) const;
  int low_, high_;
};

// central-fraction:SHARE: the middle of both sides; margins are cut to whole pixels, as tf.image.central_crop
// does.
class CentralFraction : public Transform {
 public:
  explicit CentralFraction(double share);  // of each side, above 0 and at most 1
  Transformed apply(Image image, RandomStream& random) const override;
  std::string text() const override;
  bool random() const override { return false; }
  bool keeps_size() const override { return false; }
  std::pair<int, int> size_of(int width, int height) const override;
  bool plans() const override { return true; }
  Region plan(int width, int height, RandomStream& random) const override;
  Transformed apply_decoded(Decoded decoded, RandomStream& random) const override;

 private:
  Box middle(int width, int height) const;
  double share_;
};

// center-crop:S: padded with black when the picture is smaller.
class CenterCrop : public Transform {
 public:
  explicit CenterCrop(Sides size);  // width and height
  Transformed apply(Image image, RandomStream& random) const override;
  std::string text() const override;
  bool random() const override { return false; }
  std::optional<std::pair<int, int>> output_size() const override;

 private:
  Sides size_;
};

// random-crop:S[:PAD]: after PAD black pixels all round.
class RandomCrop : public Transform {
 public:
  explicit RandomCrop(Sides size, int pad = 0);  // black pixels all round, before the crop
  Transformed apply(Image image, RandomStream& random) const override;
  std::string text() const override;
  bool random() const override { return true; }
  std::optional<std::pair<int, int>> output_size() const override;

 private:
  int place(int have, int want, RandomStream& random) const;
  Sides size_;
  int pad_;
};

// random-resized-crop:S[:SMIN:SMAX[:RMIN:RMAX]]: a box of a share of the area between SMIN and SMAX, width
// over height between RMIN and RMAX, resized. Szegedy et al. 2014 by torchvision's rule.
class RandomResizedCrop : public Transform {
 public:
  // Shares of the area, width over height.
  explicit RandomResizedCrop(Sides size, double smallest = 0.08, double largest = 1,
                             double narrowest = 3.0 / 4, double widest = 4.0 / 3);
  Transformed apply(Image image, RandomStream& random) const override;
  std::string text() const override;
  bool random() const override { return true; }
  std::optional<std::pair<int, int>> output_size() const override;
  bool plans() const override { return true; }
  Region plan(int width, int height, RandomStream& random) const override;
  Transformed apply_decoded(Decoded decoded, RandomStream& random) const override;

 private:
  Box choose(int width, int height, RandomStream& random) const;
  Sides size_;
  double smallest_, largest_, narrowest_, widest_;
};

// hflip[:P], vflip[:P]: mirrored with probability P.
class Flip : public Transform {
 public:
  Transformed apply(Image image, RandomStream& random) const override;
  std::string text() const override;
  bool random() const override { return probability_ > 0 && probability_ < 1; }

 protected:
  Flip(bool horizontal, double probability);  // for the two below

 private:
  bool horizontal_;
  double probability_;
};
// Left becomes right, with this probability.
struct HorizontalFlip : Flip {
  explicit HorizontalFlip(double probability = 0.5) : Flip(true, probability) {}  // from 0 to 1
};
// Up becomes down, with this probability.
struct VerticalFlip : Flip {
  explicit VerticalFlip(double probability = 0.5) : Flip(false, probability) {}  // from 0 to 1
};

// rotate:DEGREES: about the middle by an angle in -DEGREES..DEGREES, size kept.
class Rotate : public Transform {
 public:
  explicit Rotate(double degrees);  // largest angle
  Transformed apply(Image image, RandomStream& random) const override;
  std::string text() const override;
  bool random() const override { return degrees_ > 0; }

 private:
  double degrees_;
};

// affine:DEGREES[:SHIFT[:SMIN:SMAX[:SHEAR]]]: an angle, a share of the side, a scale, a shear in degrees.
class RandomAffine : public Transform {
 public:
  // Limits of what is drawn.
  struct Ranges {
    // Degrees; share of the side; of the scale; degrees.
    double degrees = 0, shift = 0, smallest = 1, largest = 1, shear = 0;
  };
  explicit RandomAffine(const Ranges& ranges);  // throws UsageError for limits out of range
  Transformed apply(Image image, RandomStream& random) const override;
  std::string text() const override;
  bool random() const override;

 private:
  Ranges r_;
};

// random-transform[:ROTATION:SHIFT:SHEAR:SMIN:SMAX:PX:PY]: what Keras RetinaNet calls --random-transform.
// About the middle, size kept: rotation x translation x shear x scale x flip as matrices, each drawn evenly:
// angles within +-ROTATION and +-SHEAR (radians), shares of the sides within +-SHIFT, a scale of each axis,
// mirrored left and right with PX, top and bottom with PY. Outside is the nearest pixel of the edge.
class RandomTransform : public Transform {
 public:
  // Limits of what is drawn, and chances.
  struct Ranges {
    // Angle in radians; shares of the side; radians; factors.
    double rotation = 0.1, shift = 0.1, shear = 0.1, smallest = 0.9, largest = 1.1;
    double mirrored = 0.5, upside_down = 0.5;  // chances
  };
  explicit RandomTransform(const Ranges& ranges);  // throws UsageError for limits out of range
  Transformed apply(Image image, RandomStream& random) const override;
  std::string text() const override;
  bool random() const override { return true; }

 private:
  Ranges r_;
};

// --- tone --------------------------------------------------------------------------------------------------

// A change (data/image/tone.h) by a number drawn evenly from low..high.
class ToneStep : public Transform {
 public:
  Transformed apply(Image image, RandomStream& random) const override;
  std::string text() const override { return text_; }
  bool random() const override { return low_ < high_; }

 protected:
  using Change = Image (*)(const Image&, double);  // a picture and an amount
  // `text` names step and limits; the amount is drawn between `low` and `high`.
  ToneStep(std::string text, Change change, double low, double high)
      : text_(std::move(text)), change_(change), low_(low), high_(high) {}

 private:
  std::string text_;
  Change change_;
  double low_, high_;
};

// brightness:B: by a factor in 1 - B .. 1 + B, not below 0.
struct Brightness : ToneStep {
  explicit Brightness(double amount);  // from 0
};
// contrast:B: by a factor in 1 - B .. 1 + B, not below 0.
struct Contrast : ToneStep {
  explicit Contrast(double amount);  // from 0
};
// brightness-shift:SHARE: a share of white in -SHARE..SHARE is added.
struct BrightnessShift : ToneStep {
  explicit BrightnessShift(double share);  // from 0 to 1
};
// hue:SHARE: turned by a share of half the circle of colours in -SHARE..SHARE; grey stays.
struct Hue : ToneStep {
  explicit Hue(double share);  // from 0 to 0.5
};
// saturation:B: by a factor in 1 - B .. 1 + B, not below 0.
struct Saturation : ToneStep {
  explicit Saturation(double amount);  // from 0
};
// gamma:LOW:HIGH: the exponent.
struct Gamma : ToneStep {
  Gamma(double low, double high);  // limits of the exponent
};

}  // namespace gadolin
