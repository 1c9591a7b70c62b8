// Reads calls of require and fail, and the tests that quote their messages; see messages.h.
#include "tests/layering/messages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "tests/scratch.h"

namespace gadolin::layering {
namespace {

namespace fs = std::filesystem;

// Source text as tokens: string literals unescaped, everything else (without comments) character by
// character.
struct Token {
  bool literal;
  std::string text;
  int line;
};

std::string unescaped(const std::string& s) {
  std::string out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '\\' || i + 1 == s.size()) {
      out += s[i];
    } else {
      ++i;
      out += s[i] == 'n' ? '\n' : s[i] == 't' ? '\t' : s[i];
    }
  }
  return out;
}

std::vector<Token> tokens_of(const std::string& s) {
  std::vector<Token> tokens;
  int line = 1;
  const auto until = [&](std::size_t from, const std::string& end) {
    const std::size_t at = s.find(end, from);
    return at == std::string::npos ? s.size() : at;
  };
  for (std::size_t i = 0; i < s.size();) {
    std::size_t next = i + 1;
    if (s.compare(i, 2, "//") == 0) {
      next = until(i, "\n");
    } else if (s.compare(i, 2, "/*") == 0) {
      next = std::min(s.size(), until(i, "*/") + 2);
    } else if (s.compare(i, 2, "R\"") == 0) {
      const std::size_t open = until(i, "(");
      const std::string close = ")" + s.substr(i + 2, open - i - 2) + "\"";
      const std::size_t end = until(open, close);
      tokens.push_back({true, s.substr(open + 1, end - open - 1), line});
      next = std::min(s.size(), end + close.size());
    } else if (s[i] == '"' ||
               (s[i] == '\'' && (i == 0 || !std::isalnum(static_cast<unsigned char>(s[i - 1]))))) {
      std::size_t end = i + 1;
      while (end < s.size() && s[end] != s[i]) end += s[end] == '\\' ? 2 : 1;
      tokens.push_back({s[i] == '"', s[i] == '"' ? unescaped(s.substr(i + 1, end - i - 1)) : "'", line});
      next = end + 1;
    } else if (!std::isspace(static_cast<unsigned char>(s[i]))) {
      tokens.push_back({false, std::string(1, s[i]), line});
    } else if (!tokens.empty() && !tokens.back().literal && tokens.back().text != " ") {
      tokens.push_back({false, " ", line});
    }
    next = std::min(next, s.size());
    line += static_cast<int>(std::count(s.begin() + static_cast<std::ptrdiff_t>(i),
                                        s.begin() + static_cast<std::ptrdiff_t>(next), '\n'));
    i = next;
  }
  return tokens;
}

