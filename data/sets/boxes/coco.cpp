// COCO (Lin et al. 2014): images, annotations and categories of a JSON file, joined by their ids.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "data/sets/boxes/coco_json.h"
#include "data/sets/boxes/raw_boxes.h"
#include "io/mapped_file.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace fs = std::filesystem;
namespace detail {
namespace {

// Entries may come in any order, so annotations wait until all is read.
struct CocoBox {
  std::int64_t image = 0, category = 0;
  RawBox box;
};

class CocoReader {
 public:
  CocoReader(const std::string& name, const DatasetOptions& options, Split split, RawBoxes& raw)
      : name_(name), options_(options), split_(split), raw_(raw), file_(static_cast<int>(raw.files.size())) {
    raw_.files.push_back(name);
  }

  void entry(const CocoEntry& e) {
    const CocoPlace place{name_, e};
    switch (e.list) {
      case CocoEntry::List::images: row_is_right(options_, [&] { image(e, place); }); return;
      case CocoEntry::List::categories: return category(e, place);
      case CocoEntry::List::results: return;
      case CocoEntry::List::annotations:
        ++raw_.counts.rows;
        if (!row_is_right(options_, [&] { annotation(e, place); })) ++raw_.counts.wrong;
    }
  }

  void finish(const CocoLists& lists) {
    require<DataError>(
        !lists.results, "boxes: ", printable(name_),
        " is a list, as results are; needed is an object with images, annotations and categories");
    for (const auto& [has, what] :
         {std::pair(lists.images, "images"), std::pair(lists.annotations, "annotations"),
          std::pair(lists.categories, "categories")})
      require<DataError>(has, "boxes: ", printable(name_), " has no list ", what);
    for (const auto& [id, name] : categories_) {
      const auto known = std::find(raw_.classes.begin(), raw_.classes.end(), name);
      if (known == raw_.classes.end()) {
        raw_.classes.push_back(name);
        raw_.class_ids.push_back(id);
      } else if (raw_.class_ids[static_cast<std::size_t>(known - raw_.classes.begin())] != id) {
        ++renumbered_;
      }
    }
    for (CocoBox& waiting : boxes_)
      if (!row_is_right(options_, [&] { join(waiting); })) ++raw_.counts.wrong;
    notes();
  }

 private:
  void image(const CocoEntry& e, const CocoPlace& place) {
    RawPicture picture;
    picture.id = coco_integer(e[CocoField::id], "id", place);
    const CocoValue& file = e[CocoField::file_name];
    require<DataError>(file.kind == CocoValue::Kind::text && !trimmed(file.text).empty(), place,
                       " has no file_name");
    picture.name = file.text;
    picture.patient = e[CocoField::patient].text;
    if (const CocoValue& side = e[CocoField::side]; side.kind == CocoValue::Kind::text)
      picture.side = box_side(side.text, place);
    picture.split = split_;
    if (e[CocoField::split].kind == CocoValue::Kind::text)
      picture.split = split_from(e[CocoField::split].text, std::string(place));
    side(picture.width, e[CocoField::width], "width", place);
    side(picture.height, e[CocoField::height], "height", place);
    picture.origin = {file_, e.line, -1};
    const auto [name, new_name] = image_of_name_.emplace(picture.name, e.number);
    require<DataError>(new_name, place, ": ", printable(picture.name), " is that of images[", name->second,
                       "] already");
    const auto [other, fresh] = image_.emplace(picture.id, raw_.pictures.size());
    if (!fresh)
      fail<DataError>(place, ": id ", picture.id, " is that of ",
                      printable(raw_.pictures[other->second].name), " already");
    raw_.pictures.push_back(std::move(picture));
  }
  // -1 and 0 are met where a tool did not know the size.
  void side(int& out, const CocoValue& value, const char* what, const CocoPlace& place) {
    if (value.kind == CocoValue::Kind::absent) return;
    const double number = coco_number(value, what, place);
    if (number == -1 || number == 0) {
      unknown_sizes_.insert(place.entry.number);
      return;
    }
    require<DataError>(number >= 1 && number <= 1e6 && number == std::floor(number), place, ": ", what, " ",
                       number, " is no size of a picture");
    out = static_cast<int>(number);
  }

