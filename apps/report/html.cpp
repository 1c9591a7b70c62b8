// Page frame, tables and pictures; see html.h.
#include "apps/report/html.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "apps/chart/svg.h"
#include "tensor/check.h"

namespace gadolin::report {
namespace {

using chart::escape;

// Words longer than this may be broken behind their separators, and nowhere else.
constexpr std::size_t long_word = 16;

// "0.91 (0.8 to 1)": the interval stays in one piece, on a line of its own where the column is narrow.
std::string cell(const std::string& text) {
  const std::size_t open = text.find(" (");
  const bool interval =
      open != std::string::npos && text.back() == ')' && text.find(" to ", open) != std::string::npos;
  if (!interval) return breakable(text);
  return breakable(text.substr(0, open)) + " <small>" + escape(text.substr(open + 1)) + "</small>";
}

}  // namespace

std::string breakable(std::string_view text) {
  static constexpr std::string_view separators = "/_-.,;:=|\\";
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' ') + 1, text.size());
    std::string_view word = text.substr(0, end == 0 ? text.size() : end);
    text.remove_prefix(word.size());
    for (std::size_t at = 0; word.size() > long_word &&
                             (at = word.find_first_of(separators)) + 1 < word.size() &&
                             at != std::string_view::npos;) {
      out += escape(word.substr(0, at + 1)) + "<wbr />";
      word.remove_prefix(at + 1);
    }
    out += escape(word);
  }
  return out;
}

std::string document_head(const std::string& title) {
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\" />\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n"
         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
         "style-src 'unsafe-inline'\" />\n"
         "<title>" +
         escape(title) + "</title>\n<style>" + style_sheet + "</style>\n</head>\n<body>\n<main>\n";
}

std::string document_foot() {
  return "<p class=\"warning\" role=\"note\"><strong>For research and teaching only.</strong> Gadolin is not "
         "a medical device: nothing in "
         "this report may be used to diagnose, treat or triage a patient.</p>\n</main>\n</body>\n</html>\n";
}

std::string with_interval(const Value& value) {
  if (std::isnan(value.value)) return "not defined";
  std::string text = chart::fixed(value.value, 4);
  if (std::isfinite(value.low) && std::isfinite(value.high)) {
    text += " (" + chart::fixed(value.low, 4) + " to " + chart::fixed(value.high, 4) + ")";
  }
  return text;
}

std::string facts_table(const std::string& title, const std::vector<Fact>& facts) {
  if (facts.empty()) return "";
  std::string out = "<div><h3>" + escape(title) + "</h3><div class=\"scroll\"><table>";
  for (const Fact& fact : facts) {
    out += "<tr><th scope=\"row\">" + breakable(fact.name) + "</th><td>" + breakable(fact.value) +
           "</td></tr>\n";
  }
  return out + "</table></div></div>\n";
}

std::string table(const Table& t) {
  std::string out = "<div class=\"scroll\"><table>";
  if (!t.title.empty()) out += "<caption>" + escape(t.title) + "</caption>";
  out += "<thead><tr>";
  for (const std::string& name : t.columns) out += "<th scope=\"col\">" + breakable(name) + "</th>";
  out += "</tr></thead><tbody>\n";
  for (const auto& row : t.rows) {
    require<ValueError>(row.size() == t.columns.size(), "report: a row of table '", t.title, "' has ",
                        row.size(), " cells for ", t.columns.size(), " columns");
    out += "<tr>";
    for (const std::string& text : row) out += "<td>" + cell(text) + "</td>";
    out += "</tr>\n";
  }
  out += "</tbody></table></div>\n";
  if (!t.note.empty()) out += "<p class=\"note\">" + escape(t.note) + "</p>\n";
  return out;
}

std::string figure(const std::string& svg, const std::string& caption, const Table& numbers) {
  // A chart that had to grow is scrolled, not shrunk until nobody can read it.
  const std::size_t at = svg.find(" width=\"");
  const bool wide = at != std::string::npos && std::atoi(svg.c_str() + at + 8) > 560;
  std::string out = std::string("<figure") + (wide ? " class=\"wide\">" : ">") + svg;
  if (!caption.empty()) out += "<figcaption>" + escape(caption) + "</figcaption>";
  if (!numbers.rows.empty()) out += folded("Numbers", table(numbers));
  return out + "</figure>\n";
}

std::string folded(const std::string& summary, const std::string& content) {
  return "<details><summary>" + escape(summary) + "</summary>" + content + "</details>\n";
}

namespace {

std::string picture(const std::string& alt, const std::string& png) {
  return "<img alt=\"" + escape(alt) + "\" src=\"data:image/png;base64," + base64(png) + "\" />";
}

}  // namespace

std::string gallery(const std::string& title, const std::vector<Example>& examples) {
  if (examples.empty()) return "";
  std::string out = "<h3>" + escape(title) + "</h3>\n<div class=\"gallery\">\n";
  for (const Example& e : examples) {
    const std::string says = e.predicted + " (" + chart::fixed(e.probability, 3) + "), truth " + e.truth;
    out += e.cam.empty() ? "<figure>" : "<figure class=\"pair\">";
    if (!e.png.empty()) out += picture(e.path + ": " + says, e.png);
    if (!e.cam.empty()) out += picture("Grad-CAM: what speaks for " + e.predicted + " in " + e.path, e.cam);
    out += "<figcaption>" + breakable(says) + "<br />" + breakable(e.path) + "</figcaption></figure>\n";
  }
  return out + "</div>\n";
}

std::string gallery(const Gallery& drawn) {
  if (drawn.pictures.empty()) return "";
  std::string out = "<h3>" + escape(drawn.title) + "</h3>\n";
  if (!drawn.note.empty()) out += "<p class=\"note\">" + escape(drawn.note) + "</p>\n";
  out += "<div class=\"gallery drawn\">\n";
  for (const DrawnExample& e : drawn.pictures)
    out += "<figure>" + picture(e.path + ": " + e.says, e.png) + "<figcaption>" + breakable(e.says) +
           "<br />" + breakable(e.path) + "</figcaption></figure>\n";
  return out + "</div>\n";
}

std::string base64(std::string_view bytes) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  const auto byte = [&](std::size_t i) {
    return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u;
  };
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const unsigned three = (byte(i) << 16u) | (byte(i + 1) << 8u) | byte(i + 2);
    out += digits[three >> 18u];
    out += digits[(three >> 12u) & 63u];
    out += i + 1 < bytes.size() ? digits[(three >> 6u) & 63u] : '=';
    out += i + 2 < bytes.size() ? digits[three & 63u] : '=';
  }
  return out;
}

}  // namespace gadolin::report
