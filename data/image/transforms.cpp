// Pipelines: reading their text, and running their steps on a file or a picture.
#include "data/image/transforms.h"

#include <charconv>
#include <cmath>

#include "data/image/transform_steps.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

// First part of the stream numbers of all pipelines.
constexpr std::uint64_t purpose = 0x7472616e73666f72;

RandomStream stream_of(SampleKey key, std::size_t step) {
  return {key.seed, stream_id(purpose + step, key.epoch, key.index)};
}

std::vector<std::string> parts_of(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator)
      parts.emplace_back();
    else if (c != ' ')
      parts.back() += c;
  }
  return parts;
}

bool read_number(std::string_view word, double& v) {
  const auto result = std::from_chars(word.data(), word.data() + word.size(), v);
  return result.ec == std::errc() && result.ptr == word.data() + word.size() && std::isfinite(v);
}

std::vector<double> numbers(const detail::StepText& t, std::size_t word) {
  std::vector<double> values;
  for (const std::string& one : parts_of(t.words[word], '/')) {
    double v = 0;
    if (!read_number(one, v)) t.bad(cat("'", printable(one), "' is no number"));
    values.push_back(v);
  }
  if (values.size() != 1 && values.size() != 3) t.bad("one value or three, one a channel");
  return values;
}

std::string joined(const std::vector<double>& values) {
  std::string text;
  for (const double v : values) text = cat(text, text.empty() ? "" : "/", detail::short_number(v));
  return text;
}

Normalize read_normalize(detail::StepText& t) {
  t.usage = "normalize:MEAN:DEVIATION, or of three channels MEAN/MEAN/MEAN:DEVIATION/DEVIATION/DEVIATION";
  t.counts(2, 2);
  Normalize n{numbers(t, 0), numbers(t, 1)};
  for (const double d : n.deviation)
    if (!(d > 0)) t.bad("a deviation must be above 0");
  return n;
}

}  // namespace

namespace detail {

void StepText::bad(const std::string& why) const {
  std::string all = name;
  for (const std::string& w : words) all = cat(all, ":", w);
  fail<UsageError>("transform: '", printable(all), "': ", why, "; write ", usage);
}
void StepText::counts(std::size_t least, std::size_t most) const {
  if (words.size() < least || words.size() > most)
    bad(cat(words.size(), words.size() == 1 ? " parameter" : " parameters"));
}
double StepText::number(std::size_t i, double low, double high) const {
  double v = 0;
  if (!read_number(words[i], v)) bad(cat("'", printable(words[i]), "' is no number"));
  if (!(v >= low && v <= high)) {
    bad(cat(words[i], " is not in ", short_number(low), "..", short_number(high)));
  }
  return v;
}
double StepText::number_or(std::size_t i, double otherwise, double low, double high) const {
  return i < words.size() ? number(i, low, high) : otherwise;
}
Size StepText::size(std::size_t i) const {
  const std::vector<std::string> sides = parts_of(words[i], 'x');
  int side[2] = {0, 0};
  if (sides.size() > 2) bad(cat("'", printable(words[i]), "' is no size"));
  for (std::size_t k = 0; k < sides.size(); ++k) {
    const std::string& word = sides[k];
    const auto result = std::from_chars(word.data(), word.data() + word.size(), side[k]);
    if (result.ec != std::errc() || result.ptr != word.data() + word.size()) {
      bad(cat("'", printable(words[i]), "' is no size"));
    }
    if (side[k] < 1 || side[k] > 16384) bad("sides are 1 to 16384 pixels");
  }
  return {side[0], side[1]};
}

std::string short_number(double v) {
  char text[40];
  const auto result = std::to_chars(text, text + sizeof text, v);
  return {text, result.ptr};
}

}  // namespace detail

Pipeline::Pipeline(const std::string& text) {
  if (parts_of(text, ',') == std::vector<std::string>{""}) return;
  for (const std::string& one : parts_of(text, ',')) {
    detail::StepText step;
    step.words = parts_of(one, ':');
    step.name = step.words.front();
    step.words.erase(step.words.begin());
    require<UsageError>(!normalized_, "transform: '", printable(step.name),
                        "' stands behind normalize; put normalize last");
    if (step.name == "grey" || step.name == "rgb") {
      step.usage = step.name;
      step.counts(0, 0);
      channels_ = step.name == "grey" ? 1 : 3;
    } else if (step.name == "normalize") {
      normalize_ = read_normalize(step);
      normalized_ = true;
    } else {
      auto made = detail::make_geometry_step(step);
      if (!made) made = detail::make_tone_step(step);
      require<UsageError>(
          made != nullptr, "transform: there is no step '", printable(step.name),
          "'; known are grey, rgb, resize, random-resize, central-fraction, center-crop, random-crop, "
          "random-resized-crop, hflip, vflip, rotate, affine, brightness, brightness-shift, contrast, gamma, "
          "normalize");
      random_ =
          random_ || (step.name != "resize" && step.name != "center-crop" && step.name != "central-fraction");
      steps_.push_back(std::move(made));
    }
  }
}

std::string Pipeline::text() const {
  std::string text = channels_ == 1 ? "grey" : channels_ == 3 ? "rgb" : "";
  const auto add = [&](const std::string& step) { text = cat(text, text.empty() ? "" : ",", step); };
  for (const auto& step : steps_) add(step->text());
  if (normalized_) add(cat("normalize:", joined(normalize_.mean), ":", joined(normalize_.deviation)));
  return text;
}

std::optional<std::pair<int, int>> Pipeline::output_size() const {
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    if (const auto size = (*step)->output_size()) return size;
    // A resize of the shorter side leaves the other one open, whatever came before.
    if ((*step)->plans()) return {};
  }
  return {};
}

Image Pipeline::rest(Image image, std::size_t first, SampleKey key) const {
  for (std::size_t i = first; i < steps_.size(); ++i) {
    RandomStream random = stream_of(key, i);
    image = steps_[i]->apply(std::move(image), random);
  }
  return image;
}

Image Pipeline::apply(std::span<const std::uint8_t> file, std::string_view name, SampleKey key) const {
  DecodeOptions options;
  options.channels = channels_;
  if (steps_.empty() || !steps_[0]->plans()) return rest(decode_image(file, name, options), 0, key);
  options.region = [&](int width, int height) {
    RandomStream random = stream_of(key, 0);
    return steps_[0]->plan(width, height, random);
  };
  RandomStream random = stream_of(key, 0);
  return rest(steps_[0]->apply_decoded(decode_region(file, name, options), random), 1, key);
}

Image Pipeline::apply(const Image& image, SampleKey key) const {
  return rest(channels_ == 1 ? to_grey(image) : channels_ == 3 ? to_rgb(image) : image, 0, key);
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
