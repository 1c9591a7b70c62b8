#include "data/sets/sequence_set.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "data/sets/collation.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/sha256.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {

// Shared by a set and its subsets: SampleInfo::record is the place in `series`.
struct SequenceSet::Parts {
  struct Series {
    std::size_t first, count;  // in `slices`
  };
  std::vector<SequenceSlice> slices;
  std::vector<Series> series;
  FeatureRows features, base;  // base: none, or as many rows
  std::vector<std::string> notes;
};

namespace {

constexpr std::int64_t least_padded = 16;
constexpr std::size_t most_classes = 64;

template <class T> bool read_number(std::string_view text, T& value) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  return read.ec == std::errc() && read.ptr == text.data() + text.size();
}

// A series while it is gathered.
struct SeriesDraft {
  std::string name, study, patient, place;  // place: of its first line
  Split split = Split::none;
  std::vector<SequenceSlice> slices;
};

// Reads the indices of all parts of a folder.
class SequenceReader {
 public:
  explicit SequenceReader(const DatasetOptions& options, std::vector<std::string> classes)
      : options_(options), fixed_(!classes.empty()), classes_(std::move(classes)) {}

  void add(const FeaturePart& part, SequenceSet::Parts& parts) {
    parts.features.add(part.folder);
    const std::int64_t count = parts.features.rows_of_last(), first = parts.features.rows() - count;
    const std::string path = part.folder + "/index.csv";
    seen_.assign(static_cast<std::size_t>(count), false);
    std::int64_t lines = 0;
    const MappedFile file(path);
    each_csv_row(
        file.text(), path,
        [&](const CsvTable& header) {
          for (const char* name : {"row", "path", "patient", "series", "position"})
            columns_[name] = header.column(name);
          for (const char* name : {"study", "label", "split", "labelled"}) columns_[name] = header.find(name);
        },
        [&](std::vector<std::string>& row, std::int64_t line) {
          ++lines;
          add_line(part, row, cat("sequences: ", path, ":", line), first);
        });
    require<DataError>(lines == count, "sequences: ", printable(path), " has ", lines, " rows, ",
                       std::filesystem::path(parts.features.path()).filename().string(), " beside it ", count,
                       "; extract both again");
    if (!FeatureRows::holds(part.folder, "base")) return;
    parts.base.add(part.folder, "base");
    require<DataError>(parts.base.rows_of_last() == count, "sequences: ", printable(parts.base.path()),
                       " has ", parts.base.rows_of_last(), " rows, the features beside it ", count,
                       "; extract both again");
  }

  // The series in the order of their names, each in the order of its slices.
  std::unique_ptr<Dataset> finish(const std::string& root, SequenceSet::Parts& parts) {
    number_classes();
    std::set<std::string> names;
    std::map<std::string, std::pair<Split, std::string>> sides;  // of a patient: split, series
    std::vector<SampleInfo> infos;
    std::int64_t cut = 0;
    for (auto& [key, draft] : drafts_) {
      // What has no labels is only to be predicted: the division of a competition need not be by patient.
      if (std::any_of(draft.slices.begin(), draft.slices.end(), [](const auto& s) { return s.labelled; }))
        check_patient(draft, sides);
      sort(draft);
      check_once(draft);
      const std::string name = names.insert(draft.name).second ? draft.name : draft.study + "/" + draft.name;
      names.insert(name);
      const auto length = std::ssize(draft.slices);
      const std::int64_t longest = options_.longest > 0 ? options_.longest : length,
                         pieces = (length + longest - 1) / longest;
      cut += pieces > 1;
      for (std::int64_t p = 0; p < pieces; ++p) {
        const std::int64_t from = length * p / pieces, to = length * (p + 1) / pieces;
        SampleInfo info;
        info.name = pieces > 1 ? cat(name, "#", p + 1) : name;
        info.patient = draft.patient;
        info.split = draft.split;
        info.record = std::ssize(parts.series);
        std::uint64_t any = 0;
        parts.series.push_back({parts.slices.size(), static_cast<std::size_t>(to - from)});
        for (std::int64_t s = from; s < to; ++s) {
          any |= draft.slices[static_cast<std::size_t>(s)].labels;
          parts.slices.push_back(std::move(draft.slices[static_cast<std::size_t>(s)]));
        }
        for (std::size_t k = 0; k < classes_.size(); ++k)
          if (any >> k & 1) info.labels.push_back(static_cast<int>(k));
        infos.push_back(std::move(info));
      }
      draft.slices = {};
    }
    if (ties_ > 0)
      parts.notes.push_back(cat(ties_, " slices have the position of the one before them, such as ",
                                first_tie_, "; they stay in the order of the table"));
    if (cut > 0)
      parts.notes.push_back(
          cat(cut, " series have more than ", options_.longest, " slices and are cut into parts"));
    return std::make_unique<Dataset>(classes_, true, std::move(infos), root);
  }

