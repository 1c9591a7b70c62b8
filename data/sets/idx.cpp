// MNIST's IDX files, plain or gzip: big-endian sizes, then bytes.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <new>

#include <zlib.h>

#include "data/sets/dataset.h"
#include "tensor/check.h"

namespace gadolin {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t max_bytes = (std::size_t{1} << 31) + 4096;

struct Inflater {
  z_stream stream{};
  ~Inflater() { inflateEnd(&stream); }
};

struct IdxFile {
  std::vector<std::int64_t> sizes;
  std::vector<std::uint8_t> bytes;
  std::size_t begin = 0;
};

// From the first bytes of a file. Returns how many it must have in all.
std::size_t read_header(IdxFile& f, const std::string& path, int dims) {
  f.begin = 4 + 4 * static_cast<std::size_t>(dims);
  require<FormatError>(f.bytes.size() >= f.begin && f.bytes[0] == 0 && f.bytes[1] == 0 && f.bytes[2] == 8 &&
                           f.bytes[3] == dims,
                       "idx: ", printable(path), " is not an IDX file of bytes with ", dims, " dimensions");
  f.sizes.clear();
  std::int64_t samples = 1;
  for (std::size_t d = 0; d < static_cast<std::size_t>(dims); ++d) {
    const std::uint8_t* p = f.bytes.data() + 4 + 4 * d;
    f.sizes.push_back(std::int64_t{p[0]} << 24 | std::int64_t{p[1]} << 16 | std::int64_t{p[2]} << 8 | p[3]);
    require<FormatError>(f.sizes.back() > 0 && f.sizes.back() <= (std::int64_t{1} << 31) / samples,
                         "idx: ", printable(path), ": dimension ", d, " is ", f.sizes.back(),
                         "; sizes are above 0, and 2 GiB in all");
    samples *= f.sizes.back();
  }
  return f.begin + static_cast<std::size_t>(samples);
}

// As far as the header says and no further: a small file may unpack to any size.
void gunzip(IdxFile& f, const std::vector<std::uint8_t>& packed, const std::string& path, int dims) {
  Inflater z;
  if (inflateInit2(&z.stream, 15 + 16) != Z_OK) throw std::bad_alloc();
  z.stream.next_in = const_cast<Bytef*>(packed.data());
  z.stream.avail_in = static_cast<uInt>(packed.size());
  std::vector<std::uint8_t> block(1 << 16);
  std::size_t promised = 0;
  for (int state = Z_OK; state != Z_STREAM_END;) {
    z.stream.next_out = block.data();
    z.stream.avail_out = static_cast<uInt>(block.size());
    state = inflate(&z.stream, Z_NO_FLUSH);
    require<FormatError>(state == Z_OK || state == Z_STREAM_END, "idx: ", printable(path),
                         " is damaged, at byte ", z.stream.total_in, " of ", packed.size(), ": ",
                         z.stream.msg ? z.stream.msg : "the file was cut short");
    f.bytes.insert(f.bytes.end(), block.data(), block.data() + (block.size() - z.stream.avail_out));
    if (promised == 0) promised = read_header(f, path, dims);
    require<FormatError>(f.bytes.size() <= promised, "idx: ", printable(path), " unpacks to more than the ",
                         promised, " bytes that its header promises");
  }
}

IdxFile read_idx(const std::string& path, int dims) {
  IdxFile f;
  f.bytes = read_bytes(path, max_bytes);
  if (f.bytes.size() > 2 && f.bytes[0] == 0x1f && f.bytes[1] == 0x8b) {
    const std::vector<std::uint8_t> packed = std::move(f.bytes);
    f.bytes = {};
    gunzip(f, packed, path, dims);
  }
  const std::size_t promised = read_header(f, path, dims);
  require<FormatError>(f.bytes.size() == promised, "idx: ", printable(path), " has ",
                       f.bytes.size() - f.begin, " bytes of samples, its header says ", promised - f.begin);
  return f;
}

class IdxDataset : public Dataset {
 public:
  IdxDataset(const Dataset& samples, std::shared_ptr<const std::vector<IdxFile>> files)
      : Dataset(samples), files_(std::move(files)) {}

  StoredImage read(std::int64_t i) const override {
    const std::int64_t record = info(i).record;
    const IdxFile& f = (*files_)[static_cast<std::size_t>(record >> 32)];
    StoredImage source{{}, Image(static_cast<int>(f.sizes[2]), static_cast<int>(f.sizes[1]), 1)};
    const std::size_t n = source.image.numel(),
                      at = f.begin + static_cast<std::size_t>(record & 0xffffffff) * n;
    std::memcpy(source.image.pixels.data(), f.bytes.data() + at, n);
    return source;
  }

 protected:
  std::unique_ptr<Dataset> clone() const override { return std::unique_ptr<Dataset>(new IdxDataset(*this)); }

 private:
  std::shared_ptr<const std::vector<IdxFile>> files_;
};

std::string labels_path(std::string path) {
  path.replace(path.find("images-idx3"), 11, "labels-idx1");
  return path;
}

}  // namespace

std::unique_ptr<Dataset> open_idx(const std::string& root, const DatasetOptions& options) {
  std::vector<std::string> paths;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (entry.path().filename().string().find("images-idx3-ubyte") != std::string::npos)
      paths.push_back(entry.path().string());
  }
  require<DataError>(!paths.empty(), "idx: ", printable(root), " holds no *images-idx3-ubyte file");
  std::sort(paths.begin(), paths.end());
  auto files = std::make_shared<std::vector<IdxFile>>();
  std::vector<detail::RawSample> samples;
  for (const std::string& path : paths) {
    IdxFile images = read_idx(path, 3);
    const IdxFile labels = read_idx(labels_path(path), 1);
    require<DataError>(images.sizes[0] == labels.sizes[0], "idx: ", printable(path), " has ", images.sizes[0],
                       " images, its labels are ", labels.sizes[0]);
    require<FormatError>(images.sizes[1] <= 16384 && images.sizes[2] <= 16384, "idx: ", printable(path),
                         ": images of ", images.sizes[2], " x ", images.sizes[1],
                         ", at most 16384 x 16384 are read");
    const std::string stem =
        fs::path(path).filename().string().substr(0, fs::path(path).filename().string().find('-'));
    for (std::int64_t i = 0; i < images.sizes[0]; ++i) {
      detail::RawSample sample;
      sample.info.name = cat(stem, "/", i);
      sample.info.split = stem == "train" ? Split::train : stem == "t10k" ? Split::test : Split::none;
      sample.info.record = static_cast<std::int64_t>(files->size()) << 32 | i;
      sample.labels = {cat(static_cast<int>(labels.bytes[labels.begin + static_cast<std::size_t>(i)]))};
      sample.place = "idx";
      samples.push_back(std::move(sample));
    }
    files->push_back(std::move(images));
  }
  return std::make_unique<IdxDataset>(*detail::number_classes(std::move(samples), options, root),
                                      std::move(files));
}

}  // namespace gadolin
