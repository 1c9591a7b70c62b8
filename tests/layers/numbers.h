// Numbers that another implementation computed: tests/fixtures/numbers/*.json (made by tools/fixtures).
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin {

using Real = std::vector<double>;

inline nlohmann::json stored_numbers(const std::string& name) {
  const std::string path = std::string(GADOLIN_TEST_DATA) + "/numbers/" + name;
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << path;
  return nlohmann::json::parse(file);
}
inline Tensor stored_tensor(const nlohmann::json& entry, DType dtype = DType::fp64) {
  return tensor(entry.at("values").get<std::vector<double>>(),
                Shape(entry.at("shape").get<std::vector<std::int64_t>>()), dtype);
}
inline Tensor stored_vector(const nlohmann::json& numbers) {
  const std::vector<double> v = numbers.get<std::vector<double>>();
  return tensor(v, {static_cast<std::int64_t>(v.size())}, DType::fp64);
}
inline void expect_close(const Tensor& got, const std::vector<double>& want, double tolerance,
                         const std::string& what) {
  const std::vector<double> g = got.to_vector<double>();
  ASSERT_EQ(g.size(), want.size()) << what;
  for (std::size_t i = 0; i < g.size(); ++i) {
    const double error = std::abs(g[i] - want[i]);
    EXPECT_TRUE(error <= tolerance * (1 + std::abs(want[i])))
        << what << ", element " << i << ": " << g[i] << " for " << want[i];
  }
}

}  // namespace gadolin
