// Steps that move pixels: resize, crops, mirrors, rotation, affine.
#include <algorithm>
#include <cmath>

#include "data/image/transform_steps.h"
#include "data/image/warp.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

using detail::checked;
using detail::short_number;
using detail::side_text;

// The box of the whole picture in pixels of a part that was decoded smaller.
BoxF inside(const Decoded& decoded, const Box& box) {
  const double shrink = decoded.shrink;
  BoxF f{(box.x - decoded.x) / shrink, (box.y - decoded.y) / shrink, box.width / shrink, box.height / shrink};
  // The last pixel of a shrunk picture may stand for fewer than `shrink` pixels of the file.
  f.width = std::min(f.width, decoded.image.width - f.x);
  f.height = std::min(f.height, decoded.image.height - f.y);
  return f;
}

// That box, resized, and the map from the whole picture.
Transformed resized(const Decoded& d, const Box& box, Sides to, Filter filter) {
  const BoxF from = inside(d, box);
  const double across = to.width / from.width, down = to.height / from.height;
  return {resize(d.image, to.width, to.height, filter, from),
          map_of(d).then({across, 0, -from.x * across, 0, down, -from.y * down})};
}

Transformed cropped(const Image& image, const Box& box) {
  return {crop(image, box), Affine::shift(-box.x, -box.y)};
}

// `back` as warp() takes it: from the result to the picture.
Transformed warped(const Image& image, const Affine& back) { return {warp(image, back), back.inverse()}; }

// Margin of a middle part: Python's round of half the difference, to even, when cropping; the smaller half on
// the left when padding.
int margin(int have, int want) {
  if (have < want) return -((want - have) / 2);
  return static_cast<int>(std::nearbyint((have - want) / 2.0));
}

double symmetric(double most, RandomStream& random) { return most * (2.0 * random.uniform() - 1.0); }

std::optional<std::pair<int, int>> pair_of(Sides s) { return std::pair{s.width, s.height}; }

}  // namespace

// What every step has.

Affine map_of(const Decoded& d) {
  const double scale = 1.0 / d.shrink;
  return {scale, 0, -d.x * scale, 0, scale, -d.y * scale};
}

Region Transform::plan(int width, int height, RandomStream&) const { return {{0, 0, width, height}, 0, 0}; }
Transformed Transform::apply_decoded(Decoded decoded, RandomStream& random) const {
  const Affine before = map_of(decoded);
  Transformed seen = apply(std::move(decoded.image), random);
  seen.map = before.then(seen.map);
  return seen;
}

// Resize.

Resize::Resize(Sides to, Filter filter, int longest)
    : to_(checked("resize", to)), filter_(filter), longest_(longest) {}

Fit::Fit(int shorter, int longest, Filter filter)
    : Resize(checked("fit", Sides(shorter)), filter, checked("fit", Sides(longest)).width) {
  require<ValueError>(shorter <= longest, "fit: the shorter side comes first");
}

// One number is the shorter side; the longer one is cut to whole pixels, as torchvision does.
Sides Resize::target(int width, int height) const {
  if (!to_.one_number) return to_;
  const int longer_side = std::max(width, height), shorter_side = std::min(width, height);
  if (longest_ > 0 && static_cast<std::int64_t>(to_.width) * longer_side >
                          static_cast<std::int64_t>(longest_) * shorter_side) {
    const int other =
        std::max(1, static_cast<int>(static_cast<std::int64_t>(longest_) * shorter_side / longer_side));
    return width <= height ? Sides{other, longest_} : Sides{longest_, other};
  }
  const double longer =
      std::min(static_cast<double>(to_.width) * std::max(width, height) / std::min(width, height), 65536.0);
  const int other = static_cast<int>(longer);
  return width <= height ? Sides{to_.width, other} : Sides{other, to_.width};
}

Transformed Resize::apply(Image image, RandomStream&) const {
  const Sides to = target(image.width, image.height);
  const Affine map = Affine::scale(static_cast<double>(to.width) / image.width,
                                   static_cast<double>(to.height) / image.height);
  return {resize(image, to.width, to.height, filter_), map};
}

