// gadolin doctor: what was built in, what the machine has, a numeric self-test of each device, and what to
// do.
#include <cmath>
#include <thread>

#include "apps/commands.h"
#include "apps/program/waiting.h"
#include "data/database/database.h"
#include "data/dicom/dictionary.h"
#include "tensor/autograd.h"
#include "tensor/check.h"
#include "tensor/cpu/parallel.h"
#include "tensor/cuda/info.h"
#include "tensor/onednn.h"
#include "tensor/ops.h"
#include "train/processes/processes.h"

namespace gadolin {
namespace {

struct Finding {
  std::string level, text, remedy;
};

// A matrix product, its gradient and a reduction against numbers worked out in fp64 with plain loops.
double self_test(Device device, DType dtype) {
  const std::int64_t n = 96;
  const Tensor a = rand({n, n}, 1, 1, DType::fp64), b = rand({n, n}, 1, 2, DType::fp64);
  Tensor x = a.to(dtype).to(device).detach().requires_grad_();
  const Tensor w = b.to(dtype).to(device);
  const Tensor y = sum(matmul(x, w).to(dtype == DType::fp64 ? DType::fp64 : DType::fp32));
  y.backward();
  double total = 0, worst = 0;
  const std::vector<double> av = a.to(dtype).to_vector<double>(), bv = b.to(dtype).to_vector<double>();
  const std::vector<double> grad = x.grad().to_vector<double>();
  for (std::int64_t k = 0; k < n; ++k) {
    double column = 0, row = 0;
    for (std::int64_t i = 0; i < n; ++i) column += av[static_cast<std::size_t>(i * n + k)];
    for (std::int64_t j = 0; j < n; ++j) row += bv[static_cast<std::size_t>(k * n + j)];
    total += column * row;
    worst = std::fmax(worst, std::fabs(grad[static_cast<std::size_t>(k)] - row) / std::fabs(row));
  }
  return std::fmax(worst, std::fabs(y.item() - total) / std::fabs(total));
}

double limit_for(DType dtype) { return dtype == DType::fp64 ? 1e-12 : dtype == DType::fp32 ? 2e-5 : 2e-2; }

void test_device(Device device, std::vector<Finding>& findings) {
  for (const DType dtype : {DType::fp32, DType::fp64, DType::bf16, DType::fp16}) {
    const std::string what = name_of(device) + " " + name_of(dtype);
    try {
      const double error = self_test(device, dtype);
      const bool good = error <= limit_for(dtype);
      findings.push_back({good ? "ok" : "error", cat(what, ": self-test, relative error ", error),
                          good ? "" : "this device computes wrong numbers; do not train on it"});
    } catch (const Error& error) {
      findings.push_back({"error", what + ": " + error.message(), error.hint()});
    }
  }
}

// Of the library that sums on several GPUs, or why there is none.
Finding nccl_finding() {
  try {
    return {"ok", nccl_library() + ", for several GPUs", ""};
  } catch (const Error& error) {
    return {"note", "gradients of several GPUs are summed through the host: " + error.message(), ""};
  }
}

void doctor(Session& session) {
  std::vector<Finding> findings;
  const auto ok = [&](const std::string& text) { findings.push_back({"ok", text, ""}); };
  ok("Gadolin " GADOLIN_VERSION ", compiler " __VERSION__);
  ok(cat("CPU: ", std::thread::hardware_concurrency(), " processors, ", num_threads(),
         " threads in use; they wait by ", waiting()));
  if (const std::string remark = threads_remark(); !remark.empty()) {
    const std::size_t way = remark.find("; ");
    findings.push_back({"warning", remark.substr(0, way), remark.substr(way + 2)});
  }
  if (!mpi_available())
    findings.push_back({"note", "built without MPI: training runs in one process",
                        "apt-get install libopenmpi-dev openmpi-bin and configure with -DGADOLIN_MPI=ON"});
  else
    ok(cat("many processes through ", mpi_library(), "; this is ", processes().rank() + 1, " of ",
           processes().size()));
#ifdef GADOLIN_ONEDNN
  const dnnl_version_t* v = dnnl_version();
  ok(cat("oneDNN ", v->major, ".", v->minor, ".", v->patch,
         onednn::supports(DType::bf16) ? ", bf16 in hardware" : ""));
  if (!onednn::supports(DType::bf16)) {
    findings.push_back({"note", "this processor has no bf16 instructions", "use --dtype fp32 on the CPU"});
  }
#else
  findings.push_back({"warning", "built without oneDNN: the CPU runs the reference loops",
                      "configure with -DGADOLIN_ONEDNN=ON"});
#endif
  if (dicom_available())
    ok("DICOM through DCMTK and OpenJPEG");
  else
    findings.push_back({"note", "built without DICOM",
                        "apt-get install libdcmtk-dev libcharls-dev libopenjp2-7-dev and configure with "
                        "-DGADOLIN_DICOM=ON"});
  if (database_available())
    ok("databases through SOCI: SQLite, MariaDB/MySQL, PostgreSQL");
  else
    findings.push_back({"note", "built without databases",
                        "apt-get install libsoci-dev and configure with -DGADOLIN_DATABASE=ON"});
  const CudaInfo info = cuda_info();
  if (!info.built) {
    findings.push_back({"note", "built without CUDA",
                        "install the CUDA toolkit and cuDNN 9 and configure with -DGADOLIN_CUDA=ON"});
  } else {
    ok("CUDA runtime " + info.runtime + ", driver " + (info.driver.empty() ? "none" : info.driver));
    if (!info.problem.empty())
      findings.push_back({"warning", info.problem, "train with --device cpu, or mend the driver"});
    for (const CudaDeviceInfo& d : info.devices) {
      ok(cat(d.name, ", compute capability ", d.major, ".", d.minor, ", ", human_bytes(d.memory_total), ", ",
             human_bytes(d.memory_free), " free"));
    }
    findings.push_back({info.cublaslt_ok ? "ok" : "warning", "cuBLASLt " + info.cublaslt, ""});
    findings.push_back({info.cudnn_ok ? "ok" : "warning", "cuDNN " + info.cudnn,
                        info.cudnn_ok ? "" : "set GADOLIN_CUDNN_LIB"});
    findings.push_back(nccl_finding());
  }
  test_device(cpu, findings);
  for (int i = 0; i < cuda_device_count(); ++i) test_device(Device{Device::Kind::cuda, i}, findings);

  std::int64_t errors = 0;
  for (const Finding& f : findings) {
    errors += f.level == "error";
    session.say(f.level + std::string(9 - f.level.size(), ' ') + f.text +
                (f.remedy.empty() ? "" : "; " + f.remedy));
    session.event({{"event", "finding"}, {"level", f.level}, {"text", f.text}, {"remedy", f.remedy}});
  }
  session.metric("errors", errors);
  require<DeviceError>(errors == 0, "doctor: ", errors, " errors; see the lines above");
}

}  // namespace

void add_doctor(Program& program) {
  program.add(
      "doctor",
      "What was built in, what this machine has, a numeric self-test, and what to do about each finding",
      doctor);
}

}  // namespace gadolin
