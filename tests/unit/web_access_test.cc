// Who may see the page: tokens by header and cookie, names of the host, addresses, files of tokens.
#include "ddsnap/view/web_access.h"

#include <gtest/gtest.h>

#include <fstream>

#include "ddsnap/view/page_files.h"
#include "tests/support/temp_dir.h"

namespace ddsnap::test {
namespace {

const std::string kToken(40, 't');

std::string cookie_pair(const WebAccess& access) {
  return access.cookie().substr(0, access.cookie().find(';'));
}

TEST(WebAccess, WithoutATokenOnlyLoopbackNamesReachIt) {
  const WebAccess access("");
  EXPECT_FALSE(access.wants_token());
  EXPECT_TRUE(access.accepts_headers("", ""));
  for (const char* const host :
       {"localhost", "localhost:4330", "127.0.0.1:80", "[::1]:4330", "[::1]"})
    EXPECT_TRUE(access.accepts_host(host)) << host;
  for (const char* const host :
       {"", "evil.example", "localhost.evil.example", "127.0.0.1.nip.io:4330", "[::2]", "["})
    EXPECT_FALSE(access.accepts_host(host)) << host;
}

TEST(WebAccess, WithATokenOnlyWhoKnowsItIsLetIn) {
  const WebAccess access(kToken);
  EXPECT_TRUE(access.accepts_host("backup.example.org"));
  EXPECT_TRUE(access.accepts_headers("Bearer " + kToken, ""));
  EXPECT_TRUE(access.accepts_headers("", "a=b; " + cookie_pair(access) + "; c=d"));
  for (const std::string& authorization : {std::string(), std::string("Bearer "),
                                           "Bearer " + kToken + "t", kToken, "bearer " + kToken})
    EXPECT_FALSE(access.accepts_headers(authorization, "")) << authorization;
  for (const std::string& cookies :
       {std::string(";;; ;"), std::string("ddsnap_web="), "ddsnap_web=" + kToken,
        cookie_pair(WebAccess(std::string(40, 'u')))})
    EXPECT_FALSE(access.accepts_headers("", cookies)) << cookies;
  EXPECT_EQ(access.cookie().find(kToken), std::string::npos);
}

TEST(WebAccess, ReadsATokenOfAFile) {
  const TempDir folder;
  const std::string path = folder.file("token");
  std::ofstream(path) << kToken << "\nmore\n";
  EXPECT_EQ(*WebAccess::read_token(path), kToken);
  std::ofstream(path) << "short\n";
  EXPECT_EQ(WebAccess::read_token(path).error().code, ErrorCode::kUsage);
  EXPECT_EQ(WebAccess::read_token(folder.file("none")).error().code, ErrorCode::kNotFound);
}

TEST(WebAddress, IsParsed) {
  const auto is = [](const std::string& text, const std::string& host, int port) {
    const auto address = parse_web_address(text);
    return address && address->host == host && address->port == port;
  };
  EXPECT_TRUE(is("localhost", "localhost", 4330));
  EXPECT_TRUE(is("10.0.0.1:80", "10.0.0.1", 80));
  EXPECT_TRUE(is("[::1]:81", "::1", 81));
  EXPECT_TRUE(is("[::1]", "::1", 4330));
  EXPECT_TRUE(is(":0", "0.0.0.0", 0));
  for (const char* const bad :
       {"", "a:b", "a:70000", "a:123456", "[::1", "[::1]x", "[]:80", "a:1:2"})
    EXPECT_FALSE(parse_web_address(bad)) << bad;
  EXPECT_TRUE(parse_web_address("localhost:1")->is_loopback());
  EXPECT_FALSE(parse_web_address(":1")->is_loopback());
}

TEST(PageFiles, AreThereAndAskNobodyElse) {
  for (const char* const name : {"index.html", "login.html", "page.js", "style.css"})
    EXPECT_FALSE(page_file(name).empty()) << name;
  EXPECT_TRUE(page_file("../secret").empty());
  for (const PageFile& file : page_files()) {
    EXPECT_EQ(file.content.find("https:"), std::string_view::npos) << file.name;
    EXPECT_EQ(file.content.find("innerHTML"), std::string_view::npos) << file.name;
    EXPECT_EQ(file.content.find(" style="), std::string_view::npos) << file.name;
  }
}

}  // namespace
}  // namespace ddsnap::test
