// xoshiro256** (Blackman and Vigna 2018) from a seed of 32 bytes.
#include "course/grader/draw.h"

#include <bit>
#include <numeric>
#include <stdexcept>
#include <string>

namespace gadolin::course {

Draw::Draw(const Seed& seed, const Seed& student) : student_(student) {
  for (std::size_t i = 0; i < 4; ++i) {
    state_[i] = 0;
    for (std::size_t j = 0; j < 8; ++j) state_[i] = state_[i] << 8 | seed[i * 8 + j];
  }
  state_[0] |= 1;  // never all zero
  for (int i = 0; i < 16; ++i) next();
}

std::uint64_t Draw::next() {
  const std::uint64_t out = std::rotl(state_[1] * 5, 7) * 9, t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return out;
}

std::int64_t Draw::integer(std::int64_t low, std::int64_t high) {
  if (high < low)
    throw std::invalid_argument("draw: no number from " + std::to_string(low) + " to " +
                                std::to_string(high));
  const auto range = static_cast<std::uint64_t>(high - low) + 1;
  return low + static_cast<std::int64_t>((next() >> 11) % range);
}

double Draw::uniform(double low, double high) {
  return low + (high - low) * (static_cast<double>(next() >> 40) * 0x1p-24);
}

std::vector<std::int64_t> Draw::order(std::int64_t n) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(n));
  std::iota(out.begin(), out.end(), 0);
  for (std::size_t i = out.size(); i > 1; --i)
    std::swap(out[i - 1], out[static_cast<std::size_t>(integer(0, static_cast<std::int64_t>(i) - 1))]);
  return out;
}

namespace {
std::size_t elements(const std::vector<std::int64_t>& shape) {
  std::int64_t n = 1;
  for (std::int64_t size : shape) n *= size;
  return static_cast<std::size_t>(n);
}
}  // namespace

Array Draw::array(const std::vector<std::int64_t>& shape, double low, double high) {
  Array out{shape, std::vector<double>(elements(shape))};
  for (double& x : out.numbers) x = uniform(low, high);
  return out;
}

Array Draw::exact_array(const std::vector<std::int64_t>& shape) {
  Array out{shape, std::vector<double>(elements(shape))};
  for (double& x : out.numbers) x = static_cast<double>(integer(-64, 64)) / 16;
  return out;
}

}  // namespace gadolin::course
