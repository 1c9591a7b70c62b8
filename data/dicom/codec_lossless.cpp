// Lossless JPEG, process 14 of ITU-T T.81 annex H: Huffman-coded differences to one of seven predictors, 2 to
// 16 bits. Own code for speed: archives hold most of their CT and mammography this way.
#include <algorithm>
#include <bit>
#include <cstring>

#include "data/dicom/codec.h"

namespace gadolin::detail {
namespace {

constexpr int quick = 12;  // bits looked up at once

struct Huffman {
  bool there = false;
  int first_code[18] = {}, first_index[18] = {}, count[17] = {};
  std::uint8_t categories[256] = {};
  // Difference << 8 | bits of code and difference together; 0: not decided by `quick` bits.
  std::int32_t table[1 << quick] = {};

  void build(const std::string& who) {
    int code = 0, index = 0;
    std::fill(std::begin(table), std::end(table), 0);
    for (int length = 1; length <= 16; ++length) {
      first_code[length] = code;
      first_index[length] = index;
      for (int k = 0; k < count[length]; ++k, ++code, ++index) fill(length, code, categories[index], who);
      if (code > 1 << length) broken_frame(who, "a Huffman table has too many codes");
      code <<= 1;
    }
    there = true;
  }

  void fill(int length, int code, int category, const std::string& who) {
    if (category > 16) broken_frame(who, "a Huffman table has category ", category, ", at most 16 exist");
    const int extra = category < 16 ? category : 0;
    if (length + extra > quick || code >> length != 0) return;
    for (int value = 0; value < 1 << extra; ++value) {
      const int shift = quick - length - extra;
      const int begin = (code << extra | value) << shift;
      for (int k = 0; k < 1 << shift; ++k)
        table[begin + k] = difference(category, value) * 256 + length + extra;
    }
  }

  static int difference(int category, int value) {
    if (category == 0) return 0;
    if (category == 16) return 32768;
    return value < 1 << (category - 1) ? value - (1 << category) + 1 : value;
  }
};

// Bits of an entropy-coded segment, most significant first, without stuffed zeros. Past its end come zeros
// that are counted.
class Bits {
 public:
  Bits(const std::uint8_t* begin, const std::uint8_t* end) : at_(begin), end_(end) {}
  // At least 32 bits are there afterwards.
  void refill() {
    if (have_ >= 32) return;
    if (end_ - at_ >= 8) {
      std::uint64_t word;
      std::memcpy(&word, at_, 8);
      const std::uint64_t inverse = ~word;  // a byte of 0xff is a zero byte here
      if (((inverse - 0x0101010101010101u) & ~inverse & 0x8080808080808080u) == 0) {
        word = __builtin_bswap64(word);
        const int bytes = (64 - have_) / 8;
        window_ |= bytes == 8 ? word : (word >> (64 - 8 * bytes) << (64 - 8 * bytes)) >> have_;
        at_ += bytes;
        have_ += 8 * bytes;
        return;
      }
    }
    while (have_ <= 56) {
      std::uint64_t byte = 0;
      if (at_ < end_ && *at_ != 0xff)
        byte = *at_++;
      else if (end_ - at_ >= 2 && at_[1] == 0) {
        byte = 0xff;
        at_ += 2;
      } else
        invented_ += 8;
      window_ |= byte << (56 - have_);
      have_ += 8;
    }
  }
  std::uint32_t peek(int n) const { return static_cast<std::uint32_t>(window_ >> (64 - n)); }
  void skip(int n) {
    window_ <<= n;
    have_ -= n;
  }
  bool overrun() const { return have_ < invented_; }
  // Behind the restart marker; false when none is there.
  bool restart() {
    window_ = 0;
    have_ = invented_ = 0;
    while (end_ - at_ >= 2 && at_[0] == 0xff && at_[1] == 0xff) ++at_;
    if (end_ - at_ < 2 || at_[0] != 0xff || at_[1] < 0xd0 || at_[1] > 0xd7) return false;
    at_ += 2;
    return true;
  }
  const std::uint8_t* place() const { return at_; }

