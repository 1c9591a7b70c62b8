// The gadolin program: one folder a group of commands, each added by one function.
#include "apps/commands.h"
#include "apps/program/output.h"
#include "apps/program/waiting.h"

int main(int argc, char** argv) {
  gadolin::hold_standard_streams();
  const gadolin::CoreWatch watch;
  gadolin::Program program;
  gadolin::add_doctor(program);
  gadolin::add_models(program);
  gadolin::add_launch(program);
  gadolin::add_grade(program);
  gadolin::add_train(program);
  gadolin::add_cam(program);
  gadolin::add_verify(program);
  gadolin::add_weights(program);
  gadolin::add_report(program);
  gadolin::add_bench(program);
  gadolin::add_data(program);
  gadolin::add_dicom(program);
  gadolin::add_serve(program);
  gadolin::add_bodypart(program);
  gadolin::add_mammography(program);
  gadolin::add_chestxray(program);
  gadolin::add_nodule(program);
  gadolin::add_hemorrhage(program);
  gadolin::add_pipeline(program);
  return program.main(argc, argv);
}
