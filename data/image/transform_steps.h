// The steps of a pipeline as classes; only the pipeline and its tests need them.
#pragma once

#include "data/image/transforms.h"

namespace gadolin::detail {

struct Size {
  int width = 0, height = 0;
};

// Parameters of one step as words; numbers are checked when they are asked for.
struct StepText {
  std::string name;
  std::vector<std::string> words;
  std::string usage;
  [[noreturn]] void bad(const std::string& why) const;
  double number(std::size_t i, double low, double high) const;
  double number_or(std::size_t i, double otherwise, double low, double high) const;
  Size size(std::size_t i) const;  // "S" (height 0) or "WxH"
  void counts(std::size_t least, std::size_t most) const;
};

// nullptr when there is no step of this name.
std::shared_ptr<const Transform> make_geometry_step(StepText& text);  // transform_geometry.cpp
std::shared_ptr<const Transform> make_tone_step(StepText& text);      // transform_tone.cpp

std::string short_number(double v);  // shortest text that reads back as v

}  // namespace gadolin::detail
