// Versions for rows of benchmark results.
#include "apps/bench/bench.h"
#include "tensor/cuda/info.h"
#include "tensor/onednn.h"

namespace gadolin {

Json version_facts(Device device) {
  Json facts{{"gadolin", GADOLIN_VERSION}, {"compiler", __VERSION__}};
#ifdef GADOLIN_ONEDNN
  const dnnl_version_t* v = dnnl_version();
  facts["onednn"] =
      std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
#endif
  if (device.is_cuda()) {
    const CudaInfo info = cuda_info();
    facts["cuda"] = info.runtime;
    facts["driver"] = info.driver;
    facts["cudnn"] = info.cudnn;
    facts["cublaslt"] = info.cublaslt;
    facts["gpu"] = info.devices.at(static_cast<std::size_t>(device.index)).name;
  }
  return facts;
}

}  // namespace gadolin
