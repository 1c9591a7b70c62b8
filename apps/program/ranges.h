// Ranges of numbers in the tables of options: add_option(...)->check(count_from(1)). Every option that takes
// a number has one (a test looks), so that what cannot be meant is refused before anything is read, whether
// it comes from the command line or from --config.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace gadolin {

// Whole numbers from `least` to `most`; `way` out of a mistake.
CLI::Validator between(std::int64_t least, std::int64_t most, const std::string& way = "");
inline CLI::Validator between(int least, int most, const std::string& way = "") {
  return between(std::int64_t{least}, std::int64_t{most}, way);
}
// Of things that are counted: steps, samples, epochs. More than a thousand million are a typing error, and
// computing with them would overflow.
inline CLI::Validator count_from(int least) { return between(least, 1'000'000'000); }
CLI::Validator seed_number();  // of 64 bits
// One of these words.
CLI::Validator one_of(std::vector<std::string> words);

// Finite numbers: from `least` to `most`, of both without an end, and in [0, 1).
CLI::Validator between(double least, double most);
CLI::Validator at_least(double least);
CLI::Validator above(double least);
CLI::Validator share();
CLI::Validator finite();

}  // namespace gadolin
