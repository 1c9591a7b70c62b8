// TFRecord framing: length, masked CRC-32C of the length, bytes, masked CRC-32C of the bytes. Also of
// TensorBoard's event files.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

namespace gadolin {

// A frame: length and its checksum before a record, the record's checksum behind it.
inline constexpr std::int64_t record_head_bytes = 12, record_frame_bytes = 16;
// One record with its frame, ready to be appended to a file.
std::string framed_record(std::string_view bytes);

class RecordReader {
 public:
  // A file that is still being written may end inside a record: with `growing` that is the end, not an error.
  // Throws FileError when the file cannot be opened.
  struct Options {
    std::int64_t record_limit = std::int64_t{1} << 30;
    bool growing = false;
  };
  explicit RecordReader(const std::string& path) : RecordReader(path, Options()) {}
  RecordReader(const std::string& path, Options options);

  // Next record into `bytes`; false at the end. Throws FormatError, with the byte where the record begins,
  // for a wrong checksum, a record over the limit, and a cut. No length is believed before its checksum and
  // the file's size agree.
  bool next(std::string& bytes);
  std::int64_t offset() const { return offset_; }  // of the next record

 private:
  std::string path_;
  Options options_;
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file_;
  std::int64_t offset_ = 0, size_ = 0;
};

// Appends records to a new file; each is on its way to the disk when append() returns. Throws FileError, also
// when the file already exists. For whole data sets written at once use AtomicFile with framed_record().
class RecordAppender {
 public:
  explicit RecordAppender(std::string path);
  ~RecordAppender();
  RecordAppender(const RecordAppender&) = delete;
  RecordAppender& operator=(const RecordAppender&) = delete;
  void append(std::string_view bytes);
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int file_ = -1;
};

}  // namespace gadolin
