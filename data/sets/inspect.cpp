// Decoding every sample once, in parallel, and keeping what check and stats need.
#include "data/sets/inspect.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <set>
#include <thread>

#include "io/sha256.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

template <class T> void add_pixels(const Image& image, SampleFacts& f) {
  const double white = static_cast<double>(T(~T{0}));
  const T* p = image.data<T>();
  T low = p[0], high = p[0];
  std::array<double, 3> sum{}, squares{};
  const auto channels = static_cast<std::size_t>(image.channels);
  for (int y = 0; y < image.height; ++y) {
    std::uint64_t row_sum[3] = {}, row_squares[3] = {};
    for (int x = 0; x < image.width; ++x) {
      for (std::size_t c = 0; c < channels; ++c, ++p) {
        const std::uint64_t v = *p;
        row_sum[c] += v;
        row_squares[c] += v * v;
        low = std::min(low, *p);
        high = std::max(high, *p);
      }
    }
    for (std::size_t c = 0; c < channels; ++c) {
      sum[c] += static_cast<double>(row_sum[c]);
      squares[c] += static_cast<double>(row_squares[c]);
    }
  }
  for (std::size_t c = 0; c < 3; ++c) {
    f.sum[c] = sum[channels == 1 ? 0 : c] / white;
    f.sum_of_squares[c] = squares[channels == 1 ? 0 : c] / (white * white);
  }
  f.lowest = low / white;
  f.highest = high / white;
}

SampleFacts inspect_one(const Dataset& dataset, std::int64_t i) {
  SampleFacts f;
  try {
    const StoredImage source = dataset.read(i);
    f.file_bytes = static_cast<std::int64_t>(source.file.size());
    f.format = image_format(source.file);
    DecodeOptions options;
    options.warn = [&](const std::string& sentence) { f.warnings.push_back(sentence); };
    const Image image =
        source.image.numel() > 0 ? source.image : decode_image(source.file, dataset.info(i).name, options);
    f.width = image.width;
    f.height = image.height;
    f.channels = image.channels;
    f.bits = image.bits;
    if (image.bits == 8)
      add_pixels<std::uint8_t>(image, f);
    else
      add_pixels<std::uint16_t>(image, f);
    const int size[] = {image.width, image.height, image.channels, image.bits};
    f.pixel_hash = Sha256().update(size, sizeof size).update(image.pixels.data(), image.pixels.size()).hex();
  } catch (const Error& e) {
    f.error = e.message();
  } catch (const std::bad_alloc&) {
    f.error = cat("decode: ", printable(dataset.info(i).name), ": no memory");
  }
  return f;
}

DataStats::Range range_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  return {values.front(), values[values.size() / 2], values.back()};
}

}  // namespace

std::vector<SampleFacts> inspect_samples(const Dataset& dataset, int threads) {
  require<UsageError>(threads >= 0 && threads <= 1024, "inspect: threads = ", threads, " is not in 0..1024");
  if (threads == 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  std::vector<SampleFacts> facts(static_cast<std::size_t>(dataset.size()));
  std::atomic<std::int64_t> next{0};
  const auto work = [&] {
    for (std::int64_t i = next++; i < dataset.size(); i = next++)
      facts[static_cast<std::size_t>(i)] = inspect_one(dataset, i);
  };
  std::vector<std::jthread> workers;
  for (int t = 1; t < threads; ++t) workers.emplace_back(work);
  work();
  workers.clear();
  return facts;
}

DataStats dataset_stats(const Dataset& dataset, const std::vector<SampleFacts>& facts) {
  require<ValueError>(facts.size() == static_cast<std::size_t>(dataset.size()), "dataset_stats: facts of ",
                      facts.size(), " samples for a set of ", dataset.size());
  DataStats stats;
  stats.samples = dataset.size();
  stats.class_counts.resize(dataset.classes().size());
  std::set<std::string> patients;
  std::map<std::string, std::int64_t> kinds;
  std::vector<double> widths, heights, sizes;
  double pixels = 0;
  std::array<double, 3> sum{}, squares{};
  bool colour = false;
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const SampleInfo& s = dataset.info(i);
    const SampleFacts& f = facts[static_cast<std::size_t>(i)];
    const auto split = static_cast<std::size_t>(s.split);
    ++stats.split_counts[split];
    for (const int label : s.labels) ++stats.class_counts[static_cast<std::size_t>(label)][split];
    if (s.labels.empty()) ++stats.unlabelled;
    if (!s.patient.empty()) patients.insert(s.patient);
    if (!f.error.empty()) {
      ++stats.unreadable;
      continue;
    }
    widths.push_back(f.width);
    heights.push_back(f.height);
    sizes.push_back(static_cast<double>(f.file_bytes));
    ++kinds[cat(f.file_bytes ? format_name(f.format) : "raw", f.channels == 1 ? " grey " : " colour ", f.bits,
                " bit")];
    colour = colour || f.channels == 3;
    pixels += static_cast<double>(f.width) * f.height;
    for (std::size_t c = 0; c < 3; ++c) {
      sum[c] += f.sum[c];
      squares[c] += f.sum_of_squares[c];
    }
  }
  stats.patients = static_cast<std::int64_t>(patients.size());
  stats.width = range_of(std::move(widths));
  stats.height = range_of(std::move(heights));
  stats.file_bytes = range_of(std::move(sizes));
  stats.kinds.assign(kinds.begin(), kinds.end());
  for (std::size_t c = 0; pixels > 0 && c < (colour ? 3u : 1u); ++c) {
    const double mean = sum[c] / pixels;
    stats.mean.push_back(mean);
    stats.deviation.push_back(std::sqrt(std::max(0.0, squares[c] / pixels - mean * mean)));
  }
  return stats;
}

}  // namespace gadolin
