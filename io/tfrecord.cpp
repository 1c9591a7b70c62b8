// Frames, their index, and files of several shards.
#include "io/tfrecord.h"

#include <fnmatch.h>
#include <zlib.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <new>
#include <set>

#include "io/bytes.h"
#include "io/crc32c.h"
#include "io/little_endian.h"
#include "io/mapped_file.h"
#include "io/record_file.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t most_resident = std::int64_t{8} << 20;  // of all files; one of them is forgotten then

bool matches(std::string_view bytes, std::uint32_t crc) {
  return masked_crc32c(crc32c(bytes.data(), bytes.size())) == crc;
}
bool length_matches(const char* frame) {
  return matches({frame, 8}, detail::number_at<std::uint32_t>(frame + 8));
}

struct Inflater {
  z_stream stream{};
  ~Inflater() { inflateEnd(&stream); }
};

// "-00002-of-00005" at the end of a name without .gz; false when there is none.
bool shard_of(std::string_view name, std::string& base, int& shard, int& shards) {
  if (name.ends_with(".gz")) name.remove_suffix(3);
  const std::size_t of = name.rfind("-of-");
  const std::size_t dash = of == std::string_view::npos || of == 0 ? of : name.rfind('-', of - 1);
  if (of == std::string_view::npos || dash == std::string_view::npos) return false;
  const auto whole = [](std::string_view text, int& value) {
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    return text.size() >= 2 && result.ec == std::errc() && result.ptr == text.data() + text.size() &&
           value >= 0;
  };
  base = std::string(name.substr(0, dash));
  return whole(name.substr(dash + 1, of - dash - 1), shard) && whole(name.substr(of + 4), shards);
}

}  // namespace

TfRecordFile::TfRecordFile(const std::string& path, Options options)
    : path_(path), mapped_(std::make_shared<MappedFile>(path)), all_(mapped_->text()) {
  const auto byte = [&](std::size_t i) { return i < all_.size() ? static_cast<unsigned char>(all_[i]) : 0u; };
  const bool gzip = byte(0) == 0x1f && byte(1) == 0x8b;
  const bool zlib = (byte(0) & 15u) == 8 && (byte(0) << 8 | byte(1)) % 31 == 0;
  const bool plain =
      all_.size() >= static_cast<std::size_t>(record_head_bytes) && length_matches(all_.data());
  if (!plain && (gzip || zlib)) unpack(options.unpacked_limit);
  if (!options.index || !read_index(options.record_limit)) walk(options.record_limit);
}

void TfRecordFile::unpack(std::int64_t limit) {
  Inflater z;
  if (inflateInit2(&z.stream, 15 + 32) != Z_OK) throw std::bad_alloc();
  std::vector<char> block(1 << 18);
  std::size_t fed = 0;
  const auto damaged = [&](std::string_view why) {
    fail<FormatError>("tfrecord: ", printable(path_), ": its packing is damaged at byte ",
                      fed - z.stream.avail_in, " of ", all_.size(), ": ", why, "; copy or download it again");
  };
  while (true) {
    if (z.stream.avail_in == 0) {  // zlib counts in 32 bits
      const std::size_t next = std::min(all_.size() - fed, std::size_t{1} << 30);
      z.stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(all_.data() + fed));
      z.stream.avail_in = static_cast<uInt>(next);
      fed += next;
    }
    z.stream.next_out = reinterpret_cast<Bytef*>(block.data());
    z.stream.avail_out = static_cast<uInt>(block.size());
    const int state = inflate(&z.stream, Z_NO_FLUSH);
    if (state != Z_OK && state != Z_STREAM_END) damaged(z.stream.msg ? z.stream.msg : "the file was cut");
    unpacked_.append(block.data(), block.size() - z.stream.avail_out);
    require<FormatError>(static_cast<std::int64_t>(unpacked_.size()) <= limit, "tfrecord: ", printable(path_),
                         " unpacks to more than ", human_bytes(limit), "; unpack it with gunzip");
    if (state != Z_STREAM_END) continue;
    if (fed - z.stream.avail_in == all_.size()) break;
    if (inflateReset(&z.stream) != Z_OK)
      throw std::bad_alloc();  // packed pieces may stand one after the other
  }
  all_ = unpacked_;
  mapped_.reset();
}

