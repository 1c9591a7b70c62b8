// Pickles and archives put together by hand, as no honest program would write them.
#pragma once

#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "io/atomic_file.h"
#include "io/zip_file.h"
#include "tests/data/scratch.h"

namespace gadolin::test {

template <class T> std::string raw(T value) { return {reinterpret_cast<const char*>(&value), sizeof value}; }
inline std::string unicode(const std::string& s) {
  return "X" + raw(static_cast<std::uint32_t>(s.size())) + s;
}
inline std::string integer(std::int64_t v) { return "\x8a\x08" + raw(v); }
inline std::string tuple(const std::vector<std::int64_t>& values) {
  std::string text = "(";
  for (const std::int64_t v : values) text += integer(v);
  return text + "t";
}
inline std::string storage(std::int64_t numel, const std::string& key = "0",
                           const std::string& type = "FloatStorage") {
  return "(" + unicode("storage") + "ctorch\n" + type + "\n" + unicode(key) + unicode("cpu") +
         integer(numel) + "tQ";
}
// A call of _rebuild_tensor_v2.
inline std::string rebuilt(const std::string& storage, std::int64_t offset,
                           const std::vector<std::int64_t>& sizes, const std::vector<std::int64_t>& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + integer(offset) + tuple(sizes) + tuple(strides) +
         "\x89" + "ccollections\nOrderedDict\n)RtR";
}
// The whole pickle of one value.
inline std::string pickle_of(const std::string& value) { return "\x80\x02" + value + "."; }
// {"x": value}
inline std::string dict_of(const std::string& value, const std::string& name = "x") {
  return "}" + unicode(name) + value + "s";
}

using Members = std::vector<std::pair<std::string, std::string>>;
inline std::string archive(const Members& members) {
  const Scratch scratch;
  AtomicFile file(scratch / "z");
  ZipWriter zip(file);
  for (const auto& [name, bytes] : members) zip.add(name, bytes);
  zip.finish();
  return read_file(file.temporary_path(), std::int64_t{1} << 30);
}
// A .pth of this value and one storage of these bytes.
inline std::string pth(const std::string& value, const std::string& storage_bytes = std::string(64, '\0')) {
  return archive({{"a/data.pkl", pickle_of(value)}, {"a/data/0", storage_bytes}, {"a/version", "3\n"}});
}

}  // namespace gadolin::test
