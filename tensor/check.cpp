#include "tensor/check.h"

#include <cstdio>

#include "tensor/device.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace gadolin {

Error::Error(const char* family, int number, Exit exit, std::string text)
    : family_(family), number_(number), exit_(exit), text_(std::move(text)) {}

std::string Error::code() const {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%03d", number_);
  return std::string("GD-") + family_ + "-" + digits;
}
std::string Error::message() const { return text_.substr(0, text_.find("; ")); }
std::string Error::hint() const {
  const auto at = text_.find("; ");
  return at == std::string::npos ? std::string() : text_.substr(at + 2);
}
void Error::add_place(std::string_view place) {
  if (place.empty()) return;
  text_.insert(0, std::string(place) + (placed_ ? "." : ": "));
  placed_ = true;
}

Part::Part(float v) : Part(static_cast<double>(v)) {}
Part::Part(double v) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.7g", v);
  text_ = digits;
}
Part::Part(const Shape& shape) : text_(to_string(shape)) {}
Part::Part(DType dtype) : text_(name_of(dtype)) {}
Part::Part(Device device) : text_(name_of(device)) {}

std::string cat(std::initializer_list<Part> parts) {
  std::string text;
  for (const Part& part : parts) text += part.text();
  return text;
}

std::string human_bytes(std::int64_t bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  int i = 0;
  while (value >= 1024 && i < 4) {
    value /= 1024;
    ++i;
  }
  char text[32];
  std::snprintf(text, sizeof text, i == 0 ? "%.0f %s" : "%.1f %s", value, units[i]);
  return text;
}

}  // namespace gadolin
