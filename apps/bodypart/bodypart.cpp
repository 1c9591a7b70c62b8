// gadolin bodypart: DICOM files into a database, fetched as images, preprocessed, converted, trained on, evaluated, classified.
#include "apps/bodypart/commands.h"
#include "apps/commands.h"

namespace gadolin {

void add_bodypart(Program&) {}

}  // namespace gadolin
