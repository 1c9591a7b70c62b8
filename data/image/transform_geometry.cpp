// Steps that move pixels: resize, crops, mirrors, rotation, affine.
#include <algorithm>
#include <cmath>

#include "data/image/transform_steps.h"
#include "data/image/warp.h"
#include "tensor/check.h"

namespace gadolin::detail {
namespace {

std::string size_text(Size s) {
  return s.height == 0 || s.height == s.width ? cat(s.width) : cat(s.width, "x", s.height);
}
Size square(Size s) { return {s.width, s.height == 0 ? s.width : s.height}; }

// The box of the whole picture in pixels of a part that was decoded smaller.
BoxF inside(const Decoded& decoded, const Box& box) {
  const double shrink = decoded.shrink;
  BoxF f{(box.x - decoded.x) / shrink, (box.y - decoded.y) / shrink, box.width / shrink, box.height / shrink};
  // The last pixel of a shrunk picture may stand for fewer than `shrink` pixels of the file.
  f.width = std::min(f.width, decoded.image.width - f.x);
  f.height = std::min(f.height, decoded.image.height - f.y);
  return f;
}

class Resize : public Transform {
 public:
  Resize(Size size, Filter filter) : size_(size), filter_(filter) {}
  Image apply(Image image, RandomStream&) const override {
    const Size to = target(image.width, image.height);
    return resize(image, to.width, to.height, filter_);
  }
  std::string text() const override {
    const std::string size = size_.height == 0 ? cat(size_.width) : cat(size_.width, "x", size_.height);
    return cat("resize:", size, filter_ == Filter::bicubic ? ":bicubic" : "");
  }
  std::optional<std::pair<int, int>> output_size() const override {
    if (size_.height == 0) return {};
    return std::pair{size_.width, size_.height};
  }
  bool plans() const override { return true; }
  // Twice the target at least: what the decoder's own averaging takes away is then below what the filter
  // removes.
  Region plan(int width, int height, RandomStream&) const override {
    const Size to = target(width, height);
    return {{0, 0, width, height}, 2 * to.width, 2 * to.height};
  }
  Image apply_decoded(Decoded d, RandomStream&) const override {
    const Size to = target(d.full_width, d.full_height);
    return resize(d.image, to.width, to.height, filter_, inside(d, {0, 0, d.full_width, d.full_height}));
  }

 private:
  // One number is the shorter side; the longer one is cut to whole pixels, as torchvision does.
  Size target(int width, int height) const {
    if (size_.height != 0) return size_;
    const double longer = std::min(
        static_cast<double>(size_.width) * std::max(width, height) / std::min(width, height), 65536.0);
    const int other = static_cast<int>(longer);
    return width <= height ? Size{size_.width, other} : Size{other, size_.width};
  }
  Size size_;
  Filter filter_;
};

// The shorter side to a length drawn evenly from both bounds and what is between.
class RandomResize : public Transform {
 public:
  RandomResize(int low, int high) : low_(low), high_(high) {}
  Image apply(Image image, RandomStream& random) const override {
    return chosen(random).apply(std::move(image), random);
  }
  std::string text() const override { return cat("random-resize:", low_, ":", high_); }
  bool plans() const override { return true; }
  Region plan(int width, int height, RandomStream& random) const override {
    return chosen(random).plan(width, height, random);
  }
  Image apply_decoded(Decoded d, RandomStream& random) const override {
    return chosen(random).apply_decoded(std::move(d), random);
  }

 private:
  Resize chosen(RandomStream& random) const {
    const auto more = random.below(static_cast<std::uint64_t>(high_ - low_) + 1);
    return {{low_ + static_cast<int>(more), 0}, Filter::bilinear};
  }
  int low_, high_;
};

// The middle part of both sides; margins are cut to whole pixels, as tf.image.central_crop does.
class CentralFraction : public Transform {
 public:
  explicit CentralFraction(double fraction) : fraction_(fraction) {}
  Image apply(Image image, RandomStream&) const override {
    return crop(image, middle(image.width, image.height));
  }
  std::string text() const override { return cat("central-fraction:", short_number(fraction_)); }
  bool plans() const override { return true; }
  Region plan(int width, int height, RandomStream&) const override {
    const Box box = middle(width, height);
    return {box, box.width, box.height};  // not shrunk
  }
  Image apply_decoded(Decoded d, RandomStream&) const override {
    Box box = middle(d.full_width, d.full_height);
    box.x -= d.x;
    box.y -= d.y;
    return crop(d.image, box);
  }

