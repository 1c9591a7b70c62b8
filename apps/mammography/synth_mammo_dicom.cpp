// The texts of a made-up mammogram as a DICOM file.
#include "apps/mammography/synth_mammo.h"

namespace gadolin::mammography {

SynthTexts synth_mammo_texts(const std::string& patient, const std::string& study, const std::string& series,
                             const std::string& instance) {
  return {{dicom::character_set, "ISO_IR 100"},
          {dicom::sop_class, "1.2.840.10008.5.1.4.1.1.1.2"},  // digital mammography, for presentation
          {dicom::sop_instance, instance},
          {dicom::modality, "MG"},
          {dicom::manufacturer, "Gadolin"},
          {dicom::patient_name, patient},
          {dicom::patient_id, patient},
          {dicom::study_instance, study},
          {dicom::series_instance, series},
          {dicom::body_part, "BREAST"},
          {dicom::instance_number, "1"},
          {0x00204000, "MADE UP, NO PATIENT"}};
}

}  // namespace gadolin::mammography
