// Bodies of forms: every part's name, file and bytes, and bodies that are none.
#include "apps/serve/multipart.h"

#include <gtest/gtest.h>

namespace gadolin::test {
namespace {

using serve::HttpPart;
using serve::HttpRefusal;
using std::string;

std::vector<HttpPart> parts_of(const string& body, const string& boundary = "x") {
  return serve::read_multipart({reinterpret_cast<const std::uint8_t*>(body.data()), body.size()}, boundary);
}

HttpRefusal refusal_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const HttpRefusal& refusal) {
    return refusal;
  }
  return {0, "nothing was refused", {}};
}

TEST(ServeMultipart, NamesFilesAndBytesOfEveryPart) {
  const string body =
      "what stands before is for nobody\r\n--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n"
      "--x  \r\ncontent-type: image/png\r\nCONTENT-DISPOSITION: Form-Data; filename=\"a \\\"b\\\" "
      "\xc3\xa4;=.png\"; name=file\r\n\r\n\r\n"
      "--x\r\nContent-Disposition: form-data; name=\"file\"; filename*=UTF-8''%c3%a4%2fb\r\n\r\n--xy\r\n--x "
      "no\r\n\r\n--x--\r\nrest";
  // "--x no" inside a part is not followed by a line's end: it ends the part as a damaged boundary.
  EXPECT_EQ(refusal_of([&] { parts_of(body); }).error,
            "form: the body ends before its last boundary; was it sent whole?");
  const string good =
      "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n"
      "--x\r\nContent-Disposition: form-data; filename=\"a \\\"b\\\" \xc3\xa4;=.png\"; name=file\r\n\r\n\r\n"
      "--x\r\nContent-Disposition: form-data; name=\"file\"; "
      "filename*=UTF-8''%c3%a4%2fb\r\n\r\n\r\n-x\r\n\r\n--x--\r\nrest";
  const auto parts = parts_of(good);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[0].name, "a");
  EXPECT_EQ(parts[0].file, "");
  EXPECT_EQ(string(parts[0].bytes.begin(), parts[0].bytes.end()), "one");
  EXPECT_EQ(parts[1].name, "file");
  EXPECT_EQ(parts[1].file, "a \"b\" \xc3\xa4;=.png");
  EXPECT_EQ(parts[1].bytes.size(), 0u);
  EXPECT_EQ(parts[2].file, "\xc3\xa4/b");
  EXPECT_EQ(string(parts[2].bytes.begin(), parts[2].bytes.end()), "\r\n-x\r\n");
}

TEST(ServeMultipart, EveryCutIsRefused) {
  const string body = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--x--";
  EXPECT_EQ(parts_of(body).size(), 1u);
  for (std::size_t n = 0; n < body.size(); ++n)
    EXPECT_EQ(refusal_of([&] { parts_of(body.substr(0, n)); }).status, 400) << n;
}

TEST(ServeMultipart, LimitsAndBoundaries) {
  string many;
  for (int i = 0; i < 1001; ++i) many += "--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n";
  EXPECT_EQ(refusal_of([&] { parts_of(many + "--x--"); }).error, "form: more than 1000 parts");
  EXPECT_EQ(refusal_of([&] { parts_of("--x\r\nA: " + string(17000, 'a') + "\r\n\r\n\r\n--x--"); }).error,
            "form: the header of a part has more than 16384 bytes");
  EXPECT_EQ(serve::boundary_of("Multipart/Form-Data; charset=utf-8; boundary=\"a b\""), "a b");
  for (const string& type :
       {string("multipart/form-data; boundary="), "multipart/form-data; boundary=" + string(71, 'a')})
    EXPECT_EQ(refusal_of([&] { serve::boundary_of(type); }).status, 400);
  EXPECT_EQ(refusal_of([&] { serve::boundary_of("text/plain; boundary=x"); }).status, 415);
}

}  // namespace
}  // namespace gadolin::test
