// What the sources of zip archives share; nobody else includes this.
#pragma once

#include "io/little_endian.h"
#include "io/zip_file.h"
#include "tensor/check.h"

namespace gadolin {

template <class... Parts> void ZipFile::wrong(const Parts&... parts) const {
  fail<FormatError, 10>("zip: ", name_, ": ", parts...);
}

// Little-endian, unaligned, inside the file.
template <class T> T ZipFile::number(std::uint64_t at) const {
  if (at > bytes_.size() || bytes_.size() - at < sizeof(T)) wrong("it ends where byte ", at, " is needed");
  return detail::number_at<T>(bytes_.data() + at);
}

}  // namespace gadolin