 private:
  const std::uint8_t *at_, *end_;
  std::uint64_t window_ = 0;
  int have_ = 0, invented_ = 0;
};

inline int next_difference(Bits& bits, const Huffman& h) {
  bits.refill();
  const std::int32_t entry = h.table[bits.peek(quick)];
  if (entry != 0) [[likely]] {
    bits.skip(entry & 0xff);
    return entry >> 8;
  }
  for (int length = 1; length <= 16; ++length) {
    const int code = static_cast<int>(bits.peek(length)) - h.first_code[length];
    if (code >= 0 && code < h.count[length]) {
      const int category = h.categories[h.first_index[length] + code];
      bits.skip(length);
      if (category == 0 || category == 16) return Huffman::difference(category, 0);
      const int value = static_cast<int>(bits.peek(category));
      bits.skip(category);
      return Huffman::difference(category, value);
    }
  }
  return 1 << 20;  // no such code
}

template <int Predictor> int predict(int a, int b, int c) {
  if constexpr (Predictor == 1)
    return a;
  else if constexpr (Predictor == 2)
    return b;
  else if constexpr (Predictor == 3)
    return c;
  else if constexpr (Predictor == 4)
    return a + b - c;
  else if constexpr (Predictor == 5)
    return a + ((b - c) >> 1);
  else if constexpr (Predictor == 6)
    return b + ((a - c) >> 1);
  else
    return (a + b) >> 1;
}

// The rest of a row whose first sample is there, of one component. False for a code that does not exist.
template <int Predictor>
bool decode_row(Bits& bits, const Huffman& h, std::uint16_t* row, const std::uint16_t* above, int columns) {
  int left = row[0];
  for (int x = 1; x < columns; ++x) {
    const int d = next_difference(bits, h);
    if (d == 1 << 20) [[unlikely]]
      return false;
    left = (predict<Predictor>(left, above[x], above[x - 1]) + d) & 0xffff;
    row[x] = static_cast<std::uint16_t>(left);
  }
  return true;
}
using RowDecoder = bool (*)(Bits&, const Huffman&, std::uint16_t*, const std::uint16_t*, int);
constexpr RowDecoder row_decoders[] = {nullptr,       decode_row<1>, decode_row<2>, decode_row<3>,
                                       decode_row<4>, decode_row<5>, decode_row<6>, decode_row<7>};

int predict_any(int predictor, int a, int b, int c) {
  switch (predictor) {
    case 1: return a;
    case 2: return b;
    case 3: return c;
    case 4: return a + b - c;
    case 5: return a + ((b - c) >> 1);
    case 6: return b + ((a - c) >> 1);
    default: return (a + b) >> 1;
  }
}

class Lossless {
 public:
  Lossless(CodedBytes bytes, const PixelModule& m, const std::string& who, RawFrame& out)
      : b_(bytes), m_(m), who_(who) {
    const JpegHead head = jpeg_head(bytes, m, who);
    if (head.process != 0xc3) broken_frame(who, "the stream is not lossless JPEG with Huffman codes");
    precision_ = head.precision;
    out.container = 16;
    out.planar = true;
    out.bytes.resize(static_cast<std::size_t>(m.frame_samples()) * 2);
    samples_ = reinterpret_cast<std::uint16_t*>(out.bytes.data());
  }

  void run() {
    std::size_t at = 2;
    int scanned = 0;
    while (scanned < m_.channels) {
      while (at + 1 < b_.size() && !(b_[at] == 0xff && b_[at + 1] != 0xff && b_[at + 1] != 0)) ++at;
      if (at + 4 > b_.size()) broken_frame(who_, "the JPEG stream ends before its last component");
      const int marker = b_[at + 1];
      if (marker == 0xd9) broken_frame(who_, "the JPEG stream ends before its last component");
      if (marker >= 0xd0 && marker <= 0xd8) {
        at += 2;
        continue;
      }
      const std::size_t length = static_cast<std::size_t>(b_[at + 2] << 8 | b_[at + 3]);
      if (length < 2 || length + 2 > b_.size() - at)
        broken_frame(who_, "the frame ends inside a JPEG header");
      const CodedBytes body = b_.subspan(at + 4, length - 2);
      at += 2 + length;
      if (marker == 0xc3)
        components(body);
      else if (marker == 0xc4)
        tables(body);
      else if (marker == 0xdd && body.size() >= 2)
        interval_ = body[0] << 8 | body[1];
      else if (marker == 0xda)
        scanned += scan(body, at);
    }
  }

 private:
  void components(CodedBytes body) {
    for (int c = 0; c < m_.channels; ++c) {
      const std::size_t at = 6 + 3 * static_cast<std::size_t>(c);
      if (at + 3 > body.size()) broken_frame(who_, "its JPEG frame header is too short");
      ids_[c] = body[at];
      if (body[at + 1] != 0x11 && m_.channels > 1)
        broken_frame(who_, "components of lossless JPEG are subsampled, which is not read");
    }
  }

  void tables(CodedBytes body) {
    while (!body.empty()) {
      if (body.size() < 17 || (body[0] & 0xf0) != 0 || body[0] > 3)
        broken_frame(who_, "a Huffman table is damaged");
      Huffman& h = huffman_[body[0]];
      std::size_t total = 0;
      for (std::size_t i = 1; i <= 16; ++i) total += static_cast<std::size_t>(h.count[i] = body[i]);
      if (total > 256 || 17 + total > body.size()) broken_frame(who_, "a Huffman table is damaged");
      std::copy_n(body.begin() + 17, total, h.categories);
      h.build(who_);
      body = body.subspan(17 + total);
    }
  }

