// Pipelines: which step may stand where, and running them on a file or a picture.
#include "data/image/transforms.h"

#include "data/image/transform_steps.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

// First part of the stream numbers of all pipelines.
constexpr std::uint64_t transform_purpose = 0x7472616e73666f72;

RandomStream stream_of(SampleKey key, std::size_t step) {
  return {key.seed, stream_id(transform_purpose + step, key.epoch, key.index)};
}

std::string joined(const std::vector<double>& values) {
  std::string text;
  for (const double v : values) text = cat(text, text.empty() ? "" : "/", detail::short_number(v));
  return text;
}

Image with_channels(const Image& image, int channels) {
  return channels == 1 ? to_grey(image) : channels == 3 ? to_rgb(image) : image;
}
Image with_channels(Image&& image, int channels) {
  if (channels == 0 || channels == image.channels) return std::move(image);
  return with_channels(image, channels);
}

}  // namespace

// --- putting a pipeline together ---------------------------------------------------------------------------

Pipeline::Pipeline(const std::string& text) {
  const std::vector<std::string> steps = detail::parts_of(text, ',');
  if (steps == std::vector<std::string>{""}) return;
  for (const std::string& step : steps) detail::add_step_from(step, *this);
}

void Pipeline::check_place(const std::string& step) const {
  require<UsageError>(!normalized_, "transform: '", step.substr(0, step.find(':')),
                      "' stands behind normalize; put normalize last");
}

Pipeline& Pipeline::append(std::shared_ptr<const Transform> step) {
  check_place(step->text());
  steps_.push_back(std::move(step));
  return *this;
}

Pipeline& Pipeline::begin_with(std::shared_ptr<const PhysicalStep> step) {
  const std::string text = step->text(), name = text.substr(0, text.find(':'));
  check_place(name);
  const std::string before = physical_ ? physical_->text() : steps_.empty() ? "" : steps_.back()->text();
  require<UsageError>(before.empty(), "transform: '", name, "' stands behind '", before,
                      "'; one step from values to a picture is possible, before all others but grey and rgb");
  physical_ = std::move(step);
  return set_channels(channels_);
}

Pipeline& Pipeline::set_channels(int channels) {
  require<UsageError>(channels != 1 || !physical_ || physical_->channels() == 1,
                      "transform: grey with three windows; leave grey out, or give one window");
  channels_ = channels;
  return *this;
}

Pipeline& Pipeline::add(Grey) {
  check_place("grey");
  return set_channels(1);
}
Pipeline& Pipeline::add(Rgb) {
  check_place("rgb");
  return set_channels(3);
}

Pipeline& Pipeline::add(Normalize n) {
  check_place("normalize");
  for (const std::vector<double>* values : {&n.mean, &n.deviation}) {
    require<ValueError>(values->size() == 1 || values->size() == 3,
                        "normalize: one value or three, one a channel");
  }
  for (const double d : n.deviation) require<ValueError>(d > 0, "normalize: a deviation must be above 0");
  normalize_ = std::move(n);
  normalized_ = true;
  return *this;
}

// --- what a pipeline says of itself ------------------------------------------------------------------------

std::string Pipeline::text() const {
  std::string text = channels_ == 1 ? "grey" : channels_ == 3 ? "rgb" : "";
  const auto add = [&](const std::string& step) { text = cat(text, text.empty() ? "" : ",", step); };
  if (physical_) add(physical_->text());
  for (const auto& step : steps_) add(step->text());
  if (normalized_) add(cat("normalize:", joined(normalize_.mean), ":", joined(normalize_.deviation)));
  return text;
}

int Pipeline::channels() const { return channels_ == 0 && physical_ ? physical_->channels() : channels_; }

bool Pipeline::random() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const auto& step) { return step->random(); });
}

std::optional<std::pair<int, int>> Pipeline::output_size() const {
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    if (const auto size = (*step)->output_size()) return size;
    // A resize of the shorter side leaves the other one open, whatever came before.
    if (!(*step)->keeps_size()) return {};
  }
  return {};
}

std::pair<int, int> Pipeline::size_of(int width, int height) const {
  std::pair<int, int> size{width, height};
  for (const auto& step : steps_) size = step->size_of(size.first, size.second);
  return size;
}

// --- running it --------------------------------------------------------------------------------------------

