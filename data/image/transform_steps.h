// What the steps of a pipeline and the reader of their text share; see data/image/steps.h for the steps.
#pragma once

#include "data/image/transforms.h"

namespace gadolin::detail {

// v, or ValueError "STEP: V is not in LOW..HIGH". The reader of texts puts the text in front of such messages
// and the step's parameters behind them.
double checked(const char* step, double v, double low, double high);
Sides checked(const char* step, Sides sides);

std::string short_number(double v);  // shortest text that reads back as v
std::string side_text(Sides sides);  // S of a square, or WxH

// Adds the step of this text, NAME:PARAMETER:..., to the pipeline. Throws UsageError. transform_text.cpp
void add_step_from(const std::string& text, Pipeline& pipeline);
// `text` cut at each separator, without blanks.
std::vector<std::string> parts_of(const std::string& text, char separator);

}  // namespace gadolin::detail
