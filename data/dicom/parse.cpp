// Walks through the bytes of a DICOM file, element by element: PS3.5 chapter 7, PS3.10 chapter 7.
#include <cstring>

#include "data/dicom/codec.h"
#include "data/dicom/file.h"
#include "data/image/image.h"
#include "io/mapped_file.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

constexpr std::uint32_t undefined = 0xffffffff;
constexpr std::string_view short_vrs = "AEASATCSDADSDTFLFDISLOLTPNSHSLSSSTTMUIULUS";
constexpr std::string_view long_vrs = "OBODOFOLOVOWSQSVUCUNURUTUV";

bool listed(std::string_view pairs, const char* vr) {
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
    if (pairs[i] == vr[0] && pairs[i + 1] == vr[1]) return true;
  }
  return false;
}
bool known_vr(const char* vr) { return listed(short_vrs, vr) || listed(long_vrs, vr); }

struct Coding {
  bool explicit_vr = true, big = false;
};

std::uint32_t number(std::string_view b, std::size_t at, int bytes, bool big) {
  std::uint32_t v = 0;
  for (int i = 0; i < bytes; ++i) {
    const auto byte = static_cast<unsigned char>(b[at + static_cast<std::size_t>(big ? i : bytes - 1 - i)]);
    v = v << 8 | byte;
  }
  return v;
}
DicomTag tag_at(std::string_view b, std::size_t at, bool big) {
  return number(b, at, 2, big) << 16 | number(b, at + 2, 2, big);
}

// How a data set that begins here is coded, from its first element; false when no data set begins here.
bool guess(std::string_view b, std::size_t at, Coding& coding) {
  if (b.size() < at + 8) return false;
  const char* vr = b.data() + at + 4;
  coding.big = b[at] == 0 && b[at + 1] != 0;
  coding.explicit_vr = known_vr(vr);
  const std::uint32_t group = number(b, at, 2, coding.big);
  if (group > 0x0028) return false;
  if (coding.explicit_vr) return true;
  const std::uint32_t length = number(b, at + 4, 4, coding.big);
  if (coding.big || length > 4096 || length > b.size() - at - 8) return false;
  // Chance looks like one element; two in ascending order are not chance.
  const std::size_t next = at + 8 + length;
  return next == b.size() || (b.size() >= next + 8 && tag_at(b, next, false) > tag_at(b, at, false) &&
                              number(b, next, 2, false) <= 0x7fe0 && group % 2 == 0 && (group <= 0x10));
}

// The first bytes of programs: Windows, Linux, scripts, macOS in four orders.
bool executable(std::string_view preamble) {
  for (const std::string_view magic :
       {std::string_view("MZ"),
        std::string_view("\x7f"
                         "ELF"),
        std::string_view("#!"), std::string_view("\xfe\xed\xfa\xce"), std::string_view("\xfe\xed\xfa\xcf"),
        std::string_view("\xce\xfa\xed\xfe"), std::string_view("\xcf\xfa\xed\xfe"),
        std::string_view("\xca\xfe\xba\xbe")}) {
    if (preamble.substr(0, magic.size()) == magic) return true;
  }
  return false;
}

}  // namespace

class DicomParser {
 public:
  DicomParser(DicomFile& file, const DicomOptions& options)
      : f_(file), options_(options), limits_(options.limits) {}

