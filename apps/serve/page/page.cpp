// The policy of the page; its files are in the generated page_files.cpp.
#include "apps/serve/page/page.h"

namespace gadolin::serve {

// Pictures come from the server, or from what the user chose (blob:). Trusted types refuse text as markup.
const char* const page_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";

}  // namespace gadolin::serve