 private:
  Box middle(int width, int height) const {
    const int x = margin(width), y = margin(height);
    return {x, y, width - 2 * x, height - 2 * y};
  }
  int margin(int side) const {
    return std::min(static_cast<int>((side - side * fraction_) / 2), (side - 1) / 2);
  }
  double fraction_;
};

class CenterCrop : public Transform {
 public:
  explicit CenterCrop(Size size) : size_(square(size)) {}
  Image apply(Image image, RandomStream&) const override {
    return crop(image, {middle(image.width, size_.width), middle(image.height, size_.height), size_.width,
                        size_.height});
  }
  std::string text() const override { return cat("center-crop:", size_text(size_)); }
  std::optional<std::pair<int, int>> output_size() const override {
    return std::pair{size_.width, size_.height};
  }

 private:
  // Python's round of half the difference, to even, when cropping; the smaller half on the left when padding.
  static int middle(int have, int want) {
    if (have < want) return -((want - have) / 2);
    return static_cast<int>(std::nearbyint((have - want) / 2.0));
  }
  Size size_;
};

class RandomCrop : public Transform {
 public:
  RandomCrop(Size size, int pad) : size_(square(size)), pad_(pad) {}
  Image apply(Image image, RandomStream& random) const override {
    const int x = place(image.width, size_.width, random), y = place(image.height, size_.height, random);
    return crop(image, {x, y, size_.width, size_.height});
  }
  std::string text() const override {
    return pad_ ? cat("random-crop:", size_text(size_), ":", pad_) : cat("random-crop:", size_text(size_));
  }
  std::optional<std::pair<int, int>> output_size() const override {
    return std::pair{size_.width, size_.height};
  }

 private:
  int place(int have, int want, RandomStream& random) const {
    const int room = have + 2 * pad_ - want;
    if (room <= 0) return -((want - have) / 2);
    return static_cast<int>(random.below(static_cast<std::uint64_t>(room) + 1)) - pad_;
  }
  Size size_;
  int pad_;
};

class RandomResizedCrop : public Transform {
 public:
  RandomResizedCrop(Size size, double smin, double smax, double rmin, double rmax)
      : size_(square(size)), smin_(smin), smax_(smax), rmin_(rmin), rmax_(rmax) {}
  Image apply(Image image, RandomStream& random) const override {
    Decoded whole;
    whole.full_width = image.width;
    whole.full_height = image.height;
    whole.image = std::move(image);
    return apply_decoded(std::move(whole), random);
  }
  std::string text() const override {
    return cat("random-resized-crop:", size_text(size_), ":", short_number(smin_), ":", short_number(smax_),
               ":", short_number(rmin_), ":", short_number(rmax_));
  }
  std::optional<std::pair<int, int>> output_size() const override {
    return std::pair{size_.width, size_.height};
  }
  bool plans() const override { return true; }
  Region plan(int width, int height, RandomStream& random) const override {
    return {choose(width, height, random), size_.width, size_.height};
  }
  Image apply_decoded(Decoded d, RandomStream& random) const override {
    const Box box = choose(d.full_width, d.full_height, random);
    return resize(d.image, size_.width, size_.height, Filter::bilinear, inside(d, box));
  }

 private:
  // Ten tries at an area and a logarithmically uniform ratio; else the largest middle part of allowed ratio.
  Box choose(int width, int height, RandomStream& random) const {
    const double area = static_cast<double>(width) * height;
    for (int i = 0; i < 10; ++i) {
      const double target = area * (smin_ + (smax_ - smin_) * random.uniform());
      const double ratio = std::exp(std::log(rmin_) + (std::log(rmax_) - std::log(rmin_)) * random.uniform());
      const int w = static_cast<int>(std::nearbyint(std::sqrt(target * ratio)));
      const int h = static_cast<int>(std::nearbyint(std::sqrt(target / ratio)));
      if (w < 1 || h < 1 || w > width || h > height) continue;
      const int y = static_cast<int>(random.below(static_cast<std::uint64_t>(height - h) + 1));
      const int x = static_cast<int>(random.below(static_cast<std::uint64_t>(width - w) + 1));
      return {x, y, w, h};
    }
    const double have = static_cast<double>(width) / height;
    int w = width, h = height;
    if (have < rmin_)
      h = std::clamp(static_cast<int>(std::nearbyint(width / rmin_)), 1, height);
    else if (have > rmax_)
      w = std::clamp(static_cast<int>(std::nearbyint(height * rmax_)), 1, width);
    return {(width - w) / 2, (height - h) / 2, w, h};
  }
  Size size_;
  double smin_, smax_, rmin_, rmax_;
};

class Flip : public Transform {
 public:
  Flip(bool horizontal, double p) : horizontal_(horizontal), p_(p) {}
  Image apply(Image image, RandomStream& random) const override {
    if (!random.chance(static_cast<float>(p_))) return image;
    return horizontal_ ? horizontal_flip(image) : vertical_flip(image);
  }
  std::string text() const override { return cat(horizontal_ ? "hflip:" : "vflip:", short_number(p_)); }

