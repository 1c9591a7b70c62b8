// What a step would move and compute on a GPU, counted while it is recorded. As long as an account is open no
// work runs: memory is address space alone, a recording notes what it is given, and of each kernel a few
// blocks run to count what they touch.
#pragma once

#include <cstdint>
#include <functional>

#include "checker.h"
#include "software_cuda.h"

namespace software_cuda {

// Whether an account is open.
bool accounting();
int accounted_multiprocessors();
// Notes a charge for work that is recorded.
void charge(Charge c);
// Runs some blocks of the kernel: the bytes of all are those of the blocks in proportion, and what several
// blocks touch once.
Charge charge_of_kernel(const Kernel& kernel, dim3 grid, dim3 block);
void count_block(unsigned index);  // the one that runs from here on
void count_access(std::uintptr_t address, std::size_t bytes, Access access);

}  // namespace software_cuda
