// What a trained net says about one picture, in one call.
//
//   for (const ClassProbability& c : predict("runs/view/checkpoints/best.gdck", "film.dcm"))
//     std::printf("%s %.3f\n", c.name.c_str(), c.probability);
#pragma once

#include <string>
#include <vector>

#include "tasks/task.h"

namespace gadolin {

// A class and how likely it is.
struct ClassProbability {
  std::string name;    // of the class
  double probability;  // from 0 to 1
};

// The classes by falling probability. `picture`: JPEG, PNG, BMP, PNM or DICOM; it goes through the task's own
// pipeline. The net is where it is, and is put into evaluation mode for this. For many pictures, or several
// threads, see tasks/predictor.h. Throws FileError and FormatError for the picture, Unsupported for a task
// that gives no probabilities of classes.
std::vector<ClassProbability> predict(Task& task, const std::string& picture);
// The same with the task of a checkpoint (load_task), which is read for every call.
std::vector<ClassProbability> predict(const std::string& checkpoint, const std::string& picture,
                                      Device device = cpu);

}  // namespace gadolin
