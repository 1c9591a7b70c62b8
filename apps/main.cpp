// The gadolin program: one folder a group of commands, each added by one function.
#include <cstdlib>

#include <unistd.h>

#include "apps/commands.h"

namespace {

// libgomp's threads spin for a millisecond and more at the end of every loop, for the next one to come.
// Beside another job that time is taken from the threads that still compute, and a training takes many times
// as long. The number of turns is read before main(), so the program starts itself once more with a small
// one. Who has set one keeps it.
void wait_without_spinning(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") || std::getenv("GOMP_SPINCOUNT") || std::getenv("KMP_BLOCKTIME")) return;
  if (::setenv("GOMP_SPINCOUNT", "2000", 1) == 0) ::execv("/proc/self/exe", argv);
}

}  // namespace

int main(int argc, char** argv) {
  wait_without_spinning(argv);
  gadolin::Program program;
  gadolin::add_doctor(program);
  gadolin::add_models(program);
  gadolin::add_train(program);
  gadolin::add_cam(program);
  gadolin::add_verify(program);
  gadolin::add_weights(program);
  gadolin::add_report(program);
  gadolin::add_bench(program);
  gadolin::add_data(program);
  gadolin::add_dicom(program);
  gadolin::add_bodypart(program);
  return program.main(argc, argv);
}