 private:
  std::string_view field(const std::vector<std::string>& row, const char* name) const {
    const int at = columns_.find(name)->second;
    return at < 0 ? std::string_view() : trimmed(row[static_cast<std::size_t>(at)]);
  }

  void add_line(const FeaturePart& part, const std::vector<std::string>& row, const std::string& place,
                std::int64_t first) {
    SequenceSlice slice;
    std::int64_t number = -1;
    const bool good = read_number(field(row, "row"), number) && number >= 0 && number < std::ssize(seen_) &&
                      !seen_[static_cast<std::size_t>(number)];
    require<DataError>(good, place, ": row '", printable(field(row, "row"), 40), "' is not one of 0 to ",
                       seen_.size() - 1, ", each once");
    seen_[static_cast<std::size_t>(number)] = true;
    slice.row = first + number;
    slice.name = field(row, "path");
    const std::string series(field(row, "series")), study(field(row, "study")),
        patient(field(row, "patient"));
    require<DataError>(!slice.name.empty() && !series.empty(), place, ": the ",
                       slice.name.empty() ? "path" : "series", " is empty");
    require<DataError>(read_number(field(row, "position"), slice.position) && std::isfinite(slice.position),
                       place, ": the position '", printable(field(row, "position"), 40),
                       "' is no number; it must be the slice's place along the normal, in mm");
    const std::string_view labelled = field(row, "labelled");
    require<DataError>(labelled.empty() || labelled == "0" || labelled == "1", place, ": labelled is '",
                       printable(labelled, 40), "'; it must be 0 or 1");
    slice.labelled = labelled != "0";
    slice.labels = labels_of(field(row, "label"), place);
    const Split own = split_from(field(row, "split"), place);
    const Split split = own == Split::none ? part.split : own;
    const auto [at, fresh] = drafts_.try_emplace(study + '\n' + series);
    SeriesDraft& draft = at->second;
    if (fresh) draft = {series, study, patient.empty() ? series : patient, place, split, {}};
    require<DataError>(draft.split == split && (patient.empty() || draft.patient == patient), place,
                       ": series ", printable(series), " has another ",
                       draft.split == split ? "patient" : "split", " than at ", draft.place,
                       "; a series is of one patient and one split");
    draft.slices.push_back(std::move(slice));
  }

