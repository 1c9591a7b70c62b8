// Damaged and malicious files of torch.save: one FormatError each, nothing run, memory bounded by the file.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "io/pickle.h"
#include "io/torch_file.h"
#include "tests/data/hostile.h"
#include "tests/io/torch_parts.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GADOLIN_UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define GADOLIN_UNDER_SANITIZER 1
#endif
#endif

using namespace gadolin;
using namespace gadolin::test;

namespace {

class TorchHostile : public testing::Test {
 protected:
  WeightFile read(const std::string& bytes) {
    std::filesystem::remove(scratch_ /
                            "x.pth");  // a file that is cut and filled again is synced by some file systems
    return read_weights(scratch_.write("x.pth", bytes));
  }
  // The message for these bytes, with the path as "x".
  std::string refusal(const std::string& bytes) {
    std::string text = message_of<FormatError>([&] { read(bytes); });
    const std::string path = scratch_ / "x.pth";
    for (std::size_t at; (at = text.find(path)) != std::string::npos;) text.replace(at, path.size(), "x");
    return text;
  }
  // Every value must be readable without a fault.
  void use(const std::string& bytes) {
    for (const auto& entry : read(bytes).tensors) entry.second.to_vector<double>();
  }
  Scratch scratch_;
};

std::string made(const std::string& name) {
  return read_file(fixture("interop/torch/made/" + name), 1 << 20);
}

TEST_F(TorchHostile, NoTruncationIsAccepted) {
  for (const char* name :
       {"views.pth", "views_legacy.pth", "whole.pth", "whole_legacy.pth", "every_type_legacy.pth"}) {
    const std::string whole = made(name);
    int accepted = 0;
    for (std::size_t length = 0; length < whole.size(); length += length < 400 ? 1 : 7) {
      try {
        read(whole.substr(0, length));
        ++accepted;
      } catch (const FormatError&) {
      }
    }
    EXPECT_EQ(accepted, 0) << name;
  }
}

TEST_F(TorchHostile, ChangedFilesAreErrorsOrReadableTensors) {
  for (const char* name : {"views.pth", "whole_parallel_legacy.pth", "odd.pth", "every_type_legacy.pth"}) {
    const std::string whole = made(name);
    survive_changes(whole, 1500, whole.size(), [&](const std::string& bytes) { use(bytes); });
  }
}

// Check sums would hide the machine from changes: here they are right again.
TEST_F(TorchHostile, ChangedPicklesUnderRightCheckSums) {
  for (const char* name : {"views.pth", "whole.pth", "extras.pth", "protocol4.pth"}) {
    const std::string bytes = made(name);
    const ZipFile zip(bytes, name);
    Members members;
    std::size_t pickle = 0;
    for (const ZipEntry& entry : zip.entries()) {
      if (entry.name.ends_with("data.pkl")) pickle = members.size();
      members.emplace_back(entry.name, zip.view(entry));
    }
    const std::string original = members[pickle].second;
    const int accepted = survive_changes(original, 300, original.size(), [&](const std::string& changed) {
      members[pickle].second = changed;
      use(archive(members));
    });
    EXPECT_GT(accepted, 0) << name << ": some names may change";
    EXPECT_LT(accepted, 270) << name;
  }
}

TEST_F(TorchHostile, FlippedBitsOfNumbersAreFoundByTheirCheckSum) {
  std::string bytes = made("views.pth");
  const ZipFile zip(bytes, "x");
  const ZipEntry* data = zip.find("views/data/0");
  ASSERT_NE(data, nullptr);
  bytes[zip.begin(*data)] = static_cast<char>(bytes[zip.begin(*data)] ^ 1);
  EXPECT_EQ(refusal(bytes),
            "zip: x: member views/data/0 has another CRC-32 than its directory says; it was damaged, or "
            "written without check sums");
}

TEST_F(TorchHostile, CallsAndOpcodesThatWeightsDoNotNeed) {
  const std::string tail = " is not among those that weight files need; save the state_dict alone";
  EXPECT_EQ(refusal(pth("cposix\nsystem\n" + unicode("true") + "\x85R")),
            "pickle: x: data.pkl: at byte 26: REDUCE calls posix.system, which is not among the calls that "
            "weight files need; save the state_dict alone");
  EXPECT_EQ(refusal(pth("c__builtin__\neval\n" + unicode("1") + "\x85R"))
                .find("pickle: x: data.pkl: at byte 27: REDUCE calls __builtin__.eval"),
            0u);
  EXPECT_EQ(refusal(pth("(i__main__\nf\n")), "pickle: x: data.pkl: at byte 3: opcode 0x69 (INST)" + tail);
  EXPECT_EQ(refusal(pth("(cos\nsystem\nUa\to")).find("pickle: x: data.pkl: at byte "), 0u);
  EXPECT_EQ(refusal(pth("\x82\x01")), "pickle: x: data.pkl: at byte 2: opcode 0x82 (EXT1)" + tail);
  EXPECT_EQ(refusal(pth("Pstorage\n")), "pickle: x: data.pkl: at byte 2: opcode 0x50 (PERSID)" + tail);
  EXPECT_EQ(refusal(pth("\xff")), "pickle: x: data.pkl: at byte 2: opcode 0xff (no opcode)" + tail);
  EXPECT_EQ(refusal(pth(unicode("f") + ")R")),
            "pickle: x: data.pkl: at byte 9: REDUCE calls what is no global; save the state_dict alone");
  EXPECT_EQ(refusal(pth("cm\nC\n" + unicode("f") + "\x81")),
            "pickle: x: data.pkl: at byte 13: NEWOBJ makes something with arguments that are no tuple");
}

TEST_F(TorchHostile, BrokenPickles) {
  const std::string at2 = "pickle: x: data.pkl: at byte 2: ";
  EXPECT_EQ(refusal(pth("s")), at2 + "it takes a value that was never put on the stack");
  EXPECT_EQ(refusal(pth("t")), at2 + "it goes back to a mark that was never set");
  EXPECT_EQ(refusal(pth("h\x05")), at2 + "it recalls value 5, which was never kept");
  EXPECT_EQ(refusal(pth("X\xff\xff\xff\x7f")),
            at2 + "it ends inside a value; the file was cut short or damaged");
  EXPECT_EQ(refusal(pth("\x8d\xff\xff\xff\xff\xff\xff\xff\xff")),
            at2 + "it ends inside a value; the file was cut short or damaged");
  EXPECT_EQ(refusal(pth("cabc")), at2 + "the name of a global does not end");
  EXPECT_EQ(refusal(pth("NN")), "pickle: x: data.pkl: at byte 4: it stops with values left over");
  EXPECT_EQ(refusal(pth("(N")), "pickle: x: data.pkl: at byte 4: it stops with values left over");
  EXPECT_EQ(refusal(pth("\x80\x09N")), at2 + "protocol 9 is not known; 0 to 5 are");
  EXPECT_EQ(refusal(pth("N(NNu")), "pickle: x: data.pkl: at byte 6: it sets items of what is no dictionary");
  EXPECT_EQ(refusal(pth("}(Nu")), "pickle: x: data.pkl: at byte 5: it sets items of what is no dictionary");
  EXPECT_EQ(refusal(pth("NNa")), "pickle: x: data.pkl: at byte 4: it appends to what is no list");
  EXPECT_EQ(refusal(pth("]}b")), "pickle: x: data.pkl: at byte 4: BUILD gives a state to what is no object");
  EXPECT_EQ(refusal(pth("(N0t")),
            "pickle: x: data.pkl: at byte 4: opcode 0x30 (POP) is not among those that weight files need; "
            "save the state_dict alone");
  EXPECT_EQ(refusal(pth("NN\x93")), "pickle: x: data.pkl: at byte 4: the name of a global is no text");
  EXPECT_EQ(refusal(pth("N(0")).find("pickle: x"), 0u);
}

TEST_F(TorchHostile, PicklesLongerThanAnyWeights) {
  std::string many = "(";
  many.append(5 << 20, ']');
  EXPECT_EQ(refusal(pth(many + "t")),
            "pickle: x: data.pkl: at byte 4194303: it holds more than 4194304 values");
  std::string text = "X" + raw(std::uint32_t{65 << 20});
  text.append(65 << 20, 'x');
  EXPECT_EQ(refusal(pth(text)),
            "pickle: x: data.pkl: at byte 2: it goes on after 64.0 MiB, the most that is read");
}

TEST_F(TorchHostile, CirclesAndRepetitionsEnd) {
  const std::string x = unicode("x"),
                    deep = "torch: x: its values are nested deeper than 100, or in a circle";
  EXPECT_EQ(refusal(pth("}q\x01" + x + "h\x01s")), deep);  // a dictionary in itself
  EXPECT_EQ(refusal(pth("]q\x01h\x01"
                        "a")),
            deep);  // a list in itself
  EXPECT_EQ(refusal(pth("}q\x01" + x +
                        "]h\x01"
                        "as")),
            deep);  // through a list
  const std::string module = "cm\nNet\n)\x81q\x01}" + unicode("_modules") + "}" + x + "h\x01ssb";
  EXPECT_EQ(refusal(pth(module)), deep);  // a module in itself
  // Two references to the one before, forty times: 2^40 places in 500 bytes.
  std::string laughs = "]q" + std::string(1, '\0');
  for (char i = 1; i <= 40; ++i)
    laughs += std::string("](h") + static_cast<char>(i - 1) + "h" + static_cast<char>(i - 1) + "eq" + i;
  std::string stacked = "(" + laughs + "t";
  EXPECT_EQ(refusal(pth(stacked)), "torch: x: its values refer to one another again and again");
  // A parameter made of itself can only be built with BUILD or a list; the walk over calls is bounded all the
  // same.
  std::string nested = rebuilt(storage(16), 0, {16}, {1});
  for (int i = 0; i < 20; ++i)
    nested = "ctorch._utils\n_rebuild_parameter\n(" + nested + "\x89" + "ccollections\nOrderedDict\n)RtR";
  EXPECT_EQ(refusal(pth(dict_of(nested))), "torch: x: a parameter holds itself");
}

TEST_F(TorchHostile, TensorsBeyondTheirStorage) {
  const std::int64_t most = INT64_MAX;
  const auto of = [&](std::int64_t offset, const std::vector<std::int64_t>& sizes,
                      const std::vector<std::int64_t>& strides) {
    return pth(dict_of(rebuilt(storage(16), offset, sizes, strides)));
  };
  EXPECT_EQ(read(of(0, {4, 4}, {4, 1})).tensors.size(), 1u);
  EXPECT_EQ(read(of(12, {4}, {1})).tensors.size(), 1u);
  EXPECT_EQ(read(of(16, {0, 5}, {1, 1})).tensors.at("x").numel(), 0);
  const std::string beyond = "torch: x: tensor 'x' reaches beyond the 16 elements of its storage";
  EXPECT_EQ(refusal(of(0, {17}, {1})), beyond);
  EXPECT_EQ(refusal(of(13, {4}, {1})), beyond);
  EXPECT_EQ(refusal(of(17, {0}, {1})), beyond);
  EXPECT_EQ(refusal(of(most, {2}, {1})), beyond);
  EXPECT_EQ(refusal(of(0, {most, 2}, {most, 1})), beyond);
  EXPECT_EQ(refusal(of(0, {3}, {most})), beyond);
  EXPECT_EQ(refusal(of(1, {2, 2}, {most / 2, most / 2})), beyond);
  EXPECT_EQ(refusal(of(0, {most, most, most}, {0, 0, 0})), beyond) << "the number of elements overflows";
  EXPECT_EQ(refusal(of(0, {1000}, {0})),
            "torch: x holds no tensor that could be read: 'x' repeats the 16 elements of its storage to "
            "1000; save it after .contiguous()");
  EXPECT_EQ(refusal(of(0, {-1}, {1})), "torch: x: the shape of a tensor is no whole number from 0 on");
  EXPECT_EQ(refusal(of(0, {4}, {-1})), "torch: x: the strides of a tensor is no whole number from 0 on");
  EXPECT_EQ(refusal(of(-1, {4}, {1})), "torch: x: the offset of a tensor is no whole number from 0 on");
  EXPECT_EQ(refusal(of(0, {4, 4}, {1})), "torch: x: a tensor has 2 sizes and 1 strides");
  EXPECT_EQ(refusal(of(0, std::vector<std::int64_t>(9, 1), std::vector<std::int64_t>(9, 1))),
            "torch: x holds no tensor that could be read: 'x' has 9 dimensions, at most 8 are possible");
  EXPECT_EQ(refusal(of(0, std::vector<std::int64_t>(65, 1), {1})),
            "torch: x: the shape of a tensor has 65 entries");
}

TEST_F(TorchHostile, StoragesThatDoNotFit) {
  const auto of = [&](const std::string& s) { return pth(dict_of(rebuilt(s, 0, {1}, {1}))); };
  EXPECT_EQ(refusal(of(storage(17))), "torch: x: storage '0' has 64 bytes, not 17 elements of 4");
  EXPECT_EQ(refusal(of(storage(INT64_MAX))),
            "torch: x: storage '0' has 64 bytes, not 9223372036854775807 elements of 4");
  EXPECT_EQ(refusal(of(storage(-1))), "torch: x: the size of a storage is no whole number from 0 on");
  EXPECT_EQ(refusal(of(storage(16, "../../etc/passwd"))),
            "torch: x: storage '../../etc/passwd' is not in the archive");
  EXPECT_EQ(refusal(of(storage(16, "0", "OddStorage"))),
            "torch: x: storages of class torch.OddStorage are not known");
  EXPECT_EQ(refusal(of("NQ")), "torch: x: a persistent value is no storage");
  EXPECT_EQ(refusal(pth(dict_of("ctorch._utils\n_rebuild_tensor_v2\n(tR"))),
            "torch: x: torch._utils._rebuild_tensor_v2 has 0 arguments, too few");
  EXPECT_EQ(refusal(pth(dict_of(rebuilt("N", 0, {1}, {1})))),
            "torch: x: torch._utils._rebuild_tensor_v2 is given no storage");
  EXPECT_EQ(refusal(pth(dict_of(rebuilt(storage(4, "0", "BoolStorage"), 0, {4}, {1})), "\x01\x02\x03\x04")),
            "torch: x: tensor 'x' is bool but holds bytes other than 0 and 1");
  EXPECT_EQ(refusal(pth(dict_of(rebuilt(storage(16), 0, {1}, {1})) + unicode("x") +
                        rebuilt(storage(16), 0, {1}, {1}) + "s")),
            "torch: x: two tensors are called 'x'");
}

TEST_F(TorchHostile, LegacyStreams) {
  const std::string magic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
  const auto stream = [&](std::int64_t protocol, const std::string& system, const std::string& keys,
                          const std::string& tail) {
    return magic + pickle_of(integer(protocol)) + pickle_of(system) +
           pickle_of(dict_of(rebuilt(storage(4), 0, {4}, {1}))) + pickle_of(keys) + tail;
  };
  const std::string system = dict_of("\x88", "little_endian"), keys = "]" + unicode("0") + "a",
                    four = raw(std::int64_t{4}) + std::string(16, '\1');
  EXPECT_EQ(read(stream(1001, system, keys, four)).tensors.at("x").numel(), 4);
  EXPECT_EQ(refusal(stream(1002, system, keys, four)), "torch: x: its protocol is not 1001");
  EXPECT_EQ(refusal(stream(1001, dict_of("\x89", "little_endian"), keys, four)),
            "torch: x: its numbers are big-endian; load and save it on a common machine");
  EXPECT_EQ(refusal(stream(1001, system, "]", four)), "torch: x: storage '0' is not in the file");
  EXPECT_EQ(refusal(stream(1001, system, "N", four)), "torch: x: the list of its storages is none");
  EXPECT_EQ(refusal(stream(1001, system, "](" + unicode("0") + unicode("0") + "e", four + four)),
            "torch: x: storage '0' is listed twice");
  EXPECT_EQ(refusal(stream(1001, system, "]" + unicode("9") + "a", four)),
            "torch: x: storage '9' is listed but never used");
  EXPECT_NE(refusal(stream(1001, system, keys, "1234567")).find("before storage '0'; it was cut short"),
            std::string::npos);
  for (const std::int64_t count : {std::int64_t{5}, std::int64_t{-1}, INT64_MAX}) {
    EXPECT_NE(refusal(stream(1001, system, keys, raw(count) + std::string(16, '\1')))
                  .find("does not fit into the file"),
              std::string::npos)
        << count;
  }
  EXPECT_EQ(refusal(stream(1001, system, keys, raw(std::int64_t{3}) + std::string(12, '\1'))),
            "torch: x: tensor 'x' reaches beyond the 3 elements of its storage");
}

TEST_F(TorchHostile, ArchivesThatAreNoCheckpoints) {
  EXPECT_EQ(refusal(archive({{"a/b.txt", "x"}})),
            "torch: x: an archive without data.pkl, so torch.save did not write it");
  EXPECT_EQ(refusal(archive({{"a/data.pkl", "x"}, {"b/data.pkl", "x"}})),
            "torch: x: it holds both a/data.pkl and b/data.pkl");
  EXPECT_EQ(refusal(archive({{"a/data.pkl", "x"}, {"a/constants.pkl", "x"}})),
            "torch: x: it is a TorchScript program; save its state_dict() with torch.save");
  EXPECT_EQ(refusal(archive({{"a/data.pkl", "x"}, {"a/byteorder", "big"}})),
            "torch: x: its numbers are big-endian; load and save it on a common machine");
}

// Files that would need far more memory than they have bytes, read by a process that may not have it.
TEST_F(TorchHostile, MemoryIsBoundedByTheFile) {
#ifdef GADOLIN_UNDER_SANITIZER
  GTEST_SKIP() << "sanitizers reserve address space of their own";
#else
  std::vector<std::string> files;
  // One list of 20,000 values made an argument, a state and a set again and again.
  std::string list = "](";
  for (int i = 0; i < 20000; ++i) list += 'N';
  list += "eq\x01";
  std::string again = "(" + list;
  for (int i = 0; i < 20000; ++i) again += "c__builtin__\nset\nh\x01\x85R";
  files.push_back(pth(again + "t"));
  again = "(" + list;
  for (int i = 0; i < 20000; ++i) again += "h\x01Q";
  files.push_back(pth(again + "t"));
  std::string dicts = "(](";
  for (int i = 0; i < 20000; ++i) dicts += "NN\x86";
  dicts += "eq\x01";
  for (int i = 0; i < 20000; ++i) dicts += "ccollections\nOrderedDict\nh\x01\x85R";
  files.push_back(pth(dicts + "t"));
  // A hundred thousand tensors, each a transposed view of one storage of 4 MiB: copies would be 400 GB.
  std::string views = "}(";
  const std::string key = storage(1 << 20);
  for (int i = 0; i < 20000; ++i)
    views += unicode(std::to_string(i)) + rebuilt(key, 0, {1024, 1024}, {1, 1024});
  files.push_back(pth(views + "u", std::string(4 << 20, '\0')));
  // A long name in front of many tensors.
  std::string named = "}" + unicode(std::string(900, 'n')) + "}(";
  named += unicode("0") + rebuilt(storage(16), 0, {16}, {1}) + "q\x01";
  for (int i = 1; i < 200000; ++i) named += "U\x06" + std::to_string(100000 + i).substr(0, 6) + "h\x01";
  files.push_back(pth(named + "us"));
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string path = scratch_.write(std::to_string(i) + ".pth", files[i]);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      rlimit limit{};
      getrlimit(RLIMIT_DATA, &limit);
      rusage before{};
      getrusage(RUSAGE_SELF, &before);
      limit.rlim_cur = static_cast<rlim_t>(before.ru_maxrss) * 1024 + (rlim_t{512} << 20);
      setrlimit(RLIMIT_DATA, &limit);
      int code = 0;
      try {
        read_weights(path);
      } catch (const Error&) {
        code = 1;
      } catch (...) {
        code = 2;
      }
      _exit(code);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status)) << i;
    EXPECT_LT(WEXITSTATUS(status), 2) << "file " << i << " took more than 512 MiB";
  }
#endif
}

}  // namespace
