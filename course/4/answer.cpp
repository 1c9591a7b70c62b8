// What a probe of assignment 4 does when it is asked: runs kernels on the device made of software, and tells
// what the device has found and counted.
#include <stdexcept>

#include "course/4/kernels.h"
#include "course/grader/assignment.h"
#include "course/grader/tensors.h"
#include "layers/norm.h"
#include "software_cuda.h"
#include "tensor/allocator.h"
#include "tensor/autograd.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace gadolin::course {
namespace {

constexpr Device gpu = cuda;

Tensor on_gpu(const Values& r, const char* name) { return tensor_of(array(r, name), DType::fp32).to(gpu); }

struct DeviceFinding : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// Waits for the device. After a finding the rest of its work is done, while all tensors live, and forgotten.
std::string waited() {
  std::string found;
  for (int round = 0; round < 2; ++round) {
    try {
      synchronize(gpu);
    } catch (const std::exception&) {
    }
    const std::string report = software_cuda::take_report();
    if (report.empty()) break;
    if (found.empty()) found = report;
  }
  return found;
}

// Runs it, waits for the device, and counts its requests when asked to.
template <class F> Values counted(const Values& r, const char* name, const F& run) {
  synchronize(gpu);
  software_cuda::count_traffic();
  const Tensor y = run();
  const std::string found = waited();
  const software_cuda::Traffic traffic = software_cuda::take_traffic();
  if (!found.empty()) throw DeviceFinding(found);
  Values answer{{name, array_of(y.to(cpu))}};
  if (integer(r, "counts")) {
    answer["count launches"] = std::int64_t{traffic.launches},
    answer["count barriers"] = std::int64_t{traffic.barriers};
    answer["count sectors"] = std::int64_t{traffic.sectors},
    answer["count shared rounds"] = std::int64_t{traffic.shared_rounds};
  }
  return answer;
}

Values map_answer(const Values& r) {
  Tensor x = on_gpu(r, "x"), y = on_gpu(r, "y");
  const bool flat = integer(r, "flat") != 0;
  if (!flat) x = x.transpose(0, 1), y = y.slice(1, 0, 1).expand(x.shape());
  const Tensor out = empty(x.shape(), DType::fp32, gpu);
  return counted(r, "y", [&] {
    axpy(static_cast<float>(real(r, "a")), x, y, out, 2, flat);
    return out;
  });
}
Values sum_answer(const Values& r) {
  const Tensor x = on_gpu(r, "x"), out = empty({x.size(0), 1}, DType::fp32, gpu);
  return counted(r, "sums", [&] {
    row_sums(x, out, 2, integer(r, "pieces"));
    return out;
  });
}
Values softmax_answer(const Values& r) {
  const Tensor x = on_gpu(r, "x").requires_grad_();
  const int dim = static_cast<int>(integer(r, "dim"));
  if (!r.contains("dy")) {
    return counted(r, "y", [&] {
      const NoGrad guard;
      return softmax(x, dim);
    });
  }
  const Tensor y = softmax(x, dim), dy = on_gpu(r, "dy");
  return counted(r, "dx", [&] {
    y.backward(dy);
    return x.grad();
  });
}
Values tiled_product_answer(const Values& r) {
  const Tensor a = on_gpu(r, "a"), b = on_gpu(r, "b"), c = empty({a.size(0), b.size(1)}, DType::fp32, gpu);
  return counted(r, "c", [&] {
    multiply_tiled(a, b, c, 2);
    return c;
  });
}
Values norm_on_gpu_answer(const Values& r) {
  const Tensor x = on_gpu(r, "x"), weight = on_gpu(r, "weight"), bias = on_gpu(r, "bias"),
               mean = on_gpu(r, "mean"), variance = on_gpu(r, "variance");
  const Tensor addend = r.contains("addend") ? on_gpu(r, "addend") : Tensor();
  const NoGrad guard;
  Values answer = counted(r, "y", [&] {
    return batch_norm(x, weight, bias, mean, variance, {.training = true, .relu = true}, addend);
  });
  answer["running mean"] = array_of(mean.to(cpu)), answer["running variance"] = array_of(variance.to(cpu));
  return answer;
}

Values run_op(const Values& request) {
  static const bool exact_bounds = [] {
    allocator(gpu).guard(true);
    return true;
  }();
  static_cast<void>(exact_bounds);
  const std::string& op = text(request, "op");
  if (op == "map") return map_answer(request);
  if (op == "sum") return sum_answer(request);
  if (op == "softmax") return softmax_answer(request);
  if (op == "product") return tiled_product_answer(request);
  if (op == "norm") return norm_on_gpu_answer(request);
  throw std::invalid_argument("no op " + op);
}

// The kind of a report of the device; its text, with block, thread and place, is on stderr.
std::string kind_of(const std::string& report) {
  for (const char* kind :
       {"races", "behind the end", "before the start", "between the allocator's blocks", "nobody has written",
        "divergent barrier", "multiple of", "shuffle", "no memory of a device"})
    if (report.find(kind) != std::string::npos) return kind;
  return report;
}

}  // namespace

Values answer_4(const Values& request) {
  if (!cuda_available()) throw std::runtime_error("assignment 4 needs the device made of software");
  waited();
  Values answer;
  std::string report;
  try {
    answer = run_op(request);
  } catch (const DeviceFinding& found) {
    report = found.what();
  } catch (const std::exception& error) {
    answer = {{"error", std::string(error.what())}};
  }
  if (const std::string late = waited(); report.empty()) report = late;
  if (!report.empty()) return {{"finding", kind_of(report)}};
  return answer;
}

}  // namespace gadolin::course
