// Kernels with a fault each, run before any other: a checker that misses one counts as absent.
#include "checker.h"

namespace software_cuda {
namespace {

constexpr unsigned threads = 64;

void planted_race(float* x) { x[threadIdx.x] = x[threads - 1 - threadIdx.x]; }
void planted_step_too_far(float* x) { x[threadIdx.x + 1] = 0; }
void planted_read_of_nothing(float* x) { x[threadIdx.x] = x[threadIdx.x + threads]; }
void planted_correct(float* x) { x[threadIdx.x] += 1; }

}  // namespace

std::string missed_planted_faults() {
  const auto memory = std::make_unique<float[]>(2 * threads);
  struct Planted {
    void (*kernel)(float*);
    unsigned known, written;  // elements
    const char* said;
  };
  const Planted all[] = {{planted_race, threads, threads, "races"},
                         {planted_step_too_far, threads, threads, "behind the end"},
                         {planted_read_of_nothing, 2 * threads, threads, "nobody has written"},
                         {planted_correct, threads, threads, ""}};
  for (const Planted& planted : all) {
    const auto shadow = track(Shadow::Kind::device, memory.get(), planted.known * sizeof(float), 0);
    shadow->set(0, planted.written * sizeof(float), Shadow::written);
    float* place = memory.get();
    void* args[] = {&place};
    const std::string said = run_blocks(kernel_of(planted.kernel, args), dim3(1), dim3(threads), {0});
    const std::string wanted = planted.said;
    if (wanted.empty() ? said.empty() : said.find(wanted) != std::string::npos) continue;
    return "the checker is absent: of the planted fault '" + wanted + "' it says '" + said + "'";
  }
  return "";
}

}  // namespace software_cuda
