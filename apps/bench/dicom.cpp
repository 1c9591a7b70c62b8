// gadolin bench dicom: reading headers and decoding pixels of DICOM files, one thread.
#include <memory>

#include "apps/bench/bench.h"
#include "apps/bench/timing.h"
#include "apps/program/ranges.h"
#include "data/dicom/dicom.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

struct DicomBenchOptions {
  std::vector<std::string> files;
  int repeat = 20;
};

template <class F> Timing time_repeats(int repeat, F&& f) {
  f();
  std::vector<double> ms;
  for (int i = 0; i < repeat; ++i) {
    const double start = seconds_now();
    f();
    ms.push_back((seconds_now() - start) * 1000);
  }
  return summarize_times(ms);
}

void run_dicom_bench(Session& session, const DicomBenchOptions& o) {
  require_dicom("bench dicom");
  std::vector<std::vector<std::string>> rows{{"file", "header ms", "decode ms", "Mpixel/s"}};
  for (const std::string& path : o.files) {
    const Timing header =
        time_repeats(o.repeat, [&] { DicomFile::open(path, {.pixels = false, .limits = {}}); });
    std::int64_t samples = 0;
    const Timing decode =
        time_repeats(o.repeat, [&] { samples = read_dicom_image(DicomFile::open(path)).samples.numel(); });
    rows.push_back({path, fixed(header.median, 4), fixed(decode.median, 3),
                    fixed(static_cast<double>(samples) / decode.median / 1000, 1)});
    session.event({{"event", "dicom"},
                   {"file", path},
                   {"header_ms", header.median},
                   {"decode_ms", decode.median},
                   {"decode_least_ms", decode.least},
                   {"samples", samples}});
  }
  session.say(format_table(rows));
  session.metric("files", o.files.size());
}

}  // namespace

void add_dicom_bench(Program& program, CLI::App* group) {
  const auto o = std::make_shared<DicomBenchOptions>();
  CLI::App* app = program.add(
      group, "dicom", "Headers read and pixels decoded, file by file",
      [o](Session& s) { run_dicom_bench(s, *o); },
      "gadolin bench dicom tests/fixtures/dicom/pydicom/MR_small.dcm");
  app->add_option("files", o->files, "DICOM files with pixels")->required();
  app->add_option("--repeat", o->repeat, "Readings a file")->check(between(1, 100000))->capture_default_str();
}

}  // namespace gadolin
