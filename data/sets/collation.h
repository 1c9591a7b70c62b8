// Collation: how samples become the named tensors of a batch.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/image/transforms.h"
#include "data/sets/picture_block.h"
#include "data/sets/sample.h"
#include "tensor/tensor.h"

namespace gadolin {

// One batch on its way from samples to tensors. All members but put() are called by the loader's own thread.
class BatchDraft {
 public:
  virtual ~BatchDraft() = default;
  // Whether the sample may stand in this batch in place of one that cannot be read.
  virtual bool takes(std::int64_t place) const;
  // Fills part `part`, 0..N-1. Worker threads fill different parts at once, so a draft is written through
  // pointers and vectors: threads own no tensors. A part may be filled again after it threw.
  virtual void put(std::int64_t part, const Sample& sample, const SampleUse& use) = 0;
  // The tensors on the host, pinned where they are large, once all parts are filled; called once.
  virtual std::vector<Tensor> tensors() = 0;
};

// A loader owns its collation: what it has learnt is about the loader's samples.
class Collation {
 public:
  virtual ~Collation() = default;
  virtual std::vector<std::string> names() const = 0;  // of the tensors, in their order
  // Called before anything else with the first sample that can be read: number of channels, features.
  // `dtype` is that of pictures and series on `device`.
  virtual void learn(const Sample& first, const SampleUse& use, DType dtype, Device device) = 0;
  // A batch of these places, the first ones drawn for each part.
  virtual std::unique_ptr<BatchDraft> begin(const std::vector<std::int64_t>& places) const = 0;
  // What is left to do on the device, with the tensors of a draft once they are there.
  virtual std::vector<Tensor> finish(std::vector<Tensor> tensors) const;
};

// The shortest of `sizes` (rising) that is not below n; without sizes the first of least, 2 * least,
// 4 * least, ... 0 when n is beyond all sizes. Padding to few sizes lets recorded steps be replayed.
std::int64_t padded_size(std::int64_t n, const std::vector<std::int64_t>& sizes, std::int64_t least);

// Pictures of one size and their classes, from "image" and "label":
//   image  [N, C, H, W], channels innermost in memory
//   label  int64 [N], the class, -1 for a sample without one; or, when several labels are possible, fp32
//          [N, classes] of 0 and 1
class ClassificationCollation : public Collation {
 public:
  // classes > 0: several labels are possible.
  explicit ClassificationCollation(Pipeline pipeline, int classes = 0);
  std::vector<std::string> names() const override { return {"image", "label"}; }
  void learn(const Sample& first, const SampleUse& use, DType dtype, Device device) override;
  std::unique_ptr<BatchDraft> begin(const std::vector<std::int64_t>& places) const override;
  std::vector<Tensor> finish(std::vector<Tensor> tensors) const override;
  Shape image_shape() const;                                         // [C, H, W], once learnt
  const Pipeline& pipeline() const { return pictures_.pipeline(); }  // of the pictures

 private:
  PictureBlock pictures_;
  int classes_, width_ = 0, height_ = 0;
};

// How pictures of several sizes become a batch.
struct DetectionOptions {
  // Width and height that batches are padded to. Empty: the one that the pipeline's steps fix.
  std::vector<std::pair<int, int>> sizes = {};
  // Width and height of the sample at a place after the transforms; not needed with one size. Called by
  // several threads at once.
  std::function<std::pair<int, int>(std::int64_t place)> size_of = {};
  std::int64_t least_boxes = 8;  // the least M
};

// Pictures of several sizes and the objects in them, from "image" and "boxes", of which there may be none:
//   image  [N, C, H, W], channels innermost; each picture in the upper left corner, the rest black
//   boxes  fp32 [N, M, 4], x1 y1 x2 y2 in pixels of the picture; 0 behind the last box
//   label  int64 [N, M], the class of each box; -1 behind the last
//   count  int64 [N], boxes of each picture
//   size   int64 [N, 2], height and width of each picture without its padding
//   dropped  int64 [N], boxes of the sample that are not to be learnt: cut away, or too loose
//   map    fp64 [N, 6], xx xy x0 yx yy y0 of the affine map from the picture's file to here
// H and W are those of the smallest of `sizes`, by area, that holds every sample of the batch; M is the
// first of least_boxes, 2 * least_boxes, 4 * least_boxes, ... that holds the boxes of every sample. Boxes
// follow the picture through the transforms, round objects (ObjectBox::ellipse) more tightly than others, and
// are cut at its edges. What has no area left is no box. One that a turn makes more than loosest_box
// times as large as what it surrounds has the label -1, a region to leave alone: nobody should learn that a
// thin bar fills a square.
inline constexpr double loosest_box = 4;

// See above.
class DetectionCollation : public Collation {
 public:
  // Throws UsageError when the sizes of batches are not known.
  explicit DetectionCollation(Pipeline pipeline, DetectionOptions options = {});
  std::vector<std::string> names() const override {
    return {"image", "boxes", "label", "count", "size", "dropped", "map"};
  }
  void learn(const Sample& first, const SampleUse& use, DType dtype, Device device) override;
  std::unique_ptr<BatchDraft> begin(const std::vector<std::int64_t>& places) const override;
  std::vector<Tensor> finish(std::vector<Tensor> tensors) const override;
  // The number of the smallest size that holds the sample: for by_bucket(). Throws DataError when none does.
  std::int64_t bucket(std::int64_t place) const;

