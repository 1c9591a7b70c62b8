// gadolin bodypart preprocess-image: a folder of pictures by one of four methods, into a folder beside it.
#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <set>

#include "apps/bodypart/commands.h"
#include "apps/bodypart/preprocess/preprocess.h"
#include "apps/program/ranges.h"
#include "data/sets/dataset.h"
#include "io/atomic_file.h"
#include "tensor/check.h"
#include "tensor/cpu/parallel.h"
#include "train/progress.h"

namespace gadolin::bodypart {
namespace fs = std::filesystem;
namespace {

struct PreprocessImageOptions {
  std::string directory, method, out, format = "png", emit = "mask";
  int value = 4;
};

// One picture on its way. Threads fill it and must not throw, so an error waits in `problem`.
struct Job {
  std::string from, to;
  Image image;
  std::uintmax_t bytes_in = 0, bytes_out = 0;
  double seconds = 0;  // of the method alone
  int levels = 0;      // different samples in the result
  std::string problem, brief, code;
};

template <class F> void attempt(Job& job, F&& f) {
  if (!job.problem.empty()) return;
  try {
    f();
  } catch (const FileError&) {
    throw;
  } catch (const Error& error) {
    job.problem = error.what();
    job.brief = error.message();
    job.code = error.code();
  }
}

int levels_of(const Image& image) {
  std::array<bool, 256> seen{};
  for (const std::uint8_t p : image.pixels) seen[p] = true;
  return static_cast<int>(std::count(seen.begin(), seen.end(), true));
}

bool is_below(const fs::path& inner, const fs::path& outer) {
  const fs::path a = fs::weakly_canonical(inner), b = fs::weakly_canonical(outer);
  return std::mismatch(b.begin(), b.end(), a.begin(), a.end()).first == b.end();
}

class Preprocessor {
 public:
  Preprocessor(Session& session, const PreprocessImageOptions& o)
      : session_(session), o_(o), method_(preprocess_method(o.method)) {
    require<UsageError>(o.format == "png" || o.format == "jpg", "preprocess-image: --format ", o.format,
                        " is unknown; use png or jpg");
    require<UsageError>(o.emit == "mask" || o.emit == "masked", "preprocess-image: --emit ", o.emit,
                        " is unknown; use mask or masked");
    require<UsageError>(o.emit == "mask" || method_.kind == PreprocessKind::target_segmentation,
                        "preprocess-image: --emit masked is for target_segmentation, not ", method_.name);
    require<UsageError>(fs::is_directory(o.directory), "preprocess-image: ", printable(o.directory),
                        " is not a folder");
    const fs::path in = fs::canonical(o.directory);
    out_ = o.out.empty() ? (in.parent_path() / method_.folder).string() : o.out;
    require<UsageError>(!is_below(out_, in), "preprocess-image: --out ", printable(out_),
                        " is in the folder of the pictures, ", printable(o.directory),
                        "; choose one beside it");
    how_ = {method_.kind, std::clamp(o.value, method_.least, method_.most), session.common().seed,
            o.emit == "masked" ? Emit::masked : Emit::mask};
    if (how_.value != o.value) {
      session.log(cat("--value ", o.value, " is outside ", method_.least, " to ", method_.most, " of ",
                      method_.name, ": ", how_.value, " is used"));
    }
  }

  void run() {
    const double start = seconds_now();
    std::vector<Job> jobs = find();
    Progress progress(method_.name, static_cast<std::int64_t>(jobs.size()),
                      progress_on_stderr(session_.common().quiet || session_.common().json));
    const std::size_t chunk = 4 * static_cast<std::size_t>(num_threads());
    for (std::size_t at = 0; at < jobs.size(); at += chunk) {
      const std::size_t end = std::min(at + chunk, jobs.size());
      work_on(jobs.data() + at, end - at);
      for (std::size_t i = at; i < end; ++i) account(jobs[i]);
      progress.update(static_cast<std::int64_t>(end), 0);
    }
    progress.finish();
    tell(seconds_now() - start);
  }

 private:
  std::vector<Job> find() const {
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(o_.directory)) {
      if (entry.is_regular_file() && detail::is_image_file(entry.path().string()))
        files.push_back(entry.path().string());
    }
    std::sort(files.begin(), files.end());
    require<DataError>(!files.empty(), "preprocess-image: ", printable(o_.directory),
                       " holds no pictures; put JPEG, PNG, BMP, PNM or DICOM files there");
    std::vector<Job> jobs;
    std::map<std::string, std::string> taken;
    for (const std::string& file : files) {
      fs::path to = fs::path(file).lexically_relative(o_.directory);
      // The last dot of a DICOM UID is no ending.
      const std::string end = to.extension().string();
      if (end.size() > 1 &&
          !std::all_of(end.begin() + 1, end.end(), [](char c) { return c >= '0' && c <= '9'; }))
        to.replace_extension();
      to += "." + o_.format;
      const auto [other, fresh] = taken.emplace(to.string(), file);
      require<DataError>(fresh, "preprocess-image: ", printable(other->second), " and ", printable(file),
                         " would both become ", printable(to.string()), "; rename one");
      Job job;
      job.from = file;
      job.to = (fs::path(out_) / to).string();
      jobs.push_back(std::move(job));
    }
    for (const Job& job : jobs) make_folders("preprocess-image", fs::path(job.to).parent_path().string());
    return jobs;
  }