 private:
  bool horizontal_;
  double p_;
};

class Rotate : public Transform {
 public:
  explicit Rotate(double degrees) : degrees_(degrees) {}
  Image apply(Image image, RandomStream& random) const override {
    return rotate(image, degrees_ * (2.0 * random.uniform() - 1.0));
  }
  std::string text() const override { return cat("rotate:", short_number(degrees_)); }

 private:
  double degrees_;
};

class RandomAffine : public Transform {
 public:
  explicit RandomAffine(const StepText& t)
      : degrees_(t.number(0, 0, 180)), shift_(t.number_or(1, 0, 0, 1)), smin_(t.number_or(2, 1, 0.01, 100)),
        smax_(t.number_or(3, smin_, smin_, 100)), shear_(t.number_or(4, 0, 0, 80)) {}
  Image apply(Image image, RandomStream& random) const override {
    const auto symmetric = [&](double most) { return most * (2.0 * random.uniform() - 1.0); };
    AffineOptions o;
    o.angle = symmetric(degrees_);
    o.shift_x = std::nearbyint(symmetric(shift_ * image.width));
    o.shift_y = std::nearbyint(symmetric(shift_ * image.height));
    o.scale = smin_ + (smax_ - smin_) * random.uniform();
    o.shear_x = symmetric(shear_);
    return warp(image, affine_map(image.width, image.height, o));
  }
  std::string text() const override {
    return cat("affine:", short_number(degrees_), ":", short_number(shift_), ":", short_number(smin_), ":",
               short_number(smax_), ":", short_number(shear_));
  }

 private:
  double degrees_, shift_, smin_, smax_, shear_;
};

}  // namespace

std::shared_ptr<const Transform> make_geometry_step(StepText& t) {
  if (t.name == "resize") {
    t.usage = "resize:S[:bilinear|bicubic] or resize:WxH[:bilinear|bicubic]";
    t.counts(1, 2);
    const bool cubic = t.words.size() == 2 && t.words[1] == "bicubic";
    if (t.words.size() == 2 && !cubic && t.words[1] != "bilinear")
      t.bad(cat("'", printable(t.words[1]), "' is no filter"));
    return std::make_shared<Resize>(t.size(0), cubic ? Filter::bicubic : Filter::bilinear);
  }
  if (t.name == "random-resize") {
    t.usage = "random-resize:LOW:HIGH";
    t.counts(2, 2);
    const Size low = t.size(0), high = t.size(1);
    if (low.height != 0 || high.height != 0) t.bad("lengths of the shorter side are needed");
    if (low.width > high.width) t.bad("the lower bound comes first");
    return std::make_shared<RandomResize>(low.width, high.width);
  }
  if (t.name == "central-fraction") {
    t.usage = "central-fraction:SHARE";
    t.counts(1, 1);
    return std::make_shared<CentralFraction>(t.number(0, 0.01, 1));
  }
  if (t.name == "center-crop") {
    t.usage = "center-crop:S or center-crop:WxH";
    t.counts(1, 1);
    return std::make_shared<CenterCrop>(t.size(0));
  }
  if (t.name == "random-crop") {
    t.usage = "random-crop:S[:PAD]";
    t.counts(1, 2);
    return std::make_shared<RandomCrop>(t.size(0), static_cast<int>(t.number_or(1, 0, 0, 4096)));
  }
  if (t.name == "random-resized-crop") {
    t.usage = "random-resized-crop:S[:SMIN:SMAX[:RMIN:RMAX]]";
    t.counts(1, 5);
    const double smin = t.number_or(1, 0.08, 1e-4, 1), smax = t.number_or(2, 1, smin, 1);
    const double rmin = t.number_or(3, 3.0 / 4, 0.01, 100),
                 rmax = t.number_or(4, std::max(4.0 / 3, rmin), rmin, 100);
    return std::make_shared<RandomResizedCrop>(t.size(0), smin, smax, rmin, rmax);
  }
  if (t.name == "hflip" || t.name == "vflip") {
    t.usage = cat(t.name, "[:PROBABILITY]");
    t.counts(0, 1);
    return std::make_shared<Flip>(t.name == "hflip", t.number_or(0, 0.5, 0, 1));
  }
  if (t.name == "rotate") {
    t.usage = "rotate:DEGREES";
    t.counts(1, 1);
    return std::make_shared<Rotate>(t.number(0, 0, 180));
  }
  if (t.name == "affine") {
    t.usage = "affine:DEGREES[:SHIFT[:SMIN:SMAX[:SHEAR]]]";
    t.counts(1, 5);
    return std::make_shared<RandomAffine>(t);
  }
  return nullptr;
}

}  // namespace gadolin::detail

namespace gadolin {

Region Transform::plan(int width, int height, RandomStream&) const { return {{0, 0, width, height}, 0, 0}; }
Image Transform::apply_decoded(Decoded decoded, RandomStream& random) const {
  return apply(std::move(decoded.image), random);
}

}  // namespace gadolin
