// Any bytes as a request of protocol v2, and as a form: refused, or read to the end.
#include "apps/serve/multipart.h"
#include "apps/serve/v2_message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count) {
  using namespace gadolin::serve;
  // The first byte says how much of the body is JSON, so that binary parts are found.
  const std::string header =
      count > 0 && bytes[0] > 31 && bytes[0] < 127 ? "" : std::to_string(count > 2 ? bytes[1] * 4 : 0);
  const std::size_t skip = header.empty() ? 0 : 2;
  const Bytes body = count < skip ? Bytes() : Bytes(bytes + skip, count - skip);
  try {
    const V2Request request = read_v2_request(body, header);
    std::vector<V2Tensor> tensors = request.inputs;
    for (const V2Tensor& t : tensors) {
      const std::int64_t held =
          t.datatype == "BYTES" ? std::ssize(t.texts) : std::ssize(t.raw) / v2_element_bytes(t.datatype);
      if (held != t.elements()) __builtin_trap();
    }
    write_v2_answer("m", "1", request.id, tensors);
  } catch (const HttpRefusal&) {
  }
  try {
    std::size_t total = 0;
    for (const HttpPart& part : read_multipart(body, "x")) total += part.bytes.size();
    if (total > body.size()) __builtin_trap();
  } catch (const HttpRefusal&) {
  }
  return 0;
}
