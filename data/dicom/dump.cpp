// Text, JSON and CSV from one walk over the elements.
#include "data/dicom/dump.h"

#include <algorithm>
#include <cmath>
#include "io/json.h"

#include "data/dicom/anonymize.h"
#include "data/image/image.h"
#include "io/csv.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

bool wanted(const DicomElement& e, const DumpOptions& o) {
  return o.only.empty() || std::find(o.only.begin(), o.only.end(), e.tag) != o.only.end();
}
bool hidden(const DicomElement& e, const DumpOptions& o) {
  return !o.show_identity && !e.is("SQ") && detail::confidential(e.tag) != detail::Confidential::keep;
}

std::string value_text(const DicomFile& file, const DicomElement& e, const DumpOptions& o) {
  if (hidden(e, o)) return "[hidden]";
  if (e.encapsulated) return cat("[", e.length, " bytes in fragments]");
  std::string text = file.text(e);
  if (text.empty() && e.length > 0) return cat("[", e.length, " bytes]");
  return text;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  if (std::count(text.begin(), text.end(), '\\') >= 1 << 16)
    return {text};  // rather one long value than a string for each byte
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\\', at), text.size());
    std::string part = text.substr(at, end - at);
    while (!part.empty() && part.back() == ' ') part.pop_back();
    while (!part.empty() && part.front() == ' ') part.erase(0, 1);
    out.push_back(std::move(part));
    at = end + 1;
  }
  return out;
}

Json names_of(const std::string& text) {
  Json values = Json::array();
  for (const std::string& name : split(text)) {
    Json one = Json::object();
    std::size_t at = 0;
    for (const char* kind : {"Alphabetic", "Ideographic", "Phonetic"}) {
      const std::size_t end = std::min(name.find('=', at), name.size());
      if (end > at) one[kind] = name.substr(at, end - at);
      at = end + 1;
      if (at > name.size()) break;
    }
    values.push_back(one);
  }
  return values;
}

Json element_json(const DicomFile& file, std::size_t at, const DumpOptions& o);

Json set_json(const DicomFile& file, std::size_t begin, std::size_t end, const DumpOptions& o, bool top) {
  Json set = Json::object();
  for (std::size_t i = begin; i < end; i = file.elements()[i].end) {
    const DicomElement& e = file.elements()[i];
    if ((top && !wanted(e, o)) || (e.tag & 0xffff) == 0) continue;
    char key[9];
    std::snprintf(key, sizeof key, "%08X", e.tag);
    set[key] = element_json(file, i, o);
  }
  return set;
}

Json element_json(const DicomFile& file, std::size_t at, const DumpOptions& o) {
  const DicomElement& e = file.elements()[at];
  const std::string_view vr(e.vr, 2);
  Json out = Json::object();
  out["vr"] = printable(vr);
  if (!dicom_keyword(e.tag).empty()) out["keyword"] = dicom_keyword(e.tag);
  if (vr == "SQ") {
    Json items = Json::array();
    for (const std::size_t i : file.items(e))
      items.push_back(set_json(file, i + 1, file.elements()[i].end, o, false));
    out["Value"] = items;
    return out;
  }
  if (hidden(e, o)) {
    out["Value"] = Json::array({"[hidden]"});
    return out;
  }
  if (e.encapsulated || vr[0] == 'O') return out;
  const std::string text = file.text(e);
  if (text.empty()) return out;
  if (vr == "PN") {
    out["Value"] = names_of(text);
    return out;
  }
  if (vr == "LT" || vr == "ST" || vr == "UT" || vr == "UR") {
    out["Value"] = Json::array({text});
    return out;
  }
  Json values = Json::array();
  const bool number = vr == "US" || vr == "SS" || vr == "UL" || vr == "SL" || vr == "FL" || vr == "FD" ||
                      vr == "IS" || vr == "DS";
  if (number) {
    for (const double v : file.numbers(e)) {
      if (std::isnan(v))
        values.push_back(nullptr);
      else if (std::floor(v) == v && std::abs(v) < 9e15)
        values.push_back(static_cast<std::int64_t>(v));
      else
        values.push_back(v);
    }
  } else {
    for (const std::string& part : split(text)) values.push_back(part);
  }
  out["Value"] = values;
  return out;
}

}  // namespace

std::string dump_text(const DicomFile& file, const DumpOptions& o) {
  std::string out;
  bool keep = true;
  for (const DicomElement& e : file.elements()) {
    if (e.depth == 0) keep = wanted(e, o);
    if (!keep) continue;
    out.append(std::size_t{2} * e.depth, ' ');
    if (e.tag == dicom::item) {
      out += "item\n";
      continue;
    }
    std::string value = e.is("SQ") ? cat(file.items(e).size(), " items") : value_text(file, e, o);
    if (value.size() > o.text_limit) {
      std::size_t cut = o.text_limit;
      while (cut > 0 && (static_cast<unsigned char>(value[cut]) & 0xc0) == 0x80) --cut;
      value = value.substr(0, cut) + "...";
    }
    const std::string_view name = dicom_keyword(e.tag);
    out += dicom_tag_text(e.tag) + " " + printable({e.vr, 2}) + " " +
           (name.empty() ? "-" : std::string(name)) + " = " + printable(value) + "\n";
  }
  return out;
}

std::string dump_json(const DicomFile& file, const DumpOptions& o) {
  return set_json(file, 0, file.elements().size(), o, true)
             .dump(2, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

std::string dump_csv(const DicomFile& file, const DumpOptions& o) {
  std::string out = "path,tag,vr,keyword,value\n";
  std::vector<std::string> places{""};  // by depth
  std::vector<int> items(64, 0);
  bool keep = true;
  for (const DicomElement& e : file.elements()) {
    if (e.depth == 0) keep = wanted(e, o);
    if (!keep) continue;
    const std::size_t depth = e.depth;
    places.resize(depth + 2);
    const std::string name =
        dicom_keyword(e.tag).empty() ? dicom_tag_text(e.tag) : std::string(dicom_keyword(e.tag));
    if (e.tag == dicom::item) {
      places[depth + 1] = places[depth] + "[" + std::to_string(++items[depth]) + "].";
      continue;
    }
    if (e.is("SQ")) {
      places[depth + 1] = places[depth] + name;
      items[depth + 1] = 0;
    }
    std::string path = places[depth];
    if (!path.empty() && path.back() == '.') path.pop_back();
    out += csv_field(path) + "," + csv_field(dicom_tag_text(e.tag)) + "," + printable({e.vr, 2}) + "," +
           std::string(dicom_keyword(e.tag)) + "," +
           csv_field(printable(e.is("SQ") ? std::string() : value_text(file, e, o))) + "\n";
  }
  return out;
}

}  // namespace gadolin
