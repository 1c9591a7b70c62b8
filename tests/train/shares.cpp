// Work that several processes divide, with threads as ranks.
#include "train/shares.h"

#include <gtest/gtest.h>

#include "tensor/ops.h"
#include "tests/scratch.h"
#include "tests/train/thread_communicator.h"

namespace gadolin {
namespace {

using test::message_of;
using test::Ranks;

struct Found {
  std::int64_t place = 0;
  std::string name;
  std::optional<double> share;
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::array<float, 2> two{};
};
template <class A> void pack_fields(A& a, Found& f) { a(f.place, f.name, f.share, f.tensors, f.two); }

TEST(Pack, ComesBackAsItWas) {
  const Tensor half = rand({2, 3}, 1, 2, DType::fp32).to(DType::fp16);
  const Found found{-7, std::string("a\0\xff", 3), 0.1, {{"x", half}, {"none", empty({0, 4})}}, {1, 2}};
  const Found again = unpacked<Found>(packed(found));
  EXPECT_EQ(again.place, -7);
  EXPECT_EQ(again.name, found.name);
  EXPECT_EQ(again.share, 0.1);
  EXPECT_EQ(again.two, found.two);
  ASSERT_EQ(again.tensors.size(), 2u);
  EXPECT_EQ(again.tensors[0].second.dtype(), DType::fp16);
  EXPECT_EQ(again.tensors[0].second.to_vector<double>(), half.to_vector<double>());
  EXPECT_EQ(again.tensors[1].second.shape(), (Shape{0, 4}));
  const std::string bytes = packed(std::string("four"));
  EXPECT_EQ(message_of<ProcessError>([&] { unpacked<std::string>(bytes.substr(0, 11)); }),
            "processes: a message of 11 bytes ends inside a value; start all processes from one build");
}

TEST(Shares, AreOfNeighboursAndDifferByOne) {
  for (const int size : {1, 2, 3, 5}) {
    std::vector<ItemShare> shares(static_cast<std::size_t>(size));
    Ranks::run(size, [&](Communicator& c) { shares[static_cast<std::size_t>(c.rank())] = share_of(c, 4); });
    std::int64_t at = 0;
    for (const ItemShare& share : shares) {
      EXPECT_EQ(share.from, at);
      EXPECT_LE(share.to - share.from, (4 + size - 1) / size);
      at = share.to;
    }
    EXPECT_EQ(at, 4);
  }
}

TEST(Shares, TheFirstRankGetsEveryItemInItsOrder) {
  for (const int size : {1, 2, 3, 5}) {
    std::vector<int> makers(7, -1);
    Ranks::run(size, [&](Communicator& c) {
      const ItemShare share = share_of(c, 7);
      std::vector<std::string> mine;
      for (std::int64_t i = share.from; i < share.to; ++i) mine.push_back(cat("item ", i));
      const std::vector<std::string> all = gather_items(c, mine);
      ASSERT_EQ(all.size(), c.first() ? 7u : 0u);
      for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], cat("item ", i));
      std::int64_t next = 0;
      in_turns<int>(
          c, 7, [&](std::int64_t i) { return c.rank() + 100 * static_cast<int>(i); },
          [&](std::int64_t i, int& made) {
            EXPECT_TRUE(c.first());
            EXPECT_EQ(i, next++);
            EXPECT_EQ(made, i % c.size() + 100 * i);
          });
      EXPECT_EQ(next, c.first() ? 7 : 0);
    });
  }
}

TEST(Shares, WhatARankThrowsEndsAll) {
  EXPECT_EQ(message_of<ValueError>([] {
              Ranks::run(2, [](Communicator& c) {
                in_turns<int>(
                    c, 9,
                    [](std::int64_t i) {
                      require<ValueError>(i != 5, "item 5 is none");
                      return 1;
                    },
                    [](std::int64_t, int&) {});
              });
            }),
            "item 5 is none");
}

}  // namespace
}  // namespace gadolin
