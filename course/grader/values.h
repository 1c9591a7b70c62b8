// What the grader asks of a probe and what it hears: named values of a few plain types. Nothing here uses the
// framework, because in a probe the framework holds the student's code.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace gadolin::course {

// Numbers of a tensor, row-major. Every fp32, bf16 and fp16 number is a double; integers up to 2^53 are too.
struct Array {
  std::vector<std::int64_t> shape;
  std::vector<double> numbers;
  bool operator==(const Array&) const = default;
};

using Value = std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>, Array>;
// A request has at least "op". An answer that is an exception has "error": its text.
using Values = std::map<std::string, Value>;

// The value of that name. Throw std::invalid_argument naming it when it is missing or of another type.
std::int64_t integer(const Values& values, const std::string& name);
double real(const Values& values, const std::string& name);
const std::string& text(const Values& values, const std::string& name);
const std::vector<std::int64_t>& integers(const Values& values, const std::string& name);
const Array& array(const Values& values, const std::string& name);

// Bytes of a frame's payload. from_bytes throws std::invalid_argument for bytes that to_bytes cannot have
// written: wrong counts, names twice, more than 64 MiB, more than 8 dimensions.
std::string to_bytes(const Values& values);
Values from_bytes(std::string_view bytes);

std::string to_string(const Value& value);  // for people, at most about 80 characters

}  // namespace gadolin::course
