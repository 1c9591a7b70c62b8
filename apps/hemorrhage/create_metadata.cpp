// gadolin hemorrhage create-metadata: a row for every slice of the archive, from the headers alone.
#include <filesystem>
#include <map>
#include <mutex>
#include <set>

#include "apps/hemorrhage/commands.h"
#include "apps/hemorrhage/metadata.h"
#include "apps/program/output.h"
#include "data/dicom/dictionary.h"
#include "io/atomic_file.h"
#include "io/bytes.h"
#include "io/csv.h"
#include "tensor/check.h"
#include "train/progress.h"

namespace gadolin::hemorrhage {
namespace fs = std::filesystem;
namespace {

struct CreateMetadataOptions {
  std::string zip_dir, data_dir;
};

constexpr std::size_t metadata_piece = 1 << 20;

class Metadata {
 public:
  Metadata(Session& session, const CreateMetadataOptions& o)
      : session_(session), archive_(find_archive("create-metadata", o.zip_dir)) {
    data_dir_ = o.data_dir.empty() ? fs::path(archive_.path()).parent_path().string() : o.data_dir;
    if (data_dir_.empty()) data_dir_ = ".";
    check_output_folder("create-metadata: --data_dir", data_dir_);
  }

  void run() {
    read_headers();
    if (!session_.communicator().first()) return;
    find_copies(archive_, headers_);
    for (std::size_t i = 0; i < headers_.size(); ++i) tell_of(i);
    order_series_of_all();
    tell_of_patients();
    make_folders("create-metadata", data_dir_);
    remove_stale_temporaries(data_dir_, std::time(nullptr) + 1);
    for (const char* split : {"train", "test"}) write(split);
    write_remarks();
    tell();
  }

 private:
  std::string in_data(const std::string& name) const { return (fs::path(data_dir_) / name).string(); }
  const CtMember& member(std::size_t i) const { return archive_.members()[i]; }
  std::string name(std::size_t i) const { return std::string(member(i).image); }

  void read_headers() {
    const std::size_t total = archive_.members().size();
    Communicator& processes = session_.communicator();
    const ItemShare share = share_of(processes, static_cast<std::int64_t>(total));
    headers_.resize(static_cast<std::size_t>(share.to - share.from));
    std::mutex mutex;
    std::map<std::size_t, std::string> wrong;
    dicom_keyword(0x00280010);  // the dictionary is there before threads ask for it
    Progress progress("headers", share.to - share.from, progress_on_stderr(!session_.bars()), {"files", 1});
    archive_.each(
        share,
        [&](std::size_t i) {
          SliceHeader& header = headers_[i - static_cast<std::size_t>(share.from)];
          try {
            header = read_header(archive_, i);
          } catch (const FormatError& e) {
            header.member = i;
            const std::lock_guard lock(mutex);
            wrong[i] = e.what();
          }
        },
        [&](std::size_t done) { progress.update(static_cast<std::int64_t>(done), 0); });
    progress.finish();
    headers_ = gather_items(processes, std::move(headers_));
    using Reason = std::pair<std::size_t, std::string>;
    for (Reason& r : gather_items(processes, std::vector<Reason>(wrong.begin(), wrong.end())))
      wrong.insert(std::move(r));
    unpacked_ =
        static_cast<std::uint64_t>(processes.sum(static_cast<double>(archive_.zip().unpacked_bytes())));
    if (!processes.first()) return;
    require<DataError>(wrong.size() < total, "create-metadata: no member of ", printable(archive_.path()),
                       " can be read; the first: ", wrong.empty() ? "" : wrong.begin()->second);
    for (const auto& [i, reason] : wrong) remark("unreadable", i, reason);
  }

  void remark(const char* kind, std::size_t i, const std::string& text) {
    ++kinds_[kind];
    const SliceHeader& h = headers_[i];
    remarks_.push_back({member(i).split(), h.study, h.series, cat(h.pass), name(i), kind, text});
  }

  // What one header says that later steps should not meet unprepared.
  void tell_of(std::size_t i) {
    const SliceHeader& h = headers_[i];
    if (!member(i).train && !member(i).test)
      return remark("neither train nor test", i, cat("lies in ", printable(member(i).folder)));
    if (h.same_as >= 0)
      remark("copy", i, cat("has the bytes of ", name(static_cast<std::size_t>(h.same_as))));
    else if (h.readable && h.sop != member(i).image)
      remark("other name", i, cat("SOPInstanceUID is ", printable(h.sop, 80)));
    for (const std::string& keyword : h.missing) remark("missing", i, cat("has no ", keyword));
  }

