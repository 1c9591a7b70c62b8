// Reading and appending framed records.
#include "io/record_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "io/atomic_file.h"
#include "io/crc32c.h"
#include "io/little_endian.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

std::uint32_t masked(const void* bytes, std::size_t count) { return masked_crc32c(crc32c(bytes, count)); }

}  // namespace

std::string framed_record(std::string_view bytes) {
  const std::uint64_t length = bytes.size();
  const std::uint32_t length_crc = masked(&length, 8), crc = masked(bytes.data(), bytes.size());
  std::string record(bytes.size() + static_cast<std::size_t>(record_frame_bytes), '\0');
  std::memcpy(record.data(), &length, 8);
  std::memcpy(record.data() + 8, &length_crc, 4);
  if (!bytes.empty()) std::memcpy(record.data() + 12, bytes.data(), bytes.size());
  std::memcpy(record.data() + 12 + bytes.size(), &crc, 4);
  return record;
}

RecordReader::RecordReader(const std::string& path, Options options) : path_(path), options_(options) {
  file_.reset(std::fopen(path.c_str(), "rbe"));
  if (!file_) fail_file("records", path, errno);
  struct stat facts {};
  if (::fstat(::fileno(file_.get()), &facts) != 0) fail_file("records", path, errno);
  if (S_ISDIR(facts.st_mode)) fail_file("records", path, EISDIR);
  require<FileError>(S_ISREG(facts.st_mode), "records: ", path,
                     " is not a regular file; copy its contents to one");
  size_ = facts.st_size;
}

bool RecordReader::next(std::string& bytes) {
  if (offset_ == size_) return false;
  unsigned char head[record_head_bytes];
  const auto read = [this](void* to, std::size_t count) {
    return std::fread(to, 1, count, file_.get()) == count;
  };
  const auto cut = [this](const char* where) {
    if (options_.growing) return false;
    fail<FormatError>("records: ", path_, ": it ends inside the ", where, " of the record at byte ", offset_,
                      "; the file was cut");
  };
  if (size_ - offset_ < record_frame_bytes || !read(head, sizeof head)) return cut("frame");
  std::uint32_t crc = 0;
  const auto length = detail::number_at<std::uint64_t>(head);
  const auto length_crc = detail::number_at<std::uint32_t>(head + 8);
  require<FormatError>(offset_ != 0 || head[0] != 0x1f || head[1] != 0x8b || masked(head, 8) == length_crc,
                       "records: ", path_, " is packed with gzip; unpack it with gunzip");
  require<FormatError>(masked(head, 8) == length_crc, "records: ", path_,
                       ": the length of the record at byte ", offset_,
                       " does not match its checksum; the file is damaged or no TFRecord");
  require<FormatError>(length <= static_cast<std::uint64_t>(options_.record_limit), "records: ", path_,
                       ": the record at byte ", offset_, " has ", length, " bytes, the limit is ",
                       options_.record_limit);
  const std::int64_t wanted = static_cast<std::int64_t>(length);
  if (wanted > size_ - offset_ - record_frame_bytes) return cut("bytes");
  bytes.resize(length);
  if (!read(bytes.data(), bytes.size()) || !read(&crc, 4)) return cut("bytes");
  require<FormatError>(masked(bytes.data(), bytes.size()) == crc, "records: ", path_, ": the record at byte ",
                       offset_, " does not match its checksum; the file is damaged");
  offset_ += record_frame_bytes + wanted;
  return true;
}

RecordAppender::RecordAppender(std::string path) : path_(std::move(path)) {
  file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
  if (file_ < 0) fail_file("records", path_, errno);
}

RecordAppender::~RecordAppender() {
  if (file_ >= 0) ::close(file_);
}

void RecordAppender::append(std::string_view bytes) {
  const std::string record = framed_record(bytes);
  std::string_view rest = record;
  while (!rest.empty()) {
    const ssize_t done = ::write(file_, rest.data(), rest.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail_file("records", path_, errno);
    rest.remove_prefix(static_cast<std::size_t>(done));
  }
}

}  // namespace gadolin
