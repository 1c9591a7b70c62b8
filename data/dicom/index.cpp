// Folders, zip archives and DICOMDIRs as lists of files, and the table of their headers.
#include "data/dicom/index.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>

#include "data/dicom/anonymize.h"
#include "data/dicom/series.h"
#include "data/image/image.h"
#include "io/atomic_file.h"
#include "io/mapped_file.h"
#include "io/pack.h"
#include "io/zip_file.h"
#include "tensor/check.h"
#include "tensor/cpu/parallel.h"

namespace gadolin {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t member_limit = std::uint64_t{1} << 30;

// Files of a source by name; bytes come on demand, so that several threads can read.
class Files {
 public:
  explicit Files(const std::string& source) {
    if (fs::is_directory(source)) {
      folder(source);
      return;
    }
    auto file = std::make_shared<MappedFile>(source);
    if (ZipFile::looks_like(file->text())) {
      mapped_ = file;
      zip_ = std::make_unique<ZipFile>(file->text(), source);
      for (const ZipEntry& e : zip_->entries())
        if (!e.name.empty() && e.name.back() != '/') names_.emplace_back(e.name);
      std::sort(names_.begin(), names_.end());
      return;
    }
    const DicomFile dicom(file->text(), source);
    if (const DicomElement* records = dicom.find(dicom::record_sequence))
      named_by(dicom, *records, fs::path(source).parent_path());
    else {
      root_ = fs::path(source).parent_path();
      names_.push_back(fs::path(source).filename().string());
    }
  }

  std::size_t size() const { return names_.size(); }
  const std::string& name(std::size_t i) const { return names_[i]; }
  const std::vector<std::string>& missing() const { return missing_; }
  template <class F> void with(std::size_t i, F&& f) const {
    if (!zip_) {
      const MappedFile file((root_ / names_[i]).string());
      return f(file.text());
    }
    const ZipEntry& e = *zip_->find(names_[i]);
    std::string room;
    f(zip_->read(e, member_limit, room));
  }

 private:
  void folder(const std::string& source) {
    root_ = source;
    std::error_code error;
    fs::recursive_directory_iterator at(source, fs::directory_options::skip_permission_denied, error);
    if (error) fail_file("dicom", printable(source), error.value());
    for (; at != fs::recursive_directory_iterator(); at.increment(error)) {
      if (error) fail_file("dicom", printable(source), error.value());
      if (at->is_regular_file() && !at->is_symlink() && at->path().filename() != "DICOMDIR")
        names_.push_back(at->path().lexically_relative(root_).string());
    }
    std::sort(names_.begin(), names_.end());
  }

  // A DICOMDIR names files below its own folder by components in capitals; some media lower them.
  void named_by(const DicomFile& directory, const DicomElement& records, const fs::path& folder) {
    root_ = folder;
    for (const std::size_t record : directory.items(records)) {
      const DicomElement* id = directory.find_in(record, dicom::referenced_file_id);
      if (id == nullptr || id->length == 0) continue;
      std::string name = directory.text(*id);
      std::replace(name.begin(), name.end(), '\\', '/');
      const fs::path path(name);
      require<FormatError, 61>(path.is_relative() &&
                                   std::find(path.begin(), path.end(), "..") == path.end() &&
                                   name.find('\0') == std::string::npos,
                               "dicom: ", printable(directory.name()), " names a file outside its folder");
      std::string lower = name;
      for (char& c : lower)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      if (fs::is_regular_file(root_ / name))
        names_.push_back(name);
      else if (fs::is_regular_file(root_ / lower))
        names_.push_back(lower);
      else
        missing_.push_back(name);
    }
    std::sort(names_.begin(), names_.end());
    names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
  }

