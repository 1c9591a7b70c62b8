#include "data/sets/boxes/write_boxes.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include <pugixml.hpp>
#include <sstream>

#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/json.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace fs = std::filesystem;
namespace {

// path,x1,y1,x2,y2,class,patient,split of every box, with side and shape where some are known; `paths` of
// each picture.
CsvTable table_of(const DetectionSet& set, const std::vector<std::string>& paths) {
  CsvTable table{"", {"path", "x1", "y1", "x2", "y2", "class", "patient", "split"}, {}, {}};
  std::vector<std::string> sides, shapes;  // of the rows
  for (std::int64_t i = 0; i < set.size(); ++i) {
    const SampleInfo& info = set.info(i);
    const std::string& path = paths[static_cast<std::size_t>(i)];
    if (set.picture(i).boxes.empty())
      table.rows.push_back({path, "", "", "", "", "", info.patient, split_name(info.split)});
    for (const MarkedBox& b : set.picture(i).boxes) {
      table.rows.push_back({path, exact_text(b.box.x1), exact_text(b.box.y1), exact_text(b.box.x2),
                            exact_text(b.box.y2), set.classes()[static_cast<std::size_t>(b.box.label)],
                            info.patient, split_name(info.split)});
      shapes.resize(table.rows.size());
      if (b.box.ellipse) shapes.back() = "ellipse";
    }
    sides.resize(table.rows.size(), set.picture(i).side);
  }
  shapes.resize(table.rows.size());
  for (const auto& [name, values] : {std::pair("side", &sides), std::pair("shape", &shapes)}) {
    if (std::ranges::all_of(*values, [](const std::string& v) { return v.empty(); })) continue;
    table.header.emplace_back(name);
    for (std::size_t r = 0; r < table.rows.size(); ++r) table.rows[r].push_back((*values)[r]);
  }
  return table;
}

// Copies the pictures, and writes one form around them.
class BoxWriter {
 public:
  BoxWriter(const std::string& folder, const DetectionSet& set) : folder_(folder), set_(set) {}

  void table() {
    std::vector<std::string> paths;
    for (std::int64_t i = 0; i < set_.size(); ++i) paths.push_back("images/" + copy(i, "images"));
    write_file_atomically(folder_ + "/boxes.csv", to_csv(table_of(set_, paths)));
    CsvTable classes{"", {"name", "id"}, {}, {}};
    for (const std::string& name : set_.classes())
      classes.rows.push_back({name, std::to_string(classes.rows.size())});
    write_file_atomically(folder_ + "/classes.csv", to_csv(classes));
  }

  void voc() {
    std::string lists[4];
    for (std::int64_t i = 0; i < set_.size(); ++i) {
      const std::string file = copy(i, "JPEGImages"), id = fs::path(file).stem().string();
      text("Annotations/" + id + ".xml", annotation(i, file));
      lists[static_cast<int>(set_.info(i).split)] += id + "\n";
    }
    for (const Split split : {Split::train, Split::val, Split::test}) {
      const std::string& list = lists[static_cast<int>(split)];
      if (!list.empty()) text(cat("ImageSets/Main/", split_name(split), ".txt"), list);
    }
    if (!lists[0].empty()) text("ImageSets/Main/all.txt", lists[0]);
  }

  void coco() {
    for (const Split split : {Split::none, Split::train, Split::val, Split::test}) {
      if (!set_.has_split(split)) continue;
      const std::string part = split == Split::none ? "all" : split_name(split);
      text("annotations/instances_" + part + ".json", coco_part(split, part).dump() + "\n");
    }
  }

 private:
  void text(const std::string& name, const std::string& bytes) const {
    const fs::path path = fs::path(folder_) / name;
    make_folders("boxes", path.parent_path().string());
    write_file_atomically(path.string(), bytes);
  }

  // Returns the name in `below`: numbers, as names of folders below one another do not fit the forms.
  std::string copy(std::int64_t i, const std::string& below) const {
    StoredImage source = set_.read(i);
    if (source.file.empty()) source.file = encode_png(source.image);
    char number[32];
    std::snprintf(number, sizeof number, "%06lld", static_cast<long long>(i));
    const std::string name = number + fs::path(set_.info(i).path).extension().string();
    text(below + "/" + name, {reinterpret_cast<const char*>(source.file.data()), source.file.size()});
    return name;
  }