  void run() {
    require<FormatError, 62>(f_.bytes_.size() <= limits_.file_bytes, "dicom: ", who(), " has ",
                             bytes_text(f_.bytes_.size()), ", at most ", bytes_text(limits_.file_bytes),
                             " are read");
    std::size_t at = 0;
    const std::string_view b = f_.bytes_;
    if (b.size() >= 132 && b.substr(128, 4) == "DICM") {
      require<FormatError, 68>(!executable(b), "dicom: ", who(),
                               " carries a program in its preamble; do not open it, convert a copy with the "
                               "first 128 bytes set to zero");
      at = 132;
      f_.has_meta_ = true;
    }
    Coding coding;
    if (b.size() >= at + 8 && number(b, at, 2, false) == 2) {
      coding.explicit_vr = known_vr(b.data() + at + 4);
      f_.has_meta_ = true;
      meta_ = true;
      data_set(at, b.size(), coding, 0, false);
      meta_ = false;
      f_.syntax_ = f_.text(dicom::transfer_syntax);
    }
    if (f_.syntax_ == "1.2.840.10008.1.2.1.99") {
      const auto whole = detail::inflated_data_set(f_.bytes_, at, limits_, who());
      f_.bytes_ = *whole;
      f_.owner_ = whole;
    }
    Coding found;
    const bool sure = guess(f_.bytes_, at, found);
    require<FormatError, 60>(f_.has_meta_ || sure, "dicom: ", who(), " is not a DICOM file");
    coding = {f_.syntax_ != "1.2.840.10008.1.2", f_.syntax_ == "1.2.840.10008.1.2.2"};
    if (f_.syntax_.empty() || (sure && found.explicit_vr != coding.explicit_vr)) {
      coding = found;  // some writers say one and write the other
    }
    if (f_.syntax_.empty()) {
      f_.syntax_ = !coding.explicit_vr ? "1.2.840.10008.1.2"
                   : coding.big        ? "1.2.840.10008.1.2.2"
                                       : "1.2.840.10008.1.2.1";
    }
    outer_set(at, coding);
  }

 private:
  std::string who() const { return printable(f_.name_); }
  static std::string bytes_text(std::uint64_t n) { return human_bytes(static_cast<std::int64_t>(n)); }

  template <class... Parts> [[noreturn]] void damaged(std::size_t at, const Parts&... parts) const {
    fail<FormatError, 61>("dicom: ", who(), " is damaged at byte ", at, ": ", parts...);
  }

  DicomElement& add(DicomTag tag, int depth, bool big) {
    // The parts of a message are made before require() looks at the condition: too slow for every element.
    if (f_.elements_.size() >= limits_.elements) {
      fail<FormatError, 62>("dicom: ", who(), " has more than ", limits_.elements, " elements");
    }
    DicomElement e;
    e.tag = tag;
    e.depth = static_cast<std::uint8_t>(depth);
    e.big_endian = big;
    return f_.elements_.emplace_back(e);
  }

  // Elements from `at` to `end`, or to the delimiter of an item; `at` is behind them afterwards.
  void data_set(std::size_t& at, std::size_t end, Coding coding, int depth, bool delimited) {
    bool strays = false;
    while (at < end) {
      const std::string_view b = f_.bytes_;
      if (end - at < 8) {
        const std::string_view rest = b.substr(at, end - at);
        if (depth == 0 &&
            rest.find_first_not_of(std::string_view("\0 \t\r\n", 5)) == std::string_view::npos) {
          if (rest.find_first_not_of('\0') != std::string_view::npos)
            f_.warn("blanks or a line break follow the last element at byte ", at);
          at = end;
          return;
        }
        damaged(at, end - at, " bytes are left, an element has at least 8");
      }
      const DicomTag tag = tag_at(b, at, coding.big);
      if (meta_ && tag >> 16 != 2) return;
      if (tag == dicom::item_end) {
        at += 8;
        if (delimited) return;
        continue;
      }
      if (tag == dicom::sequence_end) {
        if (depth > 0 && delimited && !strays) return;  // an item without its delimiter
        strays = false;
        at += 8;
        continue;
      }
      if (tag == dicom::item) {
        stray_item(at, end, coding, depth);
        strays = true;
        continue;
      }
      if (tag == 0 && depth == 0 && b.substr(at, 8).find_first_not_of('\0') == std::string_view::npos &&
          b.find_first_not_of('\0', at) == std::string_view::npos) {
        at = end;  // padding
        return;
      }
      if (!element(at, end, coding, depth, tag)) {
        at = end;
        return;
      }
    }
    if (delimited && depth > 0) damaged(at, "the file ends inside an item");
  }

