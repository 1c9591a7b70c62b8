// The part that all readers of boxes share: sizes of the pictures, boxes within them, numbers of the classes.
#include <algorithm>
#include <atomic>
#include <thread>

#include "data/sets/boxes/raw_boxes.h"
#include "io/atomic_file.h"
#include "io/mapped_file.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::detail {
namespace {

// A header, or why there is none.
struct HeaderResult {
  ImageHeader header;
  std::string error;
};

std::vector<HeaderResult> headers_of(const RawBoxes& raw, const HeaderOf& header_of) {
  std::vector<HeaderResult> all(raw.pictures.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < all.size(); i = next++) {
      try {
        all[i].header = header_of(raw.pictures[i]);
      } catch (const Error& e) {
        all[i].error = e.message();
      }
    }
  };
  std::vector<std::jthread> workers;
  const std::size_t threads = std::min<std::size_t>(std::thread::hardware_concurrency(), all.size() / 64);
  for (std::size_t t = 1; t < threads; ++t) workers.emplace_back(work);
  work();
  workers.clear();
  return all;
}

class BoxFinisher {
 public:
  BoxFinisher(RawBoxes raw, const DatasetOptions& options) : raw_(std::move(raw)), options_(options) {}

  std::unique_ptr<DetectionSet> finish(const HeaderOf& header_of) {
    require<DataError>(!raw_.pictures.empty(), "boxes: ", printable(raw_.root), " lists no pictures");
    number_classes();
    const std::vector<HeaderResult> headers = headers_of(raw_, header_of);
    for (std::size_t i = 0; i < headers.size(); ++i) place_picture(raw_.pictures[i], headers[i]);
    for (const RawBox& box : raw_.boxes) place_box(box);
    require<DataError>(!infos_.empty(), "boxes: ", printable(raw_.root), " has no usable pictures");
    for (SampleInfo& info : infos_) {
      std::sort(info.labels.begin(), info.labels.end());
      info.labels.erase(std::unique(info.labels.begin(), info.labels.end()), info.labels.end());
    }
    notes();
    return std::make_unique<DetectionSet>(
        classes_, std::move(infos_), raw_.root,
        DetectionSet::Content{std::move(pictures_), std::move(ids_), std::move(raw_.files),
                              std::move(raw_.notes), raw_.counts});
  }

 private:
  void number_classes() {
    classes_ = options_.classes;
    if (classes_.empty() && !options_.class_file.empty()) classes_ = read_class_file(options_.class_file);
    if (classes_.empty()) {
      classes_ = raw_.classes;
      ids_ = raw_.class_ids;
    }
    if (classes_.empty()) {
      classes_ = raw_.names.all();
      std::sort(classes_.begin(), classes_.end());
    }
    std::unordered_map<std::string, int> number;
    for (std::size_t c = 0; c < classes_.size(); ++c) {
      require<DataError>(number.emplace(classes_[c], static_cast<int>(c)).second, "boxes: class '",
                         printable(classes_[c]), "' is listed twice");
      if (ids_.size() > c) continue;
      // Numbers of the file where it has them, joined by name.
      const auto known = std::find(raw_.classes.begin(), raw_.classes.end(), classes_[c]);
      ids_.push_back(raw_.classes.empty() ? static_cast<std::int64_t>(c)
                     : known == raw_.classes.end()
                         ? -1
                         : raw_.class_ids[static_cast<std::size_t>(known - raw_.classes.begin())]);
    }
    for (const std::string& name : raw_.names.all()) {
      const auto found = number.find(name);
      label_.push_back(found == number.end() ? -1 : found->second);
    }
  }

  void place_picture(const RawPicture& raw, const HeaderResult& found) {
    place_.push_back(-1);
    const bool right = row_is_right(options_, [&] {
      require<DataError>(found.error.empty(), raw_.place(raw.origin), ": ", found.error);
    });
    if (!right) return;
    place_.back() = static_cast<std::int64_t>(infos_.size());
    MarkedPicture picture;
    picture.width = found.header.width;
    picture.height = found.header.height;
    picture.orientation = found.header.orientation;
    picture.stated_width = raw.width;
    picture.stated_height = raw.height;
    picture.side = raw.side;
    picture.id = raw.id;
    picture.origin = raw.origin;
    const bool stated = raw.width > 0 && raw.height > 0,
               as_stored = raw.width == picture.width && raw.height == picture.height;
    const bool as_shown =
        picture.orientation >= 5 && raw.width == picture.height && raw.height == picture.width;
    // A square, or a turn by half, looks the same in both.
    const bool open =
        picture.orientation > 1 && (!stated || as_shown == as_stored || picture.orientation < 5);
    shown_.push_back(open ? options_.boxes_on_shown : as_shown);
    picture.doubtful = open && !options_.boxes_on_shown;
    if (stated && !as_stored && !as_shown && other_size_++ == 0) {
      first_other_ = cat(printable(raw.name), ": ", raw.width, " x ", raw.height, ", the file has ",
                         picture.width, " x ", picture.height);
    }
    SampleInfo info;
    info.name = raw.name;
    info.path = raw.path;
    info.patient = raw.patient.empty() ? patient_of(raw.name, options_) : raw.patient;
    info.split = raw.split;
    info.record = static_cast<std::int64_t>(pictures_.size());
    infos_.push_back(std::move(info));
    pictures_.push_back(std::move(picture));
  }