Transformed Pipeline::rest(Transformed seen, std::size_t first, SampleKey key) const {
  for (std::size_t i = first; i < steps_.size(); ++i) {
    RandomStream random = stream_of(key, i);
    Transformed next = steps_[i]->apply(std::move(seen.image), random);
    seen = {std::move(next.image), seen.map.then(next.map)};
  }
  return seen;
}

// The picture that the first step makes of what a file measured.
Image Pipeline::physical_picture(std::span<const std::uint8_t> file, std::string_view name) const {
  if (const auto values = decode_physical(file, name)) return physical_->apply(*values);
  require<FormatError>(!physical_->needs_units(), "transform: '", physical_->text(),
                       "' needs values in units, ", printable(name), " is a ",
                       format_name(image_format(file)),
                       " picture without; use percentile:LOW:HIGH, or leave the step out");
  DecodeOptions options;
  options.channels = channels_ == 1 ? 1 : 0;
  const Image image = decode_image(file, name, options);
  require<FormatError>(image.channels == 1, "transform: '", physical_->text(), "' needs a grey picture, ",
                       printable(name), " has colours; put grey in front of it");
  return physical_->apply(samples_as_values(image));
}

Transformed Pipeline::transform(std::span<const std::uint8_t> file, std::string_view name,
                                SampleKey key) const {
  if (physical_) return rest({with_channels(physical_picture(file, name), channels_), {}}, 0, key);
  DecodeOptions options;
  options.channels = channels_;
  if (steps_.empty() || !steps_[0]->plans()) return rest({decode_image(file, name, options), {}}, 0, key);
  options.region = [&](int width, int height) {
    RandomStream random = stream_of(key, 0);
    return steps_[0]->plan(width, height, random);
  };
  RandomStream random = stream_of(key, 0);
  return rest(steps_[0]->apply_decoded(decode_region(file, name, options), random), 1, key);
}

Transformed Pipeline::transform(const Image& image, SampleKey key) const {
  if (!physical_) return rest({with_channels(image, channels_), {}}, 0, key);
  require<ValueError>(!physical_->needs_units(), "transform: '", physical_->text(),
                      "' needs values in units, a picture in memory has none; use percentile:LOW:HIGH");
  const Image grey = with_channels(image, channels_ == 1 ? 1 : 0);
  return rest({with_channels(physical_->apply(samples_as_values(grey)), channels_), {}}, 0, key);
}

NormalizeFactors normalize_factors(const Normalize& n, int channels, int bits) {
  require<ShapeError>(n.mean.size() == 1 || n.mean.size() == static_cast<std::size_t>(channels),
                      "normalize: mean of ", n.mean.size(), " channels on an image of ", channels,
                      "; add the step rgb, or give one value");
  require<ShapeError>(n.deviation.size() == 1 || n.deviation.size() == static_cast<std::size_t>(channels),
                      "normalize: deviation of ", n.deviation.size(), " channels on an image of ", channels,
                      "; add the step rgb, or give one value");
  const double white = bits == 8 ? 255 : 65535;
  NormalizeFactors f{};
  for (std::size_t c = 0; c < 3; ++c) {
    f.offset[c] = static_cast<float>(n.mean[n.mean.size() == 1 ? 0 : c] * white);
    f.factor[c] = static_cast<float>(1 / (n.deviation[n.deviation.size() == 1 ? 0 : c] * white));
  }
  return f;
}

namespace {
// 48 samples are whole pixels of one and of three channels, and whole vectors.
template <class T>
void normalize_samples(const T* in, const NormalizeFactors& f, int channels, std::size_t n, float* out) {
  constexpr std::size_t block = 48;
  float offset[block], factor[block];
  for (std::size_t j = 0; j < block; ++j) {
    const std::size_t c = channels == 1 ? 0 : j % 3;
    offset[j] = f.offset[c];
    factor[j] = f.factor[c];
  }
  std::size_t i = 0;
  for (; i + block <= n; i += block) {
    for (std::size_t j = 0; j < block; ++j)
      out[i + j] = (static_cast<float>(in[i + j]) - offset[j]) * factor[j];
  }
  for (std::size_t j = 0; i + j < n; ++j)
    out[i + j] = (static_cast<float>(in[i + j]) - offset[j]) * factor[j];
}
}  // namespace

void normalize_into(const Image& image, const NormalizeFactors& factors, float* out) {
  if (image.bits == 8)
    normalize_samples(image.data<std::uint8_t>(), factors, image.channels, image.numel(), out);
  else
    normalize_samples(image.data<std::uint16_t>(), factors, image.channels, image.numel(), out);
}

}  // namespace gadolin
