// Pascal VOC: an XML file a picture (Everingham et al. 2010, the development kit's VOCREADXML).
#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include <pugixml.hpp>

#include "data/sets/boxes/raw_boxes.h"
#include "io/atomic_file.h"
#include "io/bytes.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace fs = std::filesystem;
namespace detail {
namespace {

class VocReader {
 public:
  VocReader(std::string_view text, const std::string& name, const DatasetOptions& options,
            std::size_t picture, RawBoxes& raw)
      : text_(text), options_(options), picture_(picture), raw_(raw),
        file_(static_cast<int>(raw.files.size())) {
    raw_.files.push_back(name);
    for (std::size_t i = 0; i < text.size(); ++i)
      if (text[i] == '\n') ends_.push_back(static_cast<std::ptrdiff_t>(i));
  }

  void read() {
    pugi::xml_document document;
    // Not the document's own word for its encoding: places are counted in its bytes.
    const pugi::xml_parse_result result =
        document.load_buffer(text_.data(), text_.size(), pugi::parse_default, pugi::encoding_utf8);
    require<DataError>(result, place(line_at(result.offset)), ": no XML: ", result.description());
    const pugi::xml_node root = document.child("annotation");
    require<DataError>(root, place(1), ": there is no <annotation>; is it an annotation of Pascal VOC?");
    if (const pugi::xml_node size = root.child("size")) read_size(size);
    for (const pugi::xml_node object : root.children("object")) {
      ++raw_.counts.rows;
      if (!row_is_right(options_, [&] { read_object(object); })) ++raw_.counts.wrong;
    }
  }

 private:
  // Of a million objects each one's line is asked for.
  std::int64_t line_at(std::ptrdiff_t offset) const {
    return 1 + (std::lower_bound(ends_.begin(), ends_.end(), offset) - ends_.begin());
  }
  std::string place(std::int64_t line) const { return raw_.place({file_, line, -1}); }
  std::string place(const pugi::xml_node& node) const { return place(line_at(node.offset_debug())); }

  void read_size(const pugi::xml_node& size) {
    RawPicture& picture = raw_.pictures[picture_];
    int* const side[] = {&picture.width, &picture.height};
    const char* const names[] = {"width", "height"};
    for (int i = 0; i < 2; ++i) {
      const pugi::xml_node node = size.child(names[i]);
      if (!node) continue;
      const double value = box_number(node.child_value(), names[i], place(node));
      // 0 x 0 is written by tools that did not open the picture.
      require<DataError>(value >= 0 && value <= 1e6 && value == static_cast<int>(value), place(node), ": ",
                         names[i], " ", value, " is no size of a picture");
      *side[i] = static_cast<int>(value);
    }
  }

  bool flag(const pugi::xml_node& object, const char* name) const {
    const pugi::xml_node node = object.child(name);
    const std::string_view text = trimmed(node.child_value());
    if (text.empty() || text == "0" || text == "Unspecified") return false;
    require<DataError>(text == "1", place(node), ": ", name, " is '", printable(text, 40), "', not 0 or 1");
    return true;
  }

  void read_object(const pugi::xml_node& object) {
    const std::string where = place(object);
    const std::string name(trimmed(object.child("name").child_value()));
    require<DataError>(!name.empty(), where, ": the object has no <name>");
    require<DataError>(printable(name) == name, where, ": class '", printable(name),
                       "' is not text in UTF-8; convert the file");
    const pugi::xml_node corners = object.child("bndbox");
    require<DataError>(corners, where, ": the object has no <bndbox>");
    require<DataError>(!corners.next_sibling("bndbox"), where, ": the object has two <bndbox>");
    RawBox box;
    double* const all[] = {&box.x1, &box.y1, &box.x2, &box.y2};
    const char* const names[] = {"xmin", "ymin", "xmax", "ymax"};
    for (int i = 0; i < 4; ++i) {
      const pugi::xml_node corner = corners.child(names[i]);
      require<DataError>(corner, place(corners), ": <bndbox> has no <", names[i], ">");
      *all[i] = box_number(corner.child_value(), names[i], place(corner)) - 1;
    }
    box.picture = picture_;
    box.truncated = flag(object, "truncated");
    box.difficult = flag(object, "difficult");
    box.name = raw_.names.number(name);
    box.id = raw_.counts.rows;
    box.origin = {file_, line_at(corners.offset_debug()), -1};
    raw_.boxes.push_back(box);
  }

  std::string_view text_;
  const DatasetOptions& options_;
  std::size_t picture_;
  RawBoxes& raw_;
  int file_;
  std::vector<std::ptrdiff_t> ends_;  // of the lines
};

}  // namespace

void parse_voc(std::string_view text, const std::string& name, const DatasetOptions& options,
               std::size_t picture, RawBoxes& raw) {
  VocReader(text, name, options, picture, raw).read();
}

}  // namespace detail

