// An OnnxModel as protobuf messages; with the tests' reader the only file that sees the generated classes.
#include "io/onnx_file.h"

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <exception>

#include "io/atomic_file.h"
#include "io/proto/onnx.pb.h"

namespace gadolin {
namespace {

constexpr std::int64_t file_limit = (std::int64_t{2} << 30) - 1;  // protobuf's
constexpr int ir_version = 8, opset = 17;

int code_of(const std::string& name, DType dtype) {
  switch (dtype) {
    case DType::fp32: return 1;
    case DType::int64: return 7;
    case DType::fp64: return 11;
    default: fail<DTypeError>("onnx: initialiser ", name, " is ", dtype, "; convert with .to(DType::fp32)");
  }
}

void fill(onnx::TensorData& to, const std::string& name, const Tensor& t) {
  const Tensor dense = t.detach().contiguous();
  to.set_name(name);
  to.set_data_type(code_of(name, t.dtype()));
  for (const std::int64_t size : dense.shape()) to.add_dims(size);
  to.set_raw_data(dense.raw(), static_cast<std::size_t>(dense.nbytes()));
}

void fill(onnx::NodeAttribute& to, const std::string& name, const OnnxAttribute& value) {
  to.set_name(name);
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    to.set_type(2);
    to.set_i(*number);
  } else if (const auto* real = std::get_if<double>(&value)) {
    to.set_type(1);
    to.set_f(static_cast<float>(*real));
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    to.set_type(3);
    to.set_s(*text);
  } else {
    to.set_type(7);
    for (const std::int64_t i : std::get<std::vector<std::int64_t>>(value)) to.add_ints(i);
  }
}

void fill(onnx::ValueInfo& to, const OnnxValue& value) {
  to.set_name(value.name);
  onnx::ValueInfo::TensorType& type = *to.mutable_type()->mutable_tensor_type();
  type.set_elem_type(value.type == DType::int64 ? 7 : 1);
  for (const std::int64_t size : value.sizes) {
    onnx::ValueInfo::Dim& dim = *type.mutable_shape()->add_dim();
    if (size < 0)
      dim.set_dim_param(size == onnx_steps ? "steps" : "batch");
    else
      dim.set_dim_value(size);
  }
}

onnx::Model message_of(const OnnxModel& model) {
  onnx::Model m;
  m.set_ir_version(ir_version);
  m.set_producer_name("gadolin");
  m.add_opset_import()->set_version(opset);
  onnx::Graph& graph = *m.mutable_graph();
  graph.set_name(model.name);
  for (const OnnxNode& node : model.nodes) {
    onnx::Node& n = *graph.add_node();
    n.set_op_type(node.op);
    n.set_name(node.name);
    for (const std::string& name : node.inputs) n.add_input(name);
    for (const std::string& name : node.outputs) n.add_output(name);
    for (const auto& [name, value] : node.attributes) fill(*n.add_attribute(), name, value);
  }
  for (const auto& [name, t] : model.initializers) fill(*graph.add_initializer(), name, t);
  for (const OnnxValue& value : model.inputs) fill(*graph.add_input(), value);
  for (const OnnxValue& value : model.outputs) fill(*graph.add_output(), value);
  for (const auto& [key, value] : model.metadata) {
    onnx::Entry& entry = *m.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
  return m;
}

// Hands protobuf's blocks to the file, so that the message is not held a second time as bytes. Errors must
// not pass through protobuf, whose destructors flush: they are kept for later.
class FileStream : public google::protobuf::io::CopyingOutputStream {
 public:
  explicit FileStream(AtomicFile& file) : file_(file) {}
  bool Write(const void* bytes, int count) override {
    if (error_) return false;
    try {
      file_.write(bytes, static_cast<std::size_t>(count));
    } catch (...) {
      error_ = std::current_exception();
    }
    return !error_;
  }
  void check() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  AtomicFile& file_;
  std::exception_ptr error_;
};

void check_size(const std::string& path, std::int64_t bytes) {
  require<Unsupported>(bytes <= file_limit, "onnx: ", path, " would have ", human_bytes(bytes),
                       ", but the format ends at 2 GiB; export .safetensors instead");
}

}  // namespace

void save_onnx(const std::string& path, const OnnxModel& model) {
  std::int64_t weights = 0;
  for (const auto& [name, t] : model.initializers) weights += t.nbytes();
  check_size(path, weights);  // before anything is copied
  const onnx::Model message = message_of(model);
  const auto bytes = static_cast<std::int64_t>(message.ByteSizeLong());
  check_size(path, bytes);
  AtomicFile file(path, bytes);
  FileStream stream(file);
  {
    google::protobuf::io::CopyingOutputStreamAdaptor adaptor(&stream, 1 << 16);
    const bool whole = message.SerializeToZeroCopyStream(&adaptor) && adaptor.Flush();
    stream.check();
    require<FileError>(whole, "onnx: ", path, " cannot be serialised");
  }
  file.commit();
}

}  // namespace gadolin