std::string read_text(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

std::vector<fs::path> sources_below(const fs::path& folder) {
  std::vector<fs::path> files;
  if (!fs::exists(folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string end = entry.path().extension().string();
    if (end == ".h" || end == ".cpp" || end == ".cu") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool is(const Token& t, char c) { return !t.literal && t.text[0] == c; }

// Position after "require<" or "fail<" when `word` ends just before tokens[i] == '<'.
bool word_before(const std::vector<Token>& t, std::size_t i, const std::string& word) {
  if (i < word.size()) return false;
  for (std::size_t k = 0; k < word.size(); ++k) {
    if (!is(t[i - word.size() + k], word[k])) return false;
  }
  return i == word.size() || t[i - word.size() - 1].literal ||
         !std::isalnum(static_cast<unsigned char>(t[i - word.size() - 1].text[0]));
}

}  // namespace

std::vector<MessageSite> message_sites(const fs::path& root, const std::vector<std::string>& folders) {
  std::vector<MessageSite> sites;
  for (const std::string& folder : folders) {
    for (const fs::path& file : sources_below(root / folder)) {
      const std::vector<Token> t = tokens_of(read_text(file));
      for (std::size_t i = 0; i < t.size(); ++i) {
        if (!is(t[i], '<')) continue;
        const bool requires_it = word_before(t, i, "require");
        if (!requires_it && !word_before(t, i, "fail")) continue;
        std::size_t j = i;
        while (j < t.size() && !is(t[j], '(') && !is(t[j], ';')) ++j;
        if (j == t.size() || is(t[j], ';')) continue;
        // Arguments: a literal counts when its argument is nothing else.
        MessageSite site{fs::relative(file, root).string() + ":" + std::to_string(t[i].line), {}};
        int depth = 0, argument = 0;
        std::string piece;
        bool pure = true;
        for (; j < t.size(); ++j) {
          const bool opens = is(t[j], '(') || is(t[j], '{') || is(t[j], '['),
                     closes = is(t[j], ')') || is(t[j], '}') || is(t[j], ']');
          depth += opens ? 1 : closes ? -1 : 0;
          if (depth == 0 || (depth == 1 && is(t[j], ','))) {
            if (pure && !piece.empty() && (argument > 0 || !requires_it)) site.pieces.push_back(piece);
            piece.clear();
            pure = true;
            ++argument;
            if (depth == 0) break;
          } else if (t[j].literal) {
            piece += t[j].text;
          } else if (!(depth == 1 && opens) && !is(t[j], ' ')) {
            pure = false;
          }
        }
        sites.push_back(std::move(site));
      }
    }
  }
  return sites;
}

std::vector<std::string> quoted_texts(const fs::path& tests) {
  std::vector<std::string> texts;
  for (const fs::path& file : sources_below(tests)) {
    if (file.parent_path() == tests / "layering") continue;  // the exceptions below are no tests
    std::string text;
    bool after_literal = false;
    const auto close = [&] {
      if (!text.empty()) texts.push_back(std::move(text));
      text.clear();
      after_literal = false;
    };
    for (const Token& t : tokens_of(read_text(file))) {
      if (t.literal) {
        text += (after_literal || text.empty() ? "" : "\1") + t.text;
        after_literal = true;
      } else if (is(t, ';') || is(t, ',') || is(t, '{') || is(t, '}')) {
        close();
      } else if (!is(t, ' ')) {
        after_literal = false;
      }
    }
    close();
  }
  return texts;
}

bool is_quoted(const MessageSite& site, const std::vector<std::string>& texts) {
  return std::any_of(texts.begin(), texts.end(), [&](const std::string& text) {
    std::size_t at = 0;
    for (const std::string& piece : site.pieces) {
      at = text.find(piece, at);
      if (at == std::string::npos) return false;
      at += piece.size();
    }
    return true;
  });
}

namespace {

// Messages that no test on this machine can provoke, by file and one whole piece, with the reason.
struct Unreachable {
  const char *file, *piece, *reason;
};
constexpr Unreachable unreachable[] = {
    {"tensor/autograd.cpp", " but input ", "needs tensors on two devices"},
    {"train/processes/wire.cpp", " after a signal; it has ended, or hangs",
     "mpirun ends the rank before, as a rule"},
    {"train/processes/started_with.cpp",
     ", but Gadolin was built without MPI, so that each would do all of the work; apt-get "
     "install libopenmpi-dev openmpi-bin and configure with -DGADOLIN_MPI=ON",
     "needs a build without MPI"},
    {"train/processes/nccl_library.cpp",
     "sums on GPUs: Gadolin was built without NCCL; install libnccl-dev and configure with CUDA and MPI",
     "needs a build without NCCL"},
    {"apps/launch/launch.cpp",
     "launch: Gadolin was built without MPI; apt-get install libopenmpi-dev openmpi-bin and "
     "configure with -DGADOLIN_MPI=ON",
     "needs a build without MPI"},
    {"apps/launch/launch.cpp", "launch: no pipe to mpirun; close other programs",
     "needs a system without pipes"},
    {"apps/launch/launch.cpp", "launch: no process can be started; close other programs",
     "needs a full table of processes"},
    {"train/gradient_sum.cpp",
     " has a gradient now, but had none on any rank in the first step; make a new optimiser when other "
     "parts of the net begin to learn",
     "needs a GPU: on the host parts join"},
    {"tensor/capture.cpp", " but input 0 is on ", "needs tensors on two devices"},
    {"tensor/ops/compare.cu", "where: condition is on ", "needs tensors on two devices"},
    {"tensor/ops/index.cu", ": index is on ", "needs tensors on two devices"},
    {"layers/loss.cu", ": logits are on ", "needs tensors on two devices"},
    {"layers/norm.cpp", " but a parameter is on ", "needs tensors on two devices"},
    {"tensor/capture.cpp", " is not available; this build has no CUDA",
     "no tensor can be on a device that the build lacks"},
    {"tensor/cuda/blas_lt.cpp", " is beyond the 16 devices that are supported", "needs 17 GPUs"},
    {"layers/cudnn_graph.cpp", " is beyond the 16 devices that are supported", "needs 17 GPUs"},
    {"tensor/cuda/blas_lt.cpp", " is not supported on cuda; convert with .to(DType::fp32)", "needs a GPU"},
    {"layers/cudnn_graph.cpp", " is not supported on cuda; convert with .to(DType::fp32)", "needs a GPU"},
    {"tensor/cuda/blas_lt.cpp", ": cuBLASLt has no algorithm for [", "needs a GPU"},
    {"tensor/cuda/library.cpp", "cuDNN: version ", "needs an old cuDNN"},
    {"layers/cudnn_plans.cpp", ": cuDNN offers ", "needs a GPU"},
    {"data/dicom/dictionary.cpp",
     ": this build has no DICOM; apt-get install libdcmtk-dev libcharls-dev libopenjp2-7-dev, then configure "
     "with "
     "-DGADOLIN_DICOM=ON",
     "only in builds without DICOM"},
    {"data/database/images.cpp",
     ": this build has no database; apt-get install libsoci-dev, then configure with -DGADOLIN_DATABASE=ON",
     "only in builds without a database"},
    {"apps/bodypart/fetch_image.cpp", "fetch-image: the image was removed from the database meanwhile",
     "needs a row to go between two statements"},
    {"data/database/images.cpp", " is larger than ", "needs 1 GB"},
    {"data/dicom/codec_dcmtk.cpp", "dicom: no memory for a frame of ", "needs a machine out of memory"},
    {"data/dicom/codec_j2k.cpp", "dicom: OpenJPEG could not start", "needs a machine out of memory"},
    {"data/dicom/inflate.cpp", "dicom: zlib could not start", "needs a machine out of memory"},
    {"io/onnx_file.cpp", " cannot be serialised",
     "protobuf says so of 2 GiB, refused before, or when a stream fails, whose own error comes first"},
    {"io/zip_members.cpp", "zip: zlib has no memory", "needs a machine out of memory"},
    {"io/zip_members.cpp", "zip: libdeflate has no memory", "needs a machine out of memory"},
    {"io/zip_writer.cpp", "zip: zlib has no memory", "needs a machine out of memory"},
    {"io/example.cpp", " bytes, at most 1 GiB are possible", "needs 1 GiB"},
    {"tasks/evaluate.cpp", "prediction: only one tensor can be recorded", "caught where it is thrown"},
    {"io/zip_writer.cpp", " bytes is packed at once, at most 4 GiB are possible; store it instead",
     "needs 4 GiB"},
};

std::string file_of(const MessageSite& site) { return site.place.substr(0, site.place.find(':')); }

std::string shown(const MessageSite& site) {
  std::string text = site.place + ":";
  for (const std::string& piece : site.pieces) text += " | " + piece;
  return text + "\n";
}

TEST(Messages, EveryOneIsQuotedByATest) {
  const fs::path root = GADOLIN_SOURCE_DIR;
  const std::vector<MessageSite> sites =
      message_sites(root, {"tensor", "io", "layers", "nets", "data", "train", "tasks", "apps"});
  ASSERT_GT(sites.size(), 500u);
  const std::vector<std::string> texts = quoted_texts(root / "tests");
  std::string missing;
  std::vector<const Unreachable*> used;
  for (const MessageSite& site : sites) {
    if (is_quoted(site, texts)) continue;
    const auto* allowed =
        std::find_if(std::begin(unreachable), std::end(unreachable), [&](const Unreachable& u) {
          return u.file == file_of(site) &&
                 std::find(site.pieces.begin(), site.pieces.end(), u.piece) != site.pieces.end();
        });
    if (allowed != std::end(unreachable))
      used.push_back(allowed);
    else
      missing += shown(site);
  }
  EXPECT_EQ(missing, "") << "write a test that expects the whole text";
  for (const Unreachable& u : unreachable) {
    EXPECT_TRUE(std::find(used.begin(), used.end(), &u) != used.end())
        << u.file << " needs no exception for '" << u.piece << "'";
  }
}

TEST(Messages, SeededSitesAreRead) {
  const test::Scratch tree;
  tree.write("tensor/a.cpp",
             "void f() {\n  // require<X>(no, \"comment\");\n  require<ShapeError, 3>(a < b, op, \": "
             "\\\"x\\\" is \", x,\n"
             "      \", not \" \"y; use \", y ? \"p\" : \"q\");\n  fail<ValueError>(\"gone\");\n}\n");
  tree.write("tests/a.cpp",
             "EXPECT_EQ(m, \"op: \\\"x\\\" is 3, not y; \"\n  \"use p\"); EXPECT_EQ(k, R\"(go)\" \"ne\");\n");
  const std::vector<MessageSite> sites = message_sites(tree.path(), {"tensor"});
  ASSERT_EQ(sites.size(), 2u);
  EXPECT_EQ(sites[0].place, "tensor/a.cpp:3");
  EXPECT_EQ(sites[0].pieces, (std::vector<std::string>{": \"x\" is ", ", not y; use "}));
  EXPECT_EQ(sites[1].pieces, (std::vector<std::string>{"gone"}));
  const std::vector<std::string> texts = quoted_texts(fs::path(tree.path()) / "tests");
  EXPECT_TRUE(is_quoted(sites[0], texts));
  EXPECT_TRUE(is_quoted(sites[1], texts));
  EXPECT_FALSE(is_quoted({"", {"not y", "is 3"}}, texts)) << "out of order";
  EXPECT_FALSE(is_quoted({"", {"absent"}}, texts));
  EXPECT_FALSE(is_quoted({"", {"not y", "gone"}}, texts)) << "two texts";
}

}  // namespace
}  // namespace gadolin::layering
