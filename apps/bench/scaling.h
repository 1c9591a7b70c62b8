// What the sum of the gradients costs on many GPUs, by a model of ring and tree.
#pragma once

#include <cstdint>
#include <vector>

namespace gadolin {

// Between GPUs of one machine, and between machines: bytes a second that each GPU sends while it receives as
// many, and the seconds of one message without bytes.
struct ScalingLinks {
  double near_bandwidth = 0, far_bandwidth = 0, near_latency = 0, far_latency = 0;
  int gpus_a_machine = 8;
};

enum class SumBy : std::uint8_t { ring, tree };

// Seconds until all of `gpus` have the sum of `bytes` (the larger of a factor of the slowest link and none
// where there is one GPU).
//   ring  2 (N - 1) steps of bytes / N (Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms for
//         clusters of workstations, Journal of Parallel and Distributed Computing 69, 2009)
//   tree  up and down two binary trees, each with half of the bytes in a pipeline: 2 bytes and 2 log2 N
//         messages (Sanders, Speck and Traeff, Two-tree algorithms for full bandwidth broadcast, reduction
//         and scan, Parallel Computing 35, 2009)
// A ring crosses machines once a machine; a tree joins the machines, and within each its GPUs are a chain.
double sum_seconds(SumBy by, double bytes, int gpus, const ScalingLinks& links);

// A step of one GPU: seconds of all and of backward, at whose end the last gradient is final. Gradients
// become final evenly over backward; buckets are summed one after another, each as soon as it is full.
struct ScalingStep {
  double seconds = 0, backward_seconds = 0;
  double gradient_bytes = 0, bucket_bytes = 0;
};
// Seconds of a step of `gpus` together.
double step_seconds(const ScalingStep& step, SumBy by, int gpus, const ScalingLinks& links);

}  // namespace gadolin