  // An item whose sequence has lost its header: nobody knows what it belongs to, so it is left out.
  void stray_item(std::size_t& at, std::size_t end, Coding coding, int depth) {
    if (!strays_) f_.warn("items that belong to no sequence are left out, the first at byte ", at);
    strays_ = true;
    check_depth(at, depth);
    const auto known = f_.elements_.size();
    const std::uint32_t length = number(f_.bytes_, at + 4, 4, coding.big);
    at += 8;
    content(at, end, coding, depth, length);
    f_.elements_.resize(known);
  }

  // What is in an item of this length.
  void content(std::size_t& at, std::size_t end, Coding coding, int depth, std::uint32_t length) {
    if (length == undefined) return data_set(at, end, coding, depth + 2, true);
    if (length > end - at) damaged(at - 8, "an item has ", length, " bytes, but only ", end - at, " follow");
    const std::size_t stop = at + length;
    data_set(at, stop, coding, depth + 2, false);
    at = stop;
  }

  void check_depth(std::size_t at, int depth) const {
    if (depth < 2 * limits_.depth) return;
    fail<FormatError, 63>("dicom: ", who(), " is nested more than ", limits_.depth,
                          " sequences deep at byte ", at);
  }

  // The data set of the file. What follows complete pixel data, such as the line break of a download, costs
  // nobody the picture.
  void outer_set(std::size_t at, Coding coding) {
    try {
      data_set(at, f_.bytes_.size(), coding, 0, false);
    } catch (const FormatError&) {
      if (pixels_end_ == 0) throw;
      f_.elements_.resize(pixels_elements_);
      f_.warn("what follows the pixel data at byte ", pixels_end_, " is damaged and not read");
    }
  }

  // One element; false when the rest is not to be looked at.
  bool element(std::size_t& at, std::size_t end, Coding coding, int depth, DicomTag tag) {
    const std::size_t start = at;
    char vr[2];
    const std::uint32_t length = header(at, end, coding, tag, vr);
    const bool pixels = depth == 0 && tag >= dicom::float_pixels && tag <= dicom::pixel_data;
    if (pixels && !options_.pixels) return false;
    const auto here = f_.elements_.size();
    {
      DicomElement& e = add(tag, depth, coding.big);
      e.vr[0] = vr[0];
      e.vr[1] = vr[1];
      e.begin = at;
      e.length = length;
    }
    const bool sequence = vr[0] == 'S' && vr[1] == 'Q';
    bool complete = true;
    if (length == undefined) {
      const bool bulk = tag == dicom::pixel_data || (vr[0] == 'O' && (vr[1] == 'B' || vr[1] == 'W'));
      if (pixels || bulk) {  // in an item: an icon, or what a vendor keeps for itself
        const detail::FragmentRun run = detail::fragment_run(f_.bytes_, at, end);
        DicomElement& e = f_.elements_[here];
        e.encapsulated = true;
        e.cut = run.cut;
        e.length = run.stop - at;
        complete = run.closed;
        at = run.next;
      } else if (sequence || (vr[0] == 'U' && vr[1] == 'N')) {
        // Of unknown representation the content is implicit (PS3.5 6.2.2); some writers keep it explicit.
        const bool letters = end - at >= 16 && known_vr(f_.bytes_.data() + at + 12);
        const Coding inside = sequence || letters ? coding : Coding{false, false};
        items(at, end, inside, depth, true);
        f_.elements_[here].vr[0] = 'S';
        f_.elements_[here].vr[1] = 'Q';
        f_.elements_[here].length = at - f_.elements_[here].begin;
      } else {
        damaged(start, "element ", dicom_tag_text(tag), " of representation ", printable({vr, 2}),
                " has no length");
      }
    } else if (length > end - at) {
      if (!pixels)
        damaged(start, "element ", dicom_tag_text(tag), " has ", length, " bytes, but only ", end - at,
                " follow");
      f_.elements_[here].length = end - at;
      f_.elements_[here].cut = true;
      at = end;
      complete = false;
    } else {
      if (length > limits_.element_bytes && !pixels) {
        fail<FormatError, 62>("dicom: ", who(), ": element ", dicom_tag_text(tag), " has ",
                              bytes_text(length), ", at most ", bytes_text(limits_.element_bytes),
                              " are read");
      }
      if (sequence) {
        std::size_t inner = at;
        items(inner, at + length, coding, depth, false);
      }
      at += length;
    }
    f_.elements_[here].end = static_cast<std::uint32_t>(f_.elements_.size());
    if (pixels && complete) {
      pixels_end_ = at;
      pixels_elements_ = f_.elements_.size();
    }
    return true;
  }

