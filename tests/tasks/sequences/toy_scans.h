// Series whose slices say little alone and much with their neighbours: a lesion covers a run of slices.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "data/sets/sequence_set.h"
#include "io/npy.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/scratch.h"

namespace gadolin::test {

// FOLDER/features.npy [slices, 4], base.npy and index.csv of `series` series of 8 to 20 slices, two a
// patient, every fourth patient for validation. Feature 0 is +-1 with normal noise of deviation 1.5; base.npy
// what the best model of single slices would say of it.
inline void write_toy_scans(const Scratch& dir, const std::string& folder, int series) {
  std::string index = "row,path,patient,series,position,label,split\n";
  std::vector<float> x, base;
  std::int64_t row = 0;
  double bleeding = 0;
  std::vector<double> first;
  for (int s = 0; s < series; ++s) {
    RandomStream random(11, stream_id(2, static_cast<std::uint64_t>(s)));
    const auto draw = [&](int n) { return static_cast<int>(random.below(static_cast<std::uint64_t>(n))); };
    const int length = 8 + draw(13), begin = draw(length), end = begin + 3 + draw(6);
    const bool sick = s % 4 < 3;
    for (int t = 0; t < length; ++t, ++row) {
      const bool there = sick && t >= begin && t < end, left = there && s % 2 == 0;
      const double noise =
          std::sqrt(-2 * std::log(1 - random.uniform())) * std::cos(6.283185307179586 * random.uniform());
      first.push_back((there ? 1 : -1) + 1.5 * noise);
      bleeding += there;
      x.insert(x.end(), {static_cast<float>(first.back()), s % 2 ? -1.f : 1.f, random.uniform(), 1.f});
      index += cat(row, ",slice-", row, ",p", s / 2, ",scan-", s, ",", 5 * t, ",",
                   there ? left ? "any|left" : "any|right" : "", ",", s / 2 % 4 == 3 ? "val" : "train", "\n");
    }
  }
  const double prior = bleeding / static_cast<double>(row);
  for (std::int64_t i = 0; i < row; ++i) {
    const double f = first[static_cast<std::size_t>(i)];  // log odds of two normals at +-1: 2 f / 1.5^2
    const double p = 1 / (1 + (1 - prior) / prior * std::exp(-2 * f / 2.25));
    const bool left = x[static_cast<std::size_t>(4 * i + 1)] > 0;
    base.insert(base.end(), {static_cast<float>(p), static_cast<float>(left ? p : 1e-3),
                             static_cast<float>(left ? 1e-3 : p)});
  }
  dir.write(folder + "/index.csv", index);
  save_npy(dir / (folder + "/features.npy"), from_vector(x, {row, 4}));
  save_npy(dir / (folder + "/base.npy"), from_vector(base, {row, 3}));
}

}  // namespace gadolin::test
