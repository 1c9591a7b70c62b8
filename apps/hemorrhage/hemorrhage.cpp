// gadolin hemorrhage: from an archive of head CTs to the probabilities of bleeding, image by image.
#include "apps/commands.h"
#include "apps/hemorrhage/commands.h"

namespace gadolin {

void add_hemorrhage(Program& program) {
  CLI::App* group = program.group("hemorrhage", "From an archive of head CTs to probabilities of bleeding");
  hemorrhage::add_img_extract(program, group);
  hemorrhage::add_create_metadata(program, group);
  hemorrhage::add_process_labels(program, group);
  hemorrhage::add_create_tf_records(program, group);
  hemorrhage::add_train(program, group);
  hemorrhage::add_extract_features(program, group);
  hemorrhage::add_train_lstm(program, group);
  hemorrhage::add_predict(program, group);
}

}  // namespace gadolin