namespace {

// The folder of one of these names below `root`; empty when there is none.
std::string folder_below(const std::string& root, std::initializer_list<const char*> names) {
  std::error_code error;
  for (const char* name : names)
    if (fs::is_directory(fs::path(root) / name, error)) return (fs::path(root) / name).string();
  return "";
}
std::string annotations_below(const std::string& root) {
  return folder_below(root, {"Annotations", "annotations"});
}

// File names by their stem, sorted; two of one stem stand side by side.
std::multimap<std::string, std::string> by_stem(const std::string& folder, bool pictures) {
  std::set<fs::path> sorted;  // the order of a directory is chance
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  if (error) fail_file("boxes", printable(folder), error.value());
  for (const auto& entry : entries) sorted.insert(entry.path());
  std::multimap<std::string, std::string> files;
  for (const fs::path& file : sorted) {
    if (pictures ? detail::is_image_file(file.string()) : has_ending(file.string(), ".xml"))
      files.emplace(file.stem().string(), file.filename().string());
  }
  return files;
}

// One line of a list, and the split of the list.
struct VocEntry {
  std::string id;
  Split split;
  std::string place;
};

void read_list(const std::string& file, Split split, std::vector<VocEntry>& entries) {
  const std::vector<std::uint8_t> bytes = read_bytes(file, 256 << 20);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::int64_t line = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    ++line;
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view whole = trimmed(text.substr(begin, end - begin));
    begin = end + 1;
    // The lists of one class have 1, 0 or -1 behind the name.
    const std::string_view id = whole.substr(0, whole.find_first_of(" \t"));
    if (!id.empty()) entries.push_back({std::string(id), split, cat("boxes: ", printable(file), ":", line)});
  }
}

std::vector<VocEntry> entries_of(const std::string& root, const std::string& part,
                                 const std::multimap<std::string, std::string>& annotations) {
  std::vector<VocEntry> entries;
  const fs::path lists = fs::path(root) / "ImageSets" / "Main";
  std::error_code error;
  if (!part.empty()) {
    const fs::path file = lists / (part + ".txt");
    require<DataError>(fs::is_regular_file(file, error), "boxes: ", printable(file.string()),
                       " does not exist; give a list of ImageSets/Main by its name without .txt");
    read_list(file.string(), detail::split_called(part).value_or(Split::none), entries);
    require<DataError>(!entries.empty(), "boxes: ", printable(file.string()), " lists no pictures");
    return entries;
  }
  for (const Split split : {Split::train, Split::val, Split::test}) {
    const fs::path file = lists / (std::string(split_name(split)) + ".txt");
    if (fs::is_regular_file(file, error)) read_list(file.string(), split, entries);
  }
  if (!entries.empty()) return entries;
  for (const auto& [stem, file] : annotations)
    entries.push_back({stem, Split::none, cat("boxes: ", printable(file))});
  return entries;
}

}  // namespace

std::unique_ptr<DetectionSet> open_voc(const std::string& root, const DatasetOptions& options) {
  const std::string annotations = annotations_below(root);
  require<DataError>(!annotations.empty(), "boxes: ", printable(root),
                     " has no folder Annotations; Pascal VOC has Annotations/ID.xml and JPEGImages/ID.jpg");
  const std::string folder = options.image_folder.empty()
                                 ? folder_below(root, {"JPEGImages", "jpegimages", "images", "Images"})
                                 : options.image_folder;
  require<DataError>(!folder.empty(), "boxes: ", printable(root), " has no folder JPEGImages and no images");
  const auto xml = by_stem(annotations, false), pictures = by_stem(folder, true);
  detail::RawBoxes raw;
  raw.root = root;
  std::set<std::string> seen;
  for (const VocEntry& entry : entries_of(root, options.part, xml)) {
    detail::row_is_right(options, [&] {
      require<DataError>(seen.insert(entry.id).second, entry.place, ": ", printable(entry.id),
                         " is listed twice");
      const auto annotation = xml.find(entry.id);
      require<DataError>(annotation != xml.end(), entry.place, ": ", printable(entry.id),
                         " has no annotation ", printable(annotations), "/", printable(entry.id), ".xml");
      const auto [begin, end] = pictures.equal_range(entry.id);
      require<DataError>(begin != end, entry.place, ": ", printable(entry.id), " has no picture in ",
                         printable(folder));
      if (const auto second = std::next(begin); second != end)
        fail<DataError>(entry.place, ": ", printable(entry.id), " has two pictures, ",
                        printable(begin->second), " and ", printable(second->second));
      detail::RawPicture picture;
      picture.path = (fs::path(folder) / begin->second).string();
      picture.name = begin->second;
      picture.split = entry.split;
      picture.id = std::ssize(raw.pictures);
      picture.origin = {static_cast<int>(raw.files.size()), 1, -1};
      detail::check_inside(picture.path, folder, options, entry.place);
      const std::string file = annotations + "/" + annotation->second;
      const std::vector<std::uint8_t> bytes = read_bytes(file, 64 << 20);
      raw.pictures.push_back(std::move(picture));
      const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      try {
        detail::parse_voc(text, file, options, raw.pictures.size() - 1, raw);
      } catch (const DataError&) {  // not of an object, so of the file
        raw.pictures.pop_back();
        throw;
      }
    });
  }
  return detail::finish_boxes(std::move(raw), options);
}

bool holds_voc(const std::string& root) {
  const std::string annotations = annotations_below(root);
  if (annotations.empty()) return false;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(annotations, error))
    if (has_ending(entry.path().string(), ".xml")) return true;
  return false;
}

}  // namespace gadolin