void TfRecordFile::walk(std::int64_t limit) {
  const auto end = static_cast<std::int64_t>(all_.size());
  begins_ = {0};
  for (std::int64_t at = 0; at < end; begins_.push_back(at)) {
    const char* frame = all_.data() + at;
    const std::int64_t i = size();
    require<FormatError>(end - at >= record_head_bytes, "tfrecord: ", place(i), " has ", end - at,
                         " of the 12 bytes of its head; the file was cut");
    require<FormatError>(length_matches(frame), "tfrecord: ", place(i),
                         ": its length does not match its checksum; the file is damaged or no TFRecord");
    const auto length = detail::number_at<std::uint64_t>(frame);
    require<FormatError>(
        end - at >= record_frame_bytes && length <= static_cast<std::uint64_t>(end - at - record_frame_bytes),
        "tfrecord: ", place(i), " has ", length, " bytes, the file has ",
        std::max(end - at - record_frame_bytes, std::int64_t{0}), " more; the file was cut");
    check_size(i, static_cast<std::int64_t>(length), limit);
    at += record_frame_bytes + static_cast<std::int64_t>(length);
  }
}

bool TfRecordFile::read_index(std::int64_t limit) {
  const std::string name = path_ + ".index";
  std::error_code error;
  if (!fs::exists(name, error)) return false;
  // A line is two numbers of at most 19 digits, and no frame is shorter than 16 bytes.
  const std::string text =
      read_file(name, 42 * (static_cast<std::int64_t>(all_.size()) / record_frame_bytes + 1));
  const auto end = static_cast<std::int64_t>(all_.size());
  std::int64_t at = 0, line = 0;
  begins_ = {0};
  for (const char *p = text.data(), *stop = p + text.size(); p < stop; ++p) {
    std::int64_t offset = -1, bytes = -1;
    const auto first = std::from_chars(p, stop, offset);
    const bool spaced = first.ec == std::errc() && first.ptr < stop && *first.ptr == ' ';
    const auto second = spaced ? std::from_chars(first.ptr + 1, stop, bytes) : first;
    ++line;
    require<FormatError>(spaced && second.ec == std::errc() && (second.ptr == stop || *second.ptr == '\n'),
                         "tfrecord: ", printable(name), ":", line,
                         ": not an offset and a length; remove the index");
    require<FormatError>(offset == at && bytes >= record_frame_bytes && bytes <= end - at,
                         "tfrecord: ", printable(name), ":", line, ": ", bytes, " bytes at byte ", offset,
                         " do not fit the file of ", end, " bytes; remove the index");
    check_size(line - 1, bytes - record_frame_bytes, limit);
    begins_.push_back(at += bytes);
    p = second.ptr;
  }
  require<FormatError>(at == end, "tfrecord: ", printable(name), " ends at byte ", at, ", the file at ", end,
                       "; remove the index");
  return true;
}

void TfRecordFile::check_size(std::int64_t i, std::int64_t bytes, std::int64_t limit) const {
  require<FormatError>(bytes <= limit, "tfrecord: ", place(i), " has ", human_bytes(bytes), ", at most ",
                       human_bytes(limit), " are read");
}

std::string TfRecordFile::place(std::int64_t i) const {
  return cat(printable(path_), ": record ", i, " at byte ", offset(i));
}

std::string_view TfRecordFile::unchecked(std::int64_t i) const {
  require<ValueError>(i >= 0 && i < size(), "tfrecord: record ", i, " of ", size(), " in ", printable(path_));
  const std::int64_t bytes = offset(i + 1) - offset(i) - record_frame_bytes;
  // What has been read does not stay resident; shards together may be larger than memory.
  static std::atomic<std::int64_t> passed{0};
  if (passed.fetch_add(bytes) + bytes > most_resident) {
    passed = 0;
    if (mapped_) mapped_->forget(0, mapped_->size());
  }
  return all_.substr(static_cast<std::size_t>(offset(i) + record_head_bytes),
                     static_cast<std::size_t>(bytes));
}

std::string_view TfRecordFile::record(std::int64_t i) const {
  const std::string_view bytes = unchecked(i);
  const char* head = bytes.data() - record_head_bytes;
  require<FormatError>(length_matches(head), "tfrecord: ", place(i),
                       ": its length does not match its checksum; the file is damaged or no TFRecord");
  require<FormatError>(detail::number_at<std::uint64_t>(head) == bytes.size(), "tfrecord: ", place(i),
                       " has ", detail::number_at<std::uint64_t>(head), " bytes, the index says ",
                       bytes.size(), "; remove the index");
  require<FormatError>(matches(bytes, detail::number_at<std::uint32_t>(bytes.data() + bytes.size())),
                       "tfrecord: ", place(i), ": its ", bytes.size(),
                       " bytes do not match their checksum; the file is damaged");
  return bytes;
}

