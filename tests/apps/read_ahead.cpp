// Items made in advance: their order, errors in their place, the limit of what waits, an end in between.
#include "apps/run/read_ahead.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

namespace gadolin {
namespace {

TEST(ReadAhead, GivesItemsInTheirOrder) {
  for (const int threads : {1, 3}) {
    ReadAhead<std::int64_t> items({.first = 1, .step = 3, .end = 20, .threads = threads},
                                  [](std::int64_t i) { return i * i; });
    for (const std::int64_t i : {1, 4, 7, 10, 13, 16, 19}) EXPECT_EQ(items.next(), i * i);
  }
}

TEST(ReadAhead, ThrowsWhatAnItemThrewInItsPlace) {
  ReadAhead<int> items({.end = 5, .threads = 2}, [](std::int64_t i) {
    if (i == 2) throw std::runtime_error("item 2");
    return static_cast<int>(i);
  });
  EXPECT_EQ(items.next(), 0);
  EXPECT_EQ(items.next(), 1);
  EXPECT_THROW(items.next(), std::runtime_error);
  EXPECT_EQ(items.next(), 3);
  EXPECT_EQ(items.next(), 4);
}

// Two items a thread wait at most, whatever the time that the taker needs.
TEST(ReadAhead, MakesNoMoreThanMayWait) {
  std::atomic<int> made = 0;
  ReadAhead<int> items({.end = 1000, .threads = 2}, [&](std::int64_t i) {
    ++made;
    return static_cast<int>(i);
  });
  for (int taken = 0; taken < 100; ++taken) {
    EXPECT_EQ(items.next(), taken);
    EXPECT_LE(made, taken + 1 + 4);
  }
}

TEST(ReadAhead, EndsWhileItemsAreBeingMade) {
  for (int i = 0; i < 20; ++i) {
    ReadAhead<int> items({.end = 100, .threads = 3}, [](std::int64_t k) { return static_cast<int>(k); });
    if (i > 0) {
      EXPECT_EQ(items.next(), 0);
    }
  }
  ReadAhead<int> none({.end = 0, .threads = 2}, [](std::int64_t) { return 0; });
}

}  // namespace
}  // namespace gadolin
