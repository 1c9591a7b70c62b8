// Bits, contrast and masks: the methods that look at one pixel at a time, and the table of all four.
#include "apps/bodypart/preprocess/preprocess.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "apps/bodypart/preprocess/host.h"
#include "apps/bodypart/preprocess/lanes.h"
#include "tensor/cpu/parallel.h"
#include "tensor/device.h"

namespace gadolin {
namespace {

constexpr std::int64_t grain = 1 << 17, most_pixels = std::int64_t{1} << 28;

std::int64_t sum_of_grey(const Tensor& image) {
  const std::int64_t n = image.size(0) * image.size(1);
  const int channels = static_cast<int>(image.size(2));
  const std::uint8_t* in = image.data<std::uint8_t>();
  if (!detail::by_lanes(image)) return detail::sum_of_grey(in, n, channels);
  const Tensor sum = zeros({1}, DType::int64, image.device());
  detail::run_lanes("enhance_contrast", image.device(), n,
                    detail::SumGrey{in, sum.data<std::int64_t>(), n, channels});
  return sum.item<std::int64_t>();
}

// 32 bits are enough for the sum of so many.
constexpr std::int64_t block = 65536;
std::uint32_t sum_of_block(const std::uint8_t* in, std::int64_t n, int channels) {
  std::uint32_t sum = 0;
  if (channels == 1) {
    for (std::int64_t i = 0; i < n; ++i) sum += in[i];
  } else {
    for (std::int64_t i = 0; i < n; ++i)
      sum += static_cast<std::uint32_t>(detail::luma(in[3 * i], in[3 * i + 1], in[3 * i + 2]));
  }
  return sum;
}

template <class F> void map_samples(const std::uint8_t* in, std::uint8_t* out, std::int64_t n, F f) {
  parallel_for(n, grain, [=](std::int64_t begin, std::int64_t end) {
    const F g = f;  // bytes that are written might be those of what a lambda holds: copies let the loop run
                    // on vectors
    const std::uint8_t* from = in;
    std::uint8_t* to = out;
    GADOLIN_IVDEP
    for (std::int64_t i = begin; i < end; ++i) to[i] = g(from[i]);
  });
}

}  // namespace

namespace detail {

std::int64_t sum_of_grey(const std::uint8_t* in, std::int64_t pixels, int channels) {
  std::atomic<std::int64_t> sum = 0;
  parallel_for(pixels, grain, [&](std::int64_t begin, std::int64_t end) {
    std::int64_t all = 0;
    for (; begin < end; begin += block)
      all += sum_of_block(in + begin * channels, std::min(block, end - begin), channels);
    sum += all;
  });
  return sum;
}
void keep_bits(const std::uint8_t* in, std::uint8_t* out, std::int64_t n, int bits) {
  map_samples(in, out, n, [bits](std::uint8_t p) { return keep_bits(p, bits); });
}
void stretch(const std::uint8_t* in, std::uint8_t* out, std::int64_t n, Stretch how) {
  map_samples(in, out, n, how);
}

bool by_lanes(const Tensor& image) { return !image.device().is_cpu() || backend() == Backend::reference; }

void check_picture(const char* op, const Tensor& image) {
  require<ShapeError>(image.dim() == 3 && (image.size(2) == 1 || image.size(2) == 3), op, ": image ",
                      image.shape(), " is not [H, W, C] with C = 1 or 3");
  require<ShapeError>(image.size(0) * image.size(1) <= most_pixels, op, ": image ", image.shape(),
                      " has more than 268435456 pixels");
  require<DTypeError>(image.dtype() == DType::uint8, op, ": image is ", image.dtype(), ", not uint8");
  require<ShapeError>(image.is_contiguous(), op, ": image ", image.shape(),
                      " is not contiguous; use contiguous()");
}
void check_value(const char* op, const char* what, int value, int least, int most) {
  require<ValueError>(value >= least && value <= most, op, ": ", what, " ", value, " is not ", least, " to ",
                      most);
}

}  // namespace detail

const std::array<PreprocessMethod, 4>& preprocess_methods() {
  using enum PreprocessKind;
  static constexpr std::array<PreprocessMethod, 4> methods{{
      {bitwise_downsampling, "bitwise_downsampling", 1, 8, "preprocessed_images_bit"},
      {contrast_enhancing, "contrast_enhancing", 1, 10, "preprocessed_images_contrast"},
      {color_quantization, "color_quantization", 2, 10, "preprocessed_images_kmeans"},
      {target_segmentation, "target_segmentation", 1, 10, "preprocessed_images_seg"},
  }};
  return methods;
}

const PreprocessMethod& preprocess_method(std::string_view name) {
  for (const PreprocessMethod& m : preprocess_methods()) {
    if (name == m.name) return m;
  }
  fail<UsageError>("preprocess: method '", printable(name),
                   "' is unknown; use bitwise_downsampling, contrast_enhancing, color_quantization or "
                   "target_segmentation");
}

Tensor reduce_bits(const Tensor& image, int bits) {
  detail::check_picture("reduce_bits", image);
  detail::check_value("reduce_bits", "bits", bits, 1, 8);
  const Tensor out = empty(image.shape(), DType::uint8, image.device());
  const std::uint8_t* from = image.data<std::uint8_t>();
  std::uint8_t* to = out.data<std::uint8_t>();
  const std::int64_t n = image.numel();
  if (detail::by_lanes(image))
    detail::run_lanes("reduce_bits", image.device(), n, detail::KeepBits{from, to, n, bits});
  else
    detail::keep_bits(from, to, n, bits);
  return out;
}

Tensor enhance_contrast(const Tensor& image, int factor) {
  detail::check_picture("enhance_contrast", image);
  detail::check_value("enhance_contrast", "factor", factor, 1, 10);
  const Tensor out = empty(image.shape(), DType::uint8, image.device());
  const std::uint8_t* from = image.data<std::uint8_t>();
  std::uint8_t* to = out.data<std::uint8_t>();
  const std::int64_t n = image.numel();
  const detail::Stretch how = detail::stretch_of(sum_of_grey(image), image.size(0) * image.size(1), factor);
  if (detail::by_lanes(image))
    detail::run_lanes("enhance_contrast", image.device(), n, detail::StretchAll{from, to, n, how});
  else
    detail::stretch(from, to, n, how);
  return out;
}

Tensor apply_mask(const Tensor& image, const Tensor& elsewhere) {
  const Tensor mask = elsewhere.to(image.device());
  detail::check_picture("apply_mask", image);
  detail::check_picture("apply_mask", mask);
  require<ShapeError>(mask.shape() == Shape({image.size(0), image.size(1), 1}), "apply_mask: mask ",
                      mask.shape(), " does not fit image ", image.shape());
  const Tensor out = empty(image.shape(), DType::uint8, image.device());
  const detail::Mask work{image.data<std::uint8_t>(), mask.data<std::uint8_t>(), out.data<std::uint8_t>(),
                          image.numel(), static_cast<int>(image.size(2))};
  if (detail::by_lanes(image))
    detail::run_lanes("apply_mask", image.device(), image.numel(), work);
  else
    work(0, 1);
  return out;
}

Tensor preprocess(const Tensor& image, const PreprocessOptions& options) {
  switch (options.kind) {
    case PreprocessKind::bitwise_downsampling: return reduce_bits(image, options.value);
    case PreprocessKind::contrast_enhancing: return enhance_contrast(image, options.value);
    case PreprocessKind::color_quantization: return quantize_colors(image, options.value, options.seed).image;
    case PreprocessKind::target_segmentation: break;
  }
  const Tensor mask = segment_target(image, options.value);
  return options.emit == Emit::masked ? apply_mask(image, mask) : mask;
}

namespace {

// On the picture's own bytes: three passes of memory less than by tensors.
Image preprocess_in_place(Image image, const PreprocessOptions& options) {
  const auto pixels = static_cast<std::int64_t>(image.width) * image.height, n = pixels * image.channels;
  std::uint8_t* p = image.pixels.data();
  if (options.kind == PreprocessKind::bitwise_downsampling) {
    detail::keep_bits(p, p, n, options.value);
    return image;
  }
  detail::stretch(p, p, n,
                  detail::stretch_of(detail::sum_of_grey(p, pixels, image.channels), pixels, options.value));
  if (options.kind == PreprocessKind::contrast_enhancing) return image;
  if (image.channels == 3) {
    for (std::int64_t i = 0; i < pixels; ++i) p[i] = static_cast<std::uint8_t>(detail::grey_at(p, i, 3));
  }
  Image mask(image.width, image.height, 1);
  if (pixels > 0) detail::segment(p, mask.pixels.data(), image.width, image.height);
  return mask;
}

}  // namespace

Image preprocess(Image image, const PreprocessOptions& options, Device device) {
  if (image.bits != 8) return preprocess(to_8bit(image), options, device);
  const PreprocessMethod& method = preprocess_methods()[static_cast<std::size_t>(options.kind)];
  detail::check_value(method.name, "value", options.value, method.least, method.most);
  const bool plain = options.kind != PreprocessKind::color_quantization &&
                     !(options.kind == PreprocessKind::target_segmentation && options.emit == Emit::masked);
  if (plain && device.is_cpu() && backend() == Backend::best)
    return preprocess_in_place(std::move(image), options);
  const Tensor in = empty({image.height, image.width, image.channels}, DType::uint8);
  if (!image.pixels.empty()) std::memcpy(in.raw(), image.pixels.data(), image.pixels.size());
  const Tensor out = preprocess(in.to(device), options).to(cpu);
  image.channels = static_cast<int>(out.size(2));
  const std::uint8_t* bytes = out.data<std::uint8_t>();
  image.pixels.assign(bytes, bytes + out.numel());
  return image;
}

}  // namespace gadolin