  // One scan; `at` is behind it afterwards. Returns its number of components.
  int scan(CodedBytes body, std::size_t& at) {
    const int n = body.empty() ? 0 : body[0];
    if (n < 1 || n > m_.channels || body.size() < 4 + 2 * static_cast<std::size_t>(n))
      broken_frame(who_, "a scan header is damaged");
    int planes[4] = {};
    const Huffman* codes[4] = {};
    for (int i = 0; i < n; ++i) {
      const int id = body[1 + 2 * static_cast<std::size_t>(i)],
                table = body[2 + 2 * static_cast<std::size_t>(i)] >> 4;
      const auto plane = std::find(ids_, ids_ + m_.channels, id) - ids_;
      if (plane == m_.channels || table > 3 || !huffman_[table].there)
        broken_frame(who_, "a scan names a component or table that is not there");
      planes[i] = static_cast<int>(plane);
      codes[i] = &huffman_[table];
    }
    const int predictor = body[1 + 2 * static_cast<std::size_t>(n)];
    const int shift = body[3 + 2 * static_cast<std::size_t>(n)] & 15;
    if (predictor < 1 || predictor > 7 || shift >= precision_)
      broken_frame(who_, "a scan has predictor ", predictor, " and shift ", shift);
    if (interval_ != 0 && interval_ % m_.columns != 0)
      broken_frame(who_, "restart interval ", interval_, " is no multiple of a row");
    Bits bits(b_.data() + at, b_.data() + b_.size());
    const int restart_rows = interval_ / m_.columns;
    for (int y = 0; y < m_.rows; ++y) {
      const bool fresh = y == 0 || (restart_rows != 0 && y % restart_rows == 0);
      if (fresh && y > 0 && !bits.restart()) broken_frame(who_, "a restart marker is missing before row ", y);
      const bool good = n == 1 ? row(bits, *codes[0], planes[0], y, fresh, predictor, shift)
                               : rows(bits, codes, planes, n, y, fresh, predictor, shift);
      if (!good) broken_frame(who_, "row ", y, " has a code that does not exist");
      if (bits.overrun()) broken_frame(who_, "the JPEG stream ends in row ", y, " of ", m_.rows);
    }
    if (shift > 0) {
      for (int i = 0; i < n; ++i) {
        std::uint16_t* plane = samples_ + planes[i] * m_.pixels();
        for (std::int64_t k = 0; k < m_.pixels(); ++k)
          plane[k] = static_cast<std::uint16_t>(plane[k] << shift);
      }
    }
    at = static_cast<std::size_t>(bits.place() - b_.data());
    return n;
  }

  std::uint16_t* row_of(int plane, int y) {
    return samples_ + plane * m_.pixels() + std::int64_t{y} * m_.columns;
  }

  bool row(Bits& bits, const Huffman& h, int plane, int y, bool fresh, int predictor, int shift) {
    std::uint16_t* to = row_of(plane, y);
    const std::uint16_t* above = fresh ? to : to - m_.columns;
    const int d = next_difference(bits, h);
    if (d == 1 << 20) return false;
    to[0] = static_cast<std::uint16_t>((fresh ? 1 << (precision_ - shift - 1) : above[0]) + d);
    return row_decoders[fresh ? 1 : predictor](bits, h, to, above, m_.columns);
  }

  bool rows(Bits& bits, const Huffman* const* codes, const int* planes, int n, int y, bool fresh,
            int predictor, int shift) {
    for (int x = 0; x < m_.columns; ++x) {
      for (int i = 0; i < n; ++i) {
        std::uint16_t* to = row_of(planes[i], y) + x;
        const int d = next_difference(bits, *codes[i]);
        if (d == 1 << 20) return false;
        int guess = 1 << (precision_ - shift - 1);
        if (fresh)
          guess = x > 0 ? to[-1] : guess;
        else if (x == 0)
          guess = to[-m_.columns];
        else
          guess = predict_any(predictor, to[-1], to[-m_.columns], to[-m_.columns - 1]);
        to[0] = static_cast<std::uint16_t>(guess + d);
      }
    }
    return true;
  }

  CodedBytes b_;
  const PixelModule& m_;
  const std::string& who_;
  std::uint16_t* samples_;
  int precision_ = 16, interval_ = 0;
  int ids_[4] = {};
  Huffman huffman_[4];
};

}  // namespace

void decode_lossless_frame(CodedBytes bytes, const PixelModule& m, const std::string& who, RawFrame& out) {
  Lossless(bytes, m, who, out).run();
}

}  // namespace gadolin::detail
