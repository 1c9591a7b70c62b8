// Zip archives: what zip tools and our writer make, and every way in which an archive can lie.
#include "io/zip_file.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include "io/npz.h"
#include "tests/data/hostile.h"
#include "tests/io/torch_parts.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

// One member, every field of which may lie.
struct Member {
  std::string name = "m", bytes = "hello";
  std::uint16_t flags = 0, method = 0;
  std::uint32_t crc = 0, stored = 0, size = 0, offset = 0;
  std::string extra = {}, local_name = {};
};
Member honest(const std::string& name, const std::string& bytes) {
  Member m{.name = name, .bytes = bytes};
  m.crc = static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  m.stored = m.size = static_cast<std::uint32_t>(bytes.size());
  m.local_name = name;
  return m;
}
std::string common(const Member& m, const std::string& name, const std::string& extra) {
  return raw(std::uint16_t{20}) + raw(m.flags) + raw(m.method) + raw(std::uint32_t{0}) + raw(m.crc) +
         raw(m.stored) + raw(m.size) + raw(static_cast<std::uint16_t>(name.size())) +
         raw(static_cast<std::uint16_t>(extra.size()));
}
struct End {
  std::uint16_t disk = 0, here = 0, count = 0;
  std::uint32_t bytes = 0, begin = 0;
  std::string between = {}, comment = {};
};
// Called before the end record is written, to make it lie.
std::string built(std::vector<Member> members, const std::function<void(std::vector<Member>&)>& lie = {},
                  const std::function<void(End&)>& end_lie = {}) {
  std::string file, directory;
  for (Member& m : members) {
    m.offset = static_cast<std::uint32_t>(file.size());
    file += "PK\x03\x04" + common(m, m.local_name, "") + m.local_name + m.bytes;
  }
  if (lie) lie(members);
  for (const Member& m : members) {
    directory += "PK\x01\x02" + raw(std::uint16_t{20}) + common(m, m.name, m.extra) + std::string(10, '\0') +
                 raw(m.offset) + m.name + m.extra;
  }
  End end{.here = static_cast<std::uint16_t>(members.size()),
          .count = static_cast<std::uint16_t>(members.size()),
          .bytes = static_cast<std::uint32_t>(directory.size()),
          .begin = static_cast<std::uint32_t>(file.size())};
  if (end_lie) end_lie(end);
  return file + directory + end.between + "PK\x05\x06" + raw(end.disk) + raw(end.disk) + raw(end.here) +
         raw(end.count) + raw(end.bytes) + raw(end.begin) +
         raw(static_cast<std::uint16_t>(end.comment.size())) + end.comment;
}
std::string deflated(const std::string& text) {
  std::string out(compressBound(static_cast<uLong>(text.size())) + 64, '\0');
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}
Member packed(const std::string& name, const std::string& text) {
  Member m = honest(name, text);
  m.bytes = deflated(text);
  m.stored = static_cast<std::uint32_t>(m.bytes.size());
  m.method = 8;
  return m;
}
std::string zip_refusal(const std::string& bytes) {
  return message_of<FormatError>([&] {
    const ZipFile zip(bytes, "x");
    for (const ZipEntry& entry : zip.entries()) zip.read(entry, 1 << 20);
  });
}

TEST(ZipFile, ReadsStoredAndPackedMembersInPlaceOrUnpacked) {
  const std::string text(5000, 'a');
  const std::string bytes = built({honest("a/b", "hello"), packed("c", text), honest("empty", "")});
  const ZipFile zip(bytes, "x");
  ASSERT_EQ(zip.entries().size(), 3u);
  EXPECT_EQ(zip.view(*zip.find("a/b")), "hello");
  EXPECT_EQ(zip.view(*zip.find("a/b")).data(), bytes.data() + zip.begin(*zip.find("a/b"))) << "copied";
  EXPECT_EQ(zip.read(*zip.find("c"), 5000), text);
  EXPECT_EQ(zip.read(*zip.find("empty"), 0), "");
  EXPECT_EQ(zip.find("d"), nullptr);
  EXPECT_EQ(message_of<FormatError>([&] { zip.view(*zip.find("c")); }),
            "zip: x: member c is packed; pack the archive again without compression (zip -0)");
  EXPECT_EQ(message_of<FormatError>([&] { zip.read(*zip.find("c"), 4999); }),
            "zip: x: member c has 5000 bytes, the limit is 4999");
  EXPECT_TRUE(ZipFile(built({}), "x").entries().empty());
  const std::string commented =
      built({honest("a", "1")}, {}, [](End& e) { e.comment = "PK\x05\x06 is no end here"; });
  EXPECT_EQ(ZipFile(commented, "x").entries().size(), 1u);
}

