#include "tensor/check.h"

#include <cstdio>

#include "tensor/device.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace gadolin {

Error::Error(const char* family, int number, Exit exit, Message message)
    : family_(family), number_(number), exit_(exit), message_(std::move(message)) {}

std::string Error::code() const {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%03d", number_);
  return std::string("GD-") + family_ + "-" + digits;
}
std::string Error::message() const { return message_.text.substr(0, message_.hint_at); }
std::string Error::hint() const {
  return message_.hint_at == std::string::npos ? std::string() : message_.text.substr(message_.hint_at + 2);
}
void Error::add_place(std::string_view place) {
  if (place.empty()) return;
  const std::string front = std::string(place) + (placed_ ? "." : ": ");
  message_.text.insert(0, front);
  if (message_.hint_at != std::string::npos) message_.hint_at += front.size();
  placed_ = true;
}

Part::Part(float v) : Part(static_cast<double>(v)) {}
Part::Part(double v) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.7g", v);
  text_ = v == v ? digits : "nan";  // some are negative
}
Part::Part(const Shape& shape) : text_(to_string(shape)) {}
Part::Part(DType dtype) : text_(name_of(dtype)) {}
Part::Part(Device device) : text_(name_of(device)) {}

std::string cat(std::initializer_list<Part> parts) {
  std::string text;
  for (const Part& part : parts) text += part.text();
  return text;
}

Message message_of_parts(std::initializer_list<Part> parts) {
  Message message(cat(parts));
  std::size_t at = 0;
  for (const Part& part : parts) {
    const std::size_t hint = part.literal() ? part.text().find("; ") : std::string::npos;
    if (hint != std::string::npos) return {std::move(message.text), at + hint};
    at += part.text().size();
  }
  return message;
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
