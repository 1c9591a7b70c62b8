// The GPU libraries as tables of functions, opened when first needed: a program that never touches the GPU
// does not map half a gigabyte, and one built here starts on a machine that lacks them.
#pragma once

#ifdef GADOLIN_CUDA
#include <cublasLt.h>
#include <cudnn_adv.h>

#include <string>
#include <vector>

namespace gadolin {

// Where a library is looked for, in this order: the file or folder in `variable`, the loader's path, the
// folders found when Gadolin was configured, CUDA_HOME, and the usual place of a toolkit.
struct LibrarySearch {
  const char* name;      // "cuDNN", for messages
  const char* soname;    // "libcudnn.so.9"
  const char* variable;  // "GADOLIN_CUDNN_LIB"
};
std::vector<std::string> library_candidates(const LibrarySearch& search);
// Opens the first candidate that loads and keeps it for the life of the process. Throws DeviceError naming
// the candidates and, where a file exists but does not load, the loader's reason.
void* open_library(const LibrarySearch& search);
// Throws DeviceError naming library and symbol.
void* library_symbol(const LibrarySearch& search, void* library, const char* symbol);

// clang-format off
#define GADOLIN_CUBLASLT_FUNCTIONS(F)                                                                  \
  F(cublasLtCreate) F(cublasLtDestroy) F(cublasLtGetVersion) F(cublasLtGetStatusString)                \
  F(cublasLtMatmul) F(cublasLtMatmulAlgoGetHeuristic)                                                  \
  F(cublasLtMatmulDescCreate) F(cublasLtMatmulDescDestroy) F(cublasLtMatmulDescSetAttribute)           \
  F(cublasLtMatrixLayoutCreate) F(cublasLtMatrixLayoutDestroy) F(cublasLtMatrixLayoutSetAttribute)     \
  F(cublasLtMatmulPreferenceCreate) F(cublasLtMatmulPreferenceDestroy) F(cublasLtMatmulPreferenceSetAttribute)
#define GADOLIN_CUDNN_FUNCTIONS(F)                                                                     \
  F(cudnnGetVersion) F(cudnnGetErrorString) F(cudnnGetLastErrorString)                                 \
  F(cudnnCreate) F(cudnnDestroy) F(cudnnSetStream)                                                     \
  F(cudnnBackendCreateDescriptor) F(cudnnBackendDestroyDescriptor) F(cudnnBackendFinalize)             \
  F(cudnnBackendSetAttribute) F(cudnnBackendGetAttribute) F(cudnnBackendExecute)                       \
  F(cudnnCreateRNNDescriptor) F(cudnnDestroyRNNDescriptor) F(cudnnSetRNNDescriptor_v8)                 \
  F(cudnnCreateRNNDataDescriptor) F(cudnnDestroyRNNDataDescriptor) F(cudnnSetRNNDataDescriptor)        \
  F(cudnnCreateTensorDescriptor) F(cudnnDestroyTensorDescriptor) F(cudnnSetTensorNdDescriptor)         \
  F(cudnnCreateDropoutDescriptor) F(cudnnDestroyDropoutDescriptor) F(cudnnSetDropoutDescriptor)        \
  F(cudnnGetRNNTempSpaceSizes) F(cudnnGetRNNWeightSpaceSize) F(cudnnGetRNNWeightParams)                \
  F(cudnnRNNForward) F(cudnnRNNBackwardData_v8) F(cudnnRNNBackwardWeights_v8)
// clang-format on

#define GADOLIN_MEMBER(f) decltype(&::f) f = nullptr;
struct CublasLtLibrary {
  GADOLIN_CUBLASLT_FUNCTIONS(GADOLIN_MEMBER)
};
struct CudnnLibrary {
  GADOLIN_CUDNN_FUNCTIONS(GADOLIN_MEMBER)
};
#undef GADOLIN_MEMBER

// Opened by the first call; later calls cost one load. Throw DeviceError when the library is missing or too
// old.
const CublasLtLibrary& cublaslt();
const CudnnLibrary& cudnn();
// The same tables when a library has been opened already, nullptr otherwise: for error texts.
const CublasLtLibrary* opened_cublaslt();
const CudnnLibrary* opened_cudnn();

}  // namespace gadolin
#endif
