// What a test may ask of the device made of software beyond CUDA.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace software_cuda {

// The first report since the last call, "" without one. The device works again afterwards.
std::string take_report();

// Work of a recording: what it would compute, and the bytes of device memory that it would read and write.
struct Charge {
  std::string kind;  // kernel, convolution, product, copy or fill
  std::string name;  // of a kernel: the function's; else the pass, or the sizes
  std::string type;  // of the arithmetic of products and convolutions: fp64, fp32, tf32, fp16 or bf16
  double flops = 0, read = 0, written = 0;
};
// From here on nothing runs: memory is address space, and recordings note charges instead of work, for a
// device of so much memory and so many multiprocessors.
void open_account(std::size_t memory_bytes, int multiprocessors);
// The charges since then. What was allocated meanwhile holds nothing.
std::vector<Charge> close_account();

// What kernels ask of memory between the two calls. A request is one instruction of a warp: it takes as many
// sectors of 32 bytes of device memory as it touches, and of shared memory as many rounds as the busiest of
// the 32 banks has words to give. Barriers are those that blocks pass.
struct Traffic {
  long long launches = 0, barriers = 0, sectors = 0, shared_rounds = 0;
};
void count_traffic();
Traffic take_traffic();

}  // namespace software_cuda
