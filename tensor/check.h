// Errors and the one way to raise them: require<ShapeError>(condition, parts...).
//
// Form of a message: `[place: ]op: argument and its facts, what was needed; the way out`. One line, lower
// case after the colon, no full stop. What stands after the first "; " is the hint.
#pragma once

#include <concepts>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace gadolin {

class Shape;
struct Device;
enum class DType : std::uint8_t;

// Process exit codes (docs/errors.md lists every error code with its exit code).
enum class Exit : int {
  success = 0,
  failure = 1,
  usage = 2,
  data = 3,
  out_of_memory = 4,
  numeric = 5,
  file = 6,
  device = 7,
  stopped = 75
};

// The text of an error and where in it the hint's "; " stands; npos without a hint.
struct Message {
  // Of one text: its first "; " begins the hint.
  Message(const char* whole) : Message(std::string(whole)) {}
  // Of one text: its first "; " begins the hint.
  Message(std::string whole) : text(std::move(whole)), hint_at(text.find("; ")) {}
  // `at`: where the hint's "; " stands.
  Message(std::string whole, std::size_t at) : text(std::move(whole)), hint_at(at) {}
  std::string text;     // all of it
  std::size_t hint_at;  // place of the hint's "; " in it
};

// Base of every exception that Gadolin throws. what() is "[place: ]message[; hint]".
class Error : public std::exception {
 public:
  Error(const char* family, int number, Exit exit, Message message);            // for the classes below
  const char* what() const noexcept override { return message_.text.c_str(); }  // the whole text
  std::string code() const;                                                     // stable, e.g. GD-SHAPE-001
  std::string message() const;                                                  // text before the hint
  std::string hint() const;                                                     // the way out, may be empty
  Exit exit_code() const { return exit_; }  // of a program that ends by it
  // Puts "place: " in front; modules add their child's name as the error passes through them.
  void add_place(std::string_view place);

 private:
  const char* family_;
  int number_;
  Exit exit_;
  Message message_;
  bool placed_ = false;
};

// One class a kind of mistake. The family is part of the code.
#define GADOLIN_ERROR(Name, family, exit)                                            \
  struct Name : Error {                                                              \
    Name(int number, Message text) : Error(family, number, exit, std::move(text)) {} \
  }
GADOLIN_ERROR(ShapeError, "SHAPE", Exit::failure);          // sizes or dimensions that do not fit
GADOLIN_ERROR(DTypeError, "DTYPE", Exit::failure);          // element types that do not fit
GADOLIN_ERROR(ValueError, "VALUE", Exit::failure);          // numbers and names out of range
GADOLIN_ERROR(AutogradError, "GRAD", Exit::failure);        // what the tape cannot do
GADOLIN_ERROR(Unsupported, "UNSUPPORTED", Exit::failure);   // what this build, device or kind does not have
GADOLIN_ERROR(UsageError, "USAGE", Exit::usage);            // command line, configuration
GADOLIN_ERROR(DataError, "DATA", Exit::data);               // data sets, labels, bad samples
GADOLIN_ERROR(FormatError, "FORMAT", Exit::data);           // contents of a file
GADOLIN_ERROR(OutOfMemory, "MEMORY", Exit::out_of_memory);  // no memory left, on any device
GADOLIN_ERROR(NumericError, "NUMERIC", Exit::numeric);      // NaN, infinity
GADOLIN_ERROR(FileError, "FILE", Exit::file);               // open, write, rename, disk full
GADOLIN_ERROR(CheckpointError, "CKPT", Exit::file);  // a checkpoint that does not fit what it is loaded into
GADOLIN_ERROR(DeviceError, "DEVICE", Exit::device);  // tensors on the wrong device, or one that is not there
GADOLIN_ERROR(CudaError, "CUDA", Exit::device);      // what the CUDA runtime reports
GADOLIN_ERROR(CaptureError, "CAPTURE", Exit::failure);  // a step that cannot be recorded
GADOLIN_ERROR(Busy, "BUSY", Exit::failure);             // more is waiting than may: ask again later
GADOLIN_ERROR(ProcessError, "PROCESS", Exit::failure);  // another process of the same training
GADOLIN_ERROR(Stopped, "STOPPED", Exit::stopped);       // by a signal, after saving: safe to start again
#undef GADOLIN_ERROR

// What a message may be made of. A fixed set of constructors: anything else is a short compiler error.
class Part {
 public:
  // Text as it is, numbers as people write them, shapes as "[2, 3]", types and devices by their names:
  Part(const char* text) : text_(text), literal_(true) {}
  Part(const std::string& text) : text_(text) {}
  Part(std::string_view text) : text_(text) {}
  Part(char c) : text_(1, c) {}
  template <std::integral T> Part(T v) : text_(std::to_string(v)) {}
  Part(bool v) : text_(v ? "true" : "false") {}
  Part(float v);
  Part(double v);
  Part(const Shape& shape);
  Part(DType dtype);
  Part(Device device);
  const std::string& text() const { return text_; }  // as it will stand in the message
  bool literal() const { return literal_; }          // of the source, not of a user

 private:
  std::string text_;
  bool literal_ = false;
};

// The parts one behind the other:
std::string cat(std::initializer_list<Part> parts);
template <class... Parts> std::string cat(const Parts&... parts) {
  return cat(std::initializer_list<Part>{Part(parts)...});
}

// The parts joined. The hint begins at the first "; " of a literal, so that none in a path or a name cuts the
// message; without one at the first there is, as texts made elsewhere bring theirs along.
Message message_of_parts(std::initializer_list<Part> parts);

// Throws E with the parts joined. `number` is the last part of the stable code; 1 is "general".
template <class E, int number = 1, class... Parts> [[noreturn]] void fail(const Parts&... parts) {
  throw E(number, message_of_parts({Part(parts)...}));
}

// The caller's mistakes. Parts are only formatted on failure.
template <class E, int number = 1, class... Parts> void require(bool condition, const Parts&... parts) {
  if (condition) [[likely]]
    return;
  fail<E, number>(parts...);
}

// "1.5 GiB", "900 B"; for messages and tables.
std::string human_bytes(std::int64_t bytes);

}  // namespace gadolin
