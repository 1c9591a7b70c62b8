#include "apps/hemorrhage/slice_units.h"

#include "data/dicom/image.h"
#include "data/image/resize.h"
#include "tensor/check.h"

namespace gadolin::hemorrhage {
namespace {

bool mend_wrapped(DicomImage& image) {
  if (image.is_signed || image.modality_lut || !(image.rescale[0].intercept > -100)) return false;
  auto* values = image.samples.data<std::int32_t>();
  for (std::int64_t i = 0; i < image.samples.numel(); ++i) {
    if (image.is_padding(values[i])) continue;
    const std::int32_t x = values[i] + 1000;
    values[i] = x >= 4096 ? x - 4096 : x;
  }
  for (DicomImage::Rescale& r : image.rescale) r.intercept = -1000;
  return true;
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

Image slice_picture(const PhysicalImage& units, int size) {
  return to_8bit(resize(head_windows().apply(units), size, size));
}

}  // namespace gadolin::hemorrhage
