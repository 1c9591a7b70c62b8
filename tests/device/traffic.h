// Hooks of the count of requests (traffic.cpp), called while it is on.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace software_cuda {

extern std::atomic<bool> counting_traffic;
extern const void* instruction;  // that makes the present access
void traffic_of_launch();
void traffic_of_block();  // at its end
void traffic_of_thread(unsigned index);
void traffic_of_barrier();
void traffic_of_access(std::uintptr_t address, std::size_t bytes, bool shared);

}  // namespace software_cuda
