// Reports of Indiana University as XML: ecgen-radiology/NUMBER.xml of NLMCXR_reports.tgz.
#include <algorithm>

#include <pugixml.hpp>

#include "apps/nodule/reports.h"
#include "io/bytes.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::nodule {
namespace {

std::string text_of(const pugi::xml_node& node) { return std::string(trimmed(node.child_value())); }

}  // namespace

Report parse_report_xml(std::string_view text, const std::string& name) {
  const auto place = [&](std::ptrdiff_t offset) {
    const auto end = text.begin() + std::clamp<std::ptrdiff_t>(offset, 0, std::ssize(text));
    return cat("reports: ", printable(name), ":", 1 + std::count(text.begin(), end, '\n'));
  };
  pugi::xml_document document;
  const pugi::xml_parse_result result =
      document.load_buffer(text.data(), text.size(), pugi::parse_default, pugi::encoding_utf8);
  require<DataError>(result, place(result.offset), ": no XML: ", result.description());
  const pugi::xml_node root = document.child("eCitation");
  require<DataError>(root, place(0), ": there is no eCitation; is it a report of ecgen-radiology?");
  Report report;
  report.place = name;
  report.texts = true;
  report.id = trimmed(root.child("uId").attribute("id").value());
  require<DataError>(!report.id.empty(), place(root.offset_debug()), ": the report has no uId with an id");
  require<DataError>(printable(report.id) == report.id, place(root.child("uId").offset_debug()), ": uId '",
                     printable(report.id), "' is not text in UTF-8");
  for (const pugi::xml_node term : root.child("MeSH").children("major")) {
    // As written: a blank at the end counts for the keywords of the original (3.2).
    report.terms.emplace_back(term.child_value());
    require<DataError>(printable(report.terms.back()) == report.terms.back(), place(term.offset_debug()),
                       ": MeSH term '", printable(report.terms.back()), "' is not text in UTF-8 on one line");
  }
  const pugi::xml_node abstract = root.child("MedlineCitation").child("Article").child("Abstract");
  for (const pugi::xml_node part : abstract.children("AbstractText")) {
    const std::string_view label = part.attribute("Label").value();
    if (label == "FINDINGS") report.findings = text_of(part);
    if (label == "IMPRESSION") report.impression = text_of(part);
  }
  for (const pugi::xml_node image : root.children("parentImage")) {
    ReportImage one;
    one.id = trimmed(image.attribute("id").value());
    require<DataError>(!one.id.empty() && printable(one.id) == one.id, place(image.offset_debug()),
                       ": the image has the id '", printable(one.id),
                       "'; an id such as CXR1_1_IM-0001-3001 "
                       "is needed");
    report.images.push_back(std::move(one));
  }
  return report;
}

}  // namespace gadolin::nodule