  std::uint32_t header(std::size_t& at, std::size_t end, Coding coding, DicomTag tag, char* vr) const {
    const std::string_view b = f_.bytes_;
    if (!coding.explicit_vr) {
      const std::string_view known = dicom_vr(tag);
      vr[0] = known[0];
      vr[1] = known[1];
      at += 8;
      return number(b, at - 4, 4, coding.big);
    }
    vr[0] = b[at + 4];
    vr[1] = b[at + 5];
    const bool letters = vr[0] >= 'A' && vr[0] <= 'Z' && vr[1] >= 'A' && vr[1] <= 'Z';
    if (listed(short_vrs, vr) || (vr[0] == '?' && vr[1] == '?')) {
      at += 8;
      return number(b, at - 2, 2, coding.big);
    }
    if (!letters) {
      // Some writers fall back to the implicit form for a few elements; taken when the length then fits.
      const std::uint32_t length = number(b, at + 4, 4, coding.big);
      const std::string_view known = dicom_vr(tag);
      if (length > end - at - 8 || (tag >> 16) % 2 != 0 || known == "UN") {
        damaged(at, "element ", dicom_tag_text(tag), " has the value representation '", printable({vr, 2}),
                "', which does not exist");
      }
      vr[0] = known[0];
      vr[1] = known[1];
      at += 8;
      return length;
    }
    if (end - at < 12)
      damaged(at, end - at, " bytes are left, element ", dicom_tag_text(tag), " has at least 12");
    at += 12;
    return number(b, at - 4, 4, coding.big);
  }

  void items(std::size_t& at, std::size_t end, Coding coding, int depth, bool open) {
    check_depth(at, depth);
    while (at < end) {
      if (end - at < 8) damaged(at, "the sequence ends inside an item");
      const DicomTag tag = tag_at(f_.bytes_, at, coding.big);
      const std::uint32_t length = number(f_.bytes_, at + 4, 4, coding.big);
      at += 8;
      if (tag == dicom::sequence_end) {
        if (open) return;
        continue;
      }
      if (tag != dicom::item) damaged(at - 8, "an item was expected, ", dicom_tag_text(tag), " is there");
      const auto here = f_.elements_.size();
      add(dicom::item, depth + 1, coding.big).begin = at;
      content(at, end, coding, depth, length);
      f_.elements_[here].length = at - f_.elements_[here].begin;
      f_.elements_[here].end = static_cast<std::uint32_t>(f_.elements_.size());
    }
    if (open) damaged(at, "the file ends inside a sequence");
  }

  DicomFile& f_;
  const DicomOptions& options_;
  const DicomLimits& limits_;
  bool meta_ = false, strays_ = false;
  std::size_t pixels_end_ = 0, pixels_elements_ = 0;  // behind complete pixel data; 0: none yet
};

void DicomFile::parse(const DicomOptions& options) {
  limits_ = options.limits;
  elements_.reserve(128);
  DicomParser(*this, options).run();
}

DicomFile DicomFile::open(const std::string& path, const DicomOptions& options) {
  require_dicom("dicom");
  DicomFile file;
  const auto mapped = std::make_shared<MappedFile>(path);
  file.owner_ = mapped;
  file.bytes_ = mapped->text();
  file.name_ = path;
  file.parse(options);
  return file;
}

DicomFile::DicomFile(std::string_view bytes, std::string name, const DicomOptions& options) : DicomFile() {
  bytes_ = bytes;
  name_ = std::move(name);
  require_dicom("dicom");
  parse(options);
}

bool DicomFile::looks_like(std::string_view bytes) {
  if (bytes.size() >= 132 && bytes.substr(128, 4) == "DICM") return true;
  Coding coding;
  return guess(bytes, 0, coding);
}

}  // namespace gadolin
