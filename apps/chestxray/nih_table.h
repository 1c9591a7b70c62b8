// NIH's table of ChestX-ray14 (Wang et al. 2017), Data_Entry_2017.csv and its version of 2020: what it says
// of each film, and which of the tables that go round it is.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gadolin::chestxray {

inline constexpr const char* no_finding = "No Finding";
// The 14 findings and "No Finding", in the order of the alphabet, which everybody's outputs are in.
const std::array<std::string, 15>& nih_labels();

struct NihFilm {
  std::string image;     // 00000061_012.png
  std::string patient;   // 61: leading zeros are taken off
  std::string findings;  // sorted, separated by |; or No Finding
  std::string sex;       // M, F, or empty when it is not told
  std::string view;      // PA, AP or another word in capitals, or empty
  double age = 0;        // years; NaN when it is not told, or is no age
  std::int64_t line = 0;
};

struct NihTable {
  std::string name;            // of the file
  std::vector<NihFilm> films;  // in the order of the table, each image once
  // Of images, findings and patients, in the order of images: the same for any order of rows, endings of
  // names, and form of ages.
  std::string sha256;
  std::string version;             // in words: which known table it is, or a part of which
  std::vector<std::string> notes;  // ages that are none, sexes that are none: how many, and the first
};

// Columns by their names, whatever blanks and capitals: Image Index, Finding Labels and Patient ID must be
// there; Patient Age (058Y, 58, 003M, 010D; above 120 years: not told), Patient Gender or Patient Sex, and
// View Position may be missing. Throws FormatError for what is no table; DataError, with file and line, for a
// missing column, a name that is empty, has a folder or was met before, a finding that is none of the 15, No
// Finding beside another one, and a patient whose number is not that of the image's name.
NihTable parse_nih_table(std::string_view text, const std::string& name);
NihTable read_nih_table(const std::string& path);

// Sets sha256 and version from the films.
void identify(NihTable& table);

// "00000193_019.png is Pneumonia in a.csv:7 and No Finding in b.csv:7": a line each image that both tables
// have with other findings, in the order of the first.
std::vector<std::string> nih_differences(const NihTable& a, const NihTable& b);
// The films of both. Throws DataError with the first differing rows when they are of two versions.
NihTable join_nih_tables(NihTable a, const NihTable& b);

// A name without its ending: what films are found by.
std::string_view stem_of(std::string_view image);

}  // namespace gadolin::chestxray
