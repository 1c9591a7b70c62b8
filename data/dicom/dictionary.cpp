// DCMTK's dictionary copied once into a table that is read without locks.
#include "data/dicom/dictionary.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <unordered_map>
#include <vector>

#include "data/image/image.h"
#include "tensor/check.h"

#ifdef GADOLIN_DICOM
#include <dcmtk/config/osconfig.h>
//
#include <dcmtk/dcmdata/dcdicent.h>
#include <dcmtk/dcmdata/dcdict.h>
#include <dcmtk/dcmdata/dcvr.h>
#include <dcmtk/oflog/oflog.h>
#endif

namespace gadolin {

bool dicom_available() {
#ifdef GADOLIN_DICOM
  return true;
#else
  return false;
#endif
}

void require_dicom(const char* op) {
  if (dicom_available()) return;
  fail<Unsupported, 60>(
      op,
      ": this build has no DICOM; apt-get install libdcmtk-dev libcharls-dev libopenjp2-7-dev, then "
      "configure with -DGADOLIN_DICOM=ON");
}

std::string dicom_tag_text(DicomTag tag) {
  char text[16];
  std::snprintf(text, sizeof text, "(%04x,%04x)", tag >> 16, tag & 0xffff);
  return text;
}

namespace {

struct Entry {
  std::string keyword;
  char vr[3] = "UN";
};
struct TagRange {
  std::uint32_t group_low, group_high, element_low, element_high;
  Entry entry;
};
struct Dictionary {
  std::unordered_map<DicomTag, Entry> tags;
  std::unordered_map<std::string, DicomTag> keywords;
  std::vector<TagRange> ranges;
};

#ifdef GADOLIN_DICOM
Entry entry_of(const DcmDictEntry& e) {
  Entry entry;
  if (e.getTagName()) entry.keyword = e.getTagName();
  switch (e.getEVR()) {
    case EVR_ox:
    case EVR_px:
    case EVR_lt:
      entry.vr[0] = 'O';
      entry.vr[1] = 'W';
      return entry;
    case EVR_xs:
      entry.vr[0] = 'U';
      entry.vr[1] = 'S';
      return entry;
    case EVR_up:
      entry.vr[0] = 'U';
      entry.vr[1] = 'L';
      return entry;
    default: break;
  }
  const char* name = DcmVR(e.getEVR()).getValidVRName();
  if (name && name[0] && name[1]) {
    entry.vr[0] = name[0];
    entry.vr[1] = name[1];
  }
  return entry;
}

Dictionary load() {
  OFLog::configure(OFLogger::OFF_LOG_LEVEL);  // DCMTK writes to stderr otherwise
  Dictionary d;
  const DcmDataDictionary& all = dcmDataDict.rdlock();
  DcmDataDictionary& iterable = const_cast<DcmDataDictionary&>(all);
  for (DcmHashDictIterator i = iterable.normalBegin(); i != iterable.normalEnd(); ++i) {
    const DcmDictEntry* e = *i;
    if (e->getPrivateCreator()) continue;
    const DicomTag tag = static_cast<DicomTag>(e->getGroup()) << 16 | e->getElement();
    const auto [at, fresh] = d.tags.emplace(tag, entry_of(*e));
    if (fresh && !at->second.keyword.empty()) d.keywords.emplace(at->second.keyword, tag);
  }
  for (DcmDictEntryListIterator i = iterable.repeatingBegin(); i != iterable.repeatingEnd(); ++i) {
    const DcmDictEntry* e = *i;
    if (e->getPrivateCreator() || e->getGroupRangeRestriction() == DcmDictRange_Odd) continue;
    d.ranges.push_back(
        {e->getGroup(), e->getUpperGroup(), e->getElement(), e->getUpperElement(), entry_of(*e)});
  }
  dcmDataDict.rdunlock();
  return d;
}
#else
Dictionary load() { return {}; }
#endif

const Dictionary& dictionary() {
  static const Dictionary d = load();
  return d;
}

const Entry& find(DicomTag tag) {
  static const Entry unknown, length{"GroupLength", "UL"}, creator{"PrivateCreator", "LO"};
  const std::uint32_t group = tag >> 16, element = tag & 0xffff;
  const Dictionary& d = dictionary();
  if (element == 0 && group != 2) return length;
  if (group & 1) return element >= 0x10 && element <= 0xff ? creator : unknown;
  const auto at = d.tags.find(tag);
  if (at != d.tags.end()) return at->second;
  for (const TagRange& r : d.ranges) {
    if (group >= r.group_low && group <= r.group_high && element >= r.element_low &&
        element <= r.element_high)
      return r.entry;
  }
  return unknown;
}

}  // namespace

std::string_view dicom_keyword(DicomTag tag) { return find(tag).keyword; }
std::string_view dicom_vr(DicomTag tag) { return {find(tag).vr, 2}; }

DicomTag dicom_tag(std::string_view text) {
  const auto at = dictionary().keywords.find(std::string(text));
  if (at != dictionary().keywords.end()) return at->second;
  std::string digits(text);
  if (digits.size() >= 2 && digits.front() == '(' && digits.back() == ')')
    digits = digits.substr(1, digits.size() - 2);
  if (digits.size() == 9 && digits[4] == ',') digits.erase(4, 1);
  DicomTag tag = 0;
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), tag, 16);
  require<UsageError>(digits.size() == 8 && end.ptr == digits.data() + 8, "dicom: '", printable(text),
                      "' is no attribute; keywords are written like PatientID, numbers like 0010,0020");
  return tag;
}

}  // namespace gadolin
