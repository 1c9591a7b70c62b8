// read_weights: contents decide, names come out as nets have them.
#include "io/weights.h"

#include <gtest/gtest.h>

#include "io/atomic_file.h"
#include "io/mapped_file.h"
#include "io/sha256.h"
#include "io/torch_file.h"
#include "tests/data/hostile.h"
#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

std::vector<std::string> names_of(const WeightFile& weights) {
  std::vector<std::string> names;
  for (const auto& entry : weights.tensors) names.push_back(entry.first);
  return names;
}
using Names = std::vector<std::string>;

TEST(Weights, ContentsDecideNotTheSuffix) {
  const Scratch scratch;
  const Tensor x = arange(5);
  save_safetensors(scratch / "a.pth", {{"x", x}}, {{"k", "v"}});
  const WeightFile a = read_weights(scratch / "a.pth");
  EXPECT_EQ(a.format, "safetensors");
  EXPECT_EQ(a.metadata, (TextMap{{"k", "v"}}));
  save_torch(scratch / "b.safetensors", {{"x", x}});
  const WeightFile b = read_weights(scratch / "b.safetensors");
  EXPECT_EQ(b.format, "torch zip");
  EXPECT_EQ(read_weights(fixture("interop/torch/reader/simple_legacy.pt")).format, "torch legacy");
  for (const WeightFile* w : {&a, &b})
    EXPECT_EQ(w->tensors.at("x").to_vector<double>(), x.to_vector<double>());
}

TEST(Weights, UnknownFilesAreNamedByWhatTheyAre) {
  const Scratch scratch;
  const auto refusal = [&](const std::string& bytes) {
    const std::string path = scratch.write("x.pth", bytes),
                      text = message_of<FormatError>([&] { read_weights(path); });
    const std::string head = "weights: " + path + " (" + std::to_string(bytes.size()) + " bytes) ";
    const std::string tail =
        "; known are safetensors, zip and legacy files of torch.save, and TensorFlow checkpoints";
    EXPECT_EQ(text.rfind(head, 0), 0u) << text;
    EXPECT_TRUE(text.ends_with(tail)) << text;
    return text.substr(head.size(), text.size() - head.size() - tail.size());
  };
  EXPECT_EQ(refusal("remember\nthe milk"), "begins with 'remember'");
  EXPECT_EQ(refusal("\x01\x02"), "begins with '..'");
  EXPECT_EQ(refusal(""), "is empty");
  EXPECT_EQ(refusal("<!DOCTYPE html>\n404"), "is a web page or XML");
  EXPECT_EQ(refusal("\x89HDF\r\n\x1a\n"), "is an HDF5 file, as Keras writes them");
  EXPECT_EQ(refusal("version https://git-lfs.github.com/spec/v1\n"),
            "is a pointer of Git LFS, not the file itself");
  EXPECT_EQ(refusal("\x80\x02}."), "is a Python pickle, but not one of torch.save");
  EXPECT_EQ(refusal("\x1f\x8b\x08"), "is packed by gzip");
  EXPECT_EQ(refusal(std::string(257, 'a') + "ustar-00"),
            "is a tar archive, as PyTorch wrote them before 0.1.10");
  EXPECT_THROW(read_weights(scratch / "absent.pth"), FileError);
  EXPECT_THROW(read_weights(scratch.path()), FileError);
}

TEST(Weights, MistakesWordForWord) {
  const Scratch scratch;
  const std::string path = scratch.write("x.pth", std::string("remember\nthe milk"));
  EXPECT_EQ(message_of<FormatError>([&] { read_weights(path); }),
            "weights: " + path +
                " (17 bytes) begins with 'remember'; known are safetensors, zip and legacy files of "
                "torch.save, and TensorFlow "
                "checkpoints");
  const Tensor x = arange(2);
  save_safetensors(path, {{"denselayer1.norm.1.bias", x}, {"denselayer1.norm1.bias", x}});
  EXPECT_EQ(message_of<FormatError>([&] { read_weights(path); }),
            "weights: " + path + ": two tensors would be called denselayer1.norm1.bias");
  save_safetensors(path, {});
  EXPECT_EQ(message_of<FormatError>([&] { read_weights(path); }),
            "weights: " + path + " holds no tensor that could be read");
  const auto file = std::make_shared<MappedFile>(path);
  EXPECT_EQ(message_of<FormatError>([&] { mapped_storage(file, file->size(), 8, 4); }),
            "read: " + path + ": 8 bytes at byte " + std::to_string(file->size()) + " are not inside its " +
                std::to_string(file->size()));
}

TEST(Weights, WhatStandsBesideTheNetIsNamed) {
  const Scratch scratch;
  const Tensor x = arange(2), one = full({}, 7, DType::int64);
  const auto read = [&](const TensorMap& tensors) {
    save_safetensors(scratch / "x", tensors);
    return read_weights(scratch / "x");
  };
  const WeightFile averaged = read({{"module.a", x}, {"module.b", x}, {"n_averaged", one}});
  EXPECT_EQ(names_of(averaged), (Names{"a", "b"}));
  EXPECT_EQ(averaged.notes, (Names{"left out: n_averaged, beside the net in 'module.'",
                                   "'module.' in front of every name taken away"}));
  const WeightFile lightning = read({{"net.a", x}, {"net.b", x}, {"net.c", x}, {"criterion.pos_weight", x}});
  EXPECT_EQ(names_of(lightning), (Names{"a", "b", "c"}));
  EXPECT_EQ(lightning.notes.front(), "left out: criterion.pos_weight, beside the net in 'net.'");
  // Weights and their averages: the averages, whichever come first.
  const Tensor mean = full({2}, 3, x.dtype());
  const WeightFile both = read({{"model.a", x}, {"ema.a", mean}});
  EXPECT_EQ(names_of(both), (Names{"a"}));
  EXPECT_EQ(both.tensors.at("a").to_vector<double>(), mean.to_vector<double>());
  EXPECT_EQ(both.notes.front(), "'ema.' and 'model.' hold the same names; taken are the averages, 'ema.'");
  const WeightFile bare = read({{"a", x}, {"n_averaged", one}});
  EXPECT_EQ(names_of(bare), (Names{"a"}));
  EXPECT_EQ(bare.notes, (Names{"left out: n_averaged, a counter of averages"}));
  // Any other counter in a file without a wrapper is a weight.
  EXPECT_EQ(names_of(read({{"bn.num_batches_tracked", one}, {"bn.weight", x}})),
            (Names{"bn.num_batches_tracked", "bn.weight"}));
}

