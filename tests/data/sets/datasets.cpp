// Data sets of every kind from folders made here, with every fault named by file and line.
#include "data/sets/dataset.h"

#include <filesystem>

#include "io/csv.h"
#include "tests/data/scratch.h"
#include "tests/data/sets/gzip.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

const std::vector<std::uint8_t>& stored_picture() {
  static const std::vector<std::uint8_t> bytes = encode_png(pattern(6, 5, 1));
  return bytes;
}

std::vector<std::string> names_of(const Dataset& set) {
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < set.size(); ++i) names.push_back(set.info(i).name);
  return names;
}

std::string idx_bytes(int dims, const std::vector<int>& sizes, std::size_t count) {
  std::string out = {0, 0, 8, static_cast<char>(dims)};
  for (const int s : sizes)
    out += {static_cast<char>(s >> 24), static_cast<char>(s >> 16), static_cast<char>(s >> 8),
            static_cast<char>(s)};
  for (std::size_t i = 0; i < count; ++i) out += static_cast<char>(dims == 1 ? i % 10 : i);
  return out;
}

}  // namespace

TEST(Dataset, ClassFoldersAreSortedAndNested) {
  const Scratch root;
  for (const char* name : {"dog/b.png", "dog/a.PNG", "cat/deep/z.jpg", "cat/notes.txt", "cat/.hidden.png"})
    root.write(name, stored_picture());
  const auto set = open_dataset(root.path());
  EXPECT_EQ(set->classes(), (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(names_of(*set), (std::vector<std::string>{"cat/deep/z.jpg", "dog/a.PNG", "dog/b.png"}));
  EXPECT_EQ(set->info(2).labels, std::vector<int>{1});
  EXPECT_EQ(set->image(1), pattern(6, 5, 1));
  EXPECT_FALSE(set->multi_label());
  EXPECT_EQ(set->class_counts(), (std::vector<std::int64_t>{1, 2}));
  const std::string before = set->fingerprint();
  set->set_split(0, Split::val);
  EXPECT_NE(set->fingerprint(), before);
  EXPECT_EQ(message_of<ValueError>([&] { set->info(3); }), "dataset: sample 3 of 3");
}

TEST(Dataset, TrainAndValFoldersAreSplits) {
  const Scratch root;
  for (const char* name : {"train/10/a.png", "train/9/b.png", "val/9/c.png", "test/10/d.png"})
    root.write(name, stored_picture());
  const auto set = open_dataset(root.path());
  EXPECT_EQ(set->classes(), (std::vector<std::string>{"9", "10"}));  // whole numbers sort as numbers
  EXPECT_EQ(set->subset(Split::train)->size(), 2);
  EXPECT_EQ(names_of(*set->subset(Split::val)), std::vector<std::string>{"val/9/c.png"});
  EXPECT_EQ(message_of<DataError>([&] { set->subset(Split::none); }),
            cat("dataset: ", root.path(),
                " has no samples for no split, only for train, val, test; choose one of these (eval "
                "--split), or divide anew with `gadolin data split`"));
}

TEST(Dataset, FoldersWithoutImagesAreRefused) {
  const Scratch root;
  EXPECT_EQ(
      message_of<DataError>([&] { open_dataset(root.path()); }),
      cat("dataset: ", root.path(),
          " holds neither manifest.csv, IDX files, images/ with labels/, nor class folders with images"));
  root.write("a/x.png", stored_picture());
  root.write("b/readme.txt", "no image");
  EXPECT_EQ(message_of<DataError>([&] { open_dataset(root.path()); }),
            cat("dataset: class folder ", root / "b",
                " holds no images; put JPEG, PNG, BMP, PNM or DICOM files there or remove it"));
  EXPECT_EQ(message_of<DataError>([&] { open_dataset(root / "none"); }),
            cat("dataset: ", root / "none", " does not exist; check the path"));
  EXPECT_EQ(message_of<DataError>([&] { open_dataset(root / "a/x.png"); }),
            cat("dataset: ", root / "a/x.png",
                " is neither a folder nor a manifest (.csv) nor a TFRecord (.tfrecord)"));
}

TEST(Dataset, LinksOutOfTheRootAreRefused) {
  const Scratch root, outside;
  root.write("a/x.png", stored_picture());
  outside.write("y.png", stored_picture());
  std::filesystem::create_symlink(outside / "y.png", root / "a/y.png");
  EXPECT_EQ(message_of<DataError>([&] { open_dataset(root.path()); }),
            cat("dataset: ", root / "a/y.png", " leaves the folder ", root.path(),
                "; allow it with --allow-outside"));
  DatasetOptions allowed;
  allowed.allow_outside = true;
  EXPECT_EQ(open_dataset(root.path(), allowed)->size(), 2);
}

TEST(Dataset, PairsReadLabelFiles) {
  const Scratch root;
  for (const char* name : {"images/1.png", "images/2.png", "images/3.png"})
    root.write(name, stored_picture());
  root.write("labels/1.txt", "chest\n");
  root.write("labels/2.txt", "  hand \r\n");
  root.write("labels/3.txt", "chest");
  EXPECT_EQ(open_dataset(root.path())->classes(), (std::vector<std::string>{"chest", "hand"}));
  root.write("labels/3.txt", "chest\nhand\n");
  EXPECT_TRUE(open_dataset(root.path())->multi_label());
  root.write("labels/4.txt", "chest");
  EXPECT_EQ(message_of<DataError>([&] { open_dataset(root.path()); }),
            "dataset: labels/4.txt has no image in images/");
  root.write("images/4.png", stored_picture());
  root.write("images/5.png", stored_picture());
  EXPECT_EQ(message_of<DataError>([&] { open_dataset(root.path()); }),
            "dataset: images/5.png has no file in labels/");
  std::vector<std::string> problems;
  DatasetOptions lenient;
  lenient.problems = &problems;
  EXPECT_EQ(open_dataset(root.path(), lenient)->size(), 4);
  EXPECT_EQ(problems.size(), 1u);
}

TEST(Manifest, ReadsPatientsLabelsAndSplits) {
  const Scratch root;
  root.write("manifest.csv",
             "path,patient,labels,split,age\na.png,p1,x|y,train,3\nb.png,p2,,val,4\nc.png,p1,y,train,5\n");
  const auto set = open_dataset(root.path());
  EXPECT_TRUE(set->multi_label());
  EXPECT_EQ(set->classes(), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(set->info(0).labels, (std::vector<int>{0, 1}));
  EXPECT_TRUE(set->info(1).labels.empty());
  EXPECT_EQ(set->info(2).patient, "p1");
  root.write("other.csv", "path,patient_id,label\na.png,p7,x\n");
  EXPECT_EQ(open_dataset(root / "other.csv")->info(0).patient, "p7");
  EXPECT_EQ(set->info(1).split, Split::val);
  EXPECT_EQ(set->info(0).path, root / "a.png");
}

TEST(Manifest, OtherColumnsAndFixedClasses) {
  const Scratch root;
  const std::string path = root.write(
      "nih.csv", "Image Index,Finding Labels,Patient ID\n1.png,Mass|Nodule,7\n2.png,No Finding,8\n");
  DatasetOptions o;
  o.path_column = "Image Index";
  o.label_column = "Finding Labels";
  o.patient_column = "Patient ID";
  o.image_folder = root / "films";
  o.none_label = "No Finding";
  const auto set = open_dataset(path, o);
  EXPECT_EQ(set->classes(), (std::vector<std::string>{"Mass", "Nodule"}));
  EXPECT_TRUE(set->info(1).labels.empty());
  EXPECT_EQ(set->info(0).path, root / "films/1.png");
  o.classes = {"Nodule", "Effusion"};
  EXPECT_EQ(message_of<DataError>([&] { open_dataset(path, o); }),
            cat("dataset: ", path, ":2: label 'Mass' is not among the 2 classes"));
}

TEST(Manifest, EveryWrongRowIsNamed) {
  const Scratch root;
  const auto message = [&](const std::string& rows) {
    const std::string path = root.write("m.csv", "path,label,split\n" + rows);
    const std::string text = message_of<DataError>([&] { open_manifest(path); });
    const std::size_t at = text.find("m.csv");
    return at == std::string::npos ? text : text.substr(at);
  };
  EXPECT_EQ(message("a.png,x,train\n,x,train\n"), "m.csv:3: the path is empty");
  EXPECT_EQ(message("a.png,x,fold1\n"), "m.csv:2: split 'fold1' is not train, val or test");
  EXPECT_EQ(message("a.png,x,\nb.png,,\n"), "m.csv:3: b.png has no label");
  EXPECT_EQ(message("a.png,x,\na.png,x,\n"), "m.csv:3: a.png is listed twice");
  EXPECT_EQ(message("a.png,x,\na.png,y,\n"), "m.csv:3: a.png is listed twice with different labels");
  EXPECT_EQ(message("../a.png,x,\n").substr(0, 8), "m.csv:2:");
  EXPECT_EQ(message("/etc/passwd,x,\n").substr(0, 8), "m.csv:2:");
  EXPECT_EQ(message(""), "m.csv lists no samples");
  const std::string path =
      root.write("m.csv", "path,label,split\na.png,x,dev\n,x,\nb.png,y,test\na.png,z,\n");
  std::vector<std::string> problems;
  DatasetOptions lenient;
  lenient.problems = &problems;
  EXPECT_EQ(open_manifest(path, lenient)->size(), 2);
  EXPECT_EQ(problems.size(), 2u);
  root.write("n.csv", "file,label\na.png,x\n");
  EXPECT_EQ(message_of<DataError>([&] { open_manifest(root / "n.csv"); }),
            cat("csv: ", root / "n.csv", ":1: there is no column 'path'; there are file, label"));
}

TEST(Manifest, WritesAndRewritesSplits) {
  const Scratch root;
  root.write("a/x.png", stored_picture());
  root.write("b/y.png", stored_picture());
  const auto folders = open_dataset(root.path());
  folders->set_split(1, Split::test);
  write_manifest(root / "manifest.csv", *folders);
  const auto set = open_dataset(root.path());  // a manifest is preferred
  EXPECT_EQ(names_of(*set), (std::vector<std::string>{"a/x.png", "b/y.png"}));
  EXPECT_EQ(set->info(1).split, Split::test);
  const std::string path = root.write("m.csv", "path,labels,note\na/x.png,a,\"one, two\"\nb/y.png,b,\n");
  const auto other = open_manifest(path);
  other->set_split(0, Split::train);
  other->set_split(1, Split::val);
  write_splits(path, *other);
  const CsvTable table = read_csv(path);
  EXPECT_EQ(table.header, (std::vector<std::string>{"path", "labels", "note", "split"}));
  EXPECT_EQ(table.rows[0], (std::vector<std::string>{"a/x.png", "a", "one, two", "train"}));
}

TEST(Idx, ReadsPlainAndGzip) {
  const Scratch root;
  root.write("train-images-idx3-ubyte.gz", gzip(idx_bytes(3, {12, 4, 3}, 144)));
  root.write("train-labels-idx1-ubyte.gz", gzip(idx_bytes(1, {12}, 12)));
  root.write("t10k-images-idx3-ubyte", idx_bytes(3, {2, 4, 3}, 24));
  root.write("t10k-labels-idx1-ubyte", idx_bytes(1, {2}, 2));
  const auto set = open_dataset(root.path());
  EXPECT_EQ(set->size(), 14);
  EXPECT_EQ(set->num_classes(), 10);
  const auto train = set->subset(Split::train);
  EXPECT_EQ(train->size(), 12);
  const Image image = train->read(11).image;
  EXPECT_EQ(image.width, 3);
  EXPECT_EQ(image.height, 4);
  EXPECT_EQ(image.pixels[0], 132);
  EXPECT_EQ(train->info(11).labels[0], 1);
  EXPECT_EQ(train->info(11).name, "train/11");
}

TEST(Idx, DamageIsRefused) {
  const Scratch root;
  root.write("x-labels-idx1-ubyte", idx_bytes(1, {2}, 2));
  const std::string good = idx_bytes(3, {2, 4, 3}, 24), packed = gzip(good);
  const std::string path = root / "x-images-idx3-ubyte";
  const auto message = [&](const std::string& bytes) {
    root.write("x-images-idx3-ubyte", bytes);
    return message_of<FormatError>([&] { open_idx(root.path()); });
  };
  EXPECT_EQ(message(good.substr(0, 30)), cat("idx: ", path, " has 14 bytes of samples, its header says 24"));
  EXPECT_EQ(message(good.substr(0, 3)), cat("idx: ", path, " is not an IDX file of bytes with 3 dimensions"));
  EXPECT_EQ(message(packed.substr(0, packed.size() - 9)).substr(0, path.size() + 16),
            cat("idx: ", path, " is damaged, ").substr(0, path.size() + 16));
  for (std::size_t n = 0; n < packed.size(); ++n) message(packed.substr(0, n));
  std::string huge = good;
  for (std::size_t i = 4; i < 16; ++i) huge[i] = '\x7f';
  EXPECT_EQ(message(huge),
            cat("idx: ", path, ": dimension 1 is 2139062143; sizes are above 0, and 2 GiB in all"));
  root.write("x-images-idx3-ubyte", idx_bytes(3, {3, 4, 3}, 36));
  EXPECT_EQ(message_of<DataError>([&] { open_idx(root.path()); }),
            cat("idx: ", path, " has 3 images, its labels are 2"));
}
