// gadolin bench plot: stored benchmark results as SVG charts and as the table of a Markdown page.
#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <set>

#include "apps/bench/bench.h"
#include "apps/bench/results.h"
#include "apps/chart/chart.h"
#include "apps/chart/svg.h"
#include "io/atomic_file.h"
#include "io/bytes.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

namespace fs = std::filesystem;

struct PlotBenchOptions {
  std::vector<std::string> results;
  std::string out, page, block = "benchmarks";
  std::vector<std::string> rows;  // of the table, by row_name; empty: all
};

struct Picture {
  std::string name, title, svg;
  bool detail = false;
};  // details are linked, not shown

std::string joined(std::initializer_list<std::string> words) {
  std::string all;
  for (const std::string& word : words) {
    if (!word.empty()) all += (all.empty() ? "" : " ") + word;
  }
  return all;
}

// A name that cannot leave its cell of a Markdown table.
std::string cell(std::string name) {
  for (char& c : name) {
    if (c == '|' || c == '<' || c == '`' || static_cast<unsigned char>(c) < 32) c = ' ';
  }
  return name;
}

std::string file_name(std::string words) {
  for (char& c : words) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '-';
  }
  return words + ".svg";
}

// What stands where a share of a ceiling is above 100 %.
constexpr const char* above_ceiling =
    "Above 100 %: the ceiling is the rate of a measured copy of memory, and data that stay in a cache are "
    "faster.";

// Charts are files that pages of any colour show.
chart::Frame frame_of(const std::string& title, const std::string& x_label) {
  return {.title = title, .x_label = x_label, .own_ground = true};
}

const char* title_of(const std::string& suite, const std::string& mode) {
  if (suite == "memory") return "Peak memory of a training step";
  if (suite == "loader") return "Decoding and augmenting";
  if (suite == "endtoend") return "JPEG files to trained parameters";
  if (suite == "latency") return "Latency of one picture";
  if (suite == "first step") return "Process start to the end of the first step";
  return mode == "infer" ? "Inference" : "Training";
}

// Whether nothing but PyTorch is the best other.
bool pytorch_alone(const std::vector<BenchComparison>& all) {
  return std::all_of(all.begin(), all.end(),
                     [](const BenchComparison& c) { return c.best.side.starts_with("PyTorch"); });
}

// Speed (or memory) relative to the best other, a chart for each suite and mode.
void draw_ratios(const std::vector<BenchComparison>& all, std::vector<Picture>& out) {
  std::map<std::string, std::vector<chart::Bar>> bars;
  std::map<std::string, const BenchComparison*> first;
  for (const BenchComparison& c : all) {
    const std::string key = joined({c.ours.suite == "model" ? "speed" : c.ours.suite, c.ours.mode});
    const bool memory = c.ours.suite == "memory";
    const std::string name =
        joined({c.ours.name, c.ours.dtype, c.ours.batch > 1 ? cat("x", c.ours.batch) : ""});
    bars[key].push_back(memory ? chart::Bar{name, 1 / c.ratio, 1 / c.high, 1 / c.low}
                               : chart::Bar{name, c.ratio, c.low, c.high});
    first.emplace(key, &c);
  }
  for (const auto& [key, list] : bars) {
    const BenchResult& one = first[key]->ours;
    const bool memory = one.suite == "memory";
    const std::string best = pytorch_alone(all) ? "PyTorch" : "the best other";
    const std::string title =
        cat(title_of(one.suite, one.mode), memory ? ": share of PyTorch's" : ": times as fast as " + best);
    chart::Frame frame = frame_of(title, memory               ? "Gadolin / PyTorch (less is better)"
                                         : pytorch_alone(all) ? "PyTorch's best / Gadolin (1: equal)"
                                                              : "best other / Gadolin (1: equal)");
    frame.description = "Bars: ratio of the medians; lines: what the measured ranges allow";
    out.push_back({file_name(key), title, chart::bar_chart(list, frame)});
  }
}

// Images a second by batch, where more than one batch was measured.
void draw_batches(const std::vector<BenchResult>& rows, std::vector<Picture>& out) {
  std::map<std::string, std::map<std::string, std::map<std::int64_t, const BenchResult*>>>
      nets;  // net, mode, dtype -> side -> batch
  for (const BenchResult& r : rows) {
    if (r.suite == "model") nets[joined({r.name, r.mode, r.dtype})][r.side][r.batch] = &r;
  }
  for (const auto& [what, sides] : nets) {
    std::vector<chart::Series> series;
    std::set<std::int64_t> batches;
    for (const auto& [side, by_batch] : sides) {
      chart::Series s{side, {}, {}, {}, {}};
      for (const auto& [batch, r] : by_batch) {
        const double images = 1e3 * static_cast<double>(batch);
        batches.insert(batch);
        s.x.push_back(static_cast<double>(batch));
        s.y.push_back(images / r->value);
        s.low.push_back(images / r->most);
        s.high.push_back(images / r->least);
      }
      series.push_back(s);
    }
    if (batches.size() < 2) continue;
    const std::string title = what + ": images a second by batch";
    chart::Frame frame = frame_of(title, "batch");
    frame.y_label = "images/s";
    out.push_back({file_name("batches " + what), title, chart::line_chart(series, frame)});
  }
}

