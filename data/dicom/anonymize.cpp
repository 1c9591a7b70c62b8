// Writes a de-identified copy from the elements of a file; values that stay are copied byte by byte.
#include "data/dicom/anonymize.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "data/image/image.h"
#include "io/sha256.h"
#include "tensor/check.h"

namespace gadolin {

std::string patient_pseudonym(const std::string& patient_id, const std::string& key) {
  return patient_id.empty() ? "" : "P-" + sha256_hex(key + '\n' + patient_id).substr(0, 12);
}

std::string replaced_uid(const std::string& uid, const std::string& key) {
  if (uid.empty()) return "";
  // The first 128 bits of the hash in decimal, by long division.
  const std::string hex = sha256_hex(key + '\n' + uid).substr(0, 32);
  std::array<std::uint32_t, 4> words{};
  for (std::size_t i = 0; i < 4; ++i)
    words[i] = static_cast<std::uint32_t>(std::stoul(hex.substr(8 * i, 8), nullptr, 16));
  std::string digits;
  while (std::any_of(words.begin(), words.end(), [](std::uint32_t w) { return w != 0; })) {
    std::uint64_t rest = 0;
    for (std::uint32_t& w : words) {
      rest = rest << 32 | w;
      w = static_cast<std::uint32_t>(rest / 10);
      rest %= 10;
    }
    digits += static_cast<char>('0' + rest);
  }
  std::reverse(digits.begin(), digits.end());
  return "2.25." + digits;
}

namespace {
using detail::Confidential;

class Writer {
 public:
  Writer(const DicomFile& file, const AnonymizeOptions& options) : f_(file), o_(options) {
    syntax_ =
        file.transfer_syntax() == "1.2.840.10008.1.2.1.99" ? "1.2.840.10008.1.2.1" : file.transfer_syntax();
    // Values are copied as they lie: their byte order counts, not what the header calls it.
    for (const DicomElement& e : file.elements())
      big_ = big_ || (e.tag >> 16 > 2 && e.depth == 0 && e.big_endian);
    if (big_ != (syntax_ == "1.2.840.10008.1.2.2"))
      syntax_ = big_ ? "1.2.840.10008.1.2.2" : "1.2.840.10008.1.2.1";
    implicit_ = syntax_ == "1.2.840.10008.1.2";
  }

  std::string run() {
    const std::string kind = f_.text(dicom::sop_class), instance = f_.text(dicom::sop_instance);
    require<FormatError, 64>(!kind.empty() && !instance.empty(), "dicom: ", printable(f_.name()),
                             " has no SOPClassUID or SOPInstanceUID, a DICOM file cannot be written from it");
    pseudonym_ = patient_pseudonym(f_.text(dicom::patient_id), o_.key);
    std::vector<std::pair<DicomTag, std::string>> parts;
    const auto& all = f_.elements();
    for (std::size_t i = 0; i < all.size(); i = all[i].end) {
      if (all[i].tag >> 16 <= 2 || added(all[i].tag)) continue;
      parts.emplace_back(all[i].tag, element(i));
    }
    const auto add = [&](DicomTag tag, const char* vr, const std::string& text) {
      parts.emplace_back(tag, coded(tag, vr, even(text, vr)));
    };
    add(dicom::patient_name, "PN", pseudonym_);
    add(dicom::patient_id, "LO", pseudonym_);
    add(dicom::identity_removed, "CS", "YES");
    add(dicom::deidentification, "LO", "Gadolin: PS3.15 Basic Profile");
    parts.emplace_back(dicom::deidentification_code, method());
    add(dicom::times_modified, "CS", "REMOVED");
    std::stable_sort(parts.begin(), parts.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::string out(128, '\0');
    out += "DICM" + meta(kind, replaced_uid(instance, o_.key));
    for (const auto& part : parts) out += part.second;
    return out;
  }

 private:
  static bool added(DicomTag tag) {
    return tag == dicom::patient_name || tag == dicom::patient_id || tag == dicom::identity_removed ||
           tag == dicom::deidentification || tag == dicom::deidentification_code ||
           tag == dicom::times_modified;
  }

  void put(std::string& out, std::uint32_t v, int bytes, bool big) const {
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(v >> 8 * (big ? bytes - 1 - i : i) & 0xff);
  }
  static std::string even(std::string text, std::string_view vr) {
    if (text.size() % 2 != 0) text += vr == "UI" || vr == "OB" ? '\0' : ' ';
    return text;
  }

  std::string head(DicomTag tag, std::string_view vr, std::uint32_t length, bool implicit, bool big) const {
    std::string out;
    put(out, tag >> 16, 2, big);
    put(out, tag & 0xffff, 2, big);
    constexpr std::string_view longs = "OBODOFOLOVOWSQSVUCUNURUTUV";
    bool is_long = false;
    for (std::size_t i = 0; i < longs.size(); i += 2) is_long = is_long || longs.substr(i, 2) == vr;
    if (implicit) {
      put(out, length, 4, big);
    } else if (is_long) {
      out.append(vr).append(2, '\0');
      put(out, length, 4, big);
    } else {
      out.append(vr);
      put(out, length, 2, big);
    }
    return out;
  }
  std::string coded(DicomTag tag, std::string_view vr, std::string_view value) const {
    std::string out = head(tag, vr, static_cast<std::uint32_t>(value.size()), implicit_, big_);
    return out.append(value);
  }
  std::string item(const std::string& content) const {
    std::string out;
    put(out, dicom::item >> 16, 2, big_);
    put(out, dicom::item & 0xffff, 2, big_);
    put(out, static_cast<std::uint32_t>(content.size()), 4, big_);
    return out + content;
  }

  // One element with what it contains, or "" when it is removed.
  std::string element(std::size_t at) const {
    const DicomElement& e = f_.elements()[at];
    std::string_view vr = e.is("??") ? std::string_view("UN") : std::string_view(e.vr, 2);
    const Confidential action = detail::confidential(e.tag);
    if (action == Confidential::remove) return "";
    // What is in an element that nobody can name, or in a sequence that was not taken apart, cannot be
    // vouched for.
    if (vr == "UN" && (dicom_vr(e.tag) == "UN" || dicom_vr(e.tag) == "SQ")) return "";
    if (action == Confidential::empty || (action == Confidential::dummy && vr == "SQ"))
      return coded(e.tag, vr, "");
    if (action == Confidential::dummy) return coded(e.tag, vr, dummy(vr));
    if (action == Confidential::uid && vr != "SQ") return coded(e.tag, vr, even(uids(f_.text(e)), "UI"));
    if (vr == "SQ") {
      std::string content;
      for (const std::size_t i : f_.items(e)) {
        std::string inside;
        for (std::size_t k = i + 1; k < f_.elements()[i].end; k = f_.elements()[k].end) inside += element(k);
        content += item(inside);
      }
      return coded(e.tag, vr, content);
    }
    require<FormatError, 67>(!e.cut, "dicom: ", printable(f_.name()),
                             " ends inside its pixel data, no whole copy can be written");
    if (e.encapsulated) {
      std::string out = head(e.tag, "OB", 0xffffffff, e.depth > 0 && implicit_, false);
      out.append(f_.raw(e));
      put(out, dicom::sequence_end >> 16, 2, false);
      put(out, dicom::sequence_end & 0xffff, 2, false);
      put(out, 0, 4, false);
      return out;
    }
    std::string value(f_.raw(e));
    if (value.size() % 2 != 0) value += vr == "UI" || vr[0] == 'O' || vr == "UN" ? '\0' : ' ';
    constexpr std::size_t short_limit = 0xfffe;
    return coded(e.tag,
                 value.size() > short_limit && vr[0] != 'O' && vr[0] != 'U' ? std::string_view("UN") : vr,
                 value);
  }

  std::string uids(const std::string& text) const {
    std::string out;
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t end = std::min(text.find('\\', at), text.size());
      out += (at > 0 ? "\\" : "") + replaced_uid(text.substr(at, end - at), o_.key);
      at = end + 1;
    }
    return out;
  }

