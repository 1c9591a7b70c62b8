// What collations share, and the one of classifiers.
#include "data/sets/collation.h"

#include <algorithm>

#include "tensor/check.h"

namespace gadolin {

bool BatchDraft::takes(std::int64_t) const { return true; }
std::vector<Tensor> Collation::finish(std::vector<Tensor> tensors) const { return tensors; }

std::int64_t padded_size(std::int64_t n, const std::vector<std::int64_t>& sizes, std::int64_t least) {
  if (sizes.empty()) {
    std::int64_t size = std::max<std::int64_t>(least, 1);
    while (size < n) size *= 2;
    return size;
  }
  const auto found = std::lower_bound(sizes.begin(), sizes.end(), n);
  return found == sizes.end() ? 0 : *found;
}

namespace detail {

LabelBlock::LabelBlock(std::int64_t samples, int classes)
    : tensor_(classes > 0 ? empty_pinned({samples, classes}, DType::fp32)
                          : empty_pinned({samples}, DType::int64)),
      data_(tensor_.raw()), classes_(classes) {}

void LabelBlock::put(std::int64_t part, const std::vector<int>& labels, const SampleUse& use) {
  if (classes_ == 0) {
    static_cast<std::int64_t*>(data_)[part] = labels.empty() ? -1 : labels[0];
    return;
  }
  float* row = static_cast<float*>(data_) + part * classes_;
  std::fill_n(row, classes_, 0.f);
  for (const int label : labels) {
    require<DataError>(label >= 0 && label < classes_, "loader: ", printable(use.name), " has class ", label,
                       ", rows of labels have ", classes_);
    row[label] = 1;
  }
}

}  // namespace detail

namespace {

struct ClassificationDraft : BatchDraft {
  ClassificationDraft(const PictureBlock& block, std::int64_t n, int high, int wide, int classes)
      : pictures(block), height(high), width(wide), images(block, n, high, wide), labels(n, classes) {}

  void put(std::int64_t part, const Sample& sample, const SampleUse& use) override {
    const Image image = pictures.picture(sample.get<StoredImage>("image"), use);
    const int channels = pictures.channels();
    require<DataError>(image.width == width && image.height == height && image.channels == channels,
                       "loader: ", printable(use.name), " is ", image.width, " x ", image.height, " with ",
                       image.channels, image.channels == 1 ? " channel" : " channels",
                       " after the transforms, the first sample ", width, " x ", height, " with ", channels,
                       "; add resize and center-crop, and grey or rgb, to the transforms");
    images.put(part, image);
    labels.put(part, sample.get<std::vector<int>>("label"), use);
  }
  std::vector<Tensor> tensors() override { return {images.tensor(), labels.tensor()}; }

  const PictureBlock& pictures;
  int height, width;
  PictureRows images;
  detail::LabelBlock labels;
};

}  // namespace

ClassificationCollation::ClassificationCollation(Pipeline pipeline, int classes)
    : pictures_(std::move(pipeline)), classes_(classes) {}

void ClassificationCollation::learn(const Sample& first, const SampleUse& use, DType dtype, Device device) {
  const Image image = pictures_.picture(first.get<StoredImage>("image"), use);
  height_ = image.height;
  width_ = image.width;
  pictures_.learn(image, dtype, device);
}

std::unique_ptr<BatchDraft> ClassificationCollation::begin(const std::vector<std::int64_t>& places) const {
  return std::make_unique<ClassificationDraft>(pictures_, std::ssize(places), height_, width_, classes_);
}

std::vector<Tensor> ClassificationCollation::finish(std::vector<Tensor> tensors) const {
  tensors[0] = pictures_.finish(tensors[0]);
  return tensors;
}

Shape ClassificationCollation::image_shape() const { return {pictures_.channels(), height_, width_}; }

}  // namespace gadolin
