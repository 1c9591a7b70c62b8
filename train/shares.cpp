#include "train/shares.h"

namespace gadolin {

ItemShare share_of(const Communicator& communicator, std::int64_t items) {
  const std::int64_t rank = communicator.rank(), size = communicator.size();
  return {items * rank / size, items * (rank + 1) / size};
}

}  // namespace gadolin