TEST(Weights, WrappersAndOldNamesAreTakenAway) {
  const Scratch scratch;
  const Tensor x = arange(2);
  const auto read = [&](const TensorMap& tensors) {
    save_safetensors(scratch / "x", tensors);
    return read_weights(scratch / "x");
  };
  EXPECT_EQ(names_of(read({{"module.a", x}, {"module.b.c", x}})), (Names{"a", "b.c"}));
  EXPECT_EQ(names_of(read({{"module.a", x}, {"b", x}})), (Names{"b", "module.a"})) << "not every name has it";
  EXPECT_EQ(names_of(read({{"module._orig_mod.a", x}})), (Names{"a"}));
  EXPECT_EQ(names_of(read({{"_orig_mod.module.a", x}})), (Names{"a"}));
  EXPECT_EQ(names_of(read({{"model.net.module._orig_mod.a", x}, {"model.net.module._orig_mod.b", x}})),
            (Names{"a", "b"}));
  EXPECT_EQ(names_of(read({{"_forward_module.module.a", x}})), (Names{"a"}));
  EXPECT_EQ(names_of(read({{"_fsdp_wrapped_module.module.a", x}})), (Names{"a"}));
  // Parts that are wrapped one by one.
  const WeightFile parts = read({{"_fsdp_wrapped_module.layer1.0._fsdp_wrapped_module.conv.weight", x},
                                 {"_fsdp_wrapped_module.layer2._checkpoint_wrapped_module.bn.bias", x},
                                 {"layer3._orig_mod.my_orig_mod.weight", x}});
  EXPECT_EQ(names_of(parts), (Names{"layer1.0.conv.weight", "layer2.bn.bias", "layer3.my_orig_mod.weight"}));
  EXPECT_EQ(parts.notes, Names{"wrappers in 3 names taken away (_orig_mod. and the like)"});
  EXPECT_EQ(names_of(read({{"model.fc.weight", x}, {"model.conv.weight", x}, {"head.weight", x}})),
            (Names{"conv.weight", "fc.weight", "head.weight"}))
      << "what is no counter stays, so that the import can name it";
  const WeightFile old = read({{"module.features.denseblock1.denselayer12.norm.1.weight", x},
                               {"module.features.denseblock1.denselayer12.conv.2.weight", x},
                               {"module.features.transition1.norm.weight", x},
                               {"module.features.denseblock1.denselayer2.norm1.weight", x},
                               {"module.features.norm.1.weight", x}});
  EXPECT_EQ(names_of(old), (Names{"features.denseblock1.denselayer12.conv2.weight",
                                  "features.denseblock1.denselayer12.norm1.weight",
                                  "features.denseblock1.denselayer2.norm1.weight", "features.norm.1.weight",
                                  "features.transition1.norm.weight"}));
  EXPECT_EQ(old.notes, (Names{"'module.' in front of every name taken away",
                              "2 names of old DenseNet files renamed (norm.1 to norm1)"}));
  EXPECT_EQ(message_of<FormatError>([&] {
              read({{"denselayer1.norm.1.weight", x}, {"denselayer1.norm1.weight", x}});
            }),
            "weights: " + (scratch / "x") + ": two tensors would be called denselayer1.norm1.weight");
}

TEST(Weights, TypesThatWeLackAreLeftOutByName) {
  const WeightFile all = read_weights(fixture("interop/all.safetensors"));
  EXPECT_EQ(all.tensors.count("short"), 0u);
  EXPECT_EQ(all.tensors.size(), 9u);
  EXPECT_EQ(all.notes, (Names{"left out: short is of type I16, which Gadolin does not have"}));
}

TEST(Weights, DigestIsThatOfTheBytes) {
  const Scratch scratch;
  const std::string file = scratch.write("w.pth", "abc");
  EXPECT_EQ(weights_sha256(file), sha256_hex("abc"));
  scratch.write("m.ckpt.data-00000-of-00001", "data");
  scratch.write("m.ckpt.index", "index");
  scratch.write("m.ckpt-2.index", "other");
  EXPECT_EQ(weights_sha256(scratch / "m.ckpt"), sha256_hex("dataindex"));
  EXPECT_EQ(weights_sha256(scratch / "m.ckpt.index"), sha256_hex("dataindex"));
  EXPECT_THROW(weights_sha256(scratch / "absent"), FileError);
}

TEST(Weights, DamagedSafetensorsAreErrors) {
  const Scratch scratch;
  const std::string whole =
      read_file(fixture("interop/torch/multi_layer.safetensors"), 1 << 20).substr(0, 1500);
  const auto read = [&](const std::string& bytes) {
    std::filesystem::remove(scratch / "x");
    read_weights(scratch.write("x", bytes));
  };
  EXPECT_EQ(survive_truncations(whole, read), 0);
}

}  // namespace