// Shares of what bounds an operation: an overview by family, and each family's operations.
void draw_shares(const std::vector<BenchResult>& rows, std::vector<Picture>& out) {
  std::map<std::string, std::map<std::string, std::vector<chart::Bar>>> families;  // dtype -> family
  const double none = std::nan("");
  for (const BenchResult& r : rows) {
    if (r.suite == "op" && r.side.empty())
      families[r.dtype][r.mode].push_back({r.name, 100 * r.value, none, none});
  }
  const auto draw = [](const std::string& title, const std::vector<chart::Bar>& bars) {
    chart::Frame frame = frame_of(title, "%");
    frame.description = "Of the measured copy bandwidth or matrix product, whichever bounds the operation";
    for (const chart::Bar& bar : bars) {
      if (bar.value > 100 || bar.high > 100) frame.note = above_ceiling;
    }
    return chart::bar_chart(bars, frame);
  };
  for (const auto& [dtype, by_family] : families) {
    std::vector<chart::Bar> overview;
    for (const auto& [family, bars] : by_family) {
      std::vector<double> values;
      for (const chart::Bar& bar : bars) values.push_back(bar.value);
      std::sort(values.begin(), values.end());
      overview.push_back({family, values[values.size() / 2], values.front(), values.back()});
      const std::string title = joined({"Share of the ceiling:", family, dtype});
      out.push_back(
          {file_name(joined({"roofline", dtype, family})), title, draw(title, bars), by_family.size() > 1});
    }
    if (by_family.size() == 1) continue;
    const std::string title =
        joined({"Share of the ceiling by family of operations (median, least, most)", dtype});
    out.push_back({file_name(joined({"roofline", dtype})), title, draw(title, overview)});
  }
}

// Start-up and steps by part, a chart for each net, mode and side.
void draw_parts(const std::vector<BenchResult>& rows, std::vector<Picture>& out) {
  std::map<std::string, std::vector<chart::Bar>> bars;
  for (const BenchResult& r : rows) {
    if (r.part.empty()) continue;
    const std::string side = r.side == "Gadolin" ? "" : r.side;
    bars[joined({r.suite, r.name == r.suite ? "" : r.name, r.mode, r.dtype, side})].push_back(
        {r.part, r.value, r.least, r.most});
  }
  for (const auto& [what, list] : bars) {
    const std::string title = what.rfind("startup", 0) == 0
                                  ? "Process start to first step by part:" + what.substr(7)
                                  : "One step by part:" + what.substr(4);
    out.push_back({file_name(what), title, chart::bar_chart(list, frame_of(title, "ms"))});
  }
}

std::string kind_of(const BenchResult& r) {
  if (r.suite == "memory") return "peak memory";
  if (r.suite == "latency") return "one call";
  return r.suite == "model" ? r.mode : r.suite;
}

// Rates for what has a batch, else the value itself.
std::string amount(const BenchResult& r) {
  if (r.suite == "memory") return chart::fixed(r.value, 0) + " MB";
  if (r.suite == "latency" || r.suite == "first step" || r.batch == 0)
    return chart::fixed(r.value, 2) + " ms";
  return chart::fixed(1e3 * static_cast<double>(r.batch) / r.value, 1) + " img/s";
}

// A row's name: its first two cells.
std::pair<std::string, std::string> row_cells(const BenchComparison& c) {
  const BenchResult& r = c.ours;
  return {cell(r.name), cell(joined({r.suite == r.name ? "" : kind_of(r), r.dtype}))};
}
std::string row_name(const BenchComparison& c) {
  const auto [name, what] = row_cells(c);
  return joined({name, what});
}

// The rows of these names, in the order of the names; all of them without names.
std::vector<BenchComparison> chosen(const std::vector<BenchComparison>& all,
                                    const std::vector<std::string>& names) {
  if (names.empty()) return all;
  std::vector<BenchComparison> some;
  for (const std::string& name : names) {
    const std::size_t before = some.size();
    std::copy_if(all.begin(), all.end(), std::back_inserter(some),
                 [&](const BenchComparison& c) { return row_name(c) == name; });
    if (some.size() > before) continue;
    std::set<std::string> known;
    for (const BenchComparison& c : all) known.insert(row_name(c));
    std::string list;
    for (const std::string& one : known) list += (list.empty() ? "" : ", ") + one;
    fail<UsageError>("--rows: '", printable(name), "' is not compared; there are ",
                     list.empty() ? "none" : list);
  }
  return some;
}