  void category(const CocoEntry& e, const CocoPlace& place) {
    const std::int64_t id = coco_integer(e[CocoField::id], "id", place);
    const std::string name(trimmed(e[CocoField::name].text));
    require<DataError>(!name.empty(), place, " has no name");
    const auto [known, fresh] = categories_.emplace(id, name);
    require<DataError>(fresh, place, ": id ", id, " is that of category '", printable(known->second),
                       "' already");
    require<DataError>(category_names_.insert(name).second, place, ": category '", printable(name),
                       "' is listed twice");
  }

  void annotation(const CocoEntry& e, const CocoPlace& place) {
    CocoBox out;
    RawBox& box = out.box;
    box.origin = {file_, e.line, e.number};
    box.from_size = true;
    if (e[CocoField::id].kind == CocoValue::Kind::absent) {
      ++without_id_;
      box.id = e.number;
    } else {
      box.id = coco_integer(e[CocoField::id], "id", place);
      if (!ids_.insert(box.id).second && repeated_++ == 0) first_repeated_ = box.id;
    }
    out.image = coco_integer(e[CocoField::image_id], "image_id", place);
    out.category = coco_integer(e[CocoField::category_id], "category_id", place);
    const std::array<double, 4> b = coco_bbox(place);
    if (e[CocoField::area].kind == CocoValue::Kind::absent) {
      ++without_area_;
    } else {
      box.area = coco_number(e[CocoField::area], "area", place);
      require<DataError>(box.area >= 0, place, ": area ", box.area, " is below 0");
    }
    if (e[CocoField::iscrowd].kind == CocoValue::Kind::absent) {
      ++without_crowd_;
    } else {
      const double crowd = coco_number(e[CocoField::iscrowd], "iscrowd", place);
      require<DataError>(crowd == 0 || crowd == 1, place, ": iscrowd is ", crowd, ", not 0 or 1");
      box.crowd = crowd == 1;
    }
    if (!options_.as_written && b[2] >= 0 && b[3] >= 0 && (b[2] < 1 || b[3] < 1)) {
      ++raw_.counts.thin;
      return;
    }
    box.x1 = b[0];
    box.y1 = b[1];
    box.x2 = b[0] + b[2];
    box.y2 = b[1] + b[3];
    boxes_.push_back(out);
  }

  void join(CocoBox& waiting) {
    const auto place = [&] { return raw_.place(waiting.box.origin); };
    const auto image = image_.find(waiting.image);
    if (image == image_.end())
      fail<DataError>(place(), ": image_id ", waiting.image, " is not among the images");
    const auto category = categories_.find(waiting.category);
    if (category == categories_.end())
      fail<DataError>(place(), ": category_id ", waiting.category, " is not among the categories");
    waiting.box.picture = image->second;
    waiting.box.name = raw_.names.number(category->second);
    raw_.boxes.push_back(waiting.box);
  }

  void notes() {
    std::string text;
    const auto add = [&](std::int64_t count, const char* without, const char* taken) {
      if (count > 0) text += cat(text.empty() ? "" : ", ", count, " without ", without, " (", taken, ")");
    };
    add(without_area_, "area", "width x height is taken");
    add(without_crowd_, "iscrowd", "0 is taken");
    add(without_id_, "id", "its number is taken");
    if (!text.empty()) raw_.notes.push_back(cat(printable(name_), ": annotations ", text));
    if (const std::size_t unknown = unknown_sizes_.size(); unknown > 0)
      raw_.notes.push_back(cat(printable(name_), ": ", unknown, unknown == 1 ? " image has" : " images have",
                               " a width or height of 0 or -1; that of the file is taken"));
    if (repeated_ > 0)
      raw_.notes.push_back(cat(printable(name_), ": ", repeated_,
                               repeated_ == 1 ? " annotation has" : " annotations have",
                               " the id of another (", first_repeated_, "); all are kept"));
    if (renumbered_ > 0)
      raw_.notes.push_back(cat(printable(name_), ": ", renumbered_,
                               renumbered_ == 1 ? " category has" : " categories have",
                               " another id than in ", printable(raw_.files.front()), "; joined by name"));
  }

