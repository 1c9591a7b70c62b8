// Pictures that an evaluation drew, on the report's page.
#pragma once

#include <string>

#include "io/json.h"
#include "tasks/report_page.h"

namespace gadolin {

// Puts the gallery on the page with the pictures that `listed` names ([{picture, name, says}]) and that lie
// in `folder`; one that is gone by now is left out, and so is a gallery without any. Throws what read_file
// does.
void add_gallery(report::Gallery gallery, const Json& listed, const std::string& folder,
                 report::RunReport& page);

}  // namespace gadolin
