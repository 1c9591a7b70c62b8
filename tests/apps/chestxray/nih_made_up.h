// Tables as long as NIH's, made up: the true numbers of films of each label, on rows of no patient.
#pragma once

#include <array>
#include <cstdio>
#include <string>

#include "apps/chestxray/nih_table.h"

namespace gadolin::test {

inline constexpr const char* nih_header =
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n";

// One row as the table of 2017 has it, with the comma behind it.
inline std::string nih_row(int patient, int follow_up, const std::string& findings,
                           const std::string& age = "058Y", const char* sex = "M", const char* view = "PA") {
  char text[400];
  std::snprintf(text, sizeof text, "%08d_%03d.png,%s,%d,%d,%s,%s,%s,2682,2749,0.143,0.143,\n", patient,
                follow_up, findings.c_str(), follow_up, patient, age.c_str(), sex, view);
  return text;
}

// 112,120 rows of 30,805 patients. `films`: of each label, as nih_labels(), in the sum of which every row has
// its share.
inline std::string nih_sized_table(const std::array<int, 15>& films) {
  constexpr int rows = 112'120, patients = 30'805, normal_at = 10;
  const int normal = films[normal_at], ill = rows - normal;
  std::vector<std::string> findings(rows, "No Finding");
  for (int i = 0; i < ill; ++i) findings[static_cast<std::size_t>(normal + i)].clear();
  int at = 0;
  for (int k = 0; k < 15; ++k)
    for (int n = 0; k != normal_at && n < films[static_cast<std::size_t>(k)]; ++n, ++at) {
      std::string& text = findings[static_cast<std::size_t>(normal + at % ill)];
      text += (text.empty() ? "" : "|") + chestxray::nih_labels()[static_cast<std::size_t>(k)];
    }
  std::string table = nih_header;
  table.reserve(10 << 20);
  // Findings are spread over the patients, so that both lists have all of them.
  for (int i = 0; i < rows; ++i)
    table += nih_row(1 + i % patients, i / patients, findings[static_cast<std::size_t>(i * 7919LL % rows)],
                     std::to_string(20 + i % 60), i % 2 == 0 ? "M" : "F", i % 3 == 0 ? "AP" : "PA");
  return table;
}

inline constexpr std::array<int, 15> corrected_films{11559, 2776, 4667,  2303, 13317, 2516, 1686, 227,
                                                     19894, 5782, 60361, 6331, 3385,  1431, 5302};

}  // namespace gadolin::test
