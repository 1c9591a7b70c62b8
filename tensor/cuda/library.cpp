// Finds and opens cuBLASLt and cuDNN with dlopen.
#ifdef GADOLIN_CUDA
#include "tensor/cuda/library.h"

#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "tensor/check.h"

// Folders found at configure time, separated by colons; set for this file alone.
#ifndef GADOLIN_CUDA_LIBRARY_PATH
#define GADOLIN_CUDA_LIBRARY_PATH ""
#endif
#define GADOLIN_TEXT_OF(x) #x
#define GADOLIN_TEXT(x) GADOLIN_TEXT_OF(x)

namespace gadolin {
namespace {

namespace fs = std::filesystem;

std::atomic<const CublasLtLibrary*> cublaslt_table{nullptr};
std::atomic<const CudnnLibrary*> cudnn_table{nullptr};

#define GADOLIN_LOAD(f) table.f = reinterpret_cast<decltype(table.f)>(library_symbol(search, library, #f));
CublasLtLibrary load_cublaslt() {
  const LibrarySearch search{"cuBLASLt", "libcublasLt.so." GADOLIN_TEXT(CUBLAS_VER_MAJOR),
                             "GADOLIN_CUBLASLT_LIB"};
  void* library = open_library(search);
  CublasLtLibrary table;
  GADOLIN_CUBLASLT_FUNCTIONS(GADOLIN_LOAD)
  return table;
}

CudnnLibrary load_cudnn() {
  // Its recurrent layers run products on streams of their own: with one workspace each, sums repeat their
  // bits.
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:2", 0);
  const LibrarySearch search{"cuDNN", "libcudnn.so." GADOLIN_TEXT(CUDNN_MAJOR), "GADOLIN_CUDNN_LIB"};
  void* library = open_library(search);
  CudnnLibrary table;
  GADOLIN_CUDNN_FUNCTIONS(GADOLIN_LOAD)
  // DEVICEPROP and graphs without a handle came with 9.8.
  const std::size_t version = table.cudnnGetVersion();
  require<DeviceError, 3>(version >= 90800, "cuDNN: version ", version / 10000, '.', version / 100 % 100, '.',
                          version % 100,
                          " was opened, 9.8 or newer is needed; set GADOLIN_CUDNN_LIB to its folder");
  return table;
}
#undef GADOLIN_LOAD

}  // namespace

std::vector<std::string> library_candidates(const LibrarySearch& search) {
  std::error_code ignored;
  std::vector<std::string> found;
  const std::string file = search.soname;
  if (const char* given = std::getenv(search.variable); given && *given) {
    found.push_back(is_directory(fs::path(given), ignored) ? std::string(given) + "/" + file
                                                           : std::string(given));
  }
  found.push_back(file);
  std::istringstream configured(GADOLIN_CUDA_LIBRARY_PATH);
  for (std::string folder; std::getline(configured, folder, ':');) {
    if (!folder.empty()) found.push_back(folder + "/" + file);
  }
  if (const char* home = std::getenv("CUDA_HOME"); home && *home)
    found.push_back(std::string(home) + "/lib64/" + file);
  found.push_back("/usr/local/cuda/lib64/" + file);
  return found;
}

void* open_library(const LibrarySearch& search) {
  std::error_code ignored;
  std::string tried, reason;
  for (const std::string& path : library_candidates(search)) {
    // Local, so that a second copy of the library in the process (a Python wheel's) cannot mix with this one.
    if (void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    const char* said = dlerror();
    if (exists(fs::path(path), ignored) && reason.empty() && said) reason = said;
    tried += (tried.empty() ? "" : ", ") + (path == search.soname ? path + " in the loader's path" : path);
  }
  fail<DeviceError, 2>(search.name, ": ", search.soname, " could not be opened, tried ", tried,
                       reason.empty() ? "" : " (" + reason + ")", "; install it or set ", search.variable,
                       " to its folder");
}

void* library_symbol(const LibrarySearch& search, void* library, const char* symbol) {
  void* address = dlsym(library, symbol);
  require<DeviceError, 3>(address != nullptr, search.name, ": ", search.soname, " has no function ", symbol,
                          "; install a newer ", search.name, " or set ", search.variable, " to its folder");
  return address;
}

const CublasLtLibrary& cublaslt() {
  static const CublasLtLibrary table =
      load_cublaslt();  // a failed load throws and is tried again by the next call
  cublaslt_table.store(&table, std::memory_order_release);
  return table;
}
const CudnnLibrary& cudnn() {
  static const CudnnLibrary table = load_cudnn();
  cudnn_table.store(&table, std::memory_order_release);
  return table;
}
const CublasLtLibrary* opened_cublaslt() { return cublaslt_table.load(std::memory_order_acquire); }
const CudnnLibrary* opened_cudnn() { return cudnn_table.load(std::memory_order_acquire); }

}  // namespace gadolin
#endif