TEST(ZipFile, ReadsZip64) {
  const std::string bytes = built(
      {honest("m", "hello")},
      [](std::vector<Member>& all) {
        Member& m = all[0];
        m.extra = raw(std::uint16_t{1}) + raw(std::uint16_t{24}) + raw(std::uint64_t{5}) +
                  raw(std::uint64_t{5}) + raw(std::uint64_t{m.offset});
        m.size = m.stored = m.offset = 0xffffffff;
      },
      [](End& e) {
        const std::uint64_t at = e.begin + e.bytes;
        e.between = "PK\x06\x06" + raw(std::uint64_t{44}) + raw(std::uint32_t{0x002d002d}) +
                    raw(std::uint64_t{0}) + raw(std::uint64_t{1}) + raw(std::uint64_t{1}) +
                    raw(std::uint64_t{e.bytes}) + raw(std::uint64_t{e.begin}) + "PK\x06\x07" +
                    raw(std::uint32_t{0}) + raw(at) + raw(std::uint32_t{1});
        e.bytes = e.begin = 0xffffffff;
        e.here = e.count = 0xffff;
      });
  const ZipFile zip(bytes, "x");
  ASSERT_EQ(zip.entries().size(), 1u);
  EXPECT_EQ(zip.view(zip.entries()[0]), "hello");
  // The huge sizes that the format allows are held against the file.
  for (const std::uint64_t huge : {std::uint64_t{6}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    std::string changed = bytes;
    const std::size_t at = changed.find(raw(std::uint16_t{1}) + raw(std::uint16_t{24}));
    changed.replace(at + 4, 16, raw(huge) + raw(huge));
    EXPECT_FALSE(zip_refusal(changed).empty()) << huge;
  }
}

TEST(ZipFile, NamesThatLeadElsewhereAreRefused) {
  const auto named = [](const std::string& name) { return zip_refusal(built({honest(name, "x")})); };
  EXPECT_EQ(named("../../etc/passwd"), "zip: x: the name of member 0, '../../etc/passwd', leads upwards");
  EXPECT_EQ(named("a/.."), "zip: x: the name of member 0, 'a/..', leads upwards");
  EXPECT_EQ(named("/etc/passwd"), "zip: x: the name of member 0, '/etc/passwd', is absolute");
  EXPECT_EQ(named("a\\b"), "zip: x: the name of member 0, 'a\\b', holds a backslash or a zero");
  EXPECT_EQ(named(std::string("a\0b", 3)),
            "zip: x: the name of member 0, 'a\\x00b', holds a backslash or a zero");
  EXPECT_EQ(named(""), "zip: x: the name of member 0, '', is empty");
  EXPECT_EQ(zip_refusal(built({honest("a", "1"), honest("a", "2")})), "zip: x: two members are called a");
  EXPECT_NO_THROW(ZipFile(built({honest("a/..b/c..", "x")}), "x"));
}

TEST(ZipFile, LiesAboutMembers) {
  const auto lying = [](const std::function<void(Member&)>& lie) {
    return zip_refusal(
        built({honest("m", "hello"), honest("n", "world")}, [&](std::vector<Member>& all) { lie(all[0]); }));
  };
  EXPECT_EQ(lying([](Member& m) { m.crc ^= 1; }),
            "zip: x: member m has another CRC-32 than its directory says; it was damaged, or written without "
            "check sums");
  EXPECT_EQ(lying([](Member& m) { m.size = 6; }), "zip: x: member m is stored, but has two sizes, 5 and 6");
  EXPECT_EQ(lying([](Member& m) { m.size = m.stored = 6; }), "zip: x: member m reaches into what follows it");
  EXPECT_EQ(lying([](Member& m) { m.size = m.stored = 0x7fffffff; }),
            "zip: x: member m of 2147483647 bytes at byte 31 goes on after the end of the file");
  EXPECT_EQ(lying([](Member& m) { m.offset = 36; }), "zip: x: member m reaches into what follows it");
  EXPECT_EQ(lying([](Member& m) { m.name = "k"; }),
            "zip: x: member k is called or packed otherwise in its own header");
  EXPECT_EQ(zip_refusal(built({honest("m", "hello")},
                              [](std::vector<Member>& all) {
                                all[0].bytes.pop_back(), all[0].stored = all[0].size = 4, all[0].offset = 1;
                              })),
            "zip: x: member m is not where its directory says, at byte 1");
  EXPECT_EQ(lying([](Member& m) { m.offset = 0xfffffff0; }),
            "zip: x: member m is not where its directory says, at byte 4294967280");
  EXPECT_EQ(lying([](Member& m) { m.flags = 1; }), "zip: x: member m is encrypted");
  EXPECT_EQ(lying([](Member& m) { m.method = 12; }),
            "zip: x: member m is packed by method 12, not stored or deflated");
  EXPECT_EQ(lying([](Member& m) { m.method = 8; }),
            "zip: x: member m is called or packed otherwise in its own header");
  // Two entries for the same bytes, each of which would be unpacked.
  EXPECT_EQ(zip_refusal(built({packed("a", std::string(999, 'x'))},
                              [](std::vector<Member>& all) {
                                all.push_back(all[0]);
                                all[1].name = "b";
                              }))
                .find("zip: x: member a reaches into what follows it"),
            0u);
}

TEST(ZipFile, PackedMembersThatDoNotUnpack) {
  const auto lying = [](const std::function<void(Member&)>& lie) {
    return zip_refusal(
        built({packed("m", std::string(3000, 'a'))}, [&](std::vector<Member>& all) { lie(all[0]); }));
  };
  EXPECT_EQ(lying([](Member& m) { m.size = 0x7fffffff; }).find("zip: x: member m cannot unpack from "), 0u);
  EXPECT_EQ(lying([](Member& m) { m.size -= 1; }), "zip: x: member m does not unpack to its 2999 bytes");
  EXPECT_EQ(lying([](Member& m) { m.size += 1; }), "zip: x: member m does not unpack to its 3001 bytes");
  EXPECT_EQ(lying([](Member& m) { m.crc ^= 1; }).find("zip: x: member m has another CRC-32"), 0u);
  EXPECT_EQ(lying([](Member& m) { m.stored -= 2; }), "zip: x: member m does not unpack to its 3000 bytes");
}

TEST(ZipFile, LiesAboutTheDirectory) {
  const auto lying = [](const std::function<void(End&)>& lie) {
    return zip_refusal(built({honest("m", "hello")}, {}, lie));
  };
  EXPECT_EQ(lying([](End& e) { e.begin += 1; }), "zip: x: its directory of 47 bytes at byte 37 does not fit");
  EXPECT_EQ(lying([](End& e) { e.begin -= 1; }), "zip: x: entry 0 of its directory is damaged, at byte 35");
  EXPECT_EQ(lying([](End& e) { e.bytes = 0xfffffff0; }),
            "zip: x: its directory of 4294967280 bytes at byte 36 does not fit");
  EXPECT_EQ(lying([](End& e) { e.here = e.count = 2; }),
            "zip: x: its directory of 47 bytes cannot hold 2 members");
  EXPECT_EQ(lying([](End& e) { e.here = e.count = 65535; }),
            "zip: x: its directory of 47 bytes cannot hold 65535 members");
  EXPECT_EQ(lying([](End& e) { e.disk = 1; }), "zip: x: it is one of several disks");
  EXPECT_EQ(lying([](End& e) { e.here = 0; }), "zip: x: it is one of several disks");
  EXPECT_EQ(lying([](End& e) {
              e.between =
                  "PK\x06\x07" + raw(std::uint32_t{0}) + raw(~std::uint64_t{0}) + raw(std::uint32_t{1});
            }),
            "zip: x: its zip64 end record is not where it should be, at byte 18446744073709551615");
  EXPECT_EQ(zip_refusal("PK\x03\x04"), "zip: x: it has 4 bytes, too few for an archive");
  EXPECT_EQ(zip_refusal(std::string(100, 'P')), "zip: x: it has no end record; the file was cut short");
}

TEST(ZipFile, DamageIsAnErrorAndNothingElse) {
  const std::string whole =
      built({honest("a/b", "hello"), packed("c.npy", std::string(500, 'a')), honest("d", "")});
  const auto read = [](const std::string& bytes) {
    const ZipFile zip(bytes, "x");
    for (const ZipEntry& entry : zip.entries()) zip.read(entry, 1 << 20);
  };
  EXPECT_EQ(survive_truncations(whole, read), 0);
  EXPECT_LT(survive_changes(whole, 20000, whole.size(), read),
            8000);  // dates, attributes and such may change
}

TEST(ZipWriter, PackedMembersAndZip64AreReadBack) {
  const Scratch scratch;
  AtomicFile file(scratch / "many.zip");
  ZipWriter zip(file);
  zip.add("packed", packed_member(std::string(5000, 'a')));
  for (int i = 0; i < 65600; ++i) zip.add(cat("m", i), packed_member(""));
  zip.finish();
  EXPECT_EQ(message_of<ValueError>([&] { zip.add(std::string(65535, 'n'), "x"); }),
            "zip: a name of 65535 bytes, at most 65534 are possible");
  AtomicFile again(scratch / "again.zip");
  ZipWriter other(again);
  other.add("a", "hello");
  other.finish();
  again.commit();
  file.commit();
  const MappedFile mapped(scratch / "many.zip");
  const ZipFile many(mapped.text(), "many");
  EXPECT_EQ(many.entries().size(), 65601u);
  std::string room;
  EXPECT_EQ(many.head(*many.find("packed"), 10, room), std::string(10, 'a'));
  EXPECT_EQ(many.unpacked_bytes(), 10u);
  EXPECT_EQ(many.read(*many.find("packed"), 5000), std::string(5000, 'a'));
}

TEST(Npz, MembersThatAreNoArrays) {
  const Scratch scratch;
  const std::string path = scratch.write("x.npz", built({honest("a.txt", "hello")}));
  EXPECT_EQ(message_of<FormatError>([&] { load_npz(path); }),
            "npz: " + path + ": member a.txt is no .npy array");
  EXPECT_EQ(
      message_of<FormatError>([&] { load_npz(fixture("interop/numpy/packed.npz"), 100); }),
      "zip: " + fixture("interop/numpy/packed.npz") + ": member a.npy has 8128 bytes, the limit is 100");
}

}  // namespace
