// See well_formed.h. Style sheets and <!DOCTYPE> are passed over; entities are the five of XML and numeric
// ones.
#include "tests/apps/well_formed.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace gadolin::testing_support {
namespace {

bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == ':'; }

std::string at(std::string_view document, std::size_t i, const std::string& what) {
  return what + " at byte " + std::to_string(i) + ": " + std::string(document.substr(i, 40));
}

// "" when every & starts an entity and there are no control characters.
std::string fault_in_text(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 && c != '\n' && c != '\t') return at(text, i, "control character");
    if (text[i] != '&') continue;
    const auto end = text.find(';', i);
    const std::string_view entity = end == std::string_view::npos ? "" : text.substr(i + 1, end - i - 1);
    const bool known =
        entity == "amp" || entity == "lt" || entity == "gt" || entity == "quot" || entity.starts_with('#');
    if (!known) return at(text, i, "bare &");
  }
  return "";
}

}  // namespace

std::string fault_in_markup(std::string_view doc) {
  std::vector<std::string> open;
  std::size_t i = 0;
  if (doc.starts_with("<!DOCTYPE html>")) i = 15;
  while (i < doc.size()) {
    const auto tag = doc.find('<', i);
    const std::string_view text = doc.substr(i, tag == std::string_view::npos ? tag : tag - i);
    const bool style = !open.empty() && open.back() == "style";
    if (!style && text.find('>') != std::string_view::npos) return at(doc, i + text.find('>'), "bare >");
    if (std::string fault = style ? "" : fault_in_text(text); !fault.empty()) return fault;
    if (tag == std::string_view::npos) break;
    i = tag + 1;
    const bool closing = i < doc.size() && doc[i] == '/';
    if (closing) ++i;
    std::string name;
    while (i < doc.size() && is_name(doc[i])) name += doc[i++];
    if (name.empty()) return at(doc, tag, "bare <");
    bool self_closed = false;
    while (i < doc.size() && doc[i] != '>') {
      if (doc[i] == ' ' || doc[i] == '\n') {
        ++i;
        continue;
      }
      if (doc[i] == '/') {
        self_closed = true;
        ++i;
        continue;
      }
      while (i < doc.size() && is_name(doc[i])) ++i;
      if (doc.substr(i, 2) != "=\"") return at(doc, i, "attribute without a quoted value");
      const auto end = doc.find('"', i + 2);
      if (end == std::string_view::npos) return at(doc, i, "attribute is not closed");
      const std::string_view value = doc.substr(i + 2, end - i - 2);
      if (value.find('<') != std::string_view::npos) return at(doc, i, "< in an attribute");
      if (std::string fault = fault_in_text(value); !fault.empty()) return fault;
      i = end + 1;
    }
    if (i >= doc.size()) return at(doc, tag, "tag is not closed");
    ++i;
    if (closing) {
      if (open.empty() || open.back() != name)
        return at(doc, tag, "closes " + name + ", open is " + (open.empty() ? "nothing" : open.back()));
      open.pop_back();
    } else if (!self_closed) {
      open.push_back(name);
    }
  }
  return open.empty() ? "" : "never closed: " + open.back();
}

int count_elements(std::string_view document, std::string_view name) {
  int count = 0;
  const std::string start = "<" + std::string(name);
  for (std::size_t i = document.find(start); i != std::string_view::npos; i = document.find(start, i + 1)) {
    const char next = i + start.size() < document.size() ? document[i + start.size()] : '>';
    if (next == ' ' || next == '>' || next == '/') ++count;
  }
  return count;
}

}  // namespace gadolin::testing_support
