// A strict reader of the .npy header, which is a Python dictionary in text, and the writer.
#include "io/npy.h"

#include <cstring>
#include <optional>

#include "io/atomic_file.h"
#include "io/little_endian.h"
#include "io/mapped_file.h"

namespace gadolin {
namespace {

constexpr std::size_t npy_header_limit = 65536;
constexpr std::int64_t npy_limit = std::int64_t{1} << 46;

struct Header {
  std::string descr;
  bool fortran_order = false;
  Shape shape;
};

// Reads "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }" and nothing looser than what NumPy
// writes.
class HeaderReader {
 public:
  HeaderReader(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  Header read() {
    std::optional<std::string> descr;
    std::optional<bool> order;
    std::optional<Shape> shape;
    expect('{');
    while (!take('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr" && !descr)
        descr = description();
      else if (key == "fortran_order" && !order)
        order = boolean();
      else if (key == "shape" && !shape)
        shape = sizes();
      else
        wrong("has the key '" + key.substr(0, 40) + "' twice or for nothing");
      if (!take(',') && peek() != '}') wrong("lacks a comma");
    }
    skip();
    if (at_ != text_.size()) wrong("goes on after its dictionary");
    if (!descr || !order || !shape) wrong("lacks one of descr, fortran_order and shape");
    return {*descr, *order, *shape};
  }

 private:
  [[noreturn]] void wrong(const std::string& what) const {
    fail<FormatError>("npy: ", name_, ": the header ", what);
  }
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  char peek() {
    skip();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) wrong(std::string("lacks a '") + c + "' at byte " + std::to_string(at_));
  }
  std::string quoted() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') wrong("lacks a quoted text at byte " + std::to_string(at_));
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) wrong("ends inside a text");
    const std::string value(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return value;
  }
  std::string description() {
    if (peek() == '[') {
      fail<FormatError>("npy: ", name_,
                        ": it holds records, not numbers; save each field as an array of its own");
    }
    return quoted();
  }
  bool boolean() {
    skip();
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(at_, word.size()) != word) continue;
      at_ += word.size();
      return value;
    }
    wrong("has a fortran_order that is neither True nor False");
  }
  Shape sizes() {
    Shape shape;
    expect('(');
    while (!take(')')) {
      std::int64_t size = 0;
      const std::size_t start = (skip(), at_);
      for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
        size = size * 10 + (text_[at_] - '0');
        if (size > npy_limit) wrong("has a size over " + std::to_string(npy_limit));
      }
      if (at_ == start) wrong("lacks a size at byte " + std::to_string(at_));
      if (shape.dim() == Shape::max_dim)
        wrong("has more than " + std::to_string(Shape::max_dim) + " dimensions");
      shape.push_back(size);
      if (!take(',') && peek() != ')') wrong("lacks a comma between sizes");
    }
    return shape;
  }
  std::string_view text_;
  const std::string& name_;
  std::size_t at_ = 0;
};

constexpr struct {
  DType dtype;
  const char* descr;
} descriptions[] = {{DType::fp64, "<f8"},   {DType::fp32, "<f4"},  {DType::fp16, "<f2"},
                    {DType::int64, "<i8"},  {DType::int32, "<i4"}, {DType::uint8, "|u1"},
                    {DType::boolean, "|b1"}};

DType dtype_for(const std::string& descr, const std::string& name) {
  for (const auto& d : descriptions) {
    if (descr == d.descr) return d.dtype;
  }
  if (descr.find('O') != std::string::npos) {
    fail<FormatError>("npy: ", name,
                      ": it holds Python objects, which only running the file could read; "
                      "convert it to a numeric array");
  }
  if (!descr.empty() && descr[0] == '>') {
    fail<FormatError>("npy: ", name, ": it is big-endian ('", descr.substr(0, 20),
                      "'); save it with x.astype(x.dtype.newbyteorder('<'))");
  }
  fail<FormatError>("npy: ", name, ": type '", descr.substr(0, 20),
                    "' is not one of <f8 <f4 <f2 <i8 <i4 |u1 |b1; convert it with x.astype('float32')");
}

// Bytes of the array. Sizes come from the file: each product is checked.
std::int64_t checked_bytes(const Shape& shape, DType dtype, const std::string& name) {
  std::int64_t bytes = size_of(dtype);
  bool empty = false;
  for (const std::int64_t size : shape) {
    if (size == 0)
      empty = true;
    else if (__builtin_mul_overflow(bytes, size, &bytes) || bytes > npy_limit) {
      fail<FormatError>("npy: ", name, ": shape ", shape, " is more than ", human_bytes(npy_limit));
    }
  }
  return empty ? 0 : bytes;
}

// Where the numbers are, and what; everything is checked.
struct Layout {
  Header header;
  DType dtype;
  std::size_t start;
  std::int64_t bytes;
};
Layout layout_of(std::string_view bytes, const std::string& name) {
  require<FormatError>(bytes.size() >= 10 && bytes.substr(0, 6) == "\x93NUMPY", "npy: ", name,
                       ": it does not begin as a .npy file does");
  const int version = static_cast<unsigned char>(bytes[6]);
  require<FormatError>(version >= 1 && version <= 3 && bytes[7] == 0, "npy: ", name, ": format ", version,
                       ".", static_cast<int>(static_cast<unsigned char>(bytes[7])),
                       " is not known; 1.0 to 3.0 are");
  std::size_t start = 10, length = 0;
  if (version == 1) {
    length = detail::number_at<std::uint16_t>(bytes.data() + 8);
  } else {
    require<FormatError>(bytes.size() >= 12, "npy: ", name, ": it ends inside its header");
    length = detail::number_at<std::uint32_t>(bytes.data() + 8);
    start = 12;
  }
  require<FormatError>(length <= npy_header_limit, "npy: ", name, ": a header of ", length,
                       " bytes, the limit is ", npy_header_limit);
  require<FormatError>(length <= bytes.size() - start, "npy: ", name, ": it ends inside its header");
  const Header header = HeaderReader(bytes.substr(start, length), name).read();
  const DType dtype = dtype_for(header.descr, name);
  const std::int64_t wanted = checked_bytes(header.shape, dtype, name);
  const std::string_view data = bytes.substr(start + length);
  require<FormatError>(static_cast<std::int64_t>(data.size()) == wanted, "npy: ", name, ": ", data.size(),
                       " bytes of data, but ", header.shape, " of ", dtype, " takes ", wanted,
                       "; the file was cut or something was added");
  if (dtype == DType::boolean) {
    for (const char byte : data) {
      require<FormatError>(byte == 0 || byte == 1, "npy: ", name, ": a bool is ", static_cast<int>(byte),
                           ", not 0 or 1");
    }
  }
  return {header, dtype, start + length, wanted};
}