 private:
  std::pair<int, int> size_for(const std::vector<std::int64_t>& places) const;
  PictureBlock pictures_;
  DetectionOptions options_;  // sizes by rising area
};

// Rows of numbers of one shape and their classes, such as features of pictures (data/sets/feature_set.h):
//   x      [N, ...], from the array "x" of each sample
//   label  as ClassificationCollation's
class RowCollation : public Collation {
 public:
  // classes > 0: several labels are possible.
  explicit RowCollation(int classes = 0) : classes_(classes) {}
  std::vector<std::string> names() const override { return {"x", "label"}; }
  void learn(const Sample& first, const SampleUse& use, DType dtype, Device device) override;
  std::unique_ptr<BatchDraft> begin(const std::vector<std::int64_t>& places) const override;
  std::vector<Tensor> finish(std::vector<Tensor> tensors) const override;

 private:
  int classes_;
  Shape row_;
  DType dtype_ = DType::fp32;
};

// Which arrays become tensors, and how long they are.
struct SequenceOptions {
  std::vector<std::string> series = {"x"};  // arrays [T, F] or [T], T the same for all of a sample
  std::vector<std::string> rows = {};       // arrays [D] without time
  std::vector<std::int64_t> lengths = {};  // rising lengths to pad to. Empty: least_length times 1, 2, 4, ...
  std::int64_t least_length = 16;          // of `lengths` when these are empty
  // What "label" becomes.
  enum class Label { none, single, several } label = Label::single;
  int classes = 0;  // of Label::several
};

// Series of different lengths, and what belongs to a whole sample:
//   each of `series`  [N, T, F] or [N, T], 0 behind the end of a sample
//   each of `rows`    [N, D]
//   mask              fp32 [N, T], 1 up to the end of a sample and 0 behind it
//   length            int64 [N]
//   label             as ClassificationCollation's, unless Label::none
// T is the first of `lengths` that holds every sample of the batch. Numbers are taken as they are, NaN (a
// missing measurement) too.
class SequenceCollation : public Collation {
 public:
  explicit SequenceCollation(SequenceOptions options = {});  // throws UsageError when no series is named
  std::vector<std::string> names() const override;
  void learn(const Sample& first, const SampleUse& use, DType dtype, Device device) override;
  std::unique_ptr<BatchDraft> begin(const std::vector<std::int64_t>& places) const override;
  std::vector<Tensor> finish(std::vector<Tensor> tensors) const override;

 private:
  SequenceOptions options_;
  std::vector<std::int64_t> widths_;  // of each series and row: F or D; 0: a series of single numbers
  DType dtype_ = DType::fp32;
};

namespace detail {
// Class numbers of a batch on the host: int64 [N], or fp32 [N, classes] where classes > 0.
class LabelBlock {
 public:
  LabelBlock(std::int64_t samples, int classes);
  void put(std::int64_t part, const std::vector<int>& labels, const SampleUse& use);
  Tensor tensor() { return std::move(tensor_); }

 private:
  Tensor tensor_;
  void* data_;
  int classes_;
};
}  // namespace detail

}  // namespace gadolin
