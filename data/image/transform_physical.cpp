// Steps from measured values to 16-bit pictures: windows, a range, percentiles.
#include <algorithm>
#include <cmath>

#include "data/image/transform_steps.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

using detail::checked;
using detail::short_number;

struct ValueRange {
  double low = 0, high = 0;
};

// One channel of the result: low and below black, high and above white. A range of no width is black, and so
// are padding (NaN) and, of an inverted picture, what lies above the range.
void fill_channel(const PhysicalImage& from, ValueRange r, Image& to, std::size_t channel) {
  const auto step = static_cast<std::size_t>(to.channels);
  std::uint16_t* out = to.data<std::uint16_t>() + channel;
  const double width = r.high - r.low;
  if (!(width > 0)) return;
  for (const float v : from.values) {
    const double share = (v - r.low) / width;
    double y = share > 1 ? 1 : share > 0 ? share : 0;
    if (from.inverted) y = 1 - y;
    *out = std::isnan(v) ? std::uint16_t{0} : static_cast<std::uint16_t>(y * 65535 + 0.5);
    out += step;
  }
}

Image picture_of(const PhysicalImage& from, const std::vector<ValueRange>& channels) {
  require<ShapeError>(
      from.values.size() == static_cast<std::size_t>(from.width) * static_cast<std::size_t>(from.height),
      "values: ", from.values.size(), " of a picture of ", from.width, " x ", from.height);
  Image out(from.width, from.height, static_cast<int>(channels.size()), 16);
  for (std::size_t c = 0; c < channels.size(); ++c) fill_channel(from, channels[c], out, c);
  return out;
}

}  // namespace

Windows::Windows(std::vector<Window> windows) : windows_(std::move(windows)) {
  require<ValueError>(windows_.size() == 1 || windows_.size() == 3,
                      "window: one window or three, one a channel");
  for (const Window& w : windows_) {
    checked("window", w.center, -1e9, 1e9);
    require<ValueError>(w.width >= 1e-6 && w.width <= 1e9, "window: a width must be 1e-6 to 1e9");
  }
}
Image Windows::apply(const PhysicalImage& values) const {
  std::vector<ValueRange> ranges;
  for (const Window& w : windows_) ranges.push_back({w.center - w.width / 2, w.center + w.width / 2});
  return picture_of(values, ranges);
}
std::string Windows::text() const {
  std::string all;
  for (const Window& w : windows_)
    all = cat(all, all.empty() ? "window:" : "|", short_number(w.center), "/", short_number(w.width));
  return all;
}

Rescale::Rescale(double low, double high)
    : low_(checked("rescale", low, -1e9, 1e9)), high_(checked("rescale", high, -1e9, 1e9)) {
  require<ValueError>(low < high, "rescale: the lower bound comes first");
}
Image Rescale::apply(const PhysicalImage& values) const { return picture_of(values, {{low_, high_}}); }
std::string Rescale::text() const { return cat("rescale:", short_number(low_), ":", short_number(high_)); }

Percentile::Percentile(double low, double high)
    : low_(checked("percentile", low, 0, 100)), high_(checked("percentile", high, 0, 100)) {
  require<ValueError>(low < high, "percentile: the lower bound comes first");
}
Image Percentile::apply(const PhysicalImage& values) const {
  std::vector<float> kept;
  kept.reserve(values.values.size());
  std::copy_if(values.values.begin(), values.values.end(), std::back_inserter(kept),
               [](float v) { return !std::isnan(v); });
  if (kept.empty()) return picture_of(values, {{0, 0}});
  // The rank below which `percent` of the others lie, as data/dicom/display.cpp counts.
  const auto rank = [&](double percent) {
    return static_cast<std::ptrdiff_t>(percent / 100 * static_cast<double>(kept.size() - 1));
  };
  const auto low = kept.begin() + rank(low_), high = kept.begin() + rank(high_);
  std::nth_element(kept.begin(), low, kept.end());
  const double black = *low;
  std::nth_element(low, high, kept.end());
  return picture_of(values, {{black, *high}});
}
std::string Percentile::text() const {
  return cat("percentile:", short_number(low_), ":", short_number(high_));
}

}  // namespace gadolin
