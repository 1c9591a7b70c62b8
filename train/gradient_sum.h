// Gradients of a step, averaged over all processes in buckets, while backward still runs.
#pragma once

#include <cstdint>
#include <vector>

#include "layers/module.h"
#include "tensor/gradient_hook.h"
#include "train/communicator.h"

namespace gadolin {

// Parameters lie in flat buckets, those that a net declares last first: backward ends with them first. When
// the last gradient of a bucket is final, the bucket is summed; buckets go in one order on all ranks,
// whatever the order in which they become ready. Afterwards gradients are slices of the buckets, in the
// parameters' own type.
//
// The first step decides which parameters take part: those that had a gradient on any rank. From then on a
// rank without one adds zeros. No step may use host memory to find out, or it could not be recorded
// (tensor/capture.h).
class GradientSum {
 public:
  GradientSum(Communicator& communicator, std::vector<Parameter> parameters,
              std::int64_t bucket_bytes = std::int64_t{25} << 20);
  GradientSum(const GradientSum&) = delete;
  GradientSum& operator=(const GradientSum&) = delete;

  // For the last backward before a step.
  const GradientHook& hook() const { return hook_; }
  // Sums what is not summed yet. Then grad() of every parameter that takes part is the mean over all ranks,
  // the same bits on each. Throws ProcessError for a gradient of a parameter that takes no part.
  void finish();
  void forget();  // what a backward has told so far; for gradients that are set to zero

 private:
  struct Member {
    std::size_t parameter;
    Tensor slice;  // of the bucket, as the parameter lies
  };
  struct Bucket {
    Tensor flat;
    std::vector<Member> members;
    std::size_t final = 0;  // members whose gradient is
  };
  void agree();
  void told(std::size_t parameter);
  void sum(Bucket& bucket);

  Communicator& communicator_;
  std::vector<Parameter> parameters_;
  std::int64_t bucket_bytes_;
  bool agreed_ = false;
  std::vector<Bucket> buckets_;
  std::vector<std::size_t> bucket_of_;  // of each parameter; buckets_.size() for those that take no part
  std::size_t next_ = 0;                // bucket to be summed
  GradientHook hook_;
};

}  // namespace gadolin