TfRecordWriter::TfRecordWriter(const std::string& path, int shards, bool index) : index_(index) {
  require<ValueError>(shards >= 1 && shards <= 512, "tfrecord: ", shards, " shards, 1 to 512 are possible");
  for (int s = 0; s < shards; ++s) {
    char end[32] = "";
    if (shards > 1) std::snprintf(end, sizeof end, "-%05d-of-%05d", s, shards);
    paths_.push_back(path + end);
    files_.push_back(std::make_unique<AtomicFile>(paths_.back()));
  }
  indices_.resize(files_.size());
}

void TfRecordWriter::append(std::string_view record) {
  const auto shard = static_cast<std::size_t>(records_++) % files_.size();
  if (index_) indices_[shard] += cat(files_[shard]->size(), " ", record.size() + 16, "\n");
  files_[shard]->write(framed_record(record));
}

void TfRecordWriter::close() {
  for (const auto& file : files_) file->sync();
  for (std::size_t s = 0; s < files_.size(); ++s) {
    // An index of the file that stood here before would contradict the new one.
    const std::string index = paths_[s] + ".index";
    std::error_code error;
    fs::remove(index, error);
    files_[s]->commit();
    if (index_) write_file_atomically(index, indices_[s]);
  }
  files_.clear();
}

bool is_tfrecord_name(std::string_view name) {
  std::string base;
  int shard = 0, shards = 0;
  if (shard_of(name, base, shard, shards)) return true;
  if (has_ending(name, ".gz")) name.remove_suffix(3);
  return has_ending(name, ".tfrecord") || has_ending(name, ".tfrecords") || has_ending(name, ".record");
}

bool holds_tfrecords(const std::string& folder) {
  std::error_code error;
  for (const char* part : {"", "train", "val", "validation", "test"}) {
    for (const auto& entry : fs::directory_iterator(fs::path(folder) / part, error)) {
      if (is_tfrecord_name(entry.path().filename().string()) && entry.is_regular_file()) return true;
    }
  }
  return false;
}

std::vector<std::string> tfrecord_files(const std::string& path) {
  const fs::path given(path);
  std::vector<std::string> files;
  const auto add = [&](const fs::path& folder, const char* pattern) {
    std::error_code error;
    fs::directory_iterator entries(folder.empty() ? fs::path(".") : folder, error);
    if (error) fail_file("tfrecord", printable(folder.string()), error.value());
    for (const auto& entry : entries) {
      const std::string name = entry.path().filename().string();
      const bool wanted = pattern
                              ? ::fnmatch(pattern, name.c_str(), FNM_PERIOD) == 0 && !name.ends_with(".index")
                              : name[0] != '.' && is_tfrecord_name(name);
      if (wanted && entry.is_regular_file()) files.push_back((folder / name).string());
    }
  };
  std::error_code error;
  if (fs::is_directory(given, error)) {
    add(given, nullptr);
    for (const char* split : {"train", "val", "validation", "test"}) {
      if (fs::is_directory(given / split, error)) add(given / split, nullptr);
    }
  } else if (fs::exists(given, error) || path.find_first_of("*?") == std::string::npos) {
    return {path};
  } else {
    add(given.parent_path(), given.filename().c_str());
  }
  require<DataError>(!files.empty(), "tfrecord: ", printable(path), " matches no TFRecord");
  std::sort(files.begin(), files.end());
  std::map<std::pair<std::string, int>, std::set<int>> found;
  for (const std::string& file : files) {
    std::string base;
    int shard = 0, shards = 0;
    if (shard_of(file, base, shard, shards)) found[{base, shards}].insert(shard);
  }
  for (const auto& [which, there] : found) {
    if (fs::path(path).filename().string().find('*') == std::string::npos && !fs::is_directory(given, error))
      break;
    int missing = 0;
    while (there.count(missing) > 0) ++missing;
    require<DataError>(missing >= which.second, "tfrecord: shard ", missing, " of ", which.second, " of ",
                       printable(which.first),
                       " is missing; copy it there or name the files you mean with ? and *");
  }
  return files;
}

}  // namespace gadolin
