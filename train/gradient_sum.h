// Gradients of a step, averaged over all processes in buckets, while backward still runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layers/module.h"
#include "tensor/gradient_hook.h"
#include "train/communicator.h"

namespace gadolin {

struct GradientReduction {
  std::int64_t bucket_bytes = std::int64_t{25} << 20;  // gradients that travel together
  DType dtype = DType::fp32;  // bf16: fp32 gradients are rounded to it, half the bytes; sums are of fp32
};

// Parameters lie in flat buckets, those that a net declares last first: backward ends with them first. When
// the last gradient of a bucket is final, its sum begins (Communicator::begin_sum) and goes on beside
// backward; buckets go in one order on all ranks, whatever the order in which they become ready. Afterwards
// gradients are slices of the buckets, in the parameters' own type.
//
// The first step decides which parameters take part: those that had a gradient on any rank. From then on a
// rank without one adds zeros. On the host others join when they have a gradient on any rank, and those of
// which no rank has one have none afterwards; on a device no step may find out, or it could not be recorded
// (tensor/capture.h).
class GradientSum {
 public:
  // Throws UsageError for buckets below 1 byte, or another type of reduction.
  GradientSum(Communicator& communicator, std::vector<Parameter> parameters,
              GradientReduction reduction = {});
  GradientSum(const GradientSum&) = delete;
  GradientSum& operator=(const GradientSum&) = delete;

  // For the last backward before a step.
  const GradientHook& hook() const { return hook_; }
  // Sums what is not summed yet. Then grad() of every parameter that takes part is the mean over all ranks,
  // the same bits on each. Throws ProcessError on a device for a gradient of a parameter that takes no part.
  void finish();
  // Names of parameters that take no part; none before the first step.
  std::vector<std::string> unused() const;
  void forget();  // what a backward has told so far; for gradients that are set to zero

 private:
  static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);
  struct Member {
    std::size_t parameter;
    Tensor slice;  // of the bucket, as the parameter lies
  };
  struct Bucket {
    Tensor flat, sent;  // the latter is flat, or its numbers in fewer bits
    std::vector<Member> members;
    std::size_t final = 0;  // members whose gradient is
  };
  std::vector<std::int64_t> agree();
  void add_bucket(const std::vector<std::size_t>& parameters);
  void finish_from(std::size_t first);
  void told(std::size_t parameter);
  void begin(Bucket& bucket);

  Communicator& communicator_;
  std::vector<Parameter> parameters_;
  GradientReduction reduction_;
  bool agreed_ = false;
  std::vector<Bucket> buckets_;
  std::vector<std::size_t> bucket_of_;  // of each parameter; or nowhere
  std::vector<char> has_;               // a gradient of each parameter in a bucket, before it was summed
  std::size_t next_ = 0;                // bucket to be summed
  GradientHook hook_;
};

}  // namespace gadolin
