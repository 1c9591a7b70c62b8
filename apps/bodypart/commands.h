// One function a command of `gadolin bodypart`, application A1: from a folder of DICOM radiographs to a
// classifier of body parts.
#pragma once

#include <algorithm>

#include "apps/program/command.h"

namespace gadolin::bodypart {

void add_create_database(Program& program, CLI::App* group);
void add_fetch_image(Program& program, CLI::App* group);
void add_preprocess_image(Program& program, CLI::App* group);
void add_convert_data(Program& program, CLI::App* group);
void add_train(Program& program, CLI::App* group);
void add_eval(Program& program, CLI::App* group);
void add_classify(Program& program, CLI::App* group);

inline std::string upper(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return text;
}

// "--a-b,--c" as "--a-b,--a_b,--c": the program takes either, and help shows the reference's.
inline std::string both_spellings(const std::string& names) {
  std::string all;
  for (std::size_t at = 0; at < names.size();) {
    const std::size_t end = std::min(names.find(',', at), names.size());
    std::string name = names.substr(at, end - at), low = name;
    std::replace(low.begin() + 2, low.end(), '-', '_');
    all += (all.empty() ? "" : ",") + name + (low == name ? "" : "," + low);
    at = end + 1;
  }
  return all;
}

}  // namespace gadolin::bodypart