  std::uint64_t labels_of(std::string_view text, const std::string& place) {
    std::uint64_t bits = 0;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find('|', begin), text.size());
      const std::string word(trimmed(text.substr(begin, end - begin)));
      begin = end + 1;
      if (word.empty()) continue;
      auto known = std::find(classes_.begin(), classes_.end(), word);
      require<DataError>(known != classes_.end() || !fixed_, place, ": label '", printable(word, 40),
                         "' is not among the ", classes_.size(), " classes");
      if (known == classes_.end()) {
        require<DataError>(classes_.size() < most_classes, place, ": more than ", most_classes,
                           " classes are not possible");
        known = classes_.insert(classes_.end(), word);
      }
      bits |= std::uint64_t{1} << (known - classes_.begin());
    }
    return bits;
  }

  // Classes that were not fixed came in the order of the files: sorted they do not depend on it.
  void number_classes() {
    if (fixed_) return;
    std::vector<std::string> sorted = classes_;
    std::sort(sorted.begin(), sorted.end());
    std::vector<std::size_t> place;
    for (const std::string& name : classes_)
      place.push_back(
          static_cast<std::size_t>(std::find(sorted.begin(), sorted.end(), name) - sorted.begin()));
    for (auto& [key, draft] : drafts_)
      for (SequenceSlice& slice : draft.slices) {
        std::uint64_t bits = 0;
        for (std::size_t k = 0; k < place.size(); ++k)
          if (slice.labels >> k & 1) bits |= std::uint64_t{1} << place[k];
        slice.labels = bits;
      }
    classes_ = std::move(sorted);
  }

  static void check_patient(const SeriesDraft& draft,
                            std::map<std::string, std::pair<Split, std::string>>& sides) {
    const auto& [split, other] =
        sides.try_emplace(draft.patient, std::pair(draft.split, draft.place)).first->second;
    require<DataError>(split == draft.split, draft.place, ": its patient is in split '",
                       split_name(draft.split), "', but in '", split_name(split), "' at ", other,
                       "; divide by patient");
  }

  static void check_once(const SeriesDraft& draft) {
    std::set<std::string_view> names;
    for (const SequenceSlice& slice : draft.slices)
      require<DataError>(names.insert(slice.name).second, draft.place, ": slice ", printable(slice.name),
                         " of series ", printable(draft.name),
                         " is there twice; a folder holds the features of one run");
  }

  void sort(SeriesDraft& draft) {
    auto& slices = draft.slices;
    std::stable_sort(slices.begin(), slices.end(),
                     [](const SequenceSlice& a, const SequenceSlice& b) { return a.position < b.position; });
    for (std::size_t s = 1; s < slices.size(); ++s) {
      if (slices[s].position != slices[s - 1].position) continue;
      if (ties_++ == 0)
        first_tie_ = cat(printable(slices[s].name), " and ", printable(slices[s - 1].name), " at ",
                         slices[s].position);
    }
  }

  const DatasetOptions& options_;
  bool fixed_;
  std::vector<std::string> classes_;
  std::map<std::string, int, std::less<>> columns_;
  std::vector<bool> seen_;  // rows of the part that is read
  std::map<std::string, SeriesDraft> drafts_;
  std::int64_t ties_ = 0;
  std::string first_tie_;
};

}  // namespace

SequenceSet::SequenceSet(const Dataset& series, std::shared_ptr<const Parts> parts)
    : Dataset(series), parts_(std::move(parts)) {}

std::span<const SequenceSlice> SequenceSet::slices(std::int64_t i) const {
  const Parts::Series& s = parts_->series[static_cast<std::size_t>(info(i).record)];
  return std::span(parts_->slices).subspan(s.first, s.count);
}
std::int64_t SequenceSet::length(std::int64_t i) const { return std::ssize(slices(i)); }
std::int64_t SequenceSet::features() const { return parts_->features.row().numel(); }
std::int64_t SequenceSet::all_slices() const {
  std::int64_t all = 0;
  for (std::int64_t i = 0; i < size(); ++i) all += length(i);
  return all;
}
bool SequenceSet::has_base() const { return parts_->base.rows() > 0; }
const std::vector<std::string>& SequenceSet::notes() const { return parts_->notes; }

std::vector<float> SequenceSet::base(std::int64_t i) const {
  if (!has_base()) return {};
  const auto steps = slices(i);
  const auto k = static_cast<std::size_t>(num_classes());
  std::vector<float> all(steps.size() * k);
  for (std::size_t t = 0; t < steps.size(); ++t)
    parts_->base.copy(steps[t].row, all.data() + t * k, steps[t].name);
  return all;
}

