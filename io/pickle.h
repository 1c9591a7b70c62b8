// A restricted reader of Python pickles: it builds a tree of inert values and runs nothing. A class is a
// name, an object is the name of what would have been called and with what.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace gadolin {

struct PickleValue {
  enum class Kind : std::uint8_t {
    none,
    boolean,
    integer,
    real,
    text,
    bytes,
    list,
    tuple,
    dict,
    global,  // text is "module.name"
    // what: the global that is called or instantiated; given: a tuple, its arguments; state: what BUILD
    // attached
    object,
    persistent,  // given: the identifier, to which the format around the pickle gives a meaning
  };
  Kind kind = Kind::none;
  std::int64_t integer = 0;  // boolean too
  double real = 0;
  std::string_view text;                  // of text, bytes (large integers too) and global
  std::vector<const PickleValue*> items;  // elements; of a dict: key, value, key, value ...
  const PickleValue* what = nullptr;      // of a dict made by a call too: "collections.OrderedDict"
  const PickleValue* given = nullptr;
  const PickleValue* state = nullptr;

  bool is(Kind k) const { return kind == k; }
  // The value under a text key of a dict or an ordered dict, or nullptr.
  const PickleValue* get(std::string_view key) const;
};

// One pickle, protocols 0 to 4 as far as weight files need them. Values live as long as this and may refer to
// each other in circles: walks over them must count their steps.
class Pickle {
 public:
  // Reads the pickle that `bytes` begins with; texts stay in `bytes`. Opcodes and calls that no weight file
  // needs are refused by name with the byte (counted from `first_byte`) where they stand. Throws FormatError
  // for these, for damage, for over 64 MiB and over four million values. `name` stands in messages.
  Pickle(std::string_view bytes, const std::string& name, std::uint64_t first_byte = 0);
  Pickle(Pickle&&) = default;
  const PickleValue& root() const { return *root_; }
  std::size_t bytes() const { return bytes_; }  // read, up to and with STOP
  std::size_t values() const { return values_.size(); }
  template <class F> void each_persistent(F&& f) const {
    for (const PickleValue& value : values_) {
      if (value.is(PickleValue::Kind::persistent)) f(value);
    }
  }

 private:
  friend class PickleReader;
  std::deque<PickleValue> values_;
  std::deque<std::string> texts_;  // names put together from two
  const PickleValue* root_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace gadolin
