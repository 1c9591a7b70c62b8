// A backend descriptor of cuDNN as this device keeps it, and what a finished plan runs.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "cudnn_graph.h"
#include "software_cuda.h"

namespace software_cuda {

struct Body;
using BodyPointer = std::shared_ptr<Body>;

struct Attribute {
  cudnnBackendAttributeType_t type;
  std::int64_t count = 0;
  std::vector<char> bytes;            // of plain values
  std::vector<BodyPointer> children;  // of descriptors
};

// Handles that share a body are copies of one descriptor.
struct Body {
  cudnnBackendDescriptorType_t type;
  std::map<int, Attribute> attributes;
  bool finished = false;

  bool has(int name) const { return attributes.count(name) != 0; }
  template <class T> std::vector<T> all(int name) const {
    const Attribute& a = attributes.at(name);
    std::vector<T> values(static_cast<std::size_t>(a.count));
    std::memcpy(values.data(), a.bytes.data(), a.bytes.size());
    return values;
  }
  template <class T> T get(int name) const { return all<T>(name).at(0); }
  const Body& child(int name) const { return *attributes.at(name).children.at(0); }
  template <class T> void set(int name, cudnnBackendAttributeType_t kind, const std::vector<T>& values) {
    Attribute& a = attributes[name] = {kind, static_cast<std::int64_t>(values.size()), {}, {}};
    a.bytes.resize(values.size() * sizeof(T));
    std::memcpy(a.bytes.data(), values.data(), a.bytes.size());
  }
};

// Engines of this device, by their global index.
enum Engine : std::int64_t { plain_engine = 0, tensor_core_engine = 1, unordered_engine = 2 };
constexpr std::int64_t core_workspace = 4096;

// Whether an engine takes the graph of a finished descriptor of an operation graph.
bool takes(const Body& graph, std::int64_t engine);
// What running it costs: each tensor that is not virtual is read or written once.
Charge charge_of_graph(const Body& graph, bool cores);
// Runs the graph on real tensors by unique id. With `cores` fp32 is rounded to TF32.
void run_graph(const Body& graph, const std::map<std::int64_t, void*>& tensors, bool cores);

}  // namespace software_cuda

struct cudnnContext {
  cudaStream_t stream = nullptr;
};
