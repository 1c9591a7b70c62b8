#include "apps/mammography/film.h"

#include <algorithm>
#include <cmath>

#include "tensor/check.h"

namespace gadolin::mammography {
namespace {

// The values that become black and white: ranks among the values of the breast, as the step `percentile`
// counts. MONOCHROME1 counts from the other end, so that a film and its negative become one picture.
void window_of(const PhysicalImage& film, const Breast& breast, const FilmSettings& settings,
               std::string_view name, FilmPicture& out) {
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(breast.pixels));
  const float sign = film.inverted ? -1.f : 1.f;
  for (std::size_t i = 0; i < film.values.size(); ++i)
    if (breast.mask[i]) values.push_back(sign * film.values[i]);
  const auto rank = [&](double percent) {
    return static_cast<std::ptrdiff_t>(percent / 100 * static_cast<double>(values.size() - 1));
  };
  const auto low = values.begin() + rank(settings.low), high = values.begin() + rank(settings.high);
  std::nth_element(values.begin(), low, values.end());
  out.black = sign * *low;
  std::nth_element(low, high, values.end());
  out.white = sign * *high;
  require<DataError>(out.black != out.white, "film: ", printable(name), ": the breast has the value ",
                     out.black, " from percentile ", settings.low, " to ", settings.high,
                     "; is it a mask, or a film of few values?");
}

template <class T> void fill_picture(const PhysicalImage& film, FilmPicture& out) {
  constexpr double most = static_cast<double>(T(~T{0}));
  const double scale = 1 / (out.white - out.black);
  for (int y = 0; y < out.image.height; ++y) {
    const float* from =
        film.values.data() + static_cast<std::ptrdiff_t>(out.crop.y + y) * film.width + out.crop.x;
    T* to = out.image.row<T>(y);
    for (int x = 0; x < out.image.width; ++x) {
      const float v = from[out.flipped ? out.image.width - 1 - x : x];
      to[x] =
          std::isnan(v) ? T{0} : static_cast<T>(std::clamp((v - out.black) * scale, 0.0, 1.0) * most + 0.5);
    }
  }
}

}  // namespace

PhysicalImage read_film(std::span<const std::uint8_t> bytes, std::string_view name) {
  if (auto values = decode_physical(bytes, name)) return std::move(*values);
  return samples_as_values(decode_image(bytes, name, {.channels = 1}));
}

FilmPicture prepare_film(const PhysicalImage& film, const FilmSettings& settings, std::string_view name) {
  const Breast breast = find_breast(film, name);
  FilmPicture out;
  out.inverted = film.inverted;
  out.wall = breast.wall;
  window_of(film, breast, settings, name, out);
  out.crop = settings.crop ? breast.box : Box{0, 0, film.width, film.height};
  out.flipped = settings.flip && breast.wall == Wall::right;
  out.map = Affine::shift(-out.crop.x, -out.crop.y);
  if (out.flipped) out.map = out.map.then({-1, 0, static_cast<double>(out.crop.width), 0, 1, 0});
  out.image = Image(out.crop.width, out.crop.height, 1, settings.bits);
  settings.bits == 8 ? fill_picture<std::uint8_t>(film, out) : fill_picture<std::uint16_t>(film, out);
  return out;
}

}  // namespace gadolin::mammography
