// Every file of other programs that is kept here or lies in shared/data reads to the numbers that torch and
// numpy read (tools/fixtures/torch_files.py), or is refused.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "io/npy.h"
#include "io/npz.h"
#include "io/sha256.h"
#include "io/weights.h"
#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

json expected() {
  std::ifstream file(fixture("interop/expected.json"));
  return json::parse(file);
}
// Where a file lies: beside this repository when it is not in it, nowhere on other machines.
std::string place_of(const std::string& name) {
  const std::string here = fixture("interop/" + name);
  if (fs::exists(here) || name.rfind("numpy/", 0) != 0) return here;
  return std::string(GADOLIN_TEST_DATA) + "/../../../shared/data/interop-numpy/" + name.substr(6);
}
std::string digest_of_values(const Tensor& x) {
  const std::vector<double> values = x.to_vector<double>();
  return sha256_hex({reinterpret_cast<const char*>(values.data()), values.size() * 8});
}
void expect_tensors(const std::string& file, const json& tensors, const TensorMap& read) {
  EXPECT_EQ(read.size(), tensors.size()) << file;
  for (const auto& [name, facts] : tensors.items()) {
    const auto found = read.find(name);
    ASSERT_NE(found, read.end()) << file << " has no " << name;
    const Tensor& x = found->second;
    EXPECT_EQ(name_of(x.dtype()), facts["dtype"].get<std::string>()) << file << ": " << name;
    EXPECT_EQ(x.shape().vec(), facts["shape"].get<std::vector<std::int64_t>>()) << file << ": " << name;
    const std::vector<double> values = x.to_vector<double>();
    for (std::size_t i = 0; i < facts["first"].size(); ++i) {
      const json& v = facts["first"][i];
      const double wanted = v.is_number() ? v.get<double>()
                            : v == "nan"  ? std::nan("")
                            : v == "inf"  ? HUGE_VAL
                                          : -HUGE_VAL;
      EXPECT_TRUE(values.at(i) == wanted || (std::isnan(wanted) && std::isnan(values.at(i))))
          << file << ": " << name << " " << i << " is " << values.at(i) << ", not " << wanted;
    }
    EXPECT_EQ(digest_of_values(x), facts["sha256"].get<std::string>()) << file << ": " << name;
  }
}
TensorMap read_any(const std::string& path) {
  if (path.ends_with(".npz")) return load_npz(path);
  if (path.ends_with(".npy")) return {{"", load_npy(path)}};
  return read_weights(path).tensors;
}

TEST(InteropFiles, ReadToTheNumbersOfTheirProgramsOrAreRefused) {
  int compared = 0, refused = 0;
  const json all = expected();
  for (const auto& [name, facts] : all.items()) {
    SCOPED_TRACE(name);
    const std::string path = place_of(name);
    if (!fs::exists(path)) {
      EXPECT_NE(name.find("openjphpy"), std::string::npos) << path;  // not ours to hand on
      continue;
    }
    if (facts.contains("refused")) {
      EXPECT_FALSE(message_of<FormatError>([&] { read_any(path); }).empty());
      ++refused;
    } else {
      expect_tensors(name, facts["tensors"], read_any(path));
      ++compared;
    }
  }
  EXPECT_EQ(refused, 10);
  EXPECT_GE(compared, 71);
}

TEST(InteropFiles, RefusalsSayWhy) {
  const auto says = [](const std::string& name) {
    return message_of<FormatError>([&] { read_any(place_of(name)); });
  };
  const auto path = [](const std::string& name) { return fixture("interop/" + name); };
  EXPECT_EQ(says("torch/reader/int8.pt"),
            "torch: " + path("torch/reader/int8.pt") +
                " holds no tensor that could be read: 'tensor' is of type int8, which Gadolin does not have");
  EXPECT_EQ(says("torch/reader/broken.pt")
                .rfind("weights: " + path("torch/reader/broken.pt") + " (3 bytes) begins with 'abc'", 0),
            0u);
  EXPECT_NE(says("numpy/numpy/py3-objarr.npz")
                .find("it holds Python objects, which only running the file could read"),
            std::string::npos);
  for (const std::string suffix : {"", "_legacy"}) {
    const std::string calls = says("torch/made/calls" + suffix + ".pth");
    EXPECT_NE(calls.find("REDUCE calls posix.system, which is not among the calls that weight files need; "
                         "save the state_dict alone"),
              std::string::npos)
        << calls;
    EXPECT_NE(calls.find(": at byte "), std::string::npos) << calls;
    EXPECT_EQ(says("torch/made/nothing" + suffix + ".pth"),
              "torch: " + path("torch/made/nothing" + suffix + ".pth") +
                  " holds no tensor that could be read; save a state_dict");
  }
}

TEST(InteropFiles, NotesSayWhatWasChosenAndLeftOut) {
  const auto notes = [](const std::string& name) { return read_weights(place_of("torch/" + name)).notes; };
  using Notes = std::vector<std::string>;
  EXPECT_EQ(notes("reader/float32.pt"), Notes{});
  EXPECT_EQ(notes("reader/checkpoint.pt"),
            (Notes{"the tensors under 'model_state_dict'; left out: optimizer_state_dict, epoch, loss"}));
  EXPECT_EQ(notes("modules/top_level_key.pt"),
            (Notes{"tensors lie in nested dictionaries: named by what they are in"}));
  EXPECT_EQ(notes("made/ambiguous.pth"),
            (Notes{"weights could be in any of model, net: all tensors, named by what they are in"}));
  EXPECT_EQ(notes("made/parallel.pth"), (Notes{"'module.' in front of every name taken away"}));
  EXPECT_EQ(notes("made/densenet.pth"), (Notes{"3 names of old DenseNet files renamed (norm.1 to norm1)"}));
  EXPECT_EQ(notes("made/whole_legacy.pth"),
            (Notes{"a whole module of class __main__.Block, reduced to its tensors"}));
  const Notes odd = notes("made/odd.pth");
  ASSERT_EQ(odd.size(), 5u);
  EXPECT_EQ(odd[0], "left out: small is of type int16, which Gadolin does not have");
  EXPECT_EQ(odd[1], "left out: complex is of type complex64, which Gadolin does not have");
  EXPECT_EQ(odd[2],
            "left out: repeated repeats the 1 elements of its storage to 1000; save it after .contiguous()");
  EXPECT_EQ(odd[3].rfind("left out: sparse is made by torch._utils._rebuild_sparse_tensor", 0), 0u) << odd[3];
  EXPECT_EQ(odd[4].rfind("left out: quantised is made by torch._utils._rebuild_qtensor", 0), 0u) << odd[4];
}

TEST(InteropFiles, SharedStoragesStaySharedAndTensorsOutliveTheFile) {
  for (const std::string name : {"views.pth", "views_legacy.pth"}) {
    TensorMap tensors = read_weights(fixture("interop/torch/made/" + name)).tensors;
    EXPECT_EQ(tensors.at("whole").shared_storage(), tensors.at("transposed").shared_storage()) << name;
    EXPECT_FALSE(tensors.at("transposed").is_contiguous()) << name;
    EXPECT_TRUE(tensors.at("channels_last").is_channels_last()) << name;
    const std::string before = sha256_hex(tensors.at("strided").str());
    tensors.at("whole").data<float>()[0] = 42;  // changes a private page, never the file
    EXPECT_NE(read_weights(fixture("interop/torch/made/" + name)).tensors.at("whole").to_vector<double>()[0],
              42);
    EXPECT_EQ(sha256_hex(tensors.at("strided").str()), before);
  }
}

}  // namespace
