#include "apps/hemorrhage/slices.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <unordered_set>

#include "apps/hemorrhage/labels.h"
#include "data/sets/tfrecord_dataset.h"
#include "io/csv.h"
#include "io/mapped_file.h"
#include "io/text.h"
#include "io/tfrecord.h"
#include "tensor/check.h"

namespace gadolin::hemorrhage {
namespace fs = std::filesystem;
namespace {

// "[-125.0, -115.9, 77.9]", "-125.0\-115.9\77.9" or "77.9".
std::vector<double> numbers_in(std::string_view text) {
  std::vector<double> all;
  for (std::size_t at = 0; at < text.size();) {
    const auto read = [&] {
      double value = 0;
      const auto got = std::from_chars(text.data() + at, text.data() + text.size(), value);
      if (got.ec != std::errc() || !std::isfinite(value)) return false;
      at = static_cast<std::size_t>(got.ptr - text.data());
      all.push_back(value);
      return true;
    };
    if (std::string_view(" []'\\,;").find(text[at]) != std::string_view::npos)
      ++at;
    else if (!read())
      return {};
  }
  return all;
}

// Of a slice at `p` with directions `o` of its rows and columns, mm along their normal.
double projected(const std::vector<double>& p, const std::vector<double>& o) {
  if (p.size() != 3 || o.size() != 6) return p.back();
  const std::array<double, 3> n{o[1] * o[5] - o[2] * o[4], o[2] * o[3] - o[0] * o[5],
                                o[0] * o[4] - o[1] * o[3]};
  return n[0] * p[0] + n[1] * p[1] + n[2] * p[2];
}

void require_made(const std::string& path, const char* step) {
  std::error_code error;
  require<DataError>(fs::is_regular_file(path, error), "hemorrhage: ", printable(path),
                     " does not exist; make it with hemorrhage ", step);
}

// The folder of pictures; empty when there is none.
std::string picture_folder(const std::string& data_dir, const std::string& base) {
  std::error_code error;
  for (const char* below : {"", "rsna-intracranial-hemorrhage-detection/"}) {
    const std::string folder = data_dir + "/" + below + "stage_2_" + base;
    if (fs::is_directory(folder, error)) return folder;
  }
  return "";
}

bool has_tfrecords(const std::string& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (is_tfrecord_name(entry.path().filename().string())) return true;
  return false;
}

std::unique_ptr<Dataset> open_pictures(const std::string& data_dir, const std::string& base) {
  const bool test = base == "test";
  if (has_tfrecords(data_dir + (test ? "/test" : "/train"))) {
    DatasetOptions read;
    read.unlabelled = true;
    read.image_key = "image";
    read.name_key = "filename";
    auto all = open_tfrecords(data_dir, read);
    std::vector<std::int64_t> places;
    for (std::int64_t i = 0; i < all->size(); ++i)
      if ((all->info(i).split == Split::test) == test) places.push_back(i);
    return all->subset(places);
  }
  const std::string folder = picture_folder(data_dir, base);
  require<DataError>(!folder.empty(), "hemorrhage: ", printable(data_dir), " has neither TFRecords in ",
                     test ? "test" : "train", "/ nor pictures in stage_2_", base,
                     "/; make them with hemorrhage img-extract and create-tf-records");
  std::vector<SampleInfo> samples;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string path = entry.path().string();
    if (!has_ending(path, ".jpg") && !has_ending(path, ".jpeg") && !has_ending(path, ".png")) continue;
    SampleInfo info;
    info.name = info.path = path;
    info.split = test ? Split::test : Split::none;
    samples.push_back(std::move(info));
  }
  require<DataError>(!samples.empty(), "hemorrhage: ", printable(folder),
                     " holds no .jpg or .png; make them with hemorrhage img-extract");
  return std::make_unique<Dataset>(std::vector<std::string>{}, true, std::move(samples), data_dir);
}

// The pictures under other names, with what the tables say of them.
class SliceSet : public Dataset {
 public:
  SliceSet(std::vector<SampleInfo> samples, std::string root, std::shared_ptr<const Dataset> pictures)
      : Dataset({subtypes.begin(), subtypes.end()}, true, std::move(samples), std::move(root)),
        pictures_(std::move(pictures)) {}
  StoredImage read(std::int64_t i) const override { return pictures_->read(info(i).record); }

 protected:
  std::unique_ptr<Dataset> clone() const override { return std::unique_ptr<Dataset>(new SliceSet(*this)); }

 private:
  std::shared_ptr<const Dataset> pictures_;
};

}  // namespace

std::string test_part(std::size_t k) { return cat("test/net-", k + 1); }

std::string image_id(const std::string& name) {
  const std::string file = name.substr(name.rfind('/') + 1);  // npos + 1 is 0
  return file.substr(0, file.find('.'));
}

