// Work that several processes divide: items that do not depend on one another, of which each process makes
// some, and whose results rank 0 gets in the order of the items, so that it writes the files of one process.
// Batches are divided by their loader (Divide in data/sets/sampler.h).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "io/pack.h"
#include "train/communicator.h"

namespace gadolin {

// Items [from, to) of a process: one rank's behind another's.
struct ItemShare {
  std::int64_t from = 0, to = 0;
};
// This rank's of `items`; shares differ by one item at most, and may be empty.
ItemShare share_of(const Communicator& communicator, std::int64_t items);

// The items of all ranks, one rank's behind another's, on rank 0; none elsewhere. Of one process alone `mine`
// as they are. T is anything that io/pack.h packs.
template <class T> std::vector<T> gather_items(Communicator& communicator, std::vector<T> mine) {
  if (communicator.alone()) return mine;
  std::vector<T> all;
  for (const std::string& bytes : communicator.gather(packed(mine)))
    for (T& item : unpacked<std::vector<T>>(bytes)) all.push_back(std::move(item));
  return all;
}

// In turns: item i is made by rank i mod size(), and rank 0 takes each in its order as soon as it is there. T
// is what make(i) gives. What either throws ends all ranks.
template <class T>
void in_turns(Communicator& communicator, std::int64_t items, const std::function<T(std::int64_t)>& make,
              const std::function<void(std::int64_t, T&)>& take) {
  for (std::int64_t first = 0; first < items; first += communicator.size()) {
    std::vector<T> mine;
    if (first + communicator.rank() < items) mine.push_back(make(first + communicator.rank()));
    std::int64_t i = first;
    for (T& item : gather_items(communicator, std::move(mine))) take(i++, item);
  }
}

}  // namespace gadolin
