// gadolin hemorrhage img-extract: every slice of the archive as a picture of three windows. The archive is
// read in place; what an earlier run has made is left as it is.
#include <malloc.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <set>

#include "apps/hemorrhage/archive.h"
#include "apps/hemorrhage/commands.h"
#include "apps/hemorrhage/slice_units.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "apps/program/work_lock.h"
#include "data/dicom/dictionary.h"
#include "io/atomic_file.h"
#include "io/bytes.h"
#include "io/csv.h"
#include "tensor/check.h"
#include "train/progress.h"

namespace gadolin::hemorrhage {
namespace fs = std::filesystem;
namespace {

struct ImgExtractOptions {
  std::string zip_dir, data_dir, format = "jpg";
  int size = 224, quality = 95;
  double min_brain = 0.02;
  bool again = false;
};

bool is_picture_name(const std::string& name) {
  return has_ending(name, ".jpg") || has_ending(name, ".jpeg") || has_ending(name, ".png");
}

// Whether a file begins and ends as a picture does: it appears under its name whole, but a loss of power may
// have left blocks of zeros.
bool ends_well(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char head[2] = {}, tail[8] = {};
  if (!file.read(head, 2) || !file.seekg(-8, std::ios::end) || !file.read(tail, 8)) return false;
  const std::string_view begin(head, 2), end(tail, 8);
  return begin == "\xff\xd8" ? end.ends_with("\xff\xd9") : begin == "\x89P" && end.starts_with("IEND");
}

class Extraction {
 public:
  Extraction(Session& session, const ImgExtractOptions& o)
      : session_(session), o_(o), archive_(find_archive("img-extract", o.zip_dir)) {
    data_dir_ = o.data_dir.empty() ? fs::path(archive_.path()).parent_path().string() : o.data_dir;
    if (data_dir_.empty()) data_dir_ = ".";
    check_output_folder("img-extract: --data_dir", data_dir_);
    for (const CtMember& m : archive_.members())
      if (m.train || m.test) folders_.insert((fs::path(data_dir_) / m.folder).string());
    require<DataError>(!folders_.empty(), "img-extract: no .dcm of ", printable(archive_.path()),
                       " lies in a folder called train or test");
    record_ = {{"settings",
                {{"archive", archive_.fingerprint()},
                 {"windows", head_windows().text()},
                 {"size", o.size},
                 {"format", o.format},
                 {"quality", o.format == "jpg" ? o.quality : 0},
                 {"min_brain", o.min_brain}}},
               {"complete", false}};
  }

  // Of several processes each makes the pictures of its share, and the first one does all that is done once.
  void run() {
    const double start = seconds_now();
    Communicator& processes = session_.communicator();
    std::optional<WorkLock> lock;
    on_first(processes, [&] {
      make_folders("img-extract", data_dir_);
      lock.emplace("img-extract", data_dir_, in_data("img_extract.lock"));
      settle_settings();
      for (const std::string& folder : folders_) make_folders("img-extract", folder);
      clear_temporaries();
      write_file_atomically(record_path(), record_.dump(1) + "\n");
      return std::string();
    });
#ifdef M_TRIM_THRESHOLD
    // Each slice needs the same few megabytes: given back and asked for anew they cost more than the slice.
    mallopt(M_MMAP_THRESHOLD, 1 << 25);
    mallopt(M_TRIM_THRESHOLD, 1 << 28);
#endif
    dicom_keyword(0x00280010);  // the dictionary is there before threads ask for it
    const auto total = static_cast<std::int64_t>(archive_.members().size());
    const ItemShare share = share_of(processes, total);
    Progress progress("slices", share.to - share.from, progress_on_stderr(!session_.bars()), {"slices", 1});
    archive_.each(
        share, [&](std::size_t i) { extract(i); },
        [&](std::size_t done) { progress.update(static_cast<std::int64_t>(done), 0); });
    progress.finish();
    for (std::int64_t& count : counts_)
      count = static_cast<std::int64_t>(processes.sum(static_cast<double>(count)));
    using Noted = std::pair<std::size_t, Note>;
    for (Noted& noted : gather_items(processes, std::vector<Noted>(notes_.begin(), notes_.end())))
      notes_.insert(std::move(noted));
    for (const std::string& folder : folders_) sync_file_system(folder);
    processes.barrier();
    if (!processes.first()) return;
    require<DataError>(counts_[unreadable] < total, "img-extract: no member of ", printable(archive_.path()),
                       " can be read; the first: ", notes_.empty() ? "" : notes_.begin()->second.reason);
    write_status();
    clear_temporaries();
    tell(start);
  }