  void order_series_of_all() {
    std::map<std::tuple<std::string, std::string, std::string>, std::vector<std::size_t>> all;
    for (std::size_t i = 0; i < headers_.size(); ++i) {
      const SliceHeader& h = headers_[i];
      if (h.readable && h.same_as < 0 && !h.series.empty() && *member(i).split() != 0)
        all[{member(i).split(), h.study, h.series}].push_back(i);
    }
    series_ = static_cast<std::int64_t>(all.size());
    std::vector<SeriesRemark> found;
    for (const auto& [key, slices] : all)
      order_one_series(
          headers_, slices, [&](std::size_t i) { return name(i); }, found);
    for (const SeriesRemark& r : found) remark("series", r.header, r.text);
    // A copy lies where its original does.
    for (SliceHeader& h : headers_) {
      if (h.same_as < 0) continue;
      const SliceHeader& first = headers_[static_cast<std::size_t>(h.same_as)];
      h.pass = first.pass;
      h.along = first.along;
      h.spacing = first.spacing;
    }
  }

  void tell_of_patients() {
    std::set<std::string> train;
    std::map<std::string, std::size_t> both;
    for (std::size_t i = 0; i < headers_.size(); ++i)
      if (member(i).train && !headers_[i].patient.empty()) train.insert(headers_[i].patient);
    for (std::size_t i = 0; i < headers_.size(); ++i)
      if (member(i).test && train.count(headers_[i].patient) > 0) both.emplace(headers_[i].patient, i);
    for (const auto& [patient, i] : both)
      remark("patient in both", i, cat("patient ", printable(patient, 60), " is in train and in test"));
  }

  void write(const std::string& split) {
    AtomicFile out(in_data(split + "_metadata.csv"));
    std::string piece = "ImgID";
    for (const std::string& column : header_columns()) piece += "," + column;
    piece += ",Pass,SlicePosition,SliceSpacing,SameAs\n";
    const std::string none(header_columns().size() - 1, ',');
    const auto number = [](double v) { return v == v ? exact_text(v) : std::string(); };
    for (std::size_t i = 0; i < headers_.size(); ++i) {
      if (split != member(i).split()) continue;
      const SliceHeader& h = headers_[i];
      ++rows_[split];
      piece += cat(csv_field(member(i).image), ",", h.readable ? h.cells : none, ",", h.pass, ",",
                   number(h.along), ",", number(h.spacing), ",",
                   h.same_as < 0 ? "" : csv_field(name(static_cast<std::size_t>(h.same_as))), "\n");
      if (piece.size() < metadata_piece) continue;
      out.write(piece);
      piece.clear();
    }
    out.write(piece);
    out.commit();
  }

  void write_remarks() const {
    const CsvTable table{"", {"split", "study", "series", "pass", "image", "kind", "remark"}, remarks_, {}};
    write_file_atomically(in_data("metadata_remarks.csv"), to_csv(table));
    Json record{{"archive", archive_.fingerprint()}, {"series", series_}, {"remarks", Json::object()}};
    for (const auto& [split, n] : rows_) record[split] = n;
    for (const auto& [kind, n] : kinds_) record["remarks"][kind] = n;
    write_file_atomically(in_data("create_metadata.json"), record.dump(1) + "\n");
  }

  void tell() {
    std::vector<std::vector<std::string>> shown{{"metadata", "count"}};
    for (const auto& [split, n] : rows_) {
      shown.push_back({split + " slices", cat(n)});
      session_.metric(split, n);
    }
    shown.push_back({"series", cat(series_)});
    for (const auto& [kind, n] : kinds_) {
      shown.push_back({"remarks: " + kind, cat(n)});
      session_.metric(kind, n);
    }
    session_.say(format_table(shown));
    session_.say(cat(human_bytes(static_cast<std::int64_t>(unpacked_)), " unpacked for ", headers_.size(),
                     " headers; remarks stand in ", in_data("metadata_remarks.csv")));
    session_.metric("series", series_);
    session_.metric("unpacked_bytes", unpacked_);
    session_.output("train", in_data("train_metadata.csv"));
    session_.output("test", in_data("test_metadata.csv"));
    session_.output("remarks", in_data("metadata_remarks.csv"));
    session_.output("record", in_data("create_metadata.json"));
  }

  Session& session_;
  CtArchive archive_;
  std::string data_dir_;
  std::vector<SliceHeader> headers_;
  std::vector<std::vector<std::string>> remarks_;
  std::map<std::string, std::int64_t> kinds_, rows_;
  std::int64_t series_ = 0;
  std::uint64_t unpacked_ = 0;
};

}  // namespace

void add_create_metadata(Program& program, CLI::App* group) {
  const auto o = std::make_shared<CreateMetadataOptions>();
  CLI::App* app = program.add(
      group, "create-metadata", "A row for every slice of the archive, from the headers alone",
      [o](Session& s) {
        require_dicom("create-metadata");
        Metadata(s, *o).run();
      },
      "gadolin hemorrhage create-metadata --zip_dir ct");
  app->add_option("--zip_dir,--zip-dir", o->zip_dir,
                  "Folder with rsna-intracranial-hemorrhage-detection.zip, or an archive")
      ->required();
  app->add_option("--data_dir,--data-dir", o->data_dir,
                  "Folder that gets train_metadata.csv, test_metadata.csv and metadata_remarks.csv; default: "
                  "where the archive is");
}

}  // namespace gadolin::hemorrhage