  // A value that is valid for the representation and says nothing.
  static std::string dummy(std::string_view vr) {
    if (vr == "DA") return "19000101";
    if (vr == "DT") return "19000101000000";
    if (vr == "TM") return "000000";
    if (vr == "UI") return even("2.25.0", "UI");
    if (vr == "IS" || vr == "DS") return "0 ";
    if (vr == "AS") return "000Y";
    if (vr == "US" || vr == "SS") return std::string(2, '\0');
    if (vr == "UL" || vr == "SL" || vr == "FL" || vr == "AT") return std::string(4, '\0');
    if (vr == "FD" || vr == "UV" || vr == "SV") return std::string(8, '\0');
    if (vr[0] == 'O' || vr == "UN") return "";
    return "ANONYMOUS ";
  }

  std::string method() const {
    std::string code = coded(0x00080100, "SH", "113100") + coded(0x00080102, "SH", even("DCM", "SH")) +
                       coded(0x00080104, "LO", even("Basic Application Confidentiality Profile", "LO"));
    return coded(dicom::deidentification_code, "SQ", item(code));
  }

  std::string meta(const std::string& kind, const std::string& instance) const {
    const auto one = [&](DicomTag tag, std::string_view vr, const std::string& text) {
      const std::string value = even(text, vr);
      return head(tag, vr, static_cast<std::uint32_t>(value.size()), false, false) + value;
    };
    const std::string body =
        one(0x00020001, "OB", std::string("\0\1", 2)) + one(dicom::media_storage_sop_class, "UI", kind) +
        one(dicom::media_storage_sop_instance, "UI", instance) + one(dicom::transfer_syntax, "UI", syntax_) +
        one(0x00020012, "UI", "2.25.119846303452912703489162650118304377961") +
        one(0x00020013, "SH", "GADOLIN");
    std::string length;
    put(length, static_cast<std::uint32_t>(body.size()), 4, false);
    return head(dicom::meta_length, "UL", 4, false, false) + length + body;
  }

  const DicomFile& f_;
  const AnonymizeOptions& o_;
  std::string syntax_, pseudonym_;
  bool implicit_ = false, big_ = false;
};

}  // namespace

std::string anonymized(const DicomFile& file, const AnonymizeOptions& options) {
  return Writer(file, options).run();
}

}  // namespace gadolin
