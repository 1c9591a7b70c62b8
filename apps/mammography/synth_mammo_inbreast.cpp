// Made-up films as INbreast is handed out: a sheet, a DICOM file a film, and a file of contours (a property
// list of OsiriX) for each film with findings.
#include <cstdio>
#include <filesystem>

#include "apps/mammography/synth_mammo.h"
#include "data/dicom/anonymize.h"
#include "io/atomic_file.h"
#include "io/sha256.h"
#include "tensor/check.h"

namespace gadolin::mammography {
namespace fs = std::filesystem;
namespace {

std::string place_text(Point p) {
  char text[64];
  std::snprintf(text, sizeof text, "(%.6f, %.6f)", p.x, p.y);
  return text;
}

std::string contour(int number, const std::string& name, const std::vector<Point>& points) {
  std::string text = cat("\t\t\t\t<dict>\n\t\t\t\t\t<key>IndexInImage</key>\n\t\t\t\t\t<integer>", number,
                         "</integer>\n\t\t\t\t\t<key>Name</key>\n\t\t\t\t\t<string>", name,
                         "</string>\n\t\t\t\t\t<key>NumberOfPoints</key>\n\t\t\t\t\t<integer>", points.size(),
                         "</integer>\n\t\t\t\t\t<key>Point_px</key>\n\t\t\t\t\t<array>\n");
  for (const Point& p : points) text += cat("\t\t\t\t\t\t<string>", place_text(p), "</string>\n");
  return text + "\t\t\t\t\t</array>\n\t\t\t\t</dict>\n";
}

std::string contours_of(const SynthMammogram& film) {
  std::string rois;
  int number = 0;
  for (const SynthLesion& lesion : film.lesions) {
    rois += contour(number++, lesion.mass ? "Mass" : "Cluster", lesion.outline(40));
    for (std::size_t i = 0; i < std::min<std::size_t>(2, lesion.specks.size()); ++i)
      rois += contour(number++, "Calcification", {lesion.specks[i]});
  }
  return cat(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
      "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist "
      "version=\"1.0\">\n<dict>\n\t<key>Images</key>\n"
      "\t<array>\n\t\t<dict>\n\t\t\t<key>ImageIndex</key>\n\t\t\t<integer>0</integer>\n"
      "\t\t\t<key>NumberOfROIs</key>\n\t\t\t<integer>",
      number, "</integer>\n\t\t\t<key>ROIs</key>\n\t\t\t<array>\n", rois,
      "\t\t\t</array>\n\t\t</dict>\n\t</array>\n</dict>\n</plist>\n");
}

// An assessment, not a biopsy: 1 and 2 of films without lesions, others by what the lesions are.
std::string birads_of(const SynthMammogram& film) {
  if (film.lesions.empty()) return film.patient % 2 == 0 ? "1" : "2";
  for (const SynthLesion& lesion : film.lesions)
    if (lesion.malignant) return film.patient % 3 == 0 ? "4b" : film.patient % 3 == 1 ? "5" : "6";
  return film.patient % 4 == 0 ? "3" : "2";
}

}  // namespace

SynthCount write_synth_inbreast(const std::string& folder, const SynthMammoOptions& o) {
  const fs::path root = folder, films = root / "AllDICOMs", contours = root / "AllXML";
  make_folders("synth", films.string());
  make_folders("synth", contours.string());
  std::string sheet = "Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads\n";
  SynthCount count;
  int number = 20000000;
  const std::string key = cat("gadolin synth mammo ", o.seed);
  for (int p = 0; p < o.patients; ++p) {
    const std::string hash = sha256_hex(cat(key, " patient ", p)).substr(0, 16);
    const int before = count.lesions;
    for (const bool left : {true, false}) {
      for (const bool cc : {true, false}) {
        const SynthMammogram film = synth_mammogram(o, p, left, cc);
        number += 1 + (p * 7 + left * 3 + cc) % 5;
        const char* const side = left ? "L" : "R";
        SynthTexts texts = synth_mammo_texts(hash, replaced_uid(cat("study ", p), key),
                                             replaced_uid(cat("series ", number), key),
                                             replaced_uid(cat("instance ", number), key));
        texts.emplace_back(dicom::image_laterality, side);
        texts.emplace_back(dicom::view_position, cc ? "CC" : "MLO");
        if (p % 3 == 1) {  // a narrow window, which is not to be used
          texts.emplace_back(dicom::window_center, "2000");
          texts.emplace_back(dicom::window_width, "500");
        }
        const std::string name = cat(number, "_", hash, "_MG_", side, cc ? "_CC" : "_ML", "_ANON.dcm");
        write_file_atomically((films / name).string(),
                              synth_mammo_dicom(texts, film.pixels, synth_mammo_bits, film.inverted));
        if (!film.lesions.empty())
          write_file_atomically((contours / cat(number, ".xml")).string(), contours_of(film));
        sheet += cat("removed;removed;", side, ";", cc ? "CC" : "MLO", ";202001;", number, ";2;",
                     birads_of(film), "\n");
        ++count.films;
        count.lesions += static_cast<int>(film.lesions.size());
      }
    }
    count.abnormal += count.lesions > before;
  }
  if (o.has("unmatched")) {
    sheet += "removed;removed;L;CC;202001;99999999;2;5\n";
    write_file_atomically((contours / "88888888.xml").string(),
                          contours_of(synth_mammogram(o, 0, true, true)));
  }
  write_file_atomically((root / "INbreast.csv").string(), sheet);
  return count;
}

}  // namespace gadolin::mammography
