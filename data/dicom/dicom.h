// DICOM files: headers, pixels, series, indexes, de-identified copies.
#pragma once

#include "data/dicom/anonymize.h"  // IWYU pragma: export
#include "data/dicom/dump.h"       // IWYU pragma: export
#include "data/dicom/file.h"       // IWYU pragma: export
#include "data/dicom/image.h"      // IWYU pragma: export
#include "data/dicom/index.h"      // IWYU pragma: export
#include "data/dicom/series.h"     // IWYU pragma: export
