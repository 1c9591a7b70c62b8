// gadolin bodypart: DICOM files into a database, fetched as images, preprocessed, converted, trained on,
// evaluated, classified.
#include "apps/bodypart/commands.h"
#include "apps/commands.h"

namespace gadolin {

void add_bodypart(Program& program) {
  CLI::App* group =
      program.group("bodypart", "From a folder of DICOM radiographs to a classifier of body parts");
  bodypart::add_create_database(program, group);
  bodypart::add_fetch_image(program, group);
  bodypart::add_preprocess_image(program, group);
  bodypart::add_convert_data(program, group);
  bodypart::add_train(program, group);
  bodypart::add_eval(program, group);
  bodypart::add_classify(program, group);
}

}  // namespace gadolin