 private:
  enum State { written, there, little_brain, unreadable, elsewhere, states };
  static constexpr const char* state_names[states] = {"written", "there already", "little brain",
                                                      "unreadable", "neither train nor test"};
  struct Note {
    State state;
    std::string reason;
    template <class A> friend void pack_fields(A& a, Note& n) { a(n.state, n.reason); }
  };

  std::string in_data(const char* name) const { return (fs::path(data_dir_) / name).string(); }
  std::string record_path() const { return in_data("img_extract.json"); }
  std::string target(const CtMember& m) const {
    return cat((fs::path(data_dir_) / m.folder / m.image).string(), ".", o_.format);
  }

  // Pictures of other settings, or of nobody knows which, are neither mixed with these nor replaced unasked.
  void settle_settings() const {
    std::string differs;
    if (fs::exists(record_path())) {
      const Json before = Json::parse(read_file(record_path(), 1 << 20), nullptr, false);
      for (const auto& [key, value] : record_["settings"].items()) {
        const Json* old = before.is_object() && before.contains("settings") &&
                                  before["settings"].is_object() && before["settings"].contains(key)
                              ? &before["settings"][key]
                              : nullptr;
        if (old != nullptr && *old == value) continue;
        differs = key == "archive" ? "the pictures there are of another archive"
                                   : cat("the pictures there have ", key, " ", old ? old->dump() : "unknown",
                                         ", not ", value.dump());
        break;
      }
    } else {
      for (const std::string& folder : folders_)
        for_pictures(folder, [&](const fs::path& path) {
          differs = cat(printable(path.string()), " is there, and no img_extract.json says how it was made");
          return false;
        });
    }
    require<DataError>(differs.empty() || o_.again, "img-extract: ", printable(data_dir_), ": ", differs,
                       "; name another --data_dir, or add --again to remove them and begin anew");
    if (!o_.again || differs.empty()) return;
    for (const std::string& folder : folders_)
      for_pictures(folder, [](const fs::path& path) {
        std::error_code error;
        if (!fs::remove(path, error) && error)
          fail_file("img-extract", printable(path.string()), error.value());
        return true;
      });
  }

  template <class F> static void for_pictures(const std::string& folder, F&& f) {
    std::error_code none;
    std::vector<fs::path> found;  // removing while a folder is read is undefined
    for (const auto& entry : fs::directory_iterator(folder, none))
      if (is_picture_name(entry.path().filename().string())) found.push_back(entry.path());
    for (const fs::path& path : found)
      if (!f(path)) return;
  }

  void clear_temporaries() const {
    for (const std::string& folder : folders_) remove_stale_temporaries(folder, std::time(nullptr) + 1);
    remove_stale_temporaries(data_dir_, std::time(nullptr) + 1);
  }

  void extract(std::size_t i) {
    const CtMember& m = archive_.members()[i];
    if (!m.train && !m.test) return note(i, elsewhere, "");
    const std::string path = target(m);
    if (ends_well(path)) return note(i, there, "");
    thread_local std::string room;
    try {
      const std::string_view bytes = archive_.zip().read(*m.entry, most_slice_bytes, room);
      const PhysicalImage units = slice_units(bytes, std::string(m.entry->name));
      const double share = brain_share(units);
      if (m.train && !(share > o_.min_brain))
        return note(i, little_brain, cat("share of brain ", fixed(share, 4)));
      const Image picture = slice_picture(units, o_.size);
      const std::vector<std::uint8_t> file =
          o_.format == "png" ? encode_png(picture) : encode_jpeg(picture, o_.quality);
      AtomicFile out(path);
      out.write(file.data(), file.size());
      out.commit_unsynced();
      note(i, written, "");
    } catch (const FormatError& e) {
      note(i, unreadable, e.what());
    } catch (const DataError& e) {
      note(i, unreadable, e.what());
    }
  }

