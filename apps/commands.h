// One function a folder of commands: it declares options and what runs.
#pragma once

#include "apps/program/command.h"

namespace gadolin {

void add_doctor(Program& program);                            // doctor
void add_grade(Program& program);                             // grade
void add_launch(Program& program);                            // launch
void add_models(Program& program);                            // models, summary
void add_train(Program& program);                             // train, eval, predict, lr-find
void add_cam(Program& program);                               // cam
void add_verify(Program& program);                            // verify
void add_weights(Program& program);                           // import, export
void add_report(Program& program);                            // report
void add_bench(Program& program);                             // bench op, model, data
void add_data(Program& program);                              // data check, stats, split, synth
void add_serve(Program& program);                             // serve
void add_serve_below(Program& program, CLI::App* group);      // the same below a group: nodule serve
void add_dicom(Program& program);                             // dicom dump, convert, index
void add_bodypart(Program& program);                          // bodypart create-database ... classify
void add_mammography(Program& program);                       // mammography convert ... debug
void add_nodule(Program& program);                            // nodule import ... test-model
void add_hemorrhage(Program& program);                        // hemorrhage process-labels
void add_pipeline(Program& program);                          // pipeline run
void add_synth_bodypart(Program& program, CLI::App* synth);   // data synth bodypart
void add_chestxray(Program& program);                         // chestxray prepare ... cam
void add_synth_mammo(Program& program, CLI::App* synth);      // data synth mammo
void add_synth_chest(Program& program, CLI::App* synth);      // data synth chest
void add_synth_openi(Program& program, CLI::App* synth);      // data synth openi
void add_synth_ct_series(Program& program, CLI::App* synth);  // data synth ct-series
void add_pipeline(Program& program);                          // pipeline run

}  // namespace gadolin
