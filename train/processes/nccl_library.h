// NCCL as a table of functions, opened when first needed, as tensor/cuda/library.h opens the other libraries.
#pragma once

#ifdef GADOLIN_NCCL
#include <nccl.h>

namespace gadolin::detail {

// clang-format off
#define GADOLIN_NCCL_FUNCTIONS(F)                                                                      \
  F(ncclGetVersion) F(ncclGetErrorString) F(ncclGetLastError) F(ncclGetUniqueId) F(ncclCommInitRank)   \
  F(ncclCommDestroy) F(ncclCommAbort) F(ncclCommGetAsyncError) F(ncclAllReduce) F(ncclBroadcast)
// clang-format on

#define GADOLIN_MEMBER(f) decltype(&::f) f = nullptr;
struct NcclLibrary {
  GADOLIN_NCCL_FUNCTIONS(GADOLIN_MEMBER)
};
#undef GADOLIN_MEMBER

// Throws DeviceError where it is missing or too old.
const NcclLibrary& nccl();

}  // namespace gadolin::detail
#endif
