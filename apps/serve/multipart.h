// Bodies of multipart/form-data (RFC 7578), read when they are whole.
//
// libmicrohttpd has a reader of its own for bodies in pieces. It cannot tell an empty file from the beginning
// of the next one of the same name, and then answers would move by one file.
#pragma once

#include "apps/serve/http.h"

namespace gadolin::serve {

// The boundary that a Content-Type states. Throws HttpRefusal: 415 for any other type, 400 for a boundary
// that RFC 2046 does not allow.
std::string boundary_of(const std::string& content_type);

// All parts in their order; their bytes are those of `body`. Throws HttpRefusal (400) for a body that is cut
// short or otherwise not of this form, a part without a name, and more than `most` parts.
std::vector<HttpPart> read_multipart(Bytes body, const std::string& boundary, std::size_t most = 1000);

}  // namespace gadolin::serve