// Everything before the numbers: format 1.0, at least `least` bytes, a multiple of 64.
std::string head_of(const Shape& shape, DType dtype, std::size_t least) {
  const char* descr = nullptr;
  for (const auto& d : descriptions) {
    if (d.dtype == dtype) descr = d.descr;
  }
  require<DTypeError>(descr != nullptr, "save_npy: NumPy has no ", dtype, "; convert with .to(DType::fp32)");
  std::string header = cat("{'descr': '", descr, "', 'fortran_order': False, 'shape': (");
  for (int i = 0; i < shape.dim(); ++i)
    header += cat(i > 0 ? " " : "", shape[i], i + 1 < shape.dim() || shape.dim() == 1 ? "," : "");
  header += "), }";
  while ((10 + header.size() + 1) % 64 != 0 || 10 + header.size() + 1 < least) header += ' ';
  header += '\n';
  std::string head("\x93NUMPY\x01\x00", 8);
  head += static_cast<char>(header.size() & 255);
  head += static_cast<char>(header.size() >> 8);
  return head + header;
}

}  // namespace

Tensor parse_npy(std::string_view bytes, const std::string& name) {
  const Layout l = layout_of(bytes, name);
  const Header& header = l.header;
  // Fortran order is the row-major array of the reversed dimensions.
  Shape shape = header.shape, order = header.shape;
  for (int i = 0; header.fortran_order && i < shape.dim(); ++i) {
    shape[i] = header.shape[shape.dim() - 1 - i];
    order[i] = shape.dim() - 1 - i;
  }
  const Tensor x = empty(shape, l.dtype);
  if (l.bytes > 0) std::memcpy(x.raw(), bytes.data() + l.start, static_cast<std::size_t>(l.bytes));
  return header.fortran_order && shape.dim() > 1 ? x.permute(order).contiguous() : x;
}

NpyView view_npy(std::string_view bytes, const std::string& name) {
  const Layout l = layout_of(bytes, name);
  require<FormatError>(!l.header.fortran_order || l.header.shape.dim() < 2, "npy: ", name,
                       ": it is in Fortran order; save it with numpy.ascontiguousarray(x)");
  return {l.header.shape, l.dtype, bytes.substr(l.start, static_cast<std::size_t>(l.bytes))};
}

Tensor load_npy(const std::string& path) {
  const MappedFile file(path);
  return parse_npy(file.text(), path);
}

Tensor map_npy(const std::string& path) {
  const auto file = std::make_shared<MappedFile>(path);
  const Layout l = layout_of(file->text(), path);
  if (l.dtype == DType::boolean || (l.header.fortran_order && l.header.shape.dim() > 1))
    return parse_npy(file->text(), path);
  const auto size = static_cast<std::size_t>(size_of(l.dtype));
  const Tensor flat = Tensor::over(mapped_storage(file, l.start, static_cast<std::size_t>(l.bytes), size),
                                   {l.bytes / size_of(l.dtype)}, Strides{1}, 0, l.dtype);
  return flat.reshape(l.header.shape);
}

void save_npy(const std::string& path, const Tensor& x) {
  const std::string head = head_of(x.shape(), x.dtype(), 0);
  const Tensor host = x.detach().to(cpu).contiguous();
  AtomicFile file(path, static_cast<std::int64_t>(head.size()) + host.nbytes());
  file.write(head);
  if (host.nbytes() > 0) file.write(host.raw(), static_cast<std::size_t>(host.nbytes()));
  file.commit();
}

NpyWriter::NpyWriter(const std::string& path, const Shape& row, DType dtype)
    : row_(row), dtype_(dtype), file_(path) {
  require<ShapeError>(row.dim() < Shape::max_dim, "npy: ", path, ": rows of shape ", row,
                      " have too many dimensions");
  file_.write(header());
}

// The same length for every number of rows.
std::string NpyWriter::header() const {
  Shape shape{rows_};
  for (const std::int64_t size : row_) shape.push_back(size);
  return head_of(shape, dtype_, 320);
}

void NpyWriter::append(const Tensor& rows) {
  Shape wanted{rows.dim() > 0 ? rows.size(0) : 0};
  for (const std::int64_t size : row_) wanted.push_back(size);
  require<ShapeError>(rows.shape() == wanted, "npy: rows of shape ", rows.shape(), " for an array of rows ",
                      row_);
  const Tensor host = rows.detach().to(dtype_).to(cpu).contiguous();
  if (host.nbytes() > 0) file_.write(host.raw(), static_cast<std::size_t>(host.nbytes()));
  rows_ += rows.size(0);
}

void NpyWriter::commit() {
  file_.overwrite(0, header());
  file_.commit();
}

}  // namespace gadolin
