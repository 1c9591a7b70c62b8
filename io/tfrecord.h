// TFRecord files of any shards with random access, and tf.Example, the message that usually lies in their
// records.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/atomic_file.h"

namespace gadolin {

class MappedFile;

// One feature of a tf.Example. `kind` tells which list it has; an unset feature has none, and any list may be
// empty.
struct Feature {
  enum class Kind : std::uint8_t { none, bytes, floats, ints };
  Kind kind = Kind::none;
  std::vector<std::string> bytes;
  std::vector<float> floats;
  std::vector<std::int64_t> ints;

  Feature() = default;
  static Feature of_bytes(std::vector<std::string> values);
  static Feature of_floats(std::vector<float> values);
  static Feature of_ints(std::vector<std::int64_t> values);
  bool operator==(const Feature&) const = default;
};
const char* kind_name(Feature::Kind kind);  // "unset", "bytes", "float", "int64"

using Example = std::map<std::string, Feature, std::less<>>;

// Features of a serialised tf.Example, number lists packed or not, unknown fields passed over; of a key that
// comes twice the last one counts. With `keys` only those are kept, and the bytes of the others are not
// touched. Throws FormatError, beginning with `place`, when the bytes are no tf.Example, and for what would
// take many times its size: more than a million features, 16 million texts or 128 million integers in one.
Example parse_example(std::string_view bytes, std::string_view place,
                      std::span<const std::string_view> keys = {});
// The other way round, keys sorted: equal examples give equal bytes.
std::string serialized_example(const Example& example);

// A TFRecord file, plain or packed as a whole with gzip or zlib (then unpacked into memory), read at any
// record. Reading is safe from several threads.
class TfRecordFile {
 public:
  struct Options {
    std::int64_t unpacked_limit = std::int64_t{4} << 30;  // bytes that a packed file may unpack to
    std::int64_t record_limit = std::int64_t{1} << 30;    // bytes of a record
    bool index = true;                                    // use PATH.index when it is there
  };
  // Finds the records: from PATH.index, lines "offset length" of whole frames, or by walking over the
  // lengths. Throws FileError when the file cannot be read; FormatError, with record and byte, for a length
  // over the limit, or that its checksum or the file's size contradicts, and for an index of another file.
  // Nothing is allocated on the word of a length.
  explicit TfRecordFile(const std::string& path) : TfRecordFile(path, Options()) {}
  TfRecordFile(const std::string& path, Options options);

  std::int64_t size() const { return static_cast<std::int64_t>(begins_.size()) - 1; }
  // Bytes of a record, valid as long as this object. Throws FormatError when they do not match their
  // checksums and ValueError outside 0..size()-1.
  std::string_view record(std::int64_t i) const;
  // The same, as yet without the checksum of the bytes: for a first look that does not touch every page.
  std::string_view unchecked(std::int64_t i) const;
  std::int64_t offset(std::int64_t i) const { return begins_.at(static_cast<std::size_t>(i)); }
  const std::string& path() const { return path_; }
  std::string place(std::int64_t i) const;  // "PATH: record I at byte B", for messages

 private:
  void unpack(std::int64_t limit);
  void walk(std::int64_t limit);
  bool read_index(std::int64_t limit);
  void check_size(std::int64_t i, std::int64_t bytes, std::int64_t limit) const;
  std::string path_;
  std::shared_ptr<MappedFile> mapped_;
  std::string unpacked_;
  std::string_view all_;
  std::vector<std::int64_t> begins_;  // of every frame, and the end of the file
};

// Writes PATH, or with several shards PATH-00000-of-0000N to the last, records in turn; each with its index.
// Nothing stands under any of the names before close().
class TfRecordWriter {
 public:
  // Throws ValueError unless `shards` is 1 to 512.
  explicit TfRecordWriter(const std::string& path, int shards = 1, bool index = true);
  void append(std::string_view record);
  void append(const Example& example) { append(serialized_example(example)); }
  void close();
  std::int64_t records() const { return records_; }
  const std::vector<std::string>& paths() const { return paths_; }

 private:
  std::vector<std::unique_ptr<AtomicFile>> files_;
  std::vector<std::string> paths_, indices_;
  std::int64_t records_ = 0;
  bool index_;
};

// The files that `path` stands for, sorted: itself, what a pattern (* and ? in the file name) matches, or the
// TFRecords of a folder and of its train, validation and test folders. Throws DataError when there is none,
// or a shard of NAME-i-of-N is missing.
std::vector<std::string> tfrecord_files(const std::string& path);
// Whether a folder, or its train, validation or test folder, holds one.
bool holds_tfrecords(const std::string& folder);
// NAME.tfrecord, NAME.tfrecords, NAME.record, or a shard NAME-00000-of-00001, each also with .gz.
bool is_tfrecord_name(std::string_view name);

}  // namespace gadolin
