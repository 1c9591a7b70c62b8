#include "apps/serve/uploads.h"

#include "data/dicom/dictionary.h"

namespace gadolin::serve {

Upload checked_upload(const HttpPart& part, std::int64_t most_pixels) {
  Upload upload{
      part.file.empty() ? "file" : utf8(part.file.substr(0, 255)), part.bytes, image_format(part.bytes), {}};
  const bool zip = part.bytes.size() > 3 && part.bytes[0] == 'P' && part.bytes[1] == 'K' && part.bytes[2] < 9;
  if (zip) refuse(415, "unsupported image: a zip archive; unpack it and send its films");
  if (upload.format != ImageFormat::png && upload.format != ImageFormat::jpeg &&
      upload.format != ImageFormat::dicom)
    refuse(415, part.bytes.empty() ? "unsupported image: an empty file" : "unsupported image",
           "; PNG, JPEG and DICOM are read");
  if (upload.format == ImageFormat::dicom && !dicom_available())
    refuse(415, "unsupported image: this server was built without DICOM; PNG and JPEG are read");
  try {
    upload.header = read_image_header(part.bytes, upload.name);
  } catch (const Error& error) {
    refuse(422, error.what());
  }
  const std::int64_t pixels = std::int64_t{upload.header.width} * upload.header.height;
  if (pixels > most_pixels)
    refuse(413, "the picture has ", upload.header.width, " x ", upload.header.height, " pixels; at most ",
           most_pixels, " are taken (--max-pixels)");
  return upload;
}

UploadSet::UploadSet(std::vector<Upload> uploads, const std::vector<std::string>& classes)
    : Dataset(classes, false, {}, ""), uploads_(std::move(uploads)) {
  for (const Upload& upload : uploads_) {
    SampleInfo info;
    info.name = upload.name;
    info.record = static_cast<std::int64_t>(samples_->size());
    samples_->push_back(info);
  }
}

StoredImage UploadSet::read(std::int64_t i) const {
  const Bytes bytes = uploads_[static_cast<std::size_t>(info(i).record)].bytes;
  return {{bytes.begin(), bytes.end()}, {}};
}

}  // namespace gadolin::serve