std::string comparison_table(const std::vector<BenchComparison>& all) {
  const bool alone = pytorch_alone(all);
  std::string out = cat("| | | batch | Gadolin | ", alone ? "PyTorch's best" : "best other",
                        " | | ratio | range | to eager |\n|---|---|---|---|---|---|---|---|---|\n");
  for (const BenchComparison& c : all) {
    const BenchResult& r = c.ours;
    const std::string& side = c.best.side;
    const auto [name, what] = row_cells(c);
    out += cat("| ", name, " | ", what, " | ", r.batch > 0 ? std::to_string(r.batch) : "", " | ", amount(r),
               " | ", amount(c.best), " | ",
               cell(alone ? side.substr(std::min<std::size_t>(side.size(), 8)) : side), " | ",
               chart::fixed(c.ratio, 2), c.tie ? " (tie)" : "", " | ", chart::fixed(c.low, 2), " to ",
               chart::fixed(c.high, 2), " | ", c.to_eager > 0 ? chart::fixed(c.to_eager, 2) : "", " |\n");
  }
  return out;
}

// Machines with PyTorch's version, each with its files or, above an extract, alone.
std::string sources(const std::vector<BenchSource>& all, bool with_files) {
  std::map<std::string, std::string> files;  // machine and torch -> files
  for (const BenchSource& s : all) {
    std::string& list = files[joined(
        {s.machine + (s.machine.empty() ? "" : ";"), s.torch.empty() ? "" : "PyTorch " + s.torch})];
    list += (list.empty() ? "" : ", ") + s.file;
  }
  std::string out;
  for (const auto& [what, list] : files) {
    if (with_files)
      out += cat(what, what.empty() ? "" : ": ", list, "\n\n");
    else if (!what.empty())
      out += what + "\n\n";
  }
  return out;
}

// Puts `text` between the two comments that name the block.
void rewrite_block(const PlotBenchOptions& o, const std::string& text) {
  std::string page = read_file(o.page, std::int64_t{16} << 20);
  const std::string begin = "<!-- begin " + o.block + " ", end = "<!-- end " + o.block + " -->";
  const std::size_t at = page.find(begin),
                    open = page.find("-->\n", at == std::string::npos ? page.size() : at);
  const std::size_t close = page.find(end, open == std::string::npos ? page.size() : open);
  require<FormatError>(close != std::string::npos, "bench plot: ", o.page, " has no block ", o.block,
                       "; it stands between the lines ", begin, "... --> and ", end);
  page.replace(open + 4, close - open - 4, text);
  write_file_atomically(o.page, page);
}

void run_plot_bench(Session& session, const PlotBenchOptions& o) {
  const BenchResults results = read_bench_results(o.results);
  const std::vector<BenchComparison> compared = compare_sides(results.rows);
  std::vector<Picture> pictures;
  draw_ratios(compared, pictures);
  draw_batches(results.rows, pictures);
  draw_shares(results.rows, pictures);
  draw_parts(results.rows, pictures);
  require<FormatError>(!pictures.empty(), "bench plot: nothing to draw in ", o.results.front(),
                       "; a comparison needs both sides, a curve two batches");
  const std::vector<BenchComparison> rows = chosen(compared, o.rows);
  std::string text = sources(results.sources, o.rows.empty()) + (rows.empty() ? "" : comparison_table(rows));
  if (!o.out.empty()) {
    make_folders("bench plot", o.out);
    const fs::path beside = o.page.empty() ? fs::path() : fs::path(o.page).parent_path();
    text += "\n";
    std::stable_partition(pictures.begin(), pictures.end(), [](const Picture& p) { return !p.detail; });
    for (const Picture& picture : pictures) {
      const std::string path = (fs::path(o.out) / picture.name).string();
      write_file_atomically(path, picture.svg);
      session.output(picture.name, path);
      text += (picture.detail ? "- [" : "![") + picture.title + "](" +
              (o.page.empty() ? path : fs::proximate(path, beside.empty() ? "." : beside).generic_string()) +
              ")\n";
    }
  }
  if (!o.page.empty())
    rewrite_block(o, text);
  else
    session.say(text);
  session.metric("comparisons", compared.size());
  session.metric("charts", pictures.size());
}

}  // namespace

void add_plot_bench(Program& program, CLI::App* group) {
  const auto o = std::make_shared<PlotBenchOptions>();
  CLI::App* app = program.add(
      group, "plot", "Stored results as SVG charts and a table", [o](Session& s) { run_plot_bench(s, *o); },
      "gadolin bench plot bench/results/cpu-xeon-2-threads --out docs/charts --page docs/benchmarks.md");
  app->add_option("results", o->results, "JSON files, or folders of them")->required();
  app->add_option("--out", o->out, "Folder for the charts; without it the table alone is printed");
  app->add_option("--page", o->page, "Markdown page whose block of this name is rewritten");
  app->add_option("--block", o->block, "Which block of the page")->capture_default_str();
  app->add_option("--rows", o->rows, "Only these rows of the table, such as 'resnet50 train fp32,loader'")
      ->delimiter(',');
}

}  // namespace gadolin