  const std::string& name_;
  const DatasetOptions& options_;
  Split split_;
  RawBoxes& raw_;
  int file_;
  std::unordered_map<std::int64_t, std::size_t> image_;
  std::unordered_map<std::string, std::int64_t> image_of_name_;
  std::map<std::int64_t, std::string> categories_;
  std::set<std::string> category_names_;
  std::set<std::int64_t> ids_, unknown_sizes_;
  std::vector<CocoBox> boxes_;
  std::int64_t without_id_ = 0, without_area_ = 0, without_crowd_ = 0, repeated_ = 0, first_repeated_ = 0,
               renumbered_ = 0;
};

}  // namespace

void parse_coco(std::string_view text, const std::string& name, const DatasetOptions& options, Split split,
                RawBoxes& raw) {
  CocoReader reader(name, options, split, raw);
  reader.finish(read_coco_json(text, name, [&](const CocoEntry& e) { reader.entry(e); }));
}

}  // namespace detail

namespace {

// NAME of instances_NAME.json, else its name without the ending.
std::string part_of(const fs::path& file) {
  const std::string stem = file.stem().string();
  return stem.starts_with("instances_") ? stem.substr(10) : stem;
}

// train2017 is a train split.
Split split_of_part(std::string part) {
  while (!part.empty() && part.back() >= '0' && part.back() <= '9') part.pop_back();
  return detail::split_called(part).value_or(Split::none);
}

// Paths of the pictures that one file has named, all in the first folder that holds the first of them.
void find_pictures(detail::RawBoxes& raw, std::size_t from, const fs::path& file, bool several,
                   const DatasetOptions& options) {
  const fs::path here = file.parent_path().empty() ? "." : file.parent_path();
  const std::string part = part_of(file);
  std::vector<fs::path> folders{here / ".." / "images" / part, here / ".." / part, here / ".." / "images",
                                here / "images" / part,        here / "images",    here};
  if (!options.image_folder.empty()) folders = {fs::path(options.image_folder) / part, options.image_folder};
  std::error_code error;
  fs::path folder = folders.back();
  for (const fs::path& candidate : folders) {
    if (from < raw.pictures.size() && fs::exists(candidate / raw.pictures[from].name, error)) {
      folder = candidate;
      break;
    }
  }
  folder = folder.lexically_normal();
  for (std::size_t i = from; i < raw.pictures.size(); ++i) {
    detail::RawPicture& picture = raw.pictures[i];
    picture.path = (folder / picture.name).string();
    detail::check_inside(picture.path, folder.string(), options, raw.place(picture.origin));
    if (several) picture.name = part + "/" + picture.name;
  }
}

}  // namespace

std::unique_ptr<DetectionSet> open_coco(const std::string& path, const DatasetOptions& options) {
  std::error_code error;
  std::vector<fs::path> files;
  const fs::path folder = fs::path(path) / "annotations";
  if (!fs::is_directory(path, error)) {
    files.push_back(path);
  } else {
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      const std::string name = entry.path().filename().string();
      const bool wanted = options.part.empty() || part_of(entry.path()) == options.part;
      if (wanted && name.starts_with("instances_") && has_ending(name, ".json"))
        files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    require<DataError>(!files.empty(), "boxes: ", printable(folder.string()), " holds no instances_",
                       options.part.empty() ? "NAME" : printable(options.part), ".json");
  }
  detail::RawBoxes raw;
  raw.root = path;
  for (const fs::path& file : files) {
    const MappedFile mapped(file.string());
    const std::size_t from = raw.pictures.size();
    detail::parse_coco(mapped.text(), file.string(), options, split_of_part(part_of(file)), raw);
    find_pictures(raw, from, file, files.size() > 1, options);
  }
  return detail::finish_boxes(std::move(raw), options);
}

bool holds_coco(const std::string& root) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fs::path(root) / "annotations", error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("instances_") && has_ending(name, ".json")) return true;
  }
  return false;
}

}  // namespace gadolin
