// Values as bytes and back, for another process of the same program: not a format of files.
//
//   struct Found { std::int64_t place; std::string name; };
//   template <class A> void pack_fields(A& a, Found& f) { a(f.place, f.name); }  // beside the struct
//   const std::string bytes = packed(found);
//   const auto again = unpacked<Found>(bytes);
#pragma once

#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tensor/check.h"
#include "tensor/tensor.h"

namespace gadolin {

// Numbers, texts, tensors, and vectors, arrays, pairs and optionals of what can be packed; of a struct what
// its pack_fields names. Tensors arrive on the CPU.
class PackWriter {
 public:
  // One behind the other.
  template <class... T> void operator()(const T&... values) { (put(values), ...); }
  std::string take() { return std::move(bytes_); }  // all that was put in

 private:
  template <class T> void put(const T& value) {
    if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>)
      bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    else
      pack_fields(*this, const_cast<T&>(value));
  }
  void put(const std::string& text) {
    put(text.size());
    bytes_ += text;
  }
  template <class T, std::size_t n> void put(const std::array<T, n>& all) {
    for (const T& each : all) put(each);
  }
  template <class T> void put(const std::vector<T>& all) {
    put(all.size());
    for (const T& each : all) put(each);
  }
  template <class A, class B> void put(const std::pair<A, B>& two) { (*this)(two.first, two.second); }
  template <class T> void put(const std::optional<T>& value) {
    put(value.has_value());
    if (value) put(*value);
  }
  void put(const Tensor& t) {
    const Tensor here = t.detach().to(cpu).contiguous();
    put(here.dtype());
    put(here.shape().vec());
    bytes_.append(static_cast<const char*>(here.raw()), static_cast<std::size_t>(here.nbytes()));
  }
  std::string bytes_;
};

// The other way. Throws ProcessError when the bytes end before the value does.
class PackReader {
 public:
  explicit PackReader(const std::string& bytes) : bytes_(bytes) {}
  // In the order in which they were put in.
  template <class... T> void operator()(T&... values) { (get(values), ...); }
  bool ended() const { return at_ == bytes_.size(); }  // whether nothing is left

 private:
  const char* take(std::size_t n) {
    require<ProcessError>(n <= bytes_.size() - at_, "processes: a message of ", bytes_.size(),
                          " bytes ends inside a value; start all processes from one build");
    at_ += n;
    return bytes_.data() + (at_ - n);
  }
  std::size_t count() {
    std::size_t n = 0;
    get(n);
    return n;
  }
  template <class T> void get(T& value) {
    if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>)
      std::memcpy(&value, take(sizeof value), sizeof value);
    else
      pack_fields(*this, value);
  }
  void get(std::string& text) {
    const std::size_t n = count();
    text.assign(take(n), n);
  }
  template <class T, std::size_t n> void get(std::array<T, n>& all) {
    for (T& each : all) get(each);
  }
  template <class T> void get(std::vector<T>& all) {
    all.clear();
    for (std::size_t n = count(); n > 0; --n) get(all.emplace_back());
  }
  template <class A, class B> void get(std::pair<A, B>& two) { (*this)(two.first, two.second); }
  template <class T> void get(std::optional<T>& value) {
    bool there = false;
    get(there);
    value.reset();
    if (there) get(value.emplace());
  }
  void get(Tensor& t) {
    DType dtype{};
    std::vector<std::int64_t> sizes;
    (*this)(dtype, sizes);
    Shape shape;
    for (const std::int64_t size : sizes) shape.push_back(size);
    t = empty(shape, dtype);
    const auto bytes = static_cast<std::size_t>(t.nbytes());
    if (bytes > 0) std::memcpy(t.raw(), take(bytes), bytes);
  }
  const std::string& bytes_;
  std::size_t at_ = 0;
};

// A value as bytes.
template <class T> std::string packed(const T& value) {
  PackWriter writer;
  writer(value);
  return writer.take();
}
// The value that packed() was given. Throws ProcessError.
template <class T> T unpacked(const std::string& bytes) {
  T value{};
  PackReader reader(bytes);
  reader(value);
  return value;
}

}  // namespace gadolin