std::string Resize::text() const {
  const std::string size = to_.one_number ? cat(to_.width) : cat(to_.width, "x", to_.height);
  return cat(longest_ > 0 ? cat("fit:", size, ":", longest_) : cat("resize:", size),
             filter_ == Filter::bicubic ? ":bicubic" : "");
}

std::pair<int, int> Resize::size_of(int width, int height) const {
  const Sides to = target(width, height);
  return {to.width, to.height};
}

std::optional<std::pair<int, int>> Resize::output_size() const {
  if (to_.one_number) return {};
  return pair_of(to_);
}

// Twice the target at least: what the decoder's own averaging takes away is then below what the filter
// removes.
Region Resize::plan(int width, int height, RandomStream&) const {
  const Sides to = target(width, height);
  return {{0, 0, width, height}, 2 * to.width, 2 * to.height};
}

Transformed Resize::apply_decoded(Decoded d, RandomStream&) const {
  return resized(d, {0, 0, d.full_width, d.full_height}, target(d.full_width, d.full_height), filter_);
}

RandomResize::RandomResize(int low, int high)
    : low_(checked("random-resize", Sides(low)).width), high_(checked("random-resize", Sides(high)).width) {
  require<ValueError>(low <= high, "random-resize: the lower bound comes first");
}
Resize RandomResize::chosen(RandomStream& random) const {
  const auto more = random.below(static_cast<std::uint64_t>(high_ - low_) + 1);
  return Resize(low_ + static_cast<int>(more));
}
Transformed RandomResize::apply(Image image, RandomStream& random) const {
  return chosen(random).apply(std::move(image), random);
}
std::pair<int, int> RandomResize::size_of(int width, int height) const {
  return Resize(high_).size_of(width, height);
}
std::string RandomResize::text() const { return cat("random-resize:", low_, ":", high_); }
Region RandomResize::plan(int width, int height, RandomStream& random) const {
  return chosen(random).plan(width, height, random);
}
Transformed RandomResize::apply_decoded(Decoded d, RandomStream& random) const {
  return chosen(random).apply_decoded(std::move(d), random);
}

// Crops.

CentralFraction::CentralFraction(double share) : share_(checked("central-fraction", share, 0.01, 1)) {}
Box CentralFraction::middle(int width, int height) const {
  const auto left_out = [&](int side) {
    return std::min(static_cast<int>((side - side * share_) / 2), (side - 1) / 2);
  };
  const int x = left_out(width), y = left_out(height);
  return {x, y, width - 2 * x, height - 2 * y};
}
std::pair<int, int> CentralFraction::size_of(int width, int height) const {
  const Box box = middle(width, height);
  return {box.width, box.height};
}
Transformed CentralFraction::apply(Image image, RandomStream&) const {
  return cropped(image, middle(image.width, image.height));
}
std::string CentralFraction::text() const { return cat("central-fraction:", short_number(share_)); }
Region CentralFraction::plan(int width, int height, RandomStream&) const {
  const Box box = middle(width, height);
  return {box, box.width, box.height};  // not shrunk
}
Transformed CentralFraction::apply_decoded(Decoded d, RandomStream&) const {
  const Box box = middle(d.full_width, d.full_height);
  return {crop(d.image, {box.x - d.x, box.y - d.y, box.width, box.height}), Affine::shift(-box.x, -box.y)};
}

CenterCrop::CenterCrop(Sides size) : size_(checked("center-crop", size)) {}
Transformed CenterCrop::apply(Image image, RandomStream&) const {
  return cropped(image, {margin(image.width, size_.width), margin(image.height, size_.height), size_.width,
                         size_.height});
}
std::string CenterCrop::text() const { return cat("center-crop:", side_text(size_)); }
std::optional<std::pair<int, int>> CenterCrop::output_size() const { return pair_of(size_); }

RandomCrop::RandomCrop(Sides size, int pad)
    : size_(checked("random-crop", size)), pad_(static_cast<int>(checked("random-crop", pad, 0, 4096))) {}
