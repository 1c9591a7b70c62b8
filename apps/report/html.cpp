// Page frame, tables and pictures; see html.h.
#include "apps/report/html.h"

#include <cmath>

#include "apps/chart/svg.h"
#include "tensor/check.h"

namespace gadolin::report {
namespace {

using chart::escape;

constexpr const char* style = R"(
:root{color-scheme:light dark;--ink:#1b1f24;--page:#fff;--line:#d5d9de;--soft:#f4f6f8;--accent:#0072B2}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8ea;--page:#15181b;--line:#3a4047;--soft:#1f2429;--accent:#56B4E9}}
*{box-sizing:border-box}body{margin:0;font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page)}
main{max-width:1180px;margin:0 auto;padding:24px}h1{font-size:26px;margin:0}h2{margin:32px 0 8px;border-bottom:2px solid var(--accent)}
h3{margin:20px 0 6px;font-size:16px}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px}
caption{text-align:left;font-weight:600;padding:8px 0}th,td{border-bottom:1px solid var(--line);padding:3px 12px 3px 0;text-align:left;vertical-align:top;overflow-wrap:anywhere}
.scroll{overflow-x:auto}.cards{display:flex;flex-wrap:wrap;gap:12px;margin:14px 0}
.card{background:var(--soft);border-radius:8px;padding:10px 12px;min-width:150px}.card b{display:block;font-size:24px}
.card small{opacity:.8}.figures{display:flex;flex-wrap:wrap;gap:18px;align-items:flex-start}figure{margin:0;max-width:100%}
figure svg{max-width:100%;height:auto}figcaption,.note{font-size:13px;opacity:.85}details{font-size:13px}summary{cursor:pointer}
.facts{display:flex;flex-wrap:wrap;gap:28px}.facts>div{flex:1 1 300px;min-width:0}.gallery{display:flex;flex-wrap:wrap;gap:12px}
.gallery figure{width:172px}.gallery img{width:172px;height:172px;object-fit:contain;background:#000;border-radius:4px}
.gallery figcaption{overflow-wrap:anywhere}.warning{border-left:4px solid #E69F00;padding:8px 12px;background:var(--soft)}
.runs{display:grid;grid-template-columns:repeat(auto-fit,minmax(460px,1fr));gap:28px}.runs>section{min-width:0}
@media print{main{max-width:none;padding:0}figure,.card,tr{break-inside:avoid}details{display:none}body{font-size:11px}
:root{--ink:#000;--page:#fff;--soft:#f4f4f4}}
)";

}  // namespace

std::string document_head(const std::string& title) {
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\" />\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n"
         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
         "style-src 'unsafe-inline'\" />\n"
         "<title>" +
         escape(title) + "</title>\n<style>" + style + "</style>\n</head>\n<body>\n<main>\n";
}

std::string document_foot() {
  return "<p class=\"warning\" role=\"note\"><strong>For research and teaching only.</strong> Gadolin is not "
         "a medical device: nothing in "
         "this report may be used to diagnose, treat or triage a patient.</p>\n</main>\n</body>\n</html>\n";
}

std::string with_interval(const Value& value) {
  std::string text = chart::fixed(value.value, 4);
  if (std::isfinite(value.low) && std::isfinite(value.high)) {
    text += " (" + chart::fixed(value.low, 4) + " to " + chart::fixed(value.high, 4) + ")";
  }
  return text;
}

std::string facts_table(const std::string& title, const std::vector<Fact>& facts) {
  if (facts.empty()) return "";
  std::string out = "<div><h3>" + escape(title) + "</h3><table>";
  for (const Fact& fact : facts) {
    out += "<tr><th scope=\"row\">" + escape(fact.name) + "</th><td>" + escape(fact.value) + "</td></tr>\n";
  }
  return out + "</table></div>\n";
}

std::string table(const Table& t) {
  std::string out = "<div class=\"scroll\"><table>";
  if (!t.title.empty()) out += "<caption>" + escape(t.title) + "</caption>";
  out += "<thead><tr>";
  for (const std::string& name : t.columns) out += "<th scope=\"col\">" + escape(name) + "</th>";
  out += "</tr></thead><tbody>\n";
  for (const auto& row : t.rows) {
    require<ValueError>(row.size() == t.columns.size(), "report: a row of table '", t.title, "' has ",
                        row.size(), " cells for ", t.columns.size(), " columns");
    out += "<tr>";
    for (const std::string& cell : row) out += "<td>" + escape(cell) + "</td>";
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

std::string figure(const std::string& svg, const std::string& caption, const Table& numbers) {
  std::string out = "<figure>" + svg;
  if (!caption.empty()) out += "<figcaption>" + escape(caption) + "</figcaption>";
  if (!numbers.rows.empty()) out += "<details><summary>Numbers</summary>" + table(numbers) + "</details>";
  return out + "</figure>\n";
}

std::string gallery(const std::string& title, const std::vector<Example>& examples) {
  if (examples.empty()) return "";
  std::string out = "<h3>" + escape(title) + "</h3>\n<div class=\"gallery\">\n";
  for (const Example& e : examples) {
    const std::string says = e.predicted + " (" + chart::fixed(e.probability, 3) + "), truth " + e.truth;
    out += "<figure>";
    if (!e.png.empty()) {
      out += "<img alt=\"" + escape(e.path + ": " + says) + "\" src=\"data:image/png;base64," +
             base64(e.png) + "\" />";
    }
    out += "<figcaption>" + escape(says) + "<br />" + escape(e.path) + "</figcaption></figure>\n";
  }
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
