// A DICOM file: its elements as they lie in the bytes, and their values as text and numbers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/dicom/dictionary.h"
#include "tensor/check.h"

namespace gadolin {

// What is refused before anything is allocated for it.
struct DicomLimits {
  std::uint64_t file_bytes = std::uint64_t{2} << 30;        // of the file
  std::uint64_t element_bytes = std::uint64_t{1} << 30;     // of one element's value
  std::uint64_t inflated_bytes = std::uint64_t{512} << 20;  // of a deflated data set
  std::size_t elements = 100'000;                           // and items, of all sequences together
  int depth = 16;                                           // sequences within sequences
  std::int64_t frames = 4096;                               // of one image
  std::int64_t samples = 268'435'456;                       // rows x columns x frames x samples per pixel
  std::int64_t ratio = 2000;                         // unpacked pixels to coded ones, above `free_bytes`
  std::int64_t free_bytes = std::int64_t{64} << 20;  // see the ratio above
};

// How a file is opened.
struct DicomOptions {
  bool pixels = true;       // false: stop where pixel data begins; what follows is not looked at
  DicomLimits limits = {};  // what is refused
};

// One element, or one item of a sequence (tag dicom::item). Elements stand in the order of the file; what a
// sequence or an item contains follows it, up to `end`.
struct DicomElement {
  DicomTag tag = 0;           // 0xggggeeee
  char vr[2] = {'U', 'N'};    // of the file, or of the dictionary where the file has none
  std::uint8_t depth = 0;     // 0: of the data set itself; an item of its sequence 1, what is in the item 2
  bool cut = false;           // the file ends inside it (pixel data only)
  bool encapsulated = false;  // pixel data in fragments
  bool big_endian = false;    // of the value's bytes
  std::uint32_t end = 0;      // index of the next element at this depth or above
  std::uint64_t begin = 0, length = 0;  // of the value in bytes()
  // Whether its VR is this one.
  bool is(const char* name) const { return vr[0] == name[0] && vr[1] == name[1]; }
};

// Files with and without preamble and meta header; implicit and explicit, little and big endian, deflated;
// text in its character sets; elements that an anonymiser left as UN. Copies share the bytes. Reading is safe
// from several threads.
class DicomFile {
 public:
  // Maps the file. Throws FileError when it cannot be read; FormatError 60 (no DICOM file), 61 (damaged; with
  // byte offset), 62 (a limit), 63 (nested too deeply), 68 (a program in the preamble). Messages hold no
  // values of elements.
  static DicomFile open(const std::string& path, const DicomOptions& options = {});
  // The same from memory; `name` stands in messages, the bytes must outlive this.
  DicomFile(std::string_view bytes, std::string name, const DicomOptions& options = {});
  // Whether these are the first bytes of a DICOM file, with or without preamble.
  static bool looks_like(std::string_view bytes);

  const std::string& name() const { return name_; }                        // as messages call it
  const std::string& transfer_syntax() const { return syntax_; }           // UID, as written or as found
  bool has_meta() const { return has_meta_; }                              // whether a meta header was there
  const std::vector<DicomElement>& elements() const { return elements_; }  // group 2 first
  const DicomLimits& limits() const { return limits_; }                    // as opened with

  // nullptr when there is none. The second finds in an item: an index into elements(), as from items().
  const DicomElement* find(DicomTag tag) const;
  const DicomElement* find_in(std::size_t item, DicomTag tag) const;   // in an item, by its index
  std::vector<std::size_t> items(const DicomElement& sequence) const;  // indices of the items of a sequence
  // Among all elements.
  std::size_t index(const DicomElement& e) const { return static_cast<std::size_t>(&e - elements_.data()); }

  // The value's bytes.
  std::string_view raw(const DicomElement& e) const { return bytes_.substr(e.begin, e.length); }
  // UTF-8 without padding, values separated by a backslash; numbers written out; "" for sequences and bulk
  // data. Bytes that mean nothing in the character set are written as \xNN, with a warning. Absent: "".
  std::string text(DicomTag tag) const;
  std::string text(const DicomElement& e) const;                // decoded by the file's character sets
  std::vector<std::string> texts(DicomTag tag) const;           // at most 65,536
  std::vector<std::string> texts(const DicomElement& e) const;  // the parts between backslashes
  // Values of binary numbers and of decimal text, at most 1,048,576, each at its place: NaN where there is
  // none or none that can be read, with a warning. A decimal comma is read as a point, with a warning.
  // Absent: {}.
  std::vector<double> numbers(DicomTag tag) const;
  std::vector<double> numbers(const DicomElement& e) const;  // of any VR that holds numbers
  // The first, unless it is NaN; with a warning where there are several.
  std::optional<double> number(DicomTag tag) const;
  std::optional<double> number(const DicomElement& e) const;  // the first of these
  // The first number of an element of the data set, cut to a whole one.
  std::int64_t integer(DicomTag tag, std::int64_t otherwise) const;

  // What was read although it breaks the standard: a sentence for each kind, in the order in which it was
  // met, without values of a patient. Opening, text(), numbers() and read_dicom_image() add to it; copies
  // share it.
  std::vector<std::string> warnings() const;
  // Notes a sentence on what breaks the standard and is read all the same.
  template <class... Parts> void warn(const Parts&... parts) const { add_warning(cat(parts...)); }

 private:
  friend class DicomParser;
  DicomFile();
  void parse(const DicomOptions& options);
  std::string_view value_representation(const DicomElement& e) const;
  void add_warning(std::string sentence) const;
  std::string_view character_set(const DicomElement& e) const;
  std::shared_ptr<const void> owner_;
  std::string_view bytes_;  // of the file, or of the inflated data set behind its header
  std::string name_, syntax_;
  bool has_meta_ = false;
  DicomLimits limits_;
  std::vector<DicomElement> elements_;
  struct Warnings;
  std::shared_ptr<Warnings> warnings_;
};

// "JPEG Lossless, Non-Hierarchical, First-Order Prediction"; the UID itself when it is unknown.
std::string transfer_syntax_name(const std::string& uid);

}  // namespace gadolin
