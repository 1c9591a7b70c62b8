// Radiology reports of Open-i (Demner-Fushman et al., J. Am. Med. Inform. Assoc. 23(2), 2016) in the forms
// in which people have them: MeSH terms, two texts, and the images that belong to each.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gadolin::nodule {

// An image as a report or a file calls it: "CXR1_1_IM-0001-3001" (XML), "CXR1_IM-0001-3001" (files,
// addresses) and "1_IM-0001-3001.dcm.png" (CSV) are one.
struct ImageId {
  std::string patient;  // "1"
  std::string key;      // "1_IM-0001-3001"
};
// None for text of another form. Folders, endings of images and what follows a ? are passed over.
std::optional<ImageId> image_id(std::string_view text);

struct ReportImage {
  std::string id;  // as the report calls it
  std::string
      file;  // what the image is called in its folder, where the report says so; empty: look for the id
  std::string view;  // PA, AP, frontal, lateral; empty: unknown
};

struct Report {
  std::string id;     // "CXR1"
  std::string place;  // file, row or entry
  std::vector<std::string> terms;
  std::string findings, impression;
  bool texts = false;  // whether the source has texts at all
  std::vector<ReportImage> images;
};

// What did not come through, or is odd, and why.
struct Remark {
  std::string kind;  // file, image, report, contradiction, empty label, blanked label, not indexed, no text
  std::string name, text;
};

struct Reports {
  std::string form;  // scraper, xml, csv
  std::vector<Report> reports;
  std::vector<Remark> unread;  // files and entries that are not what they should be
};

// {"12": {"type": "Major", "items": ["Nodule/lung/..."], "img": "https://.../CXR7_IM-2263-1001.png"}}: one
// image an entry, its file 12.png.
Reports parse_scraper_json(const std::string& text, const std::string& name);
// One report: <eCitation> with uId, MeSH/major, AbstractText and parentImage. Throws DataError with the line.
Report parse_report_xml(std::string_view text, const std::string& name);
// uid,MeSH,findings,impression, terms separated by ;, and uid,filename,projection.
Reports parse_report_tables(const std::string& reports, const std::string& projections);

struct ReadOptions {
  std::string projections;  // empty: the table beside the reports whose name has projections for reports
  bool skip_wrong = false;  // what cannot be read goes to `unread`
};
// By what `path` is: a .json file, a .csv file, a folder with .xml files below it. Throws DataError,
// FileError.
Reports read_reports(const std::string& path, const ReadOptions& options);

// Views by ImageId::key from a table of DICOM headers: imageid, View Position, Patient Orientation (PS3.3
// C.7.6.1.1.1: a row that runs to the patient's left or right is a frontal film's, to front or back a lateral
// one's). Headers that contradict themselves go into `remarks`, and their view is unknown.
std::map<std::string, std::string> read_views(const std::string& path, std::vector<Remark>& remarks);

// PA, AP, frontal or lateral of a word such as LL, RL or LARGE LATERAL; empty: unknown.
std::string view_position(std::string_view word);
bool is_lateral(std::string_view view);
// A text of nothing but the blanks of de-identification ("XXXX, XXXX.").
bool is_blanked(std::string_view text);

// What is wrong with the label of a report, as kinds of remarks; nothing: it can be learnt from.
//   empty label    no term
//   blanked label  all terms are blanked words
//   not indexed    "No Indexing" stands in place of terms
//   contradiction  "normal" beside a finding
std::optional<Remark> doubt_of(const Report& report);

}  // namespace gadolin::nodule
