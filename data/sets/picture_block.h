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
  std::int64_t place = 0;
  std::string name;
  SampleKey key;
};

// Pictures of 8 bits travel to the device as bytes and are normalised there, or stay bytes where those are
// wanted; others, and all that stay on the CPU as fp32, are normalised by the threads that decode. Both ways
// give the same bits.
class PictureBlock {
 public:
  explicit PictureBlock(Pipeline pipeline) : pipeline_(std::move(pipeline)) {}
  // From a first picture behind the pipeline: number of channels, and how pictures travel. Throws UsageError
  // where bytes are wanted but would lose bits, ShapeError where the normalisation does not fit.
  void learn(const Image& first, DType dtype, Device device);

  // The picture of a sample, decoded, behind the pipeline, and where its places went.
  Transformed seen(const StoredImage& stored, const SampleUse& use) const;
  Image picture(const StoredImage& stored, const SampleUse& use) const { return seen(stored, use).image; }
  // Pinned memory for n pictures: [n, height, width, C].
  Tensor host(std::int64_t n, int height, int width) const;
  // Writes a picture of that height and width to place `part` of the memory.
  void put(void* host, std::int64_t part, const Image& image) const;
  // From the memory, on its device, to [n, C, height, width] of the type wanted.
  Tensor finish(const Tensor& travelled) const;

  const Pipeline& pipeline() const { return pipeline_; }
  int channels() const { return channels_; }

 private:
  Pipeline pipeline_;
  int channels_ = 0;
  DType dtype_ = DType::fp32;
  bool as_bytes_ = false;
};

// The picture in the upper left corner of a black one. It must not be larger.
Image on_canvas(const Image& image, int width, int height);

}  // namespace gadolin
