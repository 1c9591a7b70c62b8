// Values as bytes and as text. The reader trusts nothing: what it reads may come from a student's process.
#include "course/grader/values.h"

#include <bit>
#include <cstdio>
#include <cstring>
#include <stdexcept>

namespace gadolin::course {
namespace {

constexpr std::size_t largest = std::size_t{64} << 20;

template <class T> const T& value_of(const Values& values, const std::string& name, const char* kind) {
  const auto at = values.find(name);
  if (at == values.end()) throw std::invalid_argument("no value '" + name + "'");
  const T* value = std::get_if<T>(&at->second);
  if (!value) throw std::invalid_argument("'" + name + "' is not " + kind);
  return *value;
}

struct Writer {
  std::string out;
  void number(std::uint64_t x) {
    for (int i = 0; i < 8; ++i) out += static_cast<char>(x >> (8 * i) & 255);
  }
  void string(const std::string& s) {
    number(s.size());
    out += s;
  }
  void operator()(std::int64_t x) { number(static_cast<std::uint64_t>(x)); }
  void operator()(double x) { number(std::bit_cast<std::uint64_t>(x)); }
  void operator()(const std::string& s) { string(s); }
  void operator()(const std::vector<std::int64_t>& list) {
    number(list.size());
    for (std::int64_t x : list) (*this)(x);
  }
  void operator()(const Array& a) {
    (*this)(a.shape);
    number(a.numbers.size());
    for (double x : a.numbers) (*this)(x);
  }
};

struct Reader {
  std::string_view in;
  std::uint64_t number() {
    if (in.size() < 8) throw std::invalid_argument("frame: ends within a number");
    std::uint64_t x = 0;
    for (int i = 7; i >= 0; --i) x = x << 8 | static_cast<unsigned char>(in[static_cast<std::size_t>(i)]);
    in.remove_prefix(8);
    return x;
  }
  // A count of things of at least `size` bytes each: never more than there are bytes.
  std::size_t count(std::size_t size) {
    const std::uint64_t n = number();
    if (n > in.size() / size) throw std::invalid_argument("frame: a count is larger than the frame");
    return static_cast<std::size_t>(n);
  }
  std::string string() {
    const std::size_t n = count(1);
    std::string s(in.substr(0, n));
    in.remove_prefix(n);
    return s;
  }
  std::vector<std::int64_t> list() {
    std::vector<std::int64_t> out(count(8));
    for (std::int64_t& x : out) x = static_cast<std::int64_t>(number());
    return out;
  }
  Array array() {
    Array a;
    a.shape = list();
    if (a.shape.size() > 8) throw std::invalid_argument("frame: more than 8 dimensions");
    a.numbers.resize(count(8));
    for (double& x : a.numbers) x = std::bit_cast<double>(number());
    return a;
  }
  Value value() {
    if (in.empty()) throw std::invalid_argument("frame: ends before a value");
    const char kind = in[0];
    in.remove_prefix(1);
    switch (kind) {
      case 0: return static_cast<std::int64_t>(number());
      case 1: return std::bit_cast<double>(number());
      case 2: return string();
      case 3: return list();
      case 4: return array();
      default: throw std::invalid_argument("frame: unknown kind of value");
    }
  }
};

std::string list_text(const std::vector<std::int64_t>& list) {
  std::string out = "[";
  for (std::size_t i = 0; i < list.size(); ++i) out += (i ? ", " : "") + std::to_string(list[i]);
  return out + "]";
}

std::string number_text(double x) {
  char text[40];
  std::snprintf(text, sizeof text, "%.9g", x);
  return text;
}

}  // namespace

std::int64_t integer(const Values& values, const std::string& name) {
  return value_of<std::int64_t>(values, name, "a whole number");
}
double real(const Values& values, const std::string& name) {
  return value_of<double>(values, name, "a number");
}
const std::string& text(const Values& values, const std::string& name) {
  return value_of<std::string>(values, name, "text");
}
const std::vector<std::int64_t>& integers(const Values& values, const std::string& name) {
  return value_of<std::vector<std::int64_t>>(values, name, "a list of whole numbers");
}
const Array& array(const Values& values, const std::string& name) {
  return value_of<Array>(values, name, "an array");
}

std::string to_bytes(const Values& values) {
  Writer writer;
  writer.number(values.size());
  for (const auto& [name, value] : values) {
    writer.string(name);
    writer.out += static_cast<char>(value.index());
    std::visit(writer, value);
  }
  return std::move(writer.out);
}

Values from_bytes(std::string_view bytes) {
  if (bytes.size() > largest) throw std::invalid_argument("frame: more than 64 MiB");
  Reader reader{bytes};
  Values values;
  for (std::size_t left = reader.count(17); left > 0; --left) {
    std::string name = reader.string();
    Value value = reader.value();
    if (!values.emplace(std::move(name), std::move(value)).second)
      throw std::invalid_argument("frame: a name stands twice");
  }
  if (!reader.in.empty()) throw std::invalid_argument("frame: bytes after its end");
  return values;
}

std::string to_string(const Value& value) {
  struct {
    std::string operator()(std::int64_t x) const { return std::to_string(x); }
    std::string operator()(double x) const { return number_text(x); }
    std::string operator()(const std::string& s) const {
      std::string plain;
      for (char c : s.substr(0, 300)) plain += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
      return "\"" + plain + (s.size() > 300 ? "..." : "") + "\"";
    }
    std::string operator()(const std::vector<std::int64_t>& list) const { return list_text(list); }
    std::string operator()(const Array& a) const {
      std::string out = "[";
      for (std::size_t i = 0; i < a.numbers.size() && i < 6; ++i)
        out += (i ? ", " : "") + number_text(a.numbers[i]);
      return out + (a.numbers.size() > 6 ? ", ...]" : "]") + " of shape " + list_text(a.shape);
    }
  } const show;
  return std::visit(show, value);
}

}  // namespace gadolin::course
