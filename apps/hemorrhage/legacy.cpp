#include "apps/hemorrhage/legacy.h"

#include <algorithm>
#include <numeric>

#include "apps/hemorrhage/labels.h"
#include "data/sets/sequence_set.h"
#include "io/atomic_file.h"
#include "io/npy.h"
#include "tensor/check.h"
#include "tensor/ops.h"

namespace gadolin::hemorrhage {

std::vector<std::int64_t> evenly_picked(std::int64_t n, std::int64_t most) {
  std::vector<std::int64_t> picked(static_cast<std::size_t>(std::min(n, most)));
  for (std::int64_t i = 0; i < std::ssize(picked); ++i)
    picked[static_cast<std::size_t>(i)] = n <= most ? i : most == 1 ? 0 : i * (n - 1) / (most - 1);
  return picked;
}

void join_patients(Slices& slices, std::int64_t most) {
  const auto patient = [&](std::int64_t i) { return slices.set->info(i).patient; };
  const auto key = [&](std::int64_t i) -> const SliceKey& {
    return slices.keys[static_cast<std::size_t>(i)];
  };
  std::vector<std::int64_t> order(slices.keys.size()), kept;
  std::iota(order.begin(), order.end(), 0);
  // They are sorted by patient already; scans of a patient mix.
  for (auto from = order.begin(); from != order.end();) {
    const auto to =
        std::find_if(from, order.end(), [&](std::int64_t i) { return patient(i) != patient(*from); });
    std::stable_sort(from, to,
                     [&](std::int64_t a, std::int64_t b) { return key(a).position < key(b).position; });
    const std::int64_t n = to - from;
    for (const std::int64_t i : evenly_picked(n, most > 0 ? most : n)) kept.push_back(from[i]);
    from = to;
  }
  std::vector<SliceKey> keys;
  for (const std::int64_t i : kept) keys.push_back({patient(i), "", patient(i), key(i).position});
  if (kept.size() < order.size())
    slices.notes.push_back(cat("--legacy: of ", order.size(), " slices ", kept.size(), " are kept, at most ",
                               most, " of a patient"));
  slices.set = slices.set->subset(kept);
  slices.keys = std::move(keys);
}

namespace {

// [P, T] texts of equal width, as NumPy's <U.
void save_texts(const std::string& path, const std::vector<std::string>& texts, std::int64_t p,
                std::int64_t t) {
  std::size_t width = 1;
  for (const std::string& text : texts) width = std::max(width, text.size());
  std::string header =
      cat("{'descr': '<U", width, "', 'fortran_order': False, 'shape': (", p, ", ", t, "), }");
  header.resize((header.size() + 11 + 63) / 64 * 64 - 11, ' ');
  header += '\n';
  AtomicFile file(path);
  file.write(std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size() & 0xff) +
             static_cast<char>(header.size() >> 8) + header);
  for (const std::string& text : texts) {
    std::string wide(4 * width, '\0');
    for (std::size_t i = 0; i < text.size(); ++i) wide[4 * i] = text[i];
    file.write(wide);
  }
  file.commit();
}

}  // namespace

void write_legacy_arrays(const std::string& folder, const std::string& base, std::int64_t length) {
  DatasetOptions read;
  read.classes = {subtypes.begin(), subtypes.end()};
  const auto set = open_sequences(folder, read);
  const bool test = base == "test";
  std::vector<std::int64_t> patients;
  std::int64_t longest = 0;
  for (std::int64_t i = 0; i < set->size(); ++i) {
    if ((set->info(i).split == Split::test) != test) continue;
    patients.push_back(i);
    longest = std::max(longest, set->length(i));
  }
  const std::int64_t t = length > 0 ? std::max(length, longest) : longest, f = set->features();
  NpyWriter embeddings(folder + "/" + base + "_embeddings.npy", {t, f}, DType::fp32);
  std::vector<std::string> names;
  std::vector<float> labels, mask;
  for (const std::int64_t i : patients) {
    const Sample sample = set->sample(i);
    const auto& x = sample.get<SampleArray>("x").values;
    const std::int64_t pads = t - set->length(i);
    Tensor row = zeros({1, t, f});
    std::copy(x.begin(), x.end(), row.data<float>() + pads * f);
    embeddings.append(row);
    names.insert(names.end(), static_cast<std::size_t>(pads), "pad");
    labels.insert(labels.end(), static_cast<std::size_t>(pads) * subtypes.size(), 0.f);
    mask.insert(mask.end(), static_cast<std::size_t>(pads), 0.f);
    for (const SequenceSlice& slice : set->slices(i)) {
      names.push_back(slice.name);
      mask.push_back(1);
      for (std::size_t k = 0; k < subtypes.size(); ++k)
        labels.push_back(static_cast<float>(slice.labels >> k & 1));
    }
  }
  const std::int64_t p = std::ssize(patients);
  embeddings.commit();
  if (test) return save_texts(folder + "/test_img_ids.npy", names, p, t);
  save_npy(folder + "/train_labels.npy", from_vector(labels, {p, t, std::ssize(subtypes)}));
  save_npy(folder + "/train_mask.npy", from_vector(mask, {p, t}));
}

}  // namespace gadolin::hemorrhage
