// Namespaces of the kernel: a program that sees no other processes, no network and no shared memory of
// others.
#pragma once

namespace gadolin::course {

inline constexpr const char* shared_memory = "/dev/shm";

// For a child after its fork; no handler of a library runs.
// Own process ids, network, mounts and so on. As root directly, otherwise within a user namespace.
bool enter_namespaces();
// A /dev/shm of its own: clang's OpenMP wants to write there, and what lies there would be a way from one
// submission to another. Mounts of the system are not touched: they are made ours first.
void own_shared_memory();

}  // namespace gadolin::course
