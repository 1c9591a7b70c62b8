// Checkpoints (.gdck): named tensors and text in one file that is verified, byte for byte, before any of it
// is used.
//
// Layout, little-endian: "GADOLIN\n", u32 version, u32 0, u64 header bytes, SHA-256 of all of the header, u64
// file bytes (64 bytes so far); the header, JSON padded with spaces to a multiple of 64; each tensor, padded
// with zeros to a multiple of 64, with its CRC-32C (padding included) in the header; u64 file bytes,
// "GDCKEND\n".
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tensor/tensor.h"

namespace gadolin {

// Texts and tensors by name; what they mean is for those who write and read them.
struct Checkpoint {
  // "model.conv1.weight", "optimizer.conv1.weight.1" (its first moment), "ema...."
  std::map<std::string, Tensor> tensors;
  // Everything else as text or JSON: model, classes, step, schedule, generator ...
  std::map<std::string, std::string> facts;

  // Whether there is a fact of that name.
  bool has(const std::string& fact) const { return facts.count(fact) != 0; }
  // Throw CheckpointError, naming the fact, when it is missing or no whole number.
  const std::string& fact(const std::string& name) const;
  // A fact as a whole number; throws CheckpointError where it is none.
  std::int64_t number(const std::string& name) const;
  // Throws CheckpointError when there is no such tensor.
  const Tensor& tensor(const std::string& name) const;
};

inline constexpr std::uint32_t checkpoint_version = 1;     // of the file's format
inline constexpr const char* checkpoint_suffix = ".gdck";  // of file names

// Writes all or nothing: under a temporary name, room reserved first, synced, read back, renamed. Waits for
// devices. The same contents give the same bytes. Throws FileError (disk full, permissions), after which what
// stood there still stands.
void save_checkpoint(const std::string& path, const Checkpoint& checkpoint);

// Reads and verifies all of it; tensors are on the CPU. Throws FileError when it cannot be read and
// CheckpointError for a file of another kind, a newer version, and damage, with the tensor and the byte where
// it lies.
Checkpoint load_checkpoint(const std::string& path);

// The facts alone, from a verified header: quick, and possible when a tensor is damaged.
std::map<std::string, std::string> load_checkpoint_facts(const std::string& path);

// Whether a file begins as a .gdck checkpoint does.
bool is_checkpoint(const std::string& path);

// Weights by torchvision's names from a .gdck checkpoint (weights_of) or any file of read_weights
// (io/weights.h). `averaged`: told whether they are averages.
std::map<std::string, Tensor> load_weights(const std::string& path, bool* averaged = nullptr);
bool has_average(const Checkpoint& checkpoint);  // whether it holds averaged weights
// The net's weights of a checkpoint by their names in the net: the averaged ones where it has them.
std::map<std::string, Tensor> weights_of(const Checkpoint& checkpoint);

}  // namespace gadolin
