// Messages of the open inference protocol v2 (KServe), with the extension for binary tensors: read and
// written.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/serve/http.h"

namespace gadolin::serve {

// Numbers lie in `raw`, little-endian and row-major; BYTES has its elements in `texts`.
struct V2Tensor {
  std::string name, datatype;  // FP32, INT64, BYTES ...
  std::vector<std::int64_t> shape;
  std::string raw;
  std::vector<std::string> texts;
  bool binary = false;  // came so, or is wanted so

  std::int64_t elements() const;
};
// Bytes of an element of a datatype: 4 of FP32; 0 of BYTES. -1 for a name that is none.
int v2_element_bytes(const std::string& datatype);

struct V2Wanted {
  std::string name;
  bool binary = false;
};
struct V2Request {
  std::string id;
  std::vector<V2Tensor> inputs;
  std::vector<V2Wanted> outputs;  // empty: all
  bool binary = false;            // of outputs that do not say
};

// `json_bytes`: what Inference-Header-Content-Length says; empty: all of the body is JSON. Data may be flat
// or nested as the shape says. Throws HttpRefusal (400) naming the field that breaks the protocol.
V2Request read_v2_request(Bytes body, const std::string& json_bytes);

// The answer, data flat; those with `binary` follow the JSON.
HttpAnswer write_v2_answer(const std::string& model, const std::string& version, const std::string& id,
                           const std::vector<V2Tensor>& outputs);

V2Tensor v2_floats(std::string name, std::vector<std::int64_t> shape, const std::vector<float>& values);
V2Tensor v2_integers(std::string name, std::vector<std::int64_t> shape,
                     const std::vector<std::int64_t>& values);

}  // namespace gadolin::serve
