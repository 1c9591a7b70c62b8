#include "data/sets/feature_rows.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "io/npy.h"
#include "io/zip_file.h"
#include "tensor/check.h"

namespace gadolin {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t most_resident_rows = std::size_t{64} << 20;

bool is_feature_part(const fs::path& folder) {
  std::error_code error;
  return FeatureRows::holds(folder.string()) && fs::is_regular_file(folder / "index.csv", error);
}

// The array in place. A packed member would have to be unpacked whole.
NpyView view_in(const MappedFile& file, const std::string& path, const std::string& name) {
  if (!path.ends_with(".npz")) return view_npy(file.text(), path);
  const ZipFile zip(file.text(), path);
  const ZipEntry* entry = zip.find(name + ".npy");
  require<DataError>(entry != nullptr, "features: ", printable(path), " has no array ", name,
                     "; save it with numpy.savez(path, ", name, "=x)");
  require<DataError>(!entry->deflated, "features: ", printable(path),
                     " is compressed and would have to be unpacked whole; write it with numpy.savez, not "
                     "savez_compressed");
  return view_npy(zip.view(*entry), path);
}

}  // namespace

std::vector<FeaturePart> feature_parts(const std::string& folder) {
  std::vector<FeaturePart> parts;
  if (is_feature_part(folder)) parts.push_back({folder, "all", Split::none});
  const auto look = [&](const std::string& name, Split split) {
    if (const std::string part = folder + "/" + name; is_feature_part(part))
      parts.push_back({part, name, split});
  };
  for (const Split split : {Split::train, Split::val, Split::test}) look(split_name(split), split);
  for (int k = 1; is_feature_part(folder + cat("/fold-", k)); ++k) look(cat("fold-", k), Split::none);
  return parts;
}

bool FeatureRows::holds(const std::string& folder, const std::string& name) {
  std::error_code error;
  return fs::is_regular_file(folder + "/" + name + ".npy", error) ||
         fs::is_regular_file(folder + "/" + name + ".npz", error);
}

void FeatureRows::add(const std::string& folder, const std::string& name) {
  std::error_code error;
  const std::string plain = folder + "/" + name + ".npy",
                    path = fs::is_regular_file(plain, error) ? plain : folder + "/" + name + ".npz";
  auto file = std::make_shared<MappedFile>(path);
  const NpyView view = view_in(*file, path, name);
  require<DataError>(view.shape.dim() >= 2 && view.shape.numel() > 0, "features: ", printable(path), " is ",
                     view.shape,
                     ", and a set needs [rows, ...]; was it written by nodule extract-features or predict "
                     "--layer?");
  Shape row;
  for (int d = 1; d < view.shape.dim(); ++d) row.push_back(view.shape[d]);
  require<DataError>(arrays_.empty() || row == row_, "features: ", printable(path), " has rows ", row,
                     ", the part before it ", row_, "; their rows must be of one layer of one net");
  row_ = row;
  arrays_.push_back({path, std::move(file), view.dtype, view.bytes, rows_});
  rows_ += view.shape[0];
}

std::int64_t FeatureRows::rows_of_last() const { return arrays_.empty() ? 0 : rows_ - arrays_.back().begin; }

void FeatureRows::copy(std::int64_t i, float* to, std::string_view who) const {
  require<ValueError>(i >= 0 && i < rows_, "features: row ", i, " of ", rows_);
  const auto behind = std::upper_bound(arrays_.begin(), arrays_.end(), i,
                                       [](std::int64_t row, const Array& a) { return row < a.begin; });
  const Array& array = *(behind - 1);
  const std::int64_t width = row_.numel();
  dispatch_all(array.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const char* from = array.bytes.data() + static_cast<std::size_t>((i - array.begin) * width) * sizeof(T);
    for (std::int64_t j = 0; j < width; ++j) {
      T value;
      std::memcpy(&value, from + static_cast<std::size_t>(j) * sizeof(T), sizeof(T));
      to[j] = static_cast<float>(value);
    }
  });
  // What has been read does not stay resident: the arrays may be larger than memory.
  static std::atomic<std::size_t> passed{0};
  const std::size_t bytes = static_cast<std::size_t>(width * size_of(array.dtype));
  if (passed.fetch_add(bytes) + bytes > most_resident_rows) {
    passed = 0;
    for (const Array& one : arrays_) one.file->forget(0, one.file->size());
  }
  const float* bad = std::find_if(to, to + width, [](float v) { return !std::isfinite(v); });
  if (bad != to + width)
    fail<DataError>("features: ", printable(who), " has ", *bad, " at place ", bad - to,
                    "; extract it again, and look at the picture");
}

}  // namespace gadolin