SliceTable read_slice_table(const std::string& path) {
  require_made(path, "create-metadata");
  const MappedFile file(path);
  SliceTable table;
  std::unordered_set<std::string> listed;
  std::map<std::string, int, std::less<>> at;
  each_csv_row(
      file.text(), path,
      [&](const CsvTable& header) {
        at["ImgID"] = header.find("ImgID") >= 0 ? header.find("ImgID") : header.column("SOPInstanceUID");
        for (const char* name :
             {"PatientID", "StudyInstanceUID", "SeriesInstanceUID", "ImagePositionPatient"})
          at[name] = header.column(name);
        for (const char* name : {"ImageOrientationPatient", "Pass", "SameAs", "SlicePosition"})
          at[name] = header.find(name);
      },
      [&](std::vector<std::string>& row, std::int64_t line) {
        const auto field = [&](const char* name) {
          const int column = at.find(name)->second;
          return std::string(column < 0 ? "" : trimmed(row[static_cast<std::size_t>(column)]));
        };
        const std::string place = cat("hemorrhage: ", printable(path), ":", line), id = field("ImgID");
        require<DataError>(!id.empty(), place, ": the image has no name");
        SliceKey key{field("PatientID"), field("StudyInstanceUID"), field("SeriesInstanceUID")};
        const std::string same = field("SameAs"), pass = field("Pass");
        if (!pass.empty() && pass != "1") key.series += " pass " + pass;
        require<DataError>(listed.insert(id).second, place, ": image ", printable(id, 60),
                           " is listed twice");
        if (!same.empty() && same != id) {
          table.same_as.emplace(id, same);
          return;
        }
        const bool along = !field("SlicePosition").empty();
        const char* const column = along ? "SlicePosition" : "ImagePositionPatient";
        const std::string text = field(column);
        if (text.empty() || key.series.empty()) {
          table.placeless.push_back(id);
          return;
        }
        const std::vector<double> position = numbers_in(text);
        require<DataError>(!position.empty(), place, ": ", column, " is '", printable(text, 40),
                           "', not the coordinates of a slice");
        key.position =
            along ? position[0] : projected(position, numbers_in(field("ImageOrientationPatient")));
        table.keys.emplace(id, std::move(key));
      });
  return table;
}

Slices open_slices(const std::string& data_dir, const std::string& base) {
  const std::string metadata = data_dir + "/" + base + "_metadata.csv",
                    table = data_dir + "/reshaped_stage_2_train.csv";
  const bool labelled = base == "train";
  if (labelled) require_made(table, "process-labels");
  const SliceTable places = read_slice_table(metadata);
  const std::set<std::string> placeless(places.placeless.begin(), places.placeless.end());
  std::int64_t copies = 0, lost = 0;
  const auto labels = labelled ? read_reshaped_labels(table) : decltype(read_reshaped_labels(table)){};
  const std::shared_ptr<const Dataset> pictures = open_pictures(data_dir, base);
  struct Found {
    SampleInfo info;
    const SliceKey* key;
  };
  std::vector<Found> found;
  std::set<std::string> seen;
  for (std::int64_t i = 0; i < pictures->size(); ++i) {
    Found one{pictures->info(i), nullptr};
    SampleInfo& info = one.info;
    const std::string id = image_id(info.name);
    require<DataError>(seen.insert(id).second, "hemorrhage: ", printable(data_dir), " has two pictures of ",
                       printable(id, 60), "; remove one, or extract into an empty folder");
    if (places.same_as.contains(id)) {
      ++copies;
      continue;
    }
    if (placeless.contains(id)) {
      ++lost;
      continue;
    }
    const auto key = places.keys.find(id);
    require<DataError>(key != places.keys.end(), "hemorrhage: the picture ", printable(id, 60), " is not in ",
                       printable(metadata), "; make that again with hemorrhage create-metadata");
    one.key = &key->second;
    info.name = id;
    info.path.clear();  // known by its name, wherever it lies
    info.patient = key->second.patient.empty() ? key->second.series : key->second.patient;
    info.record = i;
    if (labelled) {
      const auto label = labels.find(id);
      require<DataError>(label != labels.end(), "hemorrhage: the picture ", printable(id, 60),
                         " has no labels in ", printable(table),
                         "; make that again with hemorrhage process-labels");
      for (std::size_t s = 0; s < subtypes.size(); ++s)
        if (label->second.label(s)) info.labels.push_back(static_cast<int>(s));
    }
    found.push_back(std::move(one));
  }
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    return std::tie(a.info.patient, a.key->study, a.key->series, a.key->position, a.info.name) <
           std::tie(b.info.patient, b.key->study, b.key->series, b.key->position, b.info.name);
  });
  Slices all;
  std::vector<SampleInfo> infos;
  for (Found& one : found) {
    infos.push_back(std::move(one.info));
    all.keys.push_back(*one.key);
  }
  all.labelled = labelled;
  if (copies > 0)
    all.notes.push_back(cat(copies, " pictures are left out: another image has the same bytes"));
  if (lost > 0)
    all.notes.push_back(
        cat(lost, " pictures are left out: ", printable(metadata), " gives them no series or no position"));
  all.set = std::make_unique<SliceSet>(std::move(infos), data_dir, pictures);
  return all;
}

}  // namespace gadolin::hemorrhage
