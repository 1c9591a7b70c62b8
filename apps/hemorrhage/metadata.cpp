#include "apps/hemorrhage/metadata.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "data/dicom/file.h"
#include "io/bytes.h"
#include "io/csv.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::hemorrhage {
namespace {

constexpr DicomTag header_tags[] = {dicom::bits_allocated,
                                    dicom::bits_stored,
                                    dicom::high_bit,
                                    dicom::image_position,
                                    dicom::image_orientation,
                                    dicom::modality,
                                    dicom::patient_id,
                                    dicom::photometric,
                                    dicom::pixel_representation,
                                    dicom::pixel_spacing,
                                    dicom::rescale_intercept,
                                    dicom::rescale_slope,
                                    dicom::rows,
                                    dicom::columns,
                                    dicom::sop_instance,
                                    dicom::samples_per_pixel,
                                    dicom::series_instance,
                                    dicom::study_id,
                                    dicom::study_instance,
                                    dicom::acquisition_number,
                                    dicom::instance_number,
                                    dicom::gantry_tilt};
constexpr DicomTag needed_tags[] = {dicom::patient_id, dicom::study_instance, dicom::series_instance,
                                    dicom::image_position, dicom::image_orientation};
constexpr double same_place = 0.01;  // mm

// The header as far as it is unpacked; false: it goes on.
bool take_header(std::string_view bytes, const std::string& name, bool all, SliceHeader& h) {
  const DicomFile file(bytes, name);
  if (!all && file.find(dicom::pixel_data) == nullptr) return false;
  for (const DicomTag tag : header_tags) {
    if (!h.cells.empty() || tag != header_tags[0]) h.cells += ',';
    h.cells += csv_field(file.text(tag));
  }
  h.patient = file.text(dicom::patient_id);
  h.sop = file.text(dicom::sop_instance);
  h.study = file.text(dicom::study_instance);
  h.series = file.text(dicom::series_instance);
  for (const DicomTag tag : needed_tags)
    if (file.text(tag).empty()) h.missing.emplace_back(dicom_keyword(tag));
  const SlicePlace place = slice_place(file);
  h.position = place.position;
  h.orientation = place.orientation;
  h.placed = place.placed;
  h.instance = place.instance;
  if (const auto n = file.number(dicom::acquisition_number)) h.acquisition = static_cast<std::int64_t>(*n);
  h.tilt = file.number(dicom::gantry_tilt);
  h.readable = true;
  return true;
}

SlicePlace place_of(const SliceHeader& h) {
  SlicePlace p;
  p.position = h.position;
  p.orientation = h.orientation;
  p.placed = h.placed;
  p.instance = h.instance;
  p.tilt = h.tilt.value_or(0);
  return p;
}

struct Ordered {
  SeriesOrder order;
  std::vector<std::size_t> headers;                          // in that order
  std::vector<std::pair<std::size_t, std::size_t>> doubled;  // neighbours at one place
};

Ordered ordered(const std::vector<SliceHeader>& headers, const std::vector<std::size_t>& slices) {
  std::vector<SlicePlace> places;
  for (const std::size_t i : slices) places.push_back(place_of(headers[i]));
  Ordered o{order_series(places), {}, {}};
  for (const std::size_t i : o.order.order) o.headers.push_back(slices[i]);
  for (std::size_t i = 1; i < o.order.positions.size(); ++i)
    if (!(o.order.positions[i] - o.order.positions[i - 1] >= same_place))
      o.doubled.emplace_back(o.headers[i - 1], o.headers[i]);
  return o;
}

}  // namespace

std::vector<std::string> header_columns() {
  std::vector<std::string> all;
  for (const DicomTag tag : header_tags) all.emplace_back(dicom_keyword(tag));
  return all;
}

