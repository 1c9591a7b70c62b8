// gadolin bench zip: members of an archive unpacked and held against their check sums, as img-extract does.
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>

#include "apps/bench/bench.h"
#include "apps/bench/timing.h"
#include "apps/program/ranges.h"
#include "io/mapped_file.h"
#include "io/zip_file.h"
#include "tensor/check.h"
#include "tensor/cpu/parallel.h"

namespace gadolin {
namespace {

struct ZipBenchOptions {
  std::string archive;
  int repeat = 5;
};

constexpr std::uint64_t most_member_bytes = std::uint64_t{1} << 32;

void read_all_members(const ZipFile& zip) {
  std::atomic<std::size_t> next{0};
  std::exception_ptr failed;
  std::mutex mutex;
  parallel_for(num_threads(), 1, [&](std::int64_t, std::int64_t) {
    std::string room;
    try {
      for (std::size_t i; (i = next.fetch_add(1)) < zip.entries().size();)
        zip.read(zip.entries()[i], most_member_bytes, room);
    } catch (...) {
      next = zip.entries().size();
      const std::lock_guard lock(mutex);
      failed = std::current_exception();
    }
  });
  if (failed) std::rethrow_exception(failed);
}

void run_zip_bench(Session& session, const ZipBenchOptions& o) {
  const MappedFile file(o.archive);
  std::vector<double> open_ms, read_ms;
  std::uint64_t bytes = 0;
  std::size_t members = 0;
  for (int i = 0; i < o.repeat; ++i) {
    const double start = seconds_now();
    const ZipFile zip(file.text(), o.archive);
    const double opened = seconds_now();
    read_all_members(zip);
    open_ms.push_back((opened - start) * 1000);
    read_ms.push_back((seconds_now() - opened) * 1000);
    bytes = zip.unpacked_bytes();
    members = zip.entries().size();
  }
  const Timing opened = summarize_times(open_ms), read = summarize_times(read_ms);
  const double rate = static_cast<double>(bytes) / read.least / 1000;
  session.say(format_table({{"members", "open ms", "read ms", "MB/s"},
                            {cat(members), fixed(opened.median, 2), fixed(read.median, 1), fixed(rate, 0)}}));
  session.metric("members", members);
  session.metric("bytes", bytes);
  session.metric("open_ms", opened.median);
  session.metric("read_ms", read.median);
  session.metric("read_least_ms", read.least);
  session.metric("threads", num_threads());
}

}  // namespace

void add_zip_bench(Program& program, CLI::App* group) {
  const auto o = std::make_shared<ZipBenchOptions>();
  CLI::App* app = program.add(
      group, "zip", "All members of an archive unpacked and checked",
      [o](Session& s) { run_zip_bench(s, *o); }, "gadolin bench zip archive.zip --threads 1");
  app->add_option("archive", o->archive, "A zip archive")->required();
  app->add_option("--repeat", o->repeat, "Readings of all")->check(between(1, 1000))->capture_default_str();
}

}  // namespace gadolin
