#include "tensor/companion.h"

#include <algorithm>

#include "tensor/capture_state.h"

namespace gadolin::detail {

void Companions::note(const Tensor& owner) {
  const auto same = [&](const Tensor& known) { return known.same_as(owner); };
  if (std::none_of(owners_.begin(), owners_.end(), same)) owners_.push_back(owner);
}

void Companions::refresh() const {
  for (const Tensor& owner : owners_) {
    if (Companion* const companion = owner.companion()) companion->refresh(owner);
  }
}

void Companions::recorded(std::uint64_t recording) const {
  for (const Tensor& owner : owners_) {
    if (Companion* const companion = owner.companion()) companion->recorded(owner, recording);
  }
}

void Companions::launches(std::uint64_t recording, bool reads_only) const {
  refresh();
  if (reads_only) return;
  const std::uint64_t count = count_replay();
  for (const Tensor& owner : owners_) {
    if (Companion* const companion = owner.companion()) companion->replayed(recording, count);
  }
}

void note_companion(const Tensor& owner) {
  if (Companions* const companions = capture_state().companions) companions->note(owner);
}

}  // namespace gadolin::detail
