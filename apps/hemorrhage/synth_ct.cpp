// The archive of made-up head CTs: who has which scans, under which names, and what is wrong with them.
#include "apps/hemorrhage/synth_ct.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <mutex>
#include <numbers>
#include <set>

#include "apps/hemorrhage/labels.h"
#include "data/dicom/dictionary.h"
#include "data/dicom/made_up.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/zip_file.h"
#include "tensor/check.h"
#include "tensor/cpu/parallel.h"
#include "tensor/random.h"

namespace gadolin::hemorrhage {
namespace {

constexpr std::uint64_t id_stream = 0x6374206964u;
constexpr double apart = 5;  // mm between slices
const std::string archive_root = "rsna-intracranial-hemorrhage-detection/";

struct Scan {  // a series, or one pass of one
  int patient, series, pass;
};
struct MadeSlice {
  std::string image, remark;
  Scan scan;
  int slice = 0;
  bool test = false, tilt_untold = false, cut = false, in_passes = false;
  std::string same_as;  // the image whose bytes these are
};

// Names without meaning: "ID_" and hexadecimal digits, none twice.
class Names {
 public:
  explicit Names(std::uint64_t seed) : random_(seed, id_stream) {}
  std::string next(std::size_t digits) {
    for (;;) {
      std::string name = "ID_";
      for (std::size_t i = 0; i < digits; ++i) name += "0123456789abcdef"[random_.below(16)];
      if (taken_.insert(name).second) return name;
    }
  }

