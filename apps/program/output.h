// Where a command writes: looked at before it computes, so that nothing is replaced by mistake. Every option
// that names an output goes through one of these.
#pragma once

#include <string>
#include <vector>

namespace gadolin {

// `path`, what `option` of a command names ("dicom index: --out"), is to become a file of the kind of
// `ending`, such as ".png". Throws UsageError where it is one of `inputs` (files that are read), ends as
// another kind of file does, is neither file nor device nor pipe, holds a file of another kind, or lies below
// a file.
void check_output_file(const std::string& option, const std::string& path, const std::string& ending,
                       const std::vector<std::string>& inputs = {});
// The same for a folder that files are written into: throws where `path` is a file or lies below one, is one
// of `inputs`, or does not exist and ends as a file does.
void check_output_folder(const std::string& option, const std::string& path,
                         const std::vector<std::string>& inputs = {});

// Standard streams that were closed before the program began are made to fail, or to give nothing: otherwise
// the next file that is opened gets their number, and with it what is printed.
void hold_standard_streams();

}  // namespace gadolin