  void place_box(const RawBox& raw) {
    const std::int64_t at = place_[raw.picture];
    if (at < 0) {  // of a picture that was left out
      ++raw_.counts.wrong;
      return;
    }
    if ((options_.skip_difficult && raw.difficult) || (options_.skip_truncated && raw.truncated)) {
      ++raw_.counts.passed_over;
      return;
    }
    MarkedPicture& picture = pictures_[static_cast<std::size_t>(at)];
    SampleInfo& info = infos_[static_cast<std::size_t>(at)];
    const bool right = row_is_right(options_, [&] { picture.boxes.push_back(marked(raw, picture, at)); });
    if (!right) {
      ++raw_.counts.wrong;
      return;
    }
    ++raw_.counts.boxes;
    // A crowd of a class is nothing that a detector learns from.
    if (!raw.crowd) info.labels.push_back(picture.boxes.back().box.label);
  }

  MarkedBox marked(const RawBox& raw, const MarkedPicture& picture, std::int64_t at) {
    const RowPlace place{raw_, raw.origin};
    const int label = label_[static_cast<std::size_t>(raw.name)];
    if (label < 0) {
      const std::string& name = raw_.names.all()[static_cast<std::size_t>(raw.name)];
      const std::string near = nearest(name, classes_);
      fail<DataError>(place, ": class '", printable(name), "' is not among the ", classes_.size(), " classes",
                      near.empty() ? "" : "; is it ", printable(near), near.empty() ? "" : "?");
    }
    const bool shown = shown_[static_cast<std::size_t>(at)];
    const bool across = shown && picture.orientation >= 5;
    MarkedBox out;
    bool clipped = false;
    out.box = options_.as_written ? written_box(raw, place)
                                  : checked_box(raw, across ? picture.height : picture.width,
                                                across ? picture.width : picture.height, place, clipped);
    if (shown) {
      const ImageHeader header{picture.width, picture.height, picture.orientation};
      const StoredPoint a = stored_point(header, out.box.x1, out.box.y1),
                        b = stored_point(header, out.box.x2, out.box.y2);
      out.box = {std::min(a.x, b.x), std::min(a.y, b.y), std::max(a.x, b.x), std::max(a.y, b.y), 0};
      ++raw_.counts.turned;
    }
    out.box.label = label;
    out.box.ellipse = raw.ellipse;
    out.area = raw.area >= 0 ? raw.area : (raw.x2 - raw.x1) * (raw.y2 - raw.y1);
    out.crowd = raw.crowd;
    out.difficult = raw.difficult;
    out.truncated = raw.truncated;
    out.id = raw.id;
    out.origin = raw.origin;
    raw_.counts.clipped += clipped;
    return out;
  }

  void notes() {
    const auto doubtful = std::ranges::count_if(
        pictures_, [](const MarkedPicture& p) { return p.doubtful && !p.boxes.empty(); });
    if (doubtful > 0) {
      raw_.notes.push_back(cat(doubtful,
                               doubtful == 1 ? " picture with boxes is" : " pictures with boxes are",
                               " shown turned or mirrored by EXIF, and sizes do not tell on what boxes were "
                               "drawn; they are taken to lie on stored pixels, else give --boxes-on-shown"));
    }
    if (other_size_ > 0) {
      raw_.notes.push_back(cat(other_size_, other_size_ == 1 ? " picture has" : " pictures have",
                               " another size than the table says (", first_other_, ")"));
    }
  }

  RawBoxes raw_;
  const DatasetOptions& options_;
  std::vector<std::string> classes_;
  std::vector<std::int64_t> ids_;
  std::vector<int> label_;           // of each name, -1: none
  std::vector<std::int64_t> place_;  // of each raw picture, -1: left out
  std::vector<bool> shown_;          // whether boxes were drawn on the shown picture
  std::vector<SampleInfo> infos_;
  std::vector<MarkedPicture> pictures_;
  std::int64_t other_size_ = 0;
  std::string first_other_;
};

}  // namespace

int ClassNames::number(const std::string& name) {
  const auto [found, fresh] = number_.emplace(name, static_cast<int>(all_.size()));
  if (fresh) all_.push_back(name);
  return found->second;
}

std::string RawBoxes::place(const BoxOrigin& origin) const {
  const std::string& file = files[static_cast<std::size_t>(origin.file)];
  return origin.entry < 0
             ? cat("boxes: ", printable(file), ":", origin.line)
             : cat("boxes: ", printable(file), ":", origin.line, ": annotations[", origin.entry, "]");
}

bool row_is_right(const DatasetOptions& options, const std::function<void()>& f) {
  try {
    f();
  } catch (const DataError& e) {
    if (!options.problems) throw;
    options.problems->push_back(e.what());
    return false;
  }
  return true;
}

ImageHeader stated_header(const RawPicture& picture) { return {picture.width, picture.height, 1}; }

ImageHeader header_of_file(const RawPicture& picture) {
  const MappedFile file(picture.path);
  return read_image_header({reinterpret_cast<const std::uint8_t*>(file.data()), file.size()}, picture.name);
}

std::unique_ptr<DetectionSet> finish_boxes(RawBoxes raw, const DatasetOptions& options,
                                           const HeaderOf& header_of) {
  return BoxFinisher(std::move(raw), options).finish(options.as_written ? stated_header : header_of);
}

}  // namespace gadolin::detail