  fs::path root_;
  std::vector<std::string> names_, missing_;
  std::shared_ptr<MappedFile> mapped_;
  std::unique_ptr<ZipFile> zip_;
};

struct Column {
  const char* name;
  DicomTag tag;
};
constexpr Column columns[] = {{"modality", dicom::modality},
                              {"body_part", dicom::body_part},
                              {"view_position", dicom::view_position},
                              {"laterality", dicom::laterality},
                              {"patient_sex", dicom::patient_sex},
                              {"patient_age", dicom::patient_age},
                              {"rows", dicom::rows},
                              {"columns", dicom::columns},
                              {"frames", dicom::number_of_frames},
                              {"bits_stored", dicom::bits_stored},
                              {"photometric", dicom::photometric},
                              {"rescale_slope", dicom::rescale_slope},
                              {"rescale_intercept", dicom::rescale_intercept},
                              {"window_center", dicom::window_center},
                              {"window_width", dicom::window_width},
                              {"pixel_spacing", dicom::pixel_spacing},
                              {"slice_thickness", dicom::slice_thickness},
                              {"gantry_tilt", dicom::gantry_tilt},
                              {"instance_number", dicom::instance_number},
                              {"image_position", dicom::image_position},
                              {"image_orientation", dicom::image_orientation}};

struct Row {
  std::vector<std::string> fields;
  std::string warning, error;
  SlicePlace place;
  enum State { skipped, good, failed } state = skipped;
};
template <class A> void pack_fields(A& a, Row& r) {
  SlicePlace& p = r.place;
  a(r.fields, r.warning, r.error, r.state, p.path, p.series, p.position, p.orientation, p.placed, p.instance,
    p.tilt);
}

std::string plain(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return text;
}

// As the file has it, but with a point for a decimal comma: reading the numbers warns of it.
std::string field_of(const DicomFile& file, DicomTag tag) {
  std::string text = plain(file.text(tag));
  const DicomElement* e = file.find(tag);
  if (e == nullptr || dicom_vr(tag) != "DS") return text;
  const std::vector<double> values = file.numbers(*e);
  const bool numbers = std::none_of(values.begin(), values.end(), [](double v) { return std::isnan(v); });
  if (numbers) std::replace(text.begin(), text.end(), ',', '.');
  return text;
}

Row row_of(const std::string& name, std::string_view bytes, const DicomIndexOptions& options) {
  Row row;
  if (!DicomFile::looks_like(bytes)) return row;
  const DicomFile file(bytes, name, {.pixels = true, .limits = options.limits});
  for (const DicomElement& e : file.elements())
    if (e.cut) row.error = cat("the file ends inside its pixel data, after ", e.length, " bytes of them");
  row.state = Row::good;
  row.place = slice_place(file);
  std::string patient = file.text(dicom::patient_id);
  if (!options.keep_patient_ids) patient = patient_pseudonym(patient, options.key);
  row.fields = {name,
                std::move(patient),
                file.text(dicom::study_instance),
                row.place.series,
                file.text(dicom::sop_instance),
                file.transfer_syntax()};
  for (const Column& c : columns) row.fields.push_back(field_of(file, c.tag));
  for (const DicomTag tag : options.more) row.fields.push_back(field_of(file, tag));
  for (const std::string& w : file.warnings()) row.warning += (row.warning.empty() ? "" : "; ") + w;
  return row;
}

void number_slices(std::vector<Row>& rows, std::vector<std::string>& order) {
  std::map<std::string, std::vector<std::size_t>> series;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].state == Row::good && !rows[i].place.series.empty() && rows[i].place.placed)
      series[rows[i].place.series].push_back(i);
  }
  for (const auto& [uid, members] : series) {
    std::vector<SlicePlace> slices;
    for (const std::size_t i : members) slices.push_back(rows[i].place);
    const SeriesOrder s = order_series(slices);
    for (std::size_t k = 0; k < s.order.size(); ++k) order[members[s.order[k]]] = std::to_string(k + 1);
  }
}

}  // namespace

