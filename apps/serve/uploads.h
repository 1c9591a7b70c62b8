// Films that came in a request, as a data set: read as those on disk are, so that answers are predict's.
#pragma once

#include <string>
#include <vector>

#include "apps/serve/http.h"
#include "data/image/header.h"
#include "data/sets/dataset.h"

namespace gadolin::serve {

struct Upload {
  std::string name;  // the client's, as data
  Bytes bytes;       // of the request
  ImageFormat format = ImageFormat::unknown;
  ImageHeader header;
};
// Throws HttpRefusal: 415 unless it is PNG, JPEG or DICOM by its bytes, 413 for more than `most_pixels`, 422
// for a header without a size.
Upload checked_upload(const HttpPart& part, std::int64_t most_pixels);

class UploadSet : public Dataset {
 public:
  UploadSet(std::vector<Upload> uploads, const std::vector<std::string>& classes);
  StoredImage read(std::int64_t i) const override;

 protected:
  std::unique_ptr<Dataset> clone() const override { return std::unique_ptr<Dataset>(new UploadSet(*this)); }

 private:
  std::vector<Upload> uploads_;
};

}  // namespace gadolin::serve
