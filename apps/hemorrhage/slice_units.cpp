#include "apps/hemorrhage/slice_units.h"

#include <algorithm>
#include <span>
#include <vector>

#include "data/dicom/image.h"
#include "data/image/resize.h"
#include "tensor/check.h"

namespace gadolin::hemorrhage {
namespace {

bool mend_wrapped(DicomImage& image) {
  if (image.is_signed || image.modality_lut || !(image.rescale[0].intercept > -100)) return false;
  const std::span values(image.samples.data<std::int32_t>(), static_cast<std::size_t>(image.samples.numel()));
  for (std::int32_t& v : values) {
    const std::int32_t x = v + 1000;
    if (!image.is_padding(v)) v = x >= 4096 ? x - 4096 : x;
  }
  for (DicomImage::Rescale& r : image.rescale) r.intercept = -1000;
  return true;
}

struct Range {
  float low, width;
};
constexpr Range ranges[] = {{0, 80}, {-20, 200}, {-800, 2800}};  // of head_windows()

typedef float Pixel __attribute__((vector_size(16)));  // red, green, blue, nothing

// Adds weight * the windowed values; NaN is black.
void add_window(const float* from, std::size_t n, float low, float factor, float weight, float* to) {
  for (std::size_t x = 0; x < n; ++x) {
    const float v = (from[x] - low) * factor;
    to[x] += weight * (v > 0 ? v < 255 ? v : 255.0f : 0.0f);
  }
}

}  // namespace

PhysicalImage slice_units(std::string_view dicom, const std::string& name, bool* mended) {
  const DicomFile file(dicom, name);
  DicomImage image = read_dicom_image(file, 0);
  const bool wrapped = mend_wrapped(image);
  if (mended != nullptr) *mended = wrapped;
  std::optional<PhysicalImage> units = to_physical(image);
  require<DataError>(units.has_value(), "hemorrhage: ", printable(name),
                     " is in colour; slices of CT have one value a pixel");
  return std::move(*units);
}

double brain_share(const PhysicalImage& units) {
  std::int64_t inside = 0;
  for (const float v : units.values) inside += v > 0 && v < 80;
  return units.values.empty() ? 0 : static_cast<double>(inside) / static_cast<double>(units.values.size());
}

const Windows& head_windows() {
  static const Windows all({{40, 80}, {80, 200}, {600, 2800}});
  return all;
}

// As head_windows() and resize() make it, in one pass: three windows of 262,144 pixels are never stored.
Image slice_picture(const PhysicalImage& units, int size) {
  if (units.inverted) return to_8bit(resize(head_windows().apply(units), size, size));
  const Taps rows = resize_taps(units.height, 0, units.height, size, Filter::bilinear),
             columns = resize_taps(units.width, 0, units.width, size, Filter::bilinear);
  const auto width = static_cast<std::size_t>(units.width);
  std::vector<float> mixed(3 * width);
  std::vector<Pixel> line(width);
  Image picture(size, size, 3);
  for (int y = 0; y < size; ++y) {
    const Taps::Span& down = rows.spans[static_cast<std::size_t>(y)];
    std::fill(mixed.begin(), mixed.end(), 0.0f);
    for (int k = 0; k < down.count; ++k) {
      const float weight = rows.weights[static_cast<std::size_t>(down.first + k)];
      const float* from = units.values.data() + static_cast<std::size_t>(down.begin + k) * width;
      for (std::size_t c = 0; c < 3; ++c)
        add_window(from, width, ranges[c].low, 255 / ranges[c].width, weight, mixed.data() + c * width);
    }
    for (std::size_t x = 0; x < width; ++x)
      line[x] = Pixel{mixed[x], mixed[width + x], mixed[2 * width + x], 0};
    std::uint8_t* out = picture.row<std::uint8_t>(y);
    for (const Taps::Span& across : columns.spans) {
      Pixel sum{0.5f, 0.5f, 0.5f, 0};
      for (int k = 0; k < across.count; ++k)
        sum += columns.weights[static_cast<std::size_t>(across.first + k)] *
               line[static_cast<std::size_t>(across.begin + k)];
      for (int c = 0; c < 3; ++c) *out++ = static_cast<std::uint8_t>(sum[c] < 255 ? sum[c] : 255);
    }
  }
  return picture;
}

}  // namespace gadolin::hemorrhage
