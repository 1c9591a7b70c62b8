// The rules behind `gadolin data check`.
#include <algorithm>
#include <filesystem>
#include <map>
#include <unordered_map>

#include "data/image/codec.h"
#include "data/sets/inspect.h"
#include "data/sets/split.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

using Level = Problem::Level;

class Checker {
 public:
  Checker(const Dataset& dataset, const std::vector<SampleFacts>& facts) : dataset_(dataset), facts_(facts) {}

  void samples() {
    for (std::int64_t i = 0; i < dataset_.size(); ++i) {
      const SampleFacts& f = facts_[static_cast<std::size_t>(i)];
      if (!f.error.empty()) {
        add(Level::error, "unreadable", f.error);
        continue;
      }
      if (f.lowest == f.highest)
        add(Level::warning, "constant", cat(name(i), " has one value in all pixels"));
      extension(i, f);
      if (!f.warnings.empty()) standard(i, f);
      size(i, f);
      duplicate(i, f);
    }
  }

  void classes() {
    const std::vector<std::int64_t> counts = dataset_.class_counts();
    for (std::size_t c = 0; c < counts.size(); ++c) {
      if (counts[c] == 0)
        add(Level::error, "empty-class", cat("class ", printable(dataset_.classes()[c]), " has no samples"));
    }
    for (const Split split : {Split::train, Split::val, Split::test}) {
      if (!dataset_.has_split(split)) continue;
      const std::vector<std::int64_t> in = dataset_.subset(split)->class_counts();
      for (std::size_t c = 0; c < in.size(); ++c) {
        if (in[c] > 0 || counts[c] == 0) continue;
        add(split == Split::train ? Level::error : Level::warning, "missing-class",
            cat("class ", printable(dataset_.classes()[c]), " has no samples in ", split_name(split)));
      }
    }
  }

  void leaks() {
    for (const Leak& leak : patient_leaks(dataset_)) {
      add(Level::error, "leak-patient",
          cat(printable(leak.first), " (", split_name(leak.first_split), ") and ", printable(leak.second),
              " (", split_name(leak.second_split), ") are of one patient"));
    }
  }

  void medians() {
    std::vector<double> areas;
    for (const SampleFacts& f : facts_)
      if (f.error.empty()) areas.push_back(double(f.width) * f.height);
    if (areas.empty()) return;
    std::nth_element(areas.begin(), areas.begin() + static_cast<std::ptrdiff_t>(areas.size() / 2),
                     areas.end());
    median_area_ = areas[areas.size() / 2];
  }

  void add(Level level, const char* kind, std::string text) {
    problems.push_back({level, kind, std::move(text)});
  }
  std::vector<Problem> problems;

 private:
  std::string name(std::int64_t i) const { return printable(dataset_.info(i).name); }

  void extension(std::int64_t i, const SampleFacts& f) {
    if (f.file_bytes == 0) return;
    std::string end = std::filesystem::path(dataset_.info(i).name).extension().string();
    for (char& c : end)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (f.format == ImageFormat::dicom || end.empty()) return;  // scanners name their files as they like
    const auto& formats = detail::decoders();
    const bool fits = std::any_of(formats.begin(), formats.end(), [&](const detail::Decoder& d) {
      return d.format == f.format &&
             std::find(d.endings.begin(), d.endings.end(), end.substr(1)) != d.endings.end();
    });
    if (!fits) add(Level::warning, "wrong-extension", cat(name(i), " is a ", format_name(f.format), " file"));
  }

  void standard(std::int64_t i, const SampleFacts& f) {
    std::string all;
    for (const std::string& sentence : f.warnings) all += (all.empty() ? "" : "; ") + sentence;
    add(Level::warning, "standard", cat(name(i), ": ", all));
  }

  // An area 16 times off the median, or sides in a ratio above 8, is hardly meant.
  void size(std::int64_t i, const SampleFacts& f) {
    const double area = double(f.width) * f.height;
    const double ratio = double(std::max(f.width, f.height)) / std::min(f.width, f.height);
    if (area * 16 >= median_area_ && area <= median_area_ * 16 && ratio <= 8) return;
    add(Level::warning, "size-outlier",
        cat(name(i), " has ", f.width, " x ", f.height, " pixels, the median is ",
            static_cast<std::int64_t>(median_area_), " in all"));
  }

  void duplicate(std::int64_t i, const SampleFacts& f) {
    const auto [found, fresh] = first_.emplace(f.pixel_hash, i);
    if (fresh) return;
    const SampleInfo &a = dataset_.info(found->second), &b = dataset_.info(i);
    const std::string both = cat(printable(a.name), " and ", printable(b.name), " have the same pixels");
    if (a.labels != b.labels) add(Level::error, "label-conflict", cat(both, " and different labels"));
    if (a.split != b.split && a.split != Split::none && b.split != Split::none) {
      add(Level::error, "leak-pixels", cat(both, ", in ", split_name(a.split), " and ", split_name(b.split)));
    } else if (a.labels == b.labels) {
      add(Level::warning, "duplicate", both);
    }
  }

  const Dataset& dataset_;
  const std::vector<SampleFacts>& facts_;
  std::unordered_map<std::string, std::int64_t> first_;
  double median_area_ = 0;
};

}  // namespace

std::vector<Problem> check_dataset(const Dataset& dataset, const std::vector<SampleFacts>& facts,
                                   const std::vector<std::string>& rows) {
  require<ValueError>(facts.size() == static_cast<std::size_t>(dataset.size()), "check_dataset: facts of ",
                      facts.size(), " samples for a set of ", dataset.size());
  Checker checker(dataset, facts);
  for (const std::string& row : rows) checker.add(Level::error, "row", row);
  if (const std::string text = dataset.left_out_text(); !text.empty())
    checker.add(Level::warning, "left-out", text);
  checker.medians();
  checker.samples();
  checker.classes();
  checker.leaks();
  return std::move(checker.problems);
}

}  // namespace gadolin
