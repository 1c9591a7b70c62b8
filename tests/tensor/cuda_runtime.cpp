// The CUDA runtime layer: what must hold without a device too (missing drivers and libraries are clear
// errors), and, when there is one, streams, copies, events and matrix products.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include "tensor/autograd.h"
#include "tensor/capture_state.h"
#include "tensor/check.h"
#include "tensor/cuda/info.h"
#include "tensor/ops.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;

// Marks this thread as recording while it lives, as tensor/capture.cpp does.
struct PretendCapture {
  PretendCapture() { detail::capture_state().active = true; }
  ~PretendCapture() { detail::capture_state().active = false; }
};

TEST(CudaRuntime, CountsDevicesWithoutThrowing) {
  EXPECT_GE(cuda_device_count(), 0);
  EXPECT_EQ(cuda_available(), cuda_device_count() > 0);
}

TEST(CudaRuntime, InfoSaysWhyThereIsNoDevice) {
  const CudaInfo info = cuda_info(false);
  EXPECT_EQ(static_cast<int>(info.devices.size()), cuda_device_count());
  EXPECT_EQ(info.problem.empty(), cuda_device_count() > 0) << info.problem;
}

TEST(CudaRuntime, WaitingIsRefusedWhileRecording) {
  refuse_while_capturing("item");
  const PretendCapture capture;
  EXPECT_EQ(message_of<CaptureError>([] { refuse_while_capturing("item"); }),
            "item: would wait for the GPU inside a captured step; return the tensor and read it afterwards");
  EXPECT_EQ(message_of<CaptureError>([] { empty_pinned({4}, DType::fp32); }),
            "pinned memory: would wait for the GPU inside a captured step; make the buffer before the step");
}

}  // namespace
}  // namespace gadolin

#ifdef GADOLIN_CUDA
#include "tensor/cuda/blas_lt.h"
#include "tensor/cuda/library.h"
#include "tensor/cuda/memory.h"
#include "tensor/cuda/status.h"
#include "tensor/cuda/stream.h"