int RandomCrop::place(int have, int want, RandomStream& random) const {
  const int room = have + 2 * pad_ - want;
  if (room <= 0) return -((want - have) / 2);
  return static_cast<int>(random.below(static_cast<std::uint64_t>(room) + 1)) - pad_;
}
Transformed RandomCrop::apply(Image image, RandomStream& random) const {
  const int x = place(image.width, size_.width, random), y = place(image.height, size_.height, random);
  return cropped(image, {x, y, size_.width, size_.height});
}
std::string RandomCrop::text() const {
  return pad_ ? cat("random-crop:", side_text(size_), ":", pad_) : cat("random-crop:", side_text(size_));
}
std::optional<std::pair<int, int>> RandomCrop::output_size() const { return pair_of(size_); }

RandomResizedCrop::RandomResizedCrop(Sides size, double smallest, double largest, double narrowest,
                                     double widest)
    : size_(checked("random-resized-crop", size)),
      smallest_(checked("random-resized-crop", smallest, 1e-4, 1)),
      largest_(checked("random-resized-crop", largest, smallest_, 1)),
      narrowest_(checked("random-resized-crop", narrowest, 0.01, 100)),
      widest_(checked("random-resized-crop", widest, narrowest_, 100)) {}
Transformed RandomResizedCrop::apply(Image image, RandomStream& random) const {
  Decoded whole;
  whole.full_width = image.width;
  whole.full_height = image.height;
  whole.image = std::move(image);
  return apply_decoded(std::move(whole), random);
}
std::string RandomResizedCrop::text() const {
  return cat("random-resized-crop:", side_text(size_), ":", short_number(smallest_), ":",
             short_number(largest_), ":", short_number(narrowest_), ":", short_number(widest_));
}
std::optional<std::pair<int, int>> RandomResizedCrop::output_size() const { return pair_of(size_); }
Region RandomResizedCrop::plan(int width, int height, RandomStream& random) const {
  return {choose(width, height, random), size_.width, size_.height};
}
Transformed RandomResizedCrop::apply_decoded(Decoded d, RandomStream& random) const {
  return resized(d, choose(d.full_width, d.full_height, random), size_, Filter::bilinear);
}
// Ten tries at an area and a logarithmically uniform ratio; else the largest middle part of allowed ratio.
Box RandomResizedCrop::choose(int width, int height, RandomStream& random) const {
  const double area = static_cast<double>(width) * height;
  for (int i = 0; i < 10; ++i) {
    const double target = area * (smallest_ + (largest_ - smallest_) * random.uniform());
    const double ratio =
        std::exp(std::log(narrowest_) + (std::log(widest_) - std::log(narrowest_)) * random.uniform());
    const int w = static_cast<int>(std::nearbyint(std::sqrt(target * ratio)));
    const int h = static_cast<int>(std::nearbyint(std::sqrt(target / ratio)));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const int y = static_cast<int>(random.below(static_cast<std::uint64_t>(height - h) + 1));
    const int x = static_cast<int>(random.below(static_cast<std::uint64_t>(width - w) + 1));
    return {x, y, w, h};
  }
  const double have = static_cast<double>(width) / height;
  int w = width, h = height;
  if (have < narrowest_)
    h = std::clamp(static_cast<int>(std::nearbyint(width / narrowest_)), 1, height);
  else if (have > widest_)
    w = std::clamp(static_cast<int>(std::nearbyint(height * widest_)), 1, width);
  return {(width - w) / 2, (height - h) / 2, w, h};
}

// Mirrors, rotation, affine.

Flip::Flip(bool horizontal, double probability)
    : horizontal_(horizontal), probability_(checked(horizontal ? "hflip" : "vflip", probability, 0, 1)) {}
