// Whole batches divided among processes: shard() by rows and by turns.
#include <gtest/gtest.h>

#include "data/sets/sampler.h"

namespace gadolin {
namespace {

// Whole batches, each of one rank; what has nothing to do gets a spare draw.
TEST(SamplerShares, WholeBatchesAreThoseOfOneProcess) {
  const std::shared_ptr<const Sampler> wholes[] = {
      in_order(50, {.batch_size = 4}), in_order(3, {.batch_size = 4}),
      by_bucket(60, [](std::int64_t i) { return i % 3; }, {.batch_size = 7})};
  for (const auto& whole : wholes) {
    const EpochBatches all = whole->epoch(5, 1);
    for (const int ranks : {1, 2, 3, 20}) {
      EpochBatches in_rows, in_rounds(all.size());
      for (int rank = 0; rank < ranks; ++rank) {
        const auto rows = shard(whole, rank, ranks, Divide::rows),
                   turns = shard(whole, rank, ranks, Divide::turns);
        EXPECT_EQ(rows->batch_size(), whole->batch_size());
        EXPECT_EQ(turns->batches(), (whole->batches() + ranks - 1) / ranks);
        const EpochBatches row = rows->epoch(5, 1), turn = turns->epoch(5, 1);
        ASSERT_EQ(std::ssize(row), rows->batches());
        ASSERT_EQ(std::ssize(turn), turns->batches());
        for (const auto& batch : row)
          if (!batch[0].spare) in_rows.push_back(batch);
        for (std::size_t i = 0; i < turn.size(); ++i) {
          const std::size_t at = i * static_cast<std::size_t>(ranks) + static_cast<std::size_t>(rank);
          EXPECT_EQ(turn[i][0].spare, at >= all.size());
          if (!turn[i][0].spare) in_rounds[at] = turn[i];
        }
      }
      EXPECT_EQ(in_rows, all) << ranks << " ranks";
      EXPECT_EQ(in_rounds, all) << ranks << " ranks";
    }
  }
}

}  // namespace
}  // namespace gadolin
