// Series of different lengths.
#include <algorithm>

#include "data/sets/collation.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

std::int64_t width_of(const SampleArray& array, bool series) {
  return series ? (array.shape.dim() == 2 ? array.shape[1] : 0) : array.shape[0];
}

class SequenceDraft : public BatchDraft {
 public:
  SequenceDraft(const SequenceOptions& options, const std::vector<std::int64_t>& widths, std::int64_t n)
      : options_(options), widths_(widths), values_(static_cast<std::size_t>(n)),
        lengths_(static_cast<std::size_t>(n), 0), labels_(n, labelled_classes(options)) {}

  void put(std::int64_t part, const Sample& sample, const SampleUse& use) override {
    const auto at = static_cast<std::size_t>(part);
    std::vector<std::vector<float>> values;
    std::int64_t length = -1;
    for (std::size_t a = 0; a < widths_.size(); ++a) {
      const bool series = a < options_.series.size();
      const std::string& name = series ? options_.series[a] : options_.rows[a - options_.series.size()];
      const SampleArray& array = sample.get<SampleArray>(name);
      const Shape& shape = array.shape;
      const bool fits = shape.numel() == std::ssize(array.values) &&
                        (series ? shape.dim() == (widths_[a] > 0 ? 2 : 1) : shape.dim() == 1) &&
                        width_of(array, series) == widths_[a];
      require<DataError>(fits, "loader: ", printable(use.name), ": '", name, "' is ", shape, " with ",
                         array.values.size(), " numbers, the first sample has ", widths_[a],
                         series ? " a step" : " in a row");
      if (series) {
        require<DataError>(length < 0 || length == shape[0], "loader: ", printable(use.name), ": '", name,
                           "' has ", shape[0], " steps, the series before it ", length);
        length = shape[0];
      }
      values.push_back(array.values);
    }
    require<DataError>(
        padded_size(length, options_.lengths, options_.least_length) > 0, "loader: ", printable(use.name),
        " has ", length, " steps, series are padded to at most ",
        options_.lengths.empty() ? 0 : options_.lengths.back(), "; give a longer length, or cut it");
    if (options_.label != SequenceOptions::Label::none)
      labels_.put(part, sample.get<std::vector<int>>("label"), use);
    values_[at] = std::move(values);
    lengths_[at] = length;
  }

  std::vector<Tensor> tensors() override {
    const std::int64_t n = std::ssize(values_), longest = *std::max_element(lengths_.begin(), lengths_.end()),
                       t = padded_size(longest, options_.lengths, options_.least_length);
    std::vector<Tensor> all;
    for (std::size_t a = 0; a < widths_.size(); ++a) {
      const bool series = a < options_.series.size();
      all.push_back(empty_pinned(!series          ? Shape{n, widths_[a]}
                                 : widths_[a] > 0 ? Shape{n, t, widths_[a]}
                                                  : Shape{n, t},
                                 DType::fp32));
      float* to = all.back().data<float>();
      std::fill_n(to, all.back().numel(), 0.f);
      for (const auto& sample : values_) {
        std::copy(sample[a].begin(), sample[a].end(), to);
        to += all.back().numel() / n;
      }
    }
    Tensor mask = empty_pinned({n, t}, DType::fp32), lengths = empty_pinned({n}, DType::int64);
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t length = lengths_[static_cast<std::size_t>(i)];
      float* row = mask.data<float>() + i * t;
      std::fill_n(row, length, 1.f);
      std::fill_n(row + length, t - length, 0.f);
      lengths.data<std::int64_t>()[i] = length;
    }
    all.insert(all.end(), {mask, lengths});
    if (options_.label != SequenceOptions::Label::none) all.push_back(labels_.tensor());
    return all;
  }

 private:
  static int labelled_classes(const SequenceOptions& options) {
    return options.label == SequenceOptions::Label::several ? options.classes : 0;
  }
  const SequenceOptions& options_;
  const std::vector<std::int64_t>& widths_;
  std::vector<std::vector<std::vector<float>>> values_;  // [sample][array]
  std::vector<std::int64_t> lengths_;
  detail::LabelBlock labels_;
};

}  // namespace

SequenceCollation::SequenceCollation(SequenceOptions options) : options_(std::move(options)) {
  require<UsageError>(!options_.series.empty(), "sequence: no series are named");
  require<UsageError>(options_.label != SequenceOptions::Label::several || options_.classes > 0,
                      "sequence: several labels of ", options_.classes, " classes");
  std::sort(options_.lengths.begin(), options_.lengths.end());
}

std::vector<std::string> SequenceCollation::names() const {
  std::vector<std::string> all = options_.series;
  all.insert(all.end(), options_.rows.begin(), options_.rows.end());
  all.insert(all.end(), {"mask", "length"});
  if (options_.label != SequenceOptions::Label::none) all.push_back("label");
  return all;
}

void SequenceCollation::learn(const Sample& first, const SampleUse& use, DType dtype, Device) {
  require<UsageError>(dtype != DType::uint8, "sequence: numbers cannot be uint8; use fp32, bf16 or fp16");
  dtype_ = dtype;
  widths_.clear();
  for (const std::string& name : names()) {
    const std::size_t a = widths_.size();
    if (a == options_.series.size() + options_.rows.size()) break;
    const bool series = a < options_.series.size();
    const SampleArray& array = first.get<SampleArray>(name);
    require<DataError>(array.shape.dim() == 1 || (series && array.shape.dim() == 2 && array.shape[1] > 0),
                       "loader: ", printable(use.name), ": '", name, "' is ", array.shape,
                       series ? ", a series is [T, F] or [T]" : ", a row is [D]");
    widths_.push_back(width_of(array, series));
  }
}

std::unique_ptr<BatchDraft> SequenceCollation::begin(const std::vector<std::int64_t>& places) const {
  return std::make_unique<SequenceDraft>(options_, widths_, std::ssize(places));
}

std::vector<Tensor> SequenceCollation::finish(std::vector<Tensor> tensors) const {
  for (std::size_t a = 0; a < widths_.size() && dtype_ != DType::fp32; ++a)
    tensors[a] = tensors[a].to(dtype_);
  return tensors;
}

}  // namespace gadolin