  void note(std::size_t i, State state, std::string reason) {
    const std::lock_guard lock(mutex_);
    ++counts_[state];
    if (state > there) notes_[i] = {state, std::move(reason)};
  }

  void write_status() {
    CsvTable table{"", {"image", "folder", "state", "reason"}, {}, {}};
    for (const auto& [i, n] : notes_) {
      const CtMember& m = archive_.members()[i];
      table.rows.push_back({std::string(m.image), std::string(m.folder), state_names[n.state], n.reason});
    }
    write_file_atomically(in_data("img_extract.csv"), to_csv(table));
    record_["complete"] = true;
    record_["pictures"] = counts_[written] + counts_[there];
    for (int s = little_brain; s < states; ++s) record_[state_names[s]] = counts_[s];
    write_file_atomically(record_path(), record_.dump(1) + "\n");
  }

  void tell(double start) {
    std::vector<std::vector<std::string>> rows{{"slices", "count"}};
    for (int s = 0; s < states; ++s) {
      rows.push_back({state_names[s], cat(counts_[s])});
      session_.metric(state_names[s], counts_[s]);
    }
    std::int64_t shown = 0;
    for (const auto& [i, n] : notes_)
      if (n.state == unreadable && shown++ < 5) session_.log(cat("unreadable: ", n.reason));
    if (shown > 5) session_.log(cat("and ", shown - 5, " more, in img_extract.csv"));
    session_.say(format_table(rows));
    const double seconds = seconds_now() - start;
    session_.say(cat(fixed(static_cast<double>(archive_.members().size()) / seconds, 0), " slices a second; ",
                     "what has no picture stands in ", in_data("img_extract.csv")));
    session_.output("pictures", *folders_.begin());
    session_.output("left_out", in_data("img_extract.csv"));
    session_.output("record", record_path());
  }

  Session& session_;
  const ImgExtractOptions& o_;
  CtArchive archive_;
  std::string data_dir_;
  std::set<std::string> folders_;
  Json record_;
  std::mutex mutex_;
  std::int64_t counts_[states] = {};
  std::map<std::size_t, Note> notes_;  // by place in the archive: the same table for any threads
};

}  // namespace

void add_img_extract(Program& program, CLI::App* group) {
  const auto o = std::make_shared<ImgExtractOptions>();
  CLI::App* app = program.add(
      group, "img-extract", "Every slice of the archive as a picture of three windows",
      [o](Session& s) {
        require_dicom("img-extract");
        Extraction(s, *o).run();
      },
      "gadolin hemorrhage img-extract --zip_dir ct --size 256");
  app->add_option("--zip_dir,--zip-dir", o->zip_dir,
                  "Folder with rsna-intracranial-hemorrhage-detection.zip, or an archive")
      ->required();
  app->add_option(
      "--data_dir,--data-dir", o->data_dir,
      "Folder that gets the pictures, under the archive's folders; default: where the archive is");
  app->add_option("--size", o->size, "Pixels a side")->check(between(16, 1024))->capture_default_str();
  app->add_option("--format", o->format, "jpg or png")->check(one_of({"jpg", "png"}))->capture_default_str();
  app->add_option("--quality", o->quality, "Of JPEG")->check(between(50, 100))->capture_default_str();
  app->add_option(
         "--min_brain,--min-brain", o->min_brain,
         "Training slices with no larger share of pixels within 0 to 80 HU are left out; -1 keeps all")
      ->check(between(-1.0, 1.0))
      ->capture_default_str();
  app->add_flag("--again", o->again, "Remove pictures of other settings and begin anew");
}

}  // namespace gadolin::hemorrhage