namespace gadolin {
namespace {

constexpr LibrarySearch nowhere{"Nothing", "libgadolin_nothing.so.1", "GADOLIN_NOTHING_LIB"};

TEST(CudaLibrary, MissingLibraryNamesWhatWasTried) {
  unsetenv(nowhere.variable);
  const std::string text = message_of<DeviceError>([] { open_library(nowhere); });
  EXPECT_EQ(
      text.find("Nothing: libgadolin_nothing.so.1 could not be opened, tried libgadolin_nothing.so.1 in the "
                "loader's path, "),
      0u)
      << text;
  EXPECT_NE(text.find("; install it or set GADOLIN_NOTHING_LIB to its folder"), std::string::npos) << text;
  std::string tried;
  for (const std::string& path : library_candidates(nowhere)) {
    tried += (tried.empty() ? "" : ", ") + path + (path == nowhere.soname ? " in the loader's path" : "");
  }
  const std::string whole = "Nothing: libgadolin_nothing.so.1 could not be opened, tried " + tried +
                            "; install it or set GADOLIN_NOTHING_LIB to its folder";
  EXPECT_EQ(text, whole);
}

TEST(CudaLibrary, FolderFromTheEnvironmentComesFirst) {
  setenv(nowhere.variable, GADOLIN_TEST_DATA, 1);
  EXPECT_EQ(library_candidates(nowhere).front(), std::string(GADOLIN_TEST_DATA) + "/libgadolin_nothing.so.1");
  setenv(nowhere.variable, "/some/file.so", 1);
  EXPECT_EQ(library_candidates(nowhere).front(), "/some/file.so");
  unsetenv(nowhere.variable);
}

TEST(CudaLibrary, FileThatIsNoLibraryGivesTheLoadersReason) {
  const test::Scratch folder;
  const std::string path = folder / "not_a_library.so";
  std::ofstream(path) << "not an ELF file";
  setenv(nowhere.variable, path.c_str(), 1);
  const std::string text = message_of<DeviceError>([] { open_library(nowhere); });
  unsetenv(nowhere.variable);
  EXPECT_NE(text.find("tried " + path + ", "), std::string::npos) << text;
  EXPECT_NE(text.find("(" + path + ": "), std::string::npos) << text;
}

TEST(CudaLibrary, MissingFunctionIsNamed) {
  constexpr LibrarySearch math{"libm", "libm.so.6", "GADOLIN_NOTHING_LIB"};
  void* library = open_library(math);
  EXPECT_NE(library_symbol(math, library, "cos"), nullptr);
  EXPECT_EQ(message_of<DeviceError>([&] { library_symbol(math, library, "no_such_function"); }),
            "libm: libm.so.6 has no function no_such_function; install a newer libm or set "
            "GADOLIN_NOTHING_LIB to its "
            "folder");
}

TEST(CudaStatus, CodesBecomeErrorsThatNameTheOp) {
  check(cudaSuccess, "relu");
  EXPECT_EQ(message_of<CudaError>([] { check(cudaErrorInvalidValue, "relu"); }),
            "relu: cudaErrorInvalidValue (invalid argument)");
  EXPECT_EQ(message_of<OutOfMemory>([] { check(cudaErrorMemoryAllocation, "conv2d"); }),
            "conv2d: cudaErrorMemoryAllocation (out of memory); use a smaller batch or bf16");
  EXPECT_EQ(message_of<CaptureError>([] { check(cudaErrorStreamCaptureUnsupported, "add"); }),
            "add: cudaErrorStreamCaptureUnsupported (operation not permitted when stream is capturing); this "
            "cannot be part of a "
            "captured step");
  EXPECT_EQ(message_of<DeviceError>([] { check(cudaErrorNoDevice, "add"); }),
            "add: cudaErrorNoDevice (no CUDA-capable device is detected); `gadolin doctor` shows driver and "
            "devices, --device cpu "
            "runs without");
  EXPECT_EQ(message_of<DeviceError>([] { check(cudaErrorNoKernelImageForDevice, "add"); }),
            "add: cudaErrorNoKernelImageForDevice (no kernel image is available for execution on the "
            "device); configure with "
            "GADOLIN_CUDA_ARCHS set to this device's architecture");
  EXPECT_NO_THROW(check(CUBLAS_STATUS_SUCCESS, "matmul"));
  EXPECT_EQ(
      message_of<CudaError>([] { check(CUBLAS_STATUS_NOT_SUPPORTED, "matmul"); }).find("matmul: cuBLASLt: "),
      0u);
  const std::string cudnn = message_of<CudaError>([] { check(CUDNN_STATUS_BAD_PARAM, "conv2d"); });
  EXPECT_EQ(cudnn.find("conv2d: cuDNN: "), 0u);
  if (!opened_cudnn()) {
    EXPECT_EQ(cudnn, "conv2d: cuDNN: status 2000");
  }
}

TEST(CudaGemm, AnInnerSizeOf0IsRefusedBeforeTheDeviceIsAsked) {
  const MatrixProduct product{.m = 2, .n = 2, .k = 0, .batch = 1, .a = {}, .b = {}};
  EXPECT_EQ(message_of<ValueError>(
                [&] { gemm("matmul", cuda, product, DType::fp32, false, nullptr, nullptr, nullptr); }),
            "matmul: the inner size is 0; fill the result with zeros instead");
}

TEST(CudaRuntime, WithoutADeviceStreamsAreADeviceError) {
  if (cuda_available()) GTEST_SKIP() << "for machines without a device";
  EXPECT_EQ(message_of<DeviceError>([] { compute_stream(cuda); }),
            "stream: cuda:0 was asked for, but this machine has 0 usable CUDA devices; use --device cpu");
  EXPECT_NE(message_of<DeviceError>([] { synchronize(cuda); }), "");
  EXPECT_EQ(message_of<DeviceError>([] { cuda_allocator(0); }),
            "allocate: cuda:0 was asked for, but this machine has 0 usable CUDA devices; use --device cpu");
}

TEST(CudaMemory, CopiesThatWaitAreRefusedWhileRecording) {
  float on_host = 0;
  void* somewhere = &on_host;
  const PretendCapture capture;
  EXPECT_EQ(message_of<CaptureError>([&] { copy_bytes(&on_host, cpu, somewhere, cuda, 4, false); }),
            "copy to the host: would wait for the GPU inside a captured step; return the tensor and read it "
            "afterwards");
  EXPECT_EQ(message_of<CaptureError>([&] { copy_bytes(somewhere, cuda, &on_host, cpu, 4, true); }),
            "copy to the device: would wait for the GPU inside a captured step; make the tensor on the "
            "device before "
            "the step");
  EXPECT_EQ(message_of<CaptureError>([] { synchronize(cuda); }).find("synchronize: would wait"), 0u);
}

TEST(CudaRuntime, OpsRunOnTheDeviceOfTheirTensors) {
  if (cuda_device_count() < 2) GTEST_SKIP() << "fewer than two devices";
  const Device second{Device::Kind::cuda, 1};
  Tensor x = rand({33, 7}, 1, 1).requires_grad_(), y = rand({33, 7}, 1, 1).to(second).requires_grad_();
  EXPECT_EQ(current_device(), cuda);
  for (Tensor* at : {&x, &y}) {
    const Tensor sorted = sort(exp(*at), 1).values;
    sum(matmul(sorted, sorted.transpose(0, 1))).backward();
    const NoGrad guard;
    at->mul_(0.5).add_(at->grad());
  }
  EXPECT_EQ(current_device(), cuda);
  const auto got = y.to_vector<double>(), want = x.to_vector<double>();
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-4 * (1 + std::abs(want[i])));
}

TEST(CudaMemory, RoundTripAndFill) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device: " << cuda_info(false).problem;
  std::vector<int> sent(100003), back(sent.size(), -1);
  std::iota(sent.begin(), sent.end(), 7);
  const std::size_t n = sent.size() * sizeof(int);
  const Tensor device_memory = empty({2, static_cast<std::int64_t>(sent.size())}, DType::int32, cuda);
  void* a = device_memory[0].raw();
  void* b = device_memory[1].raw();
  copy_bytes(a, cuda, sent.data(), cpu, n, false);
  copy_bytes(b, cuda, a, cuda, n, false);
  copy_bytes(back.data(), cpu, b, cuda, n, false);
  EXPECT_EQ(sent, back);
  set_bytes(b, cuda, 0, n);
  copy_bytes(back.data(), cpu, b, cuda, n, false);
  EXPECT_EQ(back, std::vector<int>(sent.size(), 0));
}

TEST(CudaStream, AnEventThatWasNeverRecordedIsDone) {
  const Event event;
  EXPECT_TRUE(event.done());
  event.synchronize();
  const PretendCapture capture;
  EXPECT_EQ(message_of<CaptureError>([&] { event.synchronize(); }).find("event: would wait for the GPU"), 0u);
}

TEST(CudaStream, EventsOrderStreamsAndMeasure) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device: " << cuda_info(false).problem;
  EXPECT_NE(compute_stream(cuda), nullptr);
  EXPECT_NE(compute_stream(cuda), copy_stream(cuda));
  Event begin(true), end(true);
  begin.record(copy_stream(cuda));
  begin.make_wait(compute_stream(cuda));
  end.record(compute_stream(cuda));
  EXPECT_GE(end.milliseconds_since(begin), 0.0);
  EXPECT_TRUE(end.done());
  {
    const StreamGuard side(copy_stream(cuda));
    EXPECT_EQ(current_stream(cuda), copy_stream(cuda));
  }
  EXPECT_EQ(current_stream(cuda), compute_stream(cuda));
}

}  // namespace
}  // namespace gadolin
#endif
