// What belongs to looking at pixels: rescale, windows, padding (PS3.3 C.7.6.3, C.7.6.16, C.11.2).
#include <algorithm>
#include <cmath>

#include "data/dicom/codec.h"
#include "data/dicom/image.h"
#include "data/image/image.h"

namespace gadolin::detail {
namespace {

constexpr std::string_view voi_functions[] = {"LINEAR", "LINEAR_EXACT", "SIGMOID"};

// The data set itself, or one of its items.
struct Place {
  const DicomFile& file;
  std::optional<std::size_t> item;
  const DicomElement* find(DicomTag tag) const { return item ? file.find_in(*item, tag) : file.find(tag); }
  std::vector<double> numbers(DicomTag tag) const {
    const DicomElement* e = find(tag);
    return e != nullptr ? file.numbers(*e) : std::vector<double>{};
  }
};

// A number that values are computed with: absent it is `otherwise`, but what cannot be read is refused.
double rescale_number(const Place& place, DicomTag tag, double otherwise) {
  if (place.numbers(tag).empty()) return otherwise;
  const std::optional<double> v = place.file.number(*place.find(tag));
  require<FormatError, 64>(
      v.has_value(), "dicom: ", printable(place.file.name()), ": ", dicom_keyword(tag),
      " is no number, and values without it would be wrong; write a decimal number into it");
  return *v;
}

DicomImage::Rescale rescale_at(const Place& place) {
  DicomImage::Rescale r{rescale_number(place, dicom::rescale_slope, 1),
                        rescale_number(place, dicom::rescale_intercept, 0)};
  if (r.slope == 0) {
    place.file.warn("RescaleSlope is 0, it is read as 1");
    r.slope = 1;
  }
  return r;
}

std::vector<DicomWindow> windows_at(const Place& place) {
  const std::vector<double> centers = place.numbers(dicom::window_center),
                            widths = place.numbers(dicom::window_width);
  const auto text = [&](DicomTag tag) {
    const DicomElement* e = place.find(tag);
    return e != nullptr ? place.file.texts(*e) : std::vector<std::string>{};
  };
  const std::vector<std::string> names = text(dicom::window_explanation);
  std::string function = defined_term(place.file, place.find(dicom::voi_function), voi_functions);
  if (!function.empty() && std::ranges::find(voi_functions, function) == std::end(voi_functions)) {
    place.file.warn("VOILUTFunction is ", printable(function), ", which is unknown; it is read as LINEAR");
    function.clear();
  }
  if (function.empty()) function = "LINEAR";
  if (centers.size() != widths.size())
    place.file.warn("WindowCenter has ", centers.size(), " values, WindowWidth ", widths.size());
  std::vector<DicomWindow> out;
  for (std::size_t i = 0; i < std::min(centers.size(), widths.size()); ++i) {
    if (!(widths[i] > 0) || std::isnan(centers[i])) {
      if (widths[i] <= 0) place.file.warn("a WindowWidth is not above 0, its window is left out");
      continue;
    }
    DicomWindow w{centers[i], widths[i], i < names.size() ? names[i] : "", function};
    if (w.width < 1 && w.function != "SIGMOID" && w.function != "LINEAR_EXACT") {
      place.file.warn("a WindowWidth is below 1, its window is shown as LINEAR_EXACT");
      w.function = "LINEAR_EXACT";
    }
    out.push_back(std::move(w));
  }
  return out;
}

// Functional groups of enhanced files: what one frame says of itself comes before what all share.
class Groups {
 public:
  explicit Groups(const DicomFile& file) : file_(file) {
    if (const DicomElement* s = file.find(dicom::shared_groups)) shared_ = file.items(*s);
    if (const DicomElement* s = file.find(dicom::frame_groups)) own_ = file.items(*s);
  }
  bool any() const { return !shared_.empty() || !own_.empty(); }
  // The item of `sequence` that holds for the frame and has one of the two attributes; else the data set.
  Place place(std::size_t frame, DicomTag sequence, DicomTag a, DicomTag b) const {
    std::vector<std::size_t> groups;
    if (frame < own_.size()) groups.push_back(own_[frame]);
    if (!shared_.empty()) groups.push_back(shared_[0]);
    for (const std::size_t group : groups) {
      const DicomElement* s = file_.find_in(group, sequence);
      if (s == nullptr) continue;
      for (const std::size_t item : file_.items(*s))
        if (file_.find_in(item, a) || file_.find_in(item, b)) return {file_, item};
    }
    return {file_, std::nullopt};
  }

 private:
  const DicomFile& file_;
  std::vector<std::size_t> shared_, own_;
};

template <class T> bool all_equal(const std::vector<T>& v) {
  return std::all_of(v.begin(), v.end(), [&](const T& x) { return x == v[0]; });
}

void rescales_and_windows(const DicomFile& file, DicomImage& image, int first) {
  const Groups groups(file);
  std::vector<std::vector<DicomWindow>> windows;
  image.rescale.clear();
  for (int i = 0; i < (groups.any() ? image.frames : 1); ++i) {
    const auto frame = static_cast<std::size_t>(first + i);
    image.rescale.push_back(rescale_at(
        groups.place(frame, dicom::frame_pixel_values, dicom::rescale_slope, dicom::rescale_intercept)));
    windows.push_back(
        windows_at(groups.place(frame, dicom::frame_voi, dicom::window_center, dicom::window_width)));
  }
  if (all_equal(image.rescale)) image.rescale.resize(1);
  image.windows = windows[0];
  if (!all_equal(windows)) image.frame_windows = std::move(windows);
}

}  // namespace

void read_display_facts(const DicomFile& file, DicomImage& image, int first) {
  image.modality = file.text(dicom::modality);
  rescales_and_windows(file, image, first);
  read_tables(file, image);
  if (const auto padding = file.number(dicom::padding_value)) {
    const auto sign = [&](double v) {
      const auto whole = static_cast<std::int64_t>(std::clamp(v, -1e15, 1e15));
      return image.is_signed && whole > 32767 && whole < 65536 ? whole - 65536
             : !image.is_signed && whole < 0                   ? whole + 65536
                                                               : whole;
    };
    const std::int64_t a = sign(*padding), b = sign(file.number(dicom::padding_limit).value_or(*padding));
    image.padding_low = std::min(a, b);
    image.padding_high = std::max(a, b);
  }
}

}  // namespace gadolin::detail