Sample SequenceSet::sample(std::int64_t i) const {
  const auto steps = slices(i);
  const std::int64_t length = std::ssize(steps), width = features(), k = num_classes();
  SampleArray x{{length, width}, std::vector<float>(static_cast<std::size_t>(length * width))},
      label{{length, k}, std::vector<float>(static_cast<std::size_t>(length * k))}, known{{length}, {}};
  for (std::int64_t t = 0; t < length; ++t) {
    const SequenceSlice& slice = steps[static_cast<std::size_t>(t)];
    parts_->features.copy(slice.row, x.values.data() + t * width, slice.name);
    for (std::int64_t c = 0; c < k; ++c)
      label.values[static_cast<std::size_t>(t * k + c)] = static_cast<float>(slice.labels >> c & 1);
    known.values.push_back(slice.labelled ? 1.f : 0.f);
  }
  Sample sample;
  sample.set("x", std::move(x)).set("label", std::move(label)).set("known", std::move(known));
  return sample;
}

std::string SequenceSet::fingerprint() const {
  Sha256 hash;
  hash.update(Dataset::fingerprint());
  for (std::int64_t i = 0; i < size(); ++i)
    for (const SequenceSlice& s : slices(i))
      hash.update(cat(s.name, "\t", s.labels, s.labelled ? "\n" : "?\n"));
  return hash.hex();
}

std::unique_ptr<SequenceSet> open_sequences(const std::string& folder, const DatasetOptions& options) {
  require<UsageError>(options.longest >= 0, "sequences: a longest series of ", options.longest,
                      " slices is not possible; use 1 or more, or 0 for any length");
  const std::vector<FeaturePart> parts = feature_parts(folder);
  require<DataError>(!parts.empty(), "sequences: ", printable(folder),
                     " holds no features.npy with index.csv, nor do train, val, test or fold-1 in it; make "
                     "them with hemorrhage extract-features");
  std::vector<std::string> classes = options.classes;
  std::error_code error;
  if (const std::string list = folder + "/classes.txt";
      classes.empty() && std::filesystem::is_regular_file(list, error))
    classes = text_lines(read_file(list, 1 << 20));
  require<DataError>(classes.size() <= most_classes, "sequences: ", classes.size(),
                     " classes are more than the ", most_classes, " that are possible");
  SequenceReader reader(options, std::move(classes));
  auto all = std::make_shared<SequenceSet::Parts>();
  for (const FeaturePart& part : parts) reader.add(part, *all);
  const auto series = reader.finish(folder, *all);
  require<DataError>(all->base.rows() == 0 || (all->base.rows() == all->features.rows() &&
                                               all->base.row().numel() == series->num_classes()),
                     "sequences: ", printable(folder), ": base.npy has ", all->base.rows(), " rows of ",
                     all->base.row().numel(), ", the features ", all->features.rows(), " and ",
                     series->num_classes(), " classes; extract all parts again");
  return std::make_unique<SequenceSet>(*series, std::move(all));
}

bool holds_sequences(const std::string& folder) {
  for (const FeaturePart& part : feature_parts(folder)) {
    const std::string path = part.folder + "/index.csv";
    const MappedFile file(path);
    const std::string_view text = file.text();
    return parse_csv(text.substr(0, text.find('\n')), path).find("series") >= 0;
  }
  return false;
}

std::vector<std::int64_t> padded_lengths(const SequenceSet& set, std::int64_t least) {
  std::map<std::int64_t, std::int64_t> count;
  for (std::int64_t i = 0; i < set.size(); ++i) ++count[padded_size(set.length(i), {}, least_padded)];
  for (auto at = count.begin(); at != count.end() && std::next(at) != count.end();) {
    if (at->second >= least) {
      ++at;
      continue;
    }
    std::next(at)->second += at->second;
    at = count.erase(at);
  }
  std::vector<std::int64_t> lengths;
  for (const auto& [length, series] : count) lengths.push_back(length);
  // The longest ones may be too few as well.
  if (lengths.size() > 1 && count.rbegin()->second < least) lengths.erase(lengths.end() - 2);
  return lengths;
}

}  // namespace gadolin