 private:
  RandomStream random_;
  std::set<std::string> taken_;
};

std::string hex_name(std::uint64_t seed, std::uint64_t kind, std::uint64_t number, int digits) {
  RandomStream random(seed, stream_id(id_stream, kind, number));
  std::string name = "ID_";
  for (int i = 0; i < digits; ++i) name += "0123456789abcdef"[random.below(16)];
  return name;
}

// Patients from 0 that carry the faults; the first of the test set too.
enum Fault { untold_tilt = 0, twice = 1, two_passes = 2, missing = 3, cut_pixels = 4 };

std::vector<MadeSlice> planned(const SynthCtOptions& o) {
  std::vector<MadeSlice> made;
  Names names(o.seed);
  const int train = o.patients - static_cast<int>(std::lround(o.test * o.patients));
  for (int patient = 0; patient < o.patients; ++patient) {
    const SynthHead head = synth_head(o, patient);
    const bool test = patient >= train;
    const auto has = [&](Fault fault) { return !o.clean && patient == fault && !test; };
    const int passes = has(two_passes) ? 2 : 1;
    for (int series = 0; series < head.series; ++series) {
      for (int pass = 0; pass < passes; ++pass) {
        for (int slice = 0; slice < o.slices; ++slice) {
          MadeSlice m;
          m.image = names.next(9);
          m.scan = {patient, series, pass};
          m.slice = slice;
          m.test = test;
          m.tilt_untold = has(untold_tilt);
          const bool middle = slice == o.slices / 2 && series == 0;
          m.in_passes = passes > 1;
          m.cut = middle && !o.clean && (has(cut_pixels) || (test && patient == train));
          if (m.cut) m.remark = "cut inside its pixels";
          if (m.in_passes) m.remark = cat("pass ", pass + 1);
          if (m.tilt_untold) m.remark = "the header says a tilt of 0";
          if (has(missing) && middle) continue;
          made.push_back(m);
          if (!has(twice) || !middle) continue;
          m.same_as = m.image;
          m.remark = "the bytes of " + m.image;
          m.image = names.next(9);
          made.push_back(m);
        }
      }
    }
  }
  std::sort(made.begin(), made.end(), [](const MadeSlice& a, const MadeSlice& b) {
    return std::pair(a.test, a.image) < std::pair(b.test, b.image);
  });
  return made;
}

std::string decimal(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6f", v);
  return text;
}

std::string dicom_of(const SynthCtOptions& o, const MadeSlice& m) {
  const SynthHead head = synth_head(o, m.scan.patient);
  const auto number = static_cast<std::uint64_t>(m.scan.patient);
  const CtCoding coding = static_cast<CtCoding>((m.scan.patient + m.scan.series) % 3);
  const double tilt = head.tilt * std::numbers::pi / 180, pixel = 240.0 / o.size;
  const auto joined_by = [](std::initializer_list<double> values) {
    std::string text;
    for (const double v : values) text += (text.empty() ? "" : "\\") + decimal(v);
    return text;
  };
  DicomTexts texts{
      {dicom::sop_instance, m.same_as.empty() ? m.image : m.same_as},
      {dicom::modality, "CT"},
      {dicom::patient_id, hex_name(o.seed, 1, number, 8)},
      {dicom::study_instance, hex_name(o.seed, 2, number, 10)},
      {dicom::series_instance,
       hex_name(o.seed, 3, number * 8 + static_cast<std::uint64_t>(m.scan.series), 10)},
      {dicom::study_id, ""},
      // The table moves along z, the plane of a tilted gantry does not.
      {dicom::image_position, joined_by({-120, -120, -80 + apart * m.slice + 0.25 * m.scan.series})},
      {dicom::image_orientation, joined_by({1, 0, 0, 0, std::cos(tilt), std::sin(tilt)})},
      {dicom::pixel_spacing, joined_by({pixel, pixel})},
      {dicom::window_center, m.scan.patient % 2 == 0 ? "30" : "36\\36"},
      {dicom::window_width, m.scan.patient % 2 == 0 ? "80" : "80\\80"},
      {dicom::rescale_intercept, coding == CtCoding::wrapped ? "0" : "-1024"},
      {dicom::rescale_slope, "1"}};
  if (head.tilt > 0) texts.emplace_back(dicom::gantry_tilt, m.tilt_untold ? "0" : decimal(head.tilt));
  if (m.in_passes) texts.emplace_back(dicom::acquisition_number, cat(m.scan.pass + 1));
  const int scan = m.scan.series * 2 + m.scan.pass;
  const Image pixels = coded_slice(synth_slice(o, head, scan, m.slice), o.size, coding);
  const bool is_signed = coding == CtCoding::is_signed;
  std::string bytes = made_up_dicom(texts, pixels, is_signed ? 16 : 12, false, is_signed);
  if (m.cut) bytes.resize(bytes.size() - pixels.pixels.size() / 2);
  return bytes;
}

std::string label_rows(const std::string& image, std::uint8_t labels) {
  std::string rows;
  for (std::size_t s = 0; s < subtypes.size(); ++s)
    rows += cat(image, "_", subtypes[s], ",", static_cast<int>(labels >> s & 1), "\n");
  return rows;
}

// Files are made by all threads, some at a time, and written in order.
void write_members(ZipWriter& zip, const SynthCtOptions& o, const std::vector<MadeSlice>& made) {
  constexpr std::size_t at_once = 512;
  for (std::size_t first = 0; first < made.size(); first += at_once) {
    const std::size_t count = std::min(at_once, made.size() - first);
    std::vector<PackedMember> members(count);
    std::exception_ptr failed;
    std::mutex mutex;
    parallel_for(static_cast<std::int64_t>(count), 8, [&](std::int64_t begin, std::int64_t end) {
      try {
        for (std::int64_t i = begin; i < end; ++i)
          members[static_cast<std::size_t>(i)] =
              packed_member(dicom_of(o, made[first + static_cast<std::size_t>(i)]));
      } catch (...) {
        const std::lock_guard lock(mutex);
        failed = std::current_exception();
      }
    });
    if (failed) std::rethrow_exception(failed);
    for (std::size_t i = 0; i < count; ++i) {
      const MadeSlice& m = made[first + i];
      zip.add(cat(archive_root, m.test ? "stage_2_test/" : "stage_2_train/", m.image, ".dcm"), members[i]);
    }
  }
}

}  // namespace

SynthCtCount write_synth_ct(const std::string& folder, const SynthCtOptions& o) {
  const std::vector<MadeSlice> made = planned(o);
  std::string train = "ID,Label\n", submission = "ID,Label\n", truth = "ID,Label\n";
  CsvTable table{"", {"image", "split", "patient", "series", "pass", "slice", "remark"}, {}, {}};
  SynthCtCount count;
  std::set<std::pair<int, int>> series;
  dicom_keyword(dicom::rows);  // the dictionary is there before threads ask for it
  for (const MadeSlice& m : made) {
    const std::uint8_t labels = synth_head(o, m.scan.patient).labels(m.slice);
    (m.test ? truth : train) += label_rows(m.image, labels);
    if (m.test)
      for (const char* subtype : subtypes) submission += cat(m.image, "_", subtype, ",0.5\n");
    table.rows.push_back({m.image, m.test ? "test" : "train", cat(m.scan.patient), cat(m.scan.series),
                          cat(m.scan.pass), cat(m.slice), m.remark});
    ++count.files;
    count.positive += labels != 0;
    series.emplace(m.scan.patient, m.scan.series);
  }
  count.series = static_cast<std::int64_t>(series.size());
  if (!o.clean) train += train.substr(9, train.find("_any") + 7 - 9);  // the first image once more
  AtomicFile file(folder + "/rsna-intracranial-hemorrhage-detection.zip");
  ZipWriter zip(file);
  zip.add(archive_root + "stage_2_sample_submission.csv", packed_member(submission));
  write_members(zip, o, made);
  zip.add(archive_root + "stage_2_train.csv", packed_member(train));
  zip.finish();
  file.commit();
  write_file_atomically(folder + "/stage_2_test_truth.csv", truth);
  write_file_atomically(folder + "/made_up.csv", to_csv(table));
  return count;
}

}  // namespace gadolin::hemorrhage