  std::string annotation(std::int64_t i, const std::string& file) const {
    const MarkedPicture& picture = set_.picture(i);
    pugi::xml_document document;
    pugi::xml_node root = document.append_child("annotation");
    const auto put = [](pugi::xml_node node, const char* name, const std::string& value) {
      node.append_child(name).text().set(value.c_str());
    };
    put(root, "filename", file);
    pugi::xml_node size = root.append_child("size");
    put(size, "width", std::to_string(picture.width));
    put(size, "height", std::to_string(picture.height));
    for (const MarkedBox& b : picture.boxes) {
      pugi::xml_node object = root.append_child("object");
      put(object, "name", set_.classes()[static_cast<std::size_t>(b.box.label)]);
      put(object, "truncated", b.truncated ? "1" : "0");
      put(object, "difficult", b.difficult ? "1" : "0");
      pugi::xml_node box = object.append_child("bndbox");
      const double corners[] = {b.box.x1, b.box.y1, b.box.x2, b.box.y2};
      const char* const names[] = {"xmin", "ymin", "xmax", "ymax"};
      for (int c = 0; c < 4; ++c) put(box, names[c], exact_text(corners[c] + 1));
    }
    std::ostringstream text;
    document.save(text, "  ", pugi::format_indent | pugi::format_no_declaration);
    return text.str();
  }

  Json coco_part(Split split, const std::string& part) const {
    Json json{{"images", Json::array()}, {"annotations", Json::array()}, {"categories", Json::array()}};
    for (std::size_t c = 0; c < set_.classes().size(); ++c) {
      // Classes that were not in the file they came from have no id of their own.
      const std::int64_t id = set_.class_ids()[c];
      json["categories"].push_back(
          {{"id", id >= 0 ? id : 1000000 + static_cast<std::int64_t>(c)}, {"name", set_.classes()[c]}});
    }
    for (std::int64_t i = 0; i < set_.size(); ++i) {
      const SampleInfo& info = set_.info(i);
      if (info.split != split) continue;
      const MarkedPicture& picture = set_.picture(i);
      Json image{{"id", i},
                 {"file_name", copy(i, "images/" + part)},
                 {"width", picture.width},
                 {"height", picture.height}};
      if (!info.patient.empty()) image["patient"] = info.patient;
      if (!picture.side.empty()) image["side"] = picture.side;
      json["images"].push_back(std::move(image));
      for (const MarkedBox& b : picture.boxes) {
        const ObjectBox& box = b.box;
        json["annotations"].push_back(
            {{"id", json["annotations"].size() + 1},
             {"image_id", i},
             {"category_id", json["categories"][static_cast<std::size_t>(box.label)]["id"]},
             {"bbox", {box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1}},
             {"area", b.area},
             {"iscrowd", b.crowd ? 1 : 0}});
      }
    }
    return json;
  }

  const std::string& folder_;
  const DetectionSet& set_;
};

}  // namespace

std::optional<BoxForm> box_form(std::string_view name) {
  if (name == "csv") return BoxForm::table;
  if (name == "voc") return BoxForm::voc;
  if (name == "coco") return BoxForm::coco;
  return std::nullopt;
}

void write_box_table(const std::string& path, const DetectionSet& set) {
  const fs::path folder = fs::absolute(path).parent_path().lexically_normal();
  std::vector<std::string> paths;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    const fs::path file = fs::absolute(set.info(i).path).lexically_normal(),
                   below = file.lexically_relative(folder);
    paths.push_back(!below.empty() && *below.begin() != ".." ? below.string() : file.string());
  }
  write_file_atomically(path, to_csv(table_of(set, paths)));
}

std::vector<std::string> write_boxes(const std::string& folder, const DetectionSet& set, BoxForm form) {
  BoxWriter writer(folder, set);
  std::int64_t crowds = 0, marked = 0, ellipses = 0;
  bool patients = false, sides = false;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    patients = patients || !set.patient(i).empty();
    sides = sides || !set.picture(i).side.empty();
    for (const MarkedBox& b : set.picture(i).boxes) {
      crowds += b.crowd;
      marked += b.difficult || b.truncated;
      ellipses += b.box.ellipse;
    }
  }
  std::vector<std::string> lost;
  const char* const name = form == BoxForm::table ? "a table" : form == BoxForm::voc ? "Pascal VOC" : "COCO";
  const auto ordinary = [&](std::int64_t count, const char* one, const char* more) {
    if (count > 0) lost.push_back(cat(count, " ", count == 1 ? one : more, " in ", name));
  };
  if (form != BoxForm::coco) ordinary(crowds, "crowd is an ordinary box", "crowds are ordinary boxes");
  if (form != BoxForm::table) ordinary(ellipses, "ellipse is a box", "ellipses are boxes");
  if (form != BoxForm::voc)
    ordinary(marked, "difficult or truncated box is an ordinary one",
             "difficult or truncated boxes are ordinary ones");
  if (form == BoxForm::voc && patients) lost.push_back("patients are not named in Pascal VOC");
  if (form == BoxForm::voc && sides) lost.push_back("sides are not named in Pascal VOC");
  form == BoxForm::table ? writer.table() : form == BoxForm::voc ? writer.voc() : writer.coco();
  return lost;
}

}  // namespace gadolin