Transformed Flip::apply(Image image, RandomStream& random) const {
  if (!random.chance(static_cast<float>(probability_))) return {std::move(image), {}};
  const double w = image.width, h = image.height;
  if (horizontal_) return {horizontal_flip(image), {-1, 0, w, 0, 1, 0}};
  return {vertical_flip(image), {1, 0, 0, 0, -1, h}};
}
std::string Flip::text() const { return cat(horizontal_ ? "hflip:" : "vflip:", short_number(probability_)); }

Rotate::Rotate(double degrees) : degrees_(checked("rotate", degrees, 0, 180)) {}
Transformed Rotate::apply(Image image, RandomStream& random) const {
  AffineOptions turn;
  turn.angle = -symmetric(degrees_, random);  // counter-clockwise, as rotate()
  return warped(image, affine_map(image.width, image.height, turn));
}
std::string Rotate::text() const { return cat("rotate:", short_number(degrees_)); }

RandomAffine::RandomAffine(const Ranges& r) : r_(r) {
  checked("affine", r.degrees, 0, 180);
  checked("affine", r.shift, 0, 1);
  checked("affine", r.smallest, 0.01, 100);
  checked("affine", r.largest, r.smallest, 100);
  checked("affine", r.shear, 0, 80);
}
bool RandomAffine::random() const {
  return r_.degrees > 0 || r_.shift > 0 || r_.smallest < r_.largest || r_.shear > 0;
}
Transformed RandomAffine::apply(Image image, RandomStream& random) const {
  AffineOptions o;
  o.angle = symmetric(r_.degrees, random);
  o.shift_x = std::nearbyint(symmetric(r_.shift * image.width, random));
  o.shift_y = std::nearbyint(symmetric(r_.shift * image.height, random));
  o.scale = r_.smallest + (r_.largest - r_.smallest) * random.uniform();
  o.shear_x = symmetric(r_.shear, random);
  return warped(image, affine_map(image.width, image.height, o));
}
RandomTransform::RandomTransform(const Ranges& r) : r_(r) {
  checked("random-transform", r.rotation, 0, 3.2);
  checked("random-transform", r.shift, 0, 1);
  checked("random-transform", r.shear, 0, 1.5);
  checked("random-transform", r.smallest, 0.01, 100);
  checked("random-transform", r.largest, r.smallest, 100);
  checked("random-transform", r.mirrored, 0, 1);
  checked("random-transform", r.upside_down, 0, 1);
}
Transformed RandomTransform::apply(Image image, RandomStream& random) const {
  const auto scale = [&] { return r_.smallest + (r_.largest - r_.smallest) * random.uniform(); };
  const double turn = symmetric(r_.rotation, random), across = symmetric(r_.shift, random),
               down = symmetric(r_.shift, random), shear = symmetric(r_.shear, random);
  double sx = scale(), sy = scale();
  if (random.chance(static_cast<float>(r_.mirrored))) sx = -sx;
  if (random.chance(static_cast<float>(r_.upside_down))) sy = -sy;
  const double w = image.width, h = image.height, c = std::cos(turn), s = std::sin(turn);
  // Of rotation x translation the column is that of the turned shift, in shares of the sides.
  const Affine turned{c, -s, (c * across - s * down) * w, s, c, (s * across + c * down) * h},
      sheared{1, -std::sin(shear), 0, 0, std::cos(shear), 0};
  const Affine map = Affine::shift(-w / 2, -h / 2)
                         .then(Affine::scale(sx, sy))
                         .then(sheared)
                         .then(turned)
                         .then(Affine::shift(w / 2, h / 2));
  return {warp_over_edges(image, map.inverse()), map};
}
std::string RandomTransform::text() const {
  return cat("random-transform:", short_number(r_.rotation), ":", short_number(r_.shift), ":",
             short_number(r_.shear), ":", short_number(r_.smallest), ":", short_number(r_.largest), ":",
             short_number(r_.mirrored), ":", short_number(r_.upside_down));
}

std::string RandomAffine::text() const {
  return cat("affine:", short_number(r_.degrees), ":", short_number(r_.shift), ":", short_number(r_.smallest),
             ":", short_number(r_.largest), ":", short_number(r_.shear));
}

}  // namespace gadolin
