// A detector of bright squares, trained in a second by `gadolin mammography train`.
#pragma once

#include <filesystem>
#include <sstream>

#include "tests/apps/in_process.h"
#include "tests/tasks/detection/bright_squares.h"

namespace gadolin::test {

inline bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Pictures for testing are of other patients than those for validation.
class ApartSquares : public BrightSquares {
 public:
  explicit ApartSquares(int count, int width = 64, int height = 64) : BrightSquares(count, width, height) {
    std::string rows;
    std::istringstream lines(contents_of(table()));
    for (std::string line; std::getline(lines, line);) {
      const std::size_t patient = line.find(",p");
      if (line.ends_with(",test") && patient != std::string::npos) line[patient + 1] = 't';
      rows += line + "\n";
    }
    write("boxes.csv", rows);
  }
};

inline std::vector<std::string> squares_training(const std::string& table, const std::string& out,
                                                 const std::vector<std::string>& more = {}) {
  std::vector<std::string> args{"mammography",
                                "train",
                                "csv",
                                table,
                                "--backbone",
                                "resnet18",
                                "--net-option",
                                "width=8",
                                "--net-option",
                                "channels=32",
                                "--net-option",
                                "anchor_sizes=12/20/32/64/128",
                                "--image_min_side",
                                "64",
                                "--image-max-side",
                                "96",
                                "--batch-size",
                                "4",
                                "--workers",
                                "0",
                                "--device",
                                "cpu",
                                "--snapshot-path",
                                out};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

}  // namespace gadolin::test