void each_file(const std::string& source, const std::function<void(const SourceFile&)>& visit) {
  require_dicom("dicom");
  const Files files(source);
  const std::size_t count = files.size() + files.missing().size();
  for (std::size_t i = 0; i < files.size(); ++i) {
    std::string why;  // what visit throws is the caller's
    bool visited = false;
    try {
      files.with(i, [&](std::string_view bytes) {
        visited = true;
        visit({files.name(i), bytes, "", i, count});
      });
    } catch (const Error& error) {
      if (visited) throw;
      why = error.message();
    }
    if (!visited) visit({files.name(i), {}, why, i, count});
  }
  for (std::size_t i = files.size(); i < count; ++i)
    visit({files.missing()[i - files.size()], {}, "named by the DICOMDIR, but not there", i, count});
}

void each_dicom(const std::string& source,
                const std::function<void(const std::string&, std::string_view)>& visit) {
  require_dicom("dicom");
  const Files files(source);
  for (std::size_t i = 0; i < files.size(); ++i) {
    files.with(i, [&](std::string_view bytes) {
      if (DicomFile::looks_like(bytes)) visit(files.name(i), bytes);
    });
  }
}

DicomIndex index_dicom(const std::string& source, const DicomIndexOptions& options) {
  require_dicom("dicom index");
  const Files files(source);
  const auto count = static_cast<std::int64_t>(files.size()), from = count * options.rank / options.ranks;
  std::vector<Row> rows(static_cast<std::size_t>(count * (options.rank + 1) / options.ranks - from));
  dicom_keyword(dicom::rows);  // the dictionary is there before threads ask for it
  parallel_for(std::ssize(rows), 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      Row& row = rows[static_cast<std::size_t>(i)];
      const auto at = static_cast<std::size_t>(from + i);
      try {
        files.with(at, [&](std::string_view bytes) { row = row_of(files.name(at), bytes, options); });
      } catch (const std::exception& error) {
        row = {{files.name(at), plain(error.what())}, "", "", {}, Row::failed};
      }
    }
  });
  if (options.ranks > 1) {
    const std::vector<std::string> all = options.gather(packed(rows));
    rows.clear();
    for (const std::string& bytes : all)
      for (Row& row : unpacked<std::vector<Row>>(bytes)) rows.push_back(std::move(row));
  }
  std::vector<std::string> order(rows.size());
  number_slices(rows, order);
  DicomIndex out;
  out.table.name = source;
  out.table.header = {"path", "patient_id", "study_id", "series_id", "instance_id", "transfer_syntax"};
  for (const Column& c : columns) out.table.header.emplace_back(c.name);
  for (const DicomTag tag : options.more) {
    out.table.header.push_back(dicom_keyword(tag).empty() ? dicom_tag_text(tag)
                                                          : std::string(dicom_keyword(tag)));
  }
  out.table.header.insert(out.table.header.end(), {"slice_order", "warning", "error"});
  const std::size_t width = out.table.header.size();
  const auto failed = [&](const std::string& path, const std::string& why) {
    std::vector<std::string> fields(width);
    fields.front() = path;
    fields.back() = why;
    out.table.rows.push_back(std::move(fields));
    ++out.files;
    ++out.failed;
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].state == Row::skipped) {
      ++out.skipped;
      continue;
    }
    if (rows[i].state == Row::failed) {
      failed(rows[i].fields[0], rows[i].fields[1]);
      continue;
    }
    rows[i].fields.insert(rows[i].fields.end(), {order[i], rows[i].warning, rows[i].error});
    out.failed += rows[i].error.empty() ? 0 : 1;
    out.table.rows.push_back(std::move(rows[i].fields));
    ++out.files;
  }
  for (const std::string& name : options.rank == 0 ? files.missing() : std::vector<std::string>())
    failed(name, "named by the DICOMDIR, but not there");
  for (std::size_t i = 0; i < out.table.rows.size(); ++i)
    out.table.lines.push_back(static_cast<std::int64_t>(i + 2));
  return out;
}

}  // namespace gadolin
