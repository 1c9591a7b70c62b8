// The DICOM attributes that Gadolin itself reads or writes, by number: (gggg,eeee) is 0xggggeeee.
#pragma once

#include <cstdint>

namespace gadolin {

using DicomTag = std::uint32_t;  // 0xggggeeee

// Attributes by their keywords in the standard (PS3.6).
namespace dicom {

// The number of the attribute of this name:
inline constexpr DicomTag meta_length = 0x00020000, media_storage_sop_class = 0x00020002,
                          media_storage_sop_instance = 0x00020003, transfer_syntax = 0x00020010;
inline constexpr DicomTag referenced_file_id = 0x00041500, record_sequence = 0x00041220,
                          record_type = 0x00041430;
inline constexpr DicomTag character_set = 0x00080005, image_type = 0x00080008, sop_class = 0x00080016,
                          sop_instance = 0x00080018, study_date = 0x00080020, modality = 0x00080060,
                          manufacturer = 0x00080070, study_description = 0x00081030,
                          series_description = 0x0008103E;
inline constexpr DicomTag patient_name = 0x00100010, patient_id = 0x00100020, patient_birth_date = 0x00100030,
                          patient_sex = 0x00100040, patient_age = 0x00101010, identity_removed = 0x00120062,
                          deidentification = 0x00120063, deidentification_code = 0x00120064,
                          times_modified = 0x00280303;
inline constexpr DicomTag body_part = 0x00180015, slice_thickness = 0x00180050,
                          spacing_between_slices = 0x00180088, gantry_tilt = 0x00181120,
                          imager_spacing = 0x00181164, view_position = 0x00185101;
inline constexpr DicomTag study_instance = 0x0020000D, series_instance = 0x0020000E, study_id = 0x00200010,
                          series_number = 0x00200011, acquisition_number = 0x00200012,
                          instance_number = 0x00200013, image_position = 0x00200032,
                          image_orientation = 0x00200037, laterality = 0x00200060,
                          image_laterality = 0x00200062;
inline constexpr DicomTag samples_per_pixel = 0x00280002, photometric = 0x00280004, planar = 0x00280006,
                          number_of_frames = 0x00280008, rows = 0x00280010, columns = 0x00280011,
                          pixel_spacing = 0x00280030, bits_allocated = 0x00280100, bits_stored = 0x00280101,
                          high_bit = 0x00280102, pixel_representation = 0x00280103,
                          padding_value = 0x00280120, padding_limit = 0x00280121, window_center = 0x00281050,
                          window_width = 0x00281051, rescale_intercept = 0x00281052,
                          rescale_slope = 0x00281053, window_explanation = 0x00281055,
                          voi_function = 0x00281056, modality_lut = 0x00283000, lut_descriptor = 0x00283002,
                          lut_data = 0x00283006, voi_lut = 0x00283010, palette_descriptor = 0x00281101,
                          palette_data = 0x00281201, palette_segmented = 0x00281221;
inline constexpr DicomTag shared_groups = 0x52009229, frame_groups = 0x52009230,
                          frame_pixel_values = 0x00289145, frame_voi = 0x00289132;
inline constexpr DicomTag float_pixels = 0x7FE00008, double_pixels = 0x7FE00009, pixel_data = 0x7FE00010,
                          trailing_padding = 0xFFFCFFFC, item = 0xFFFEE000, item_end = 0xFFFEE00D,
                          sequence_end = 0xFFFEE0DD;

}  // namespace dicom
}  // namespace gadolin
