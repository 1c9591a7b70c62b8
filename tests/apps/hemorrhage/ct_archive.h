// Small archives of head CTs, slice by slice, for tests of the steps that read them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "data/dicom/made_up.h"
#include "io/atomic_file.h"
#include "io/zip_file.h"
#include "tensor/check.h"

namespace gadolin::test {

inline constexpr const char* ct_root = "rsna-intracranial-hemorrhage-detection/";

// One slice; what the tests do not care about is there and plausible.
struct CtSlice {
  std::string image = "ID_a", folder = "stage_2_train";
  double z = 0;
  int instance = 1;
  std::string acquisition = "", tilt = "";
  std::string position = "", orientation = "1\\0\\0\\0\\1\\0";  // position: instead of 0\0\z
  std::string patient = "ID_p", study = "ID_t", series = "ID_s", sop = "";
  int stored = 1074, intercept = -1024, bits = 12;  // 50 HU everywhere
  bool is_signed = false;
  int size = 16;
  std::vector<DicomTag> without = {};
};

inline std::string dicom_of(const CtSlice& s) {
  Image pixels(s.size, s.size, 1, 16);
  for (std::size_t i = 0; i < pixels.numel(); ++i)
    pixels.data<std::uint16_t>()[i] = static_cast<std::uint16_t>(s.stored);
  DicomTexts texts{{dicom::sop_instance, s.sop.empty() ? s.image : s.sop},
                   {dicom::modality, "CT"},
                   {dicom::patient_id, s.patient},
                   {dicom::study_instance, s.study},
                   {dicom::series_instance, s.series},
                   {dicom::study_id, ""},
                   {dicom::instance_number, std::to_string(s.instance)},
                   {dicom::image_position, s.position.empty() ? cat("0\\0\\", s.z) : s.position},
                   {dicom::image_orientation, s.orientation},
                   {dicom::pixel_spacing, "0.5\\0.5"},
                   {dicom::rescale_intercept, std::to_string(s.intercept)},
                   {dicom::rescale_slope, "1"}};
  if (!s.acquisition.empty()) texts.emplace_back(dicom::acquisition_number, s.acquisition);
  if (!s.tilt.empty()) texts.emplace_back(dicom::gantry_tilt, s.tilt);
  std::erase_if(texts, [&](const auto& text) {
    return std::find(s.without.begin(), s.without.end(), text.first) != s.without.end();
  });
  return made_up_dicom(texts, pixels, s.bits, false, s.is_signed);
}

// An archive of these members, by whole name.
inline std::string write_zip(const std::string& path,
                             const std::vector<std::pair<std::string, std::string>>& members) {
  AtomicFile file(path);
  ZipWriter zip(file);
  for (const auto& [name, bytes] : members) zip.add(name, packed_member(bytes));
  zip.finish();
  file.commit();
  return path;
}
inline std::pair<std::string, std::string> member_of(const CtSlice& s) {
  return {ct_root + s.folder + "/" + s.image + ".dcm", dicom_of(s)};
}
inline std::string write_ct_zip(const std::string& folder, const std::vector<CtSlice>& slices) {
  std::vector<std::pair<std::string, std::string>> members;
  for (const CtSlice& s : slices) members.push_back(member_of(s));
  return write_zip(folder + "/rsna-intracranial-hemorrhage-detection.zip", members);
}

}  // namespace gadolin::test