  void work_on(Job* jobs, std::size_t count) const {
    const Device device = session_.device();
    const auto each = [&](auto&& f) {
      std::vector<std::exception_ptr> errors(count);
      parallel_for(static_cast<std::int64_t>(count), 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          try {
            attempt(jobs[i], [&] { f(jobs[i]); });
          } catch (...) {
            errors[static_cast<std::size_t>(i)] = std::current_exception();
          }
        }
      });
      for (const auto& error : errors)
        if (error) std::rethrow_exception(error);
    };
    const auto change = [&](Job& job) {
      const double start = seconds_now();
      job.image = preprocess(std::move(job.image), how_, device);
      job.seconds = seconds_now() - start;
    };
    // On the CPU a picture is worked on while the cache still holds it, several side by side; on a GPU one
    // after the other.
    each([&](Job& job) {
      job.bytes_in = fs::file_size(job.from);
      job.image = read_image(job.from, {.reduce_to_8bit = true});
      if (device.is_cpu()) change(job);
    });
    for (std::size_t i = 0; i < count && !device.is_cpu(); ++i) attempt(jobs[i], [&] { change(jobs[i]); });
    each([&](Job& job) {
      job.levels = levels_of(job.image);
      if (o_.format == "jpg")
        write_jpeg(job.to, job.image);
      else
        write_png(job.to, job.image);
      job.bytes_out = fs::file_size(job.to);
      job.image = Image();
    });
  }

  void account(const Job& job) {
    if (!job.problem.empty()) {
      ++failed_;
      if (first_.empty()) first_ = job.brief;
      session_.log(job.problem);
      session_.event(
          {{"event", "bad_sample"}, {"file", job.from}, {"code", job.code}, {"message", job.problem}});
      return;
    }
    ++written_;
    bytes_in_ += job.bytes_in;
    bytes_out_ += job.bytes_out;
    seconds_ += job.seconds;
    least_ = std::min(least_, job.levels);
    most_ = std::max(most_, job.levels);
    session_.event({{"event", "picture"},
                    {"file", job.from},
                    {"out", job.to},
                    {"levels", job.levels},
                    {"bytes", job.bytes_in},
                    {"out_bytes", job.bytes_out},
                    {"method_ms", job.seconds * 1000}});
  }

  void tell(double seconds) {
    session_.metric("method", method_.name);
    session_.metric("value", how_.value);
    session_.metric("written", written_);
    session_.metric("failed", failed_);
    if (written_ > 0) {
      const double saved = 100 * (1 - static_cast<double>(bytes_out_) / static_cast<double>(bytes_in_));
      session_.say(cat(written_, " pictures by ", method_.name, " ", how_.value, " in ", out_, ": ",
                       least_ == most_ ? cat(most_) : cat(least_, " to ", most_), " levels used, ",
                       human_bytes(static_cast<std::int64_t>(bytes_in_)), " became ",
                       human_bytes(static_cast<std::int64_t>(bytes_out_)), " (", fixed(std::abs(saved), 1),
                       saved >= 0 ? " % saved), " : " % more), ", fixed(seconds, 1), " s"));
      session_.metric("least_levels", least_);
      session_.metric("most_levels", most_);
      session_.metric("bytes_in", bytes_in_);
      session_.metric("bytes_out", bytes_out_);
      session_.metric("method_seconds", seconds_);
      session_.output("pictures", out_);
    }
    require<DataError>(failed_ == 0, "preprocess-image: ", failed_, " pictures could not be read (", first_,
                       ")");
  }

  Session& session_;
  const PreprocessImageOptions& o_;
  const PreprocessMethod& method_;
  std::string out_, first_;
  PreprocessOptions how_;
  std::int64_t written_ = 0, failed_ = 0;
  std::uintmax_t bytes_in_ = 0, bytes_out_ = 0;
  double seconds_ = 0;
  int least_ = 256, most_ = 0;
};

}  // namespace

void add_preprocess_image(Program& program, CLI::App* group) {
  const auto o = std::make_shared<PreprocessImageOptions>();
  CLI::App* app = program.add(
      group, "preprocess-image",
      "Pictures with fewer bits, more contrast, few levels, or the body's outline alone",
      [o](Session& s) { Preprocessor(s, *o).run(); },
      "gadolin bodypart preprocess-image -d films/images -p target_segmentation -v 4");
  app->add_option("-d,--directory", o->directory, "Folder of pictures, with its subfolders")->required();
  app->add_option("-p,--preprocess", o->method,
                  "bitwise_downsampling, contrast_enhancing, color_quantization or target_segmentation")
      ->required();
  app->add_option("-v,--value", o->value,
                  "Bits kept (1 to 8), factor of contrast (1 to 10), number of clusters (2 to 10), factor of "
                  "contrast before segmentation (1 to 10); others are clamped")
      ->check(between(-1000000, 1000000))
      ->capture_default_str();
  app->add_option(
      "--out", o->out,
      "Folder to write to; default: preprocessed_images_{bit,contrast,kmeans,seg} beside the pictures");
  app->add_option("--format", o->format, "png, which keeps every level, or jpg")->capture_default_str();
  app->add_option("--emit", o->emit,
                  "Of target_segmentation: mask, or masked for the picture where the mask is white")
      ->capture_default_str();
}

}  // namespace gadolin::bodypart
