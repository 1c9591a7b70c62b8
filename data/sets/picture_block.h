// The pictures of a batch, from their files to one tensor.
#pragma once

#include <cstdint>
#include <string>

#include "data/image/transforms.h"
#include "data/sets/sample.h"
#include "tensor/tensor.h"

namespace gadolin {

// One use of a sample: where it is from, how it is called, and what its augmentation depends on.
struct SampleUse {
  std::int64_t place = 0;  // in the source
  std::string name;        // as messages call it
  SampleKey key;           // of its augmentation
};

// Pictures of 8 bits travel to the device as bytes and are normalised there, or stay bytes where those are
// wanted; others, and all that stay on the CPU as fp32, are normalised by the threads that decode. A batch
// with one picture of 16 bits travels as fp32. All ways give the same bits.
class PictureBlock {
 public:
  // Learn() comes before all else.
  explicit PictureBlock(Pipeline pipeline) : pipeline_(std::move(pipeline)) {}
  // From a first picture behind the pipeline: number of channels, and how batches travel as a rule. Throws
  // UsageError where bytes are wanted but would lose bits, ShapeError where the normalisation does not fit.
  void learn(const Image& first, DType dtype, Device device);

  // The picture of a sample, decoded, behind the pipeline, and where its places went.
  Transformed seen(const StoredImage& stored, const SampleUse& use) const;
  // The picture alone of seen().
  Image picture(const StoredImage& stored, const SampleUse& use) const { return seen(stored, use).image; }
  // From the rows of a batch, on its device, to [n, C, height, width] of the type wanted.
  Tensor finish(const Tensor& travelled) const;

  const Pipeline& pipeline() const { return pipeline_; }  // as given
  int channels() const { return channels_; }              // once learnt

 private:
  friend class PictureRows;
  void check_bits(const Image& image) const;
  Pipeline pipeline_;
  int channels_ = 0;
  DType dtype_ = DType::fp32;
  bool as_bytes_ = false;
};

// The pictures of one batch on the host, a row each. The block must outlive them.
class PictureRows {
 public:
  // For n pictures of this size.
  PictureRows(const PictureBlock& block, std::int64_t n, int height, int width);
  // Writes a picture of that height and width to row `part`; different rows by different threads at once.
  // Throws UsageError as PictureBlock::learn.
  void put(std::int64_t part, const Image& image);
  // [n, height, width, C] pinned, uint8 or normalised fp32; called once, after all rows.
  Tensor tensor();

 private:
  const PictureBlock& block_;
  Tensor memory_;
  void* bytes_;
  std::vector<Image> deep_;  // pictures of 16 bits, where bytes travel
};

// The picture in the upper left corner of a black one. It must not be larger.
Image on_canvas(const Image& image, int width, int height);

}  // namespace gadolin
