// Frames are parsed as hostile input; draws and seeds are the same everywhere.
#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "course/grader/draw.h"
#include "course/grader/grade.h"
#include "course/grader/values.h"

namespace gadolin::course {
namespace {

Values some() {
  return {{"a", std::int64_t{-7}},
          {"b", 0.1},
          {"c", std::string("text\0more", 9)},
          {"d", std::vector<std::int64_t>{1, -2, 3}},
          {"e", Array{{2, 2}, {1, 2, std::nan(""), HUGE_VAL}}}};
}

TEST(Frames, WhatIsWrittenIsRead) {
  const Values read = from_bytes(to_bytes(some()));
  EXPECT_EQ(to_bytes(read), to_bytes(some()));
  EXPECT_EQ(text(read, "c"), text(some(), "c"));
}

// Every byte of a frame changed in several ways, and every beginning of it: read or refused, never more.
TEST(Frames, DamagedBytesAreRefused) {
  const std::string whole = to_bytes(some());
  int refused = 0;
  const auto attempt = [&](const std::string& bytes) {
    try {
      from_bytes(bytes);
    } catch (const std::invalid_argument&) {
      ++refused;
    }
  };
  for (std::size_t i = 0; i < whole.size(); ++i) {
    attempt(whole.substr(0, i));
    for (int x : {1, 0x7f, 0x80, 0xff}) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ x);
      attempt(changed);
    }
  }
  EXPECT_GT(refused, static_cast<int>(whole.size()));
}

std::string refusal(const std::string& bytes) {
  try {
    from_bytes(bytes);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "read";
}

TEST(Frames, EachRefusalHasItsWords) {
  const auto number = [](std::uint64_t x) {
    std::string out;
    for (int i = 0; i < 8; ++i) out += static_cast<char>(x >> (8 * i) & 255);
    return out;
  };
  const auto named = [&](const std::string& rest) { return number(1) + number(1) + "a" + rest; };
  EXPECT_EQ(refusal(""), "frame: ends within a number");
  EXPECT_EQ(refusal(number(1u << 30)), "frame: a count is larger than the frame");
  EXPECT_EQ(refusal(named(std::string("\x09") + number(0))), "frame: unknown kind of value");
  EXPECT_EQ(refusal(number(1) + number(9) + "aaaaaaaaa"), "frame: ends before a value");
  EXPECT_EQ(refusal(named(std::string(1, '\0') + number(0)) + "x"), "frame: bytes after its end");
  std::string shape = std::string("\x04") + number(9);
  for (int i = 0; i < 9; ++i) shape += number(1);
  EXPECT_EQ(refusal(named(shape + number(0))), "frame: more than 8 dimensions");
  EXPECT_EQ(refusal(number(2) + number(1) + "a" + std::string(1, '\0') + number(0) + number(1) + "a" +
                    std::string(1, '\0') + number(0)),
            "frame: a name stands twice");
  EXPECT_EQ(refusal(std::string((std::size_t{64} << 20) + 1, '\0')), "frame: more than 64 MiB");
}

TEST(Draws, AreTheSameEverywhere) {
  Draw draw(Seed{1});
  EXPECT_EQ(draw.integer(0, 1000000), 793643);
  for (int i = 0; i < 1000; ++i) {
    const std::int64_t x = draw.integer(-3, 4);
    EXPECT_TRUE(x >= -3 && x <= 4);
  }
  try {
    draw.integer(2, 1);
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "draw: no number from 2 to 1");
  }
}

// RFC 4231, test cases 1 (key of 20 bytes, the rest zero) and 2.
TEST(Seeds, HmacIsTheStandards) {
  Seed key{};
  for (std::size_t i = 0; i < 20; ++i) key[i] = 0x0b;
  EXPECT_EQ(secret_text(hmac_sha256(key, "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  key = Seed{'J', 'e', 'f', 'e'};
  EXPECT_EQ(secret_text(hmac_sha256(key, "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Seeds, SecretsAreCheckedAndNeverQuoted) {
  const Secret secret = new_secret();
  EXPECT_EQ(parse_secret(secret_text(secret) + "\n"), secret);
  EXPECT_NE(new_secret(), secret);
  try {
    parse_secret("0123");
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(),
                 "secret: 64 digits of 0-9 a-f are needed; make one with gadolin-grade secret new");
  }
}

std::string differs(const Values& got, const Values& want, Limit limit = {}) {
  return difference({"", {}, limit, {}}, got, want);
}

TEST(Comparison, NanNeverPassesForANumber) {
  const double nan = std::nan("");
  EXPECT_EQ(differs({{"y", nan}}, {{"y", 1.0}}, {1, 1, 1}), "y is nan, wanted 1");
  EXPECT_EQ(differs({{"y", 1.0}}, {{"y", nan}}, {1, 1, 1}), "y is 1, wanted nan");
  EXPECT_EQ(differs({{"y", nan}}, {{"y", nan}}), "");
  EXPECT_EQ(differs({{"y", HUGE_VAL}}, {{"y", -HUGE_VAL}}, {1, 1, 1}), "y is inf, wanted -inf");
  EXPECT_EQ(differs({{"y", Array{{2}, {1, nan}}}}, {{"y", Array{{2}, {1, 2}}}}, {1, 1, 1}),
            "y[1] is nan, wanted 2 (1 of 2 are wrong)");
  EXPECT_EQ(differs({{"y", Array{{1, 2}, {1, 2}}}}, {{"y", Array{{2}, {1, 2}}}}),
            "y has shape [1, 2], wanted [2]");
  EXPECT_EQ(differs({{"y", Array{{2}, {1}}}}, {{"y", Array{{2}, {1, 2}}}}), "y has 1 numbers, wanted 2");
  EXPECT_EQ(differs({}, {{"y", 1.0}}), "y is missing, wanted 1");
  EXPECT_EQ(differs({{"y", std::string("1")}}, {{"y", 1.0}}), "y is \"1\", wanted 1");
  EXPECT_EQ(differs({{"error", std::string("bad")}}, {{"y", 1.0}}), "\"bad\" was thrown");
}

}  // namespace
}  // namespace gadolin::course