SliceHeader read_header(const CtArchive& archive, std::size_t member) {
  const ZipEntry& entry = *archive.members()[member].entry;
  const std::string name(entry.name);
  thread_local std::string room;
  for (std::uint64_t bytes = 4096;; bytes *= 4) {
    require<FormatError>(bytes / 4 <= most_slice_bytes, "create-metadata: ", printable(name),
                         ": no pixels in ", human_bytes(static_cast<std::int64_t>(most_slice_bytes)),
                         ", a slice of CT has less in front of them");
    const std::string_view head = archive.zip().head(entry, bytes, room);
    const bool all = head.size() == entry.size;
    SliceHeader h;
    h.member = member;
    try {
      if (take_header(head, name, all, h)) return h;
    } catch (const FormatError&) {
      if (all) throw;  // otherwise it is cut where we cut it
    }
  }
}

void find_copies(const CtArchive& archive, std::vector<SliceHeader>& headers) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < headers.size(); ++i)
    if (headers[i].readable) order.push_back(i);
  const auto entry = [&](std::size_t i) -> const ZipEntry& {
    return *archive.members()[headers[i].member].entry;
  };
  const auto key = [&](std::size_t i) { return std::tuple(entry(i).size, entry(i).crc, i); };
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
  std::string one, other;
  const auto same = [&](std::size_t a, std::size_t b) {
    try {
      return archive.zip().read(entry(a), most_slice_bytes, one) ==
             archive.zip().read(entry(b), most_slice_bytes, other);
    } catch (const FormatError&) {
      return false;  // img-extract names what is damaged
    }
  };
  for (std::size_t at = 1; at < order.size(); ++at) {
    const std::size_t i = order[at];
    for (std::size_t k = at;
         k-- > 0 && entry(order[k]).size == entry(i).size && entry(order[k]).crc == entry(i).crc;) {
      const std::size_t before = order[k];
      if (headers[before].same_as >= 0 || !same(before, i)) continue;
      headers[i].same_as = static_cast<std::int64_t>(before);
      break;
    }
  }
}

void order_one_series(std::vector<SliceHeader>& headers, const std::vector<std::size_t>& slices,
                      const std::function<std::string(std::size_t)>& name,
                      std::vector<SeriesRemark>& remarks) {
  std::vector<std::vector<std::size_t>> passes{slices};
  const Ordered whole = ordered(headers, slices);
  if (!whole.doubled.empty()) {
    std::map<std::optional<std::int64_t>, std::vector<std::size_t>> by_acquisition;
    for (const std::size_t i : slices) by_acquisition[headers[i].acquisition].push_back(i);
    bool parted = by_acquisition.size() > 1;
    for (const auto& [number, part] : by_acquisition)
      parted = parted && ordered(headers, part).doubled.empty();
    if (parted) {
      passes.clear();
      for (auto& [number, part] : by_acquisition) passes.push_back(std::move(part));
      remarks.push_back({slices[0], cat(whole.doubled.size(), " positions hold several slices; ",
                                        passes.size(), " passes are told apart by AcquisitionNumber")});
    }
  }
  int pass = 0;
  for (const std::vector<std::size_t>& part : passes) {
    ++pass;
    const Ordered o = ordered(headers, part);
    for (std::size_t k = 0; k < o.headers.size(); ++k) {
      SliceHeader& h = headers[o.headers[k]];
      h.pass = pass;
      if (k >= o.order.positions.size()) continue;
      h.along = o.order.positions[k];
      if (o.order.positions.size() > 1) h.spacing = o.order.spacing;
    }
    for (const auto& [a, b] : o.doubled)
      remarks.push_back({b, cat("lies where ", name(a),
                                " lies and is another picture; InstanceNumber decides "
                                "which comes first")});
    for (const std::string& problem : o.order.problems)
      if (problem.find("two slices at one position") != 0) remarks.push_back({part[0], problem});
    const SliceHeader& first = headers[o.headers[0]];
    if (first.tilt && !(std::abs(std::abs(*first.tilt) - o.order.shear) <= 1) && o.order.positions.size() > 1)
      remarks.push_back({part[0], cat("the slices are sheared by ", fixed(o.order.shear, 1),
                                      " degrees, GantryDetectorTilt says ", fixed(*first.tilt, 1))});
  }
}

}  // namespace gadolin::hemorrhage
